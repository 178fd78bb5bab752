"""Whose site it is, and the world on paper, in the words of the pages."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from airline_node.changes import Changes
from airline_node.timetable import Timetable
from ledger.terms import AirportCode, CarrierCode, Millis
from ui.desk import Airport, Carrier


class NodeHouse:
    """See `ui.desk.House`."""

    def __init__(
        self,
        carrier: CarrierCode,
        timetable: Timetable,
        changes: Changes,
        now: Callable[[], Millis],
        closed: Callable[[], str | None],
        boot: str,
    ) -> None:
        self.carriers: Mapping[CarrierCode, Carrier] = {
            code: Carrier(code=code, name=known.name, colour=known.colour, colour_dark=known.colour_dark)
            for code, known in timetable.carriers.items()
        }
        self.carrier = self.carriers[carrier]
        self.airports: Mapping[AirportCode, Airport] = {
            code: Airport(
                code=code,
                city=known.city,
                name=known.name,
                state=known.state,
                zone=known.zone(),
                mct_minutes=known.mct_minutes,
            )
            for code, known in timetable.airports.items()
        }
        self.boot = boot
        self._changes = changes
        self._now = now
        self._closed = closed

    def now(self) -> Millis:
        return self._now()

    def closed(self) -> str | None:
        return self._closed()

    def watch(self, *names: str) -> AbstractContextManager[asyncio.Event]:
        return self._changes.watch(*names)
