"""What this carrier has published: every flight's schedule and which of its seats are free, for others to follow.

Followers get state, not events: a flight that changed many times since they last asked travels once, as it is
now, and a gap heals by itself. The rule: nothing is published before it is durable. It is still only what to
try; the answer to a prepare is the truth.

Every change of a flight takes the next position. The log's own positions would not do: a day's flights are put on
sale by one write, and an answer has to be cut somewhere among them. Positions begin anew with each start of the
node, under another lineage, and a follower of another lineage is told everything.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import takewhile
from typing import Annotated

from msgspec import Meta, Struct

from ledger.events import FlightScheduled
from ledger.messages import CheckedFlight, CheckedInstant
from ledger.terms import FlightId, Millis

FLIGHTS_PER_ANSWER = 250
FLIGHTS_PER_CARRIER_MAX = 20_000
SEATS_PER_FLIGHT_MAX = 900
WAITERS_MAX = 64
"""Long polls held open at once; whoever comes then is answered at once."""
WAIT_MS_MAX = 20_000
PAST_KEPT_MS = 24 * 3_600_000
"""How long a flight is kept after it left, so that who asks for it hears that it has departed."""

FREE, HELD, SOLD = ".hs"


class FlightNews(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A flight as it is now: one letter for each seat of its schedule, in that order, `.` free, `h` held, `s` sold.

    The schedule comes with it when the flight is new to the follower.
    """

    flight: CheckedFlight
    seats: Annotated[str, Meta(pattern="^[.hs]+$", max_length=SEATS_PER_FLIGHT_MAX)]
    schedule: FlightScheduled | None = None


class AvailabilityAnswer(Struct, frozen=True, kw_only=True):
    """The answer to a follower. `position` and `lineage` are what to ask with next; `more` says: at once.

    With `reset` everything is told anew, and what is not told again is gone. `now` is the publisher's clock.
    """

    lineage: Annotated[str, Meta(min_length=1, max_length=64)]
    position: Annotated[int, Meta(ge=0, lt=2**53)]
    reset: bool
    more: bool
    now: CheckedInstant
    flights: Annotated[tuple[FlightNews, ...], Meta(max_length=FLIGHTS_PER_ANSWER)]


class _Published(Struct, frozen=True, kw_only=True):
    """A flight with the positions at which it was put on sale and at which it last changed."""

    flight: FlightId
    schedule: FlightScheduled
    seats: str
    listed: int
    changed: int


class Availability:
    """This carrier's flights in the order of their last change, and the long polls that wait for the next."""

    def __init__(self, now: Callable[[], Millis]) -> None:
        self.lineage = secrets.token_hex(8)
        self.position = 0
        self._now = now
        self._flights: OrderedDict[FlightId, _Published] = OrderedDict()
        self._newer = asyncio.Event()
        self._waiters = 0
        self._closed = False

    def publish(self, changes: Iterable[tuple[FlightScheduled | None, FlightId, str]]) -> None:
        """Tell what flights have become, once that is durable: the schedule if the flight is new, and its seats."""
        opened = False
        for scheduled, flight, seats in changes:
            opened |= scheduled is not None
            self._change(scheduled, flight, seats)
        if opened:
            # It grows with what is put on sale and by nothing else, so this is when to forget what has left.
            self._drop_past()
        self._newer.set()
        self._newer = asyncio.Event()

    def since(self, after: int, lineage: str) -> AvailabilityAnswer:
        """What changed after a position: at most FLIGHTS_PER_ANSWER flights, everything for another lineage."""
        reset = lineage != self.lineage or not 0 <= after <= self.position
        after = 0 if reset else after

        def place(known: _Published) -> int:
            # A flight may change while its follower is still being told about earlier ones. A new flight
            # therefore keeps the place of its listing, or its schedule would be passed over.
            return known.listed if known.listed > after else known.changed

        newest_first = takewhile(lambda known: known.changed > after, reversed(self._flights.values()))
        due = sorted(newest_first, key=place)
        told = due[:FLIGHTS_PER_ANSWER]
        more = len(due) > len(told)
        return AvailabilityAnswer(
            lineage=self.lineage,
            position=place(told[-1]) if more else self.position,
            reset=reset,
            more=more,
            now=self._now(),
            flights=tuple(_news(known, after) for known in told),
        )

    async def poll(self, after: int, lineage: str, *, wait_ms: Millis) -> AvailabilityAnswer:
        """The same, but as soon as there is news, or after `wait_ms` (at most WAIT_MS_MAX) without."""
        if lineage == self.lineage and after == self.position and self._waiters < WAITERS_MAX and not self._closed:
            await self._wait(min(wait_ms, WAIT_MS_MAX))
        return self.since(after, lineage)

    def close(self) -> None:
        """Nobody waits any longer: open polls would hold up the end of the server."""
        self._closed = True
        self._newer.set()

    async def _wait(self, wait_ms: Millis) -> None:
        self._waiters += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1000):
                    await self._newer.wait()
        finally:
            self._waiters -= 1

    def _change(self, scheduled: FlightScheduled | None, flight: FlightId, seats: str) -> None:
        known = self._flights.get(flight)
        schedule = scheduled or (known.schedule if known else None)
        if schedule is None:
            return  # It left long ago and was forgotten here; its last bookings are still being settled.
        assert len(seats) == len(schedule.seats), "one letter for each seat"
        self.position += 1
        listed = known.listed if known and not scheduled else self.position
        self._flights[flight] = _Published(
            flight=flight, schedule=schedule, seats=seats, listed=listed, changed=self.position
        )
        self._flights.move_to_end(flight)

    def _drop_past(self) -> None:
        kept_from = self._now() - PAST_KEPT_MS
        for past in [flight for flight in self._flights.values() if flight.schedule.departure < kept_from]:
            del self._flights[past.flight]


def _news(known: _Published, after: int) -> FlightNews:
    schedule = known.schedule if known.listed > after else None
    return FlightNews(flight=known.flight, seats=known.seats, schedule=schedule)
