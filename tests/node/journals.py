"""A journal in short sentences: written to, read again, and two kinds of events to do it with."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TypeVar

from airline_node.journal import Journal
from ledger.events import (
    BookingSettled,
    Recorded,
    SeatReturned,
)

T = TypeVar("T")

FLIGHT = "AN1001/2026-12-14"
BOOKING = "01JD3VGJ5Q8T6N0ZK4W2XRA7MC"


def returned(version: int, flight: str = FLIGHT) -> Recorded:
    return Recorded(version, SeatReturned(at=version, flight=flight, seat="1A", booking=BOOKING))


def settled(version: int, booking: str = BOOKING) -> Recorded:
    return Recorded(version, BookingSettled(at=version, booking=booking))


def do(journal: Journal, *work: Callable[[], Awaitable[T]]) -> list[T]:
    """The answers, in order; the journal is closed afterwards."""

    async def main() -> list[T]:
        return [await each() for each in work]

    with closing(journal):
        return asyncio.run(main())


def append(address: str, *records: Recorded) -> int:
    journal = Journal.open(address)
    [position] = do(journal, lambda: journal.append(records))
    return position


def replayed(address: str, after: int = 0) -> list[tuple[int, Recorded]]:
    with closing(Journal.open(address)) as journal:
        return list(journal.replay(after))
