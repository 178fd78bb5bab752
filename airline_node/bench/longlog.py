"""A long log, made fast: bookings of a carrier's own flights, some bought and most let go, straight into the journal.

The ledger itself decides each of them, so that the log is one that a node can have written.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from airline_node.config import LEDGER
from airline_node.journal import Journal
from airline_node.timetable import Timetable, load
from ledger.ledger import Ledger
from ledger.messages import CancelBooking, OpenBooking, OpenSales
from ledger.terms import CarrierCode, Millis, Segment

PAST_MS: Final[Millis] = 10 * 24 * 3_600_000
"""The log is so long in time, and ends now: what a node may forget after hours, it has forgotten."""
BOOKINGS_PER_WRITE: Final = 1_000
LET_GO: Final = 7
"""For each booking that is sold: so that five million events leave seats to sell."""
EVENTS_PER_BOOKING: Final = (6 + 5 * LET_GO) / (1 + LET_GO)
"""Opened, put to the vote, pledged, committed, sold, settled; or opened, held, aborted, released, settled."""
FLIGHTS_PER_WRITE: Final = 500


class Told(Protocol):
    """Hears how many events there are so far, and in the end whose they are; a process hears it through its link."""

    def send(self, obj: int | str, /) -> None: ...


def fill(folder: Path, carrier: CarrierCode, events: int, to: Told) -> None:
    """The main function of a process: writes so many events to an empty journal, and tells how far it is."""
    asyncio.run(_fill(folder, load(), carrier, events, to))
    to.send(carrier)


async def _fill(folder: Path, timetable: Timetable, carrier: CarrierCode, events: int, to: Told) -> None:
    ledger = Ledger(carrier, timetable.carriers[carrier].prefix)
    end = time.time_ns() // 1_000_000
    plans = timetable.departures(carrier, timetable.today(end), at=end - PAST_MS)
    with closing(Journal.open(str(folder / LEDGER))) as journal:
        for first in range(0, len(plans), FLIGHTS_PER_WRITE):
            ledger.handle(OpenSales(tuple(plans[first : first + FLIGHTS_PER_WRITE])), end - PAST_MS)
            await _write(ledger, journal)
        bookings = int(events / EVENTS_PER_BOOKING)
        orders = _orders(ledger)
        for first in range(0, bookings, BOOKINGS_PER_WRITE):
            now = end - PAST_MS + PAST_MS * first // bookings
            for _ in range(min(BOOKINGS_PER_WRITE, bookings - first)):
                order = next(orders)
                ledger.handle(order, now)
                if not order.confirm:
                    ledger.handle(CancelBooking(order.booking), now)
            await _write(ledger, journal)
            ledger.tick(now)
            to.send(int(first * EVENTS_PER_BOOKING))


async def _write(ledger: Ledger, journal: Journal) -> None:
    change = ledger.take()
    await journal.append(change.records)
    ledger.forget(change.settled)


def _orders(ledger: Ledger) -> Iterator[OpenBooking]:
    flights = list(ledger.flights.values())
    for n, flight in enumerate(cycle(flights)):
        plan = flight.scheduled
        segment = Segment(
            flight=plan.flight,
            origin=plan.origin,
            destination=plan.destination,
            departure=plan.departure,
            arrival=plan.arrival,
            fare=plan.fare,
        )
        booking = str(UUID(int=n, version=4))
        # In every lap others of the flights, so that none is sold out before the others.
        sold = (n + n // len(flights)) % (1 + LET_GO) == 0
        yield OpenBooking(booking=booking, segments=(segment,), passengers=1, body_hash="", confirm=sold)
