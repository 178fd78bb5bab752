"""What is on sale: the next thirty days, whatever today is, and a day more every midnight."""

import asyncio
import logging
from collections.abc import Callable
from datetime import date

from airline_node.node import Busy, Node, Stopped
from airline_node.timetable import Timetable
from ledger.terms import CarrierCode, Millis

FLIGHTS_PER_WRITE = 500
LOOK_MS = 60_000

log = logging.getLogger(__name__)


class Sales:
    """Opens a carrier's flights for sale. What is on sale already stays as it is."""

    def __init__(self, carrier: CarrierCode, timetable: Timetable, node: Node, now: Callable[[], Millis]) -> None:
        self._carrier = carrier
        self._timetable = timetable
        self._node = node
        self._now = now
        self._opened_on: date | None = None

    async def open(self) -> None:
        """Whatever of the next thirty days is not on sale yet. On disk when this returns."""
        now = self._now()
        today = self._timetable.today(now)
        if today == self._opened_on:
            return
        plans = self._timetable.departures(self._carrier, today, at=now)
        for first in range(0, len(plans), FLIGHTS_PER_WRITE):
            await self._node.open_sales(plans[first : first + FLIGHTS_PER_WRITE])
        self._opened_on = today

    async def run(self) -> None:
        """Until cancelled: look every minute whether a new day has begun."""
        while True:
            await asyncio.sleep(LOOK_MS / 1000)
            try:
                await self.open()
            except (Busy, Stopped) as trouble:
                log.warning("today's flights are not on sale yet: %s", trouble)
