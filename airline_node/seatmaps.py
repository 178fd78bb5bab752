"""This carrier's own seats as they stand on disk: one letter for each seat of each flight.

The ledger's state may be ahead of the disk; what is published must not be. So the published letters are moved on by
events that are durable, and by nothing else.
"""

import asyncio
from collections.abc import Callable, Sequence

from airline_node.availability import FREE, HELD, PAST_KEPT_MS, SOLD
from ledger.cabin import cabin_of
from ledger.events import FlightEvent, FlightScheduled, HoldReleased, Recorded, SeatCommitted, SeatHeld, SeatReturned
from ledger.ledger import Ledger
from ledger.participant.state import Flight, HoldState
from ledger.terms import FlightId, Millis, SeatNo

Changed = tuple[FlightScheduled | None, FlightId, str]


PUBLISH_MS = 50
"""How long a change may wait for others of the same flight: under load they are told as one."""


class Publisher:
    """Told of every durable batch; tells the network what has changed, soon."""

    def __init__(self, seat_maps: "SeatMaps", publish: Callable[[Sequence[Changed]], None]) -> None:
        self._seat_maps = seat_maps
        self._publish = publish
        self._records: list[Recorded] = []

    def __call__(self, records: Sequence[Recorded]) -> None:
        if not self._records:
            asyncio.get_running_loop().call_later(PUBLISH_MS / 1000, self.flush)
        self._records += records

    def flush(self) -> None:
        """Now."""
        records, self._records = self._records, []
        if records:
            self._publish(self._seat_maps.fold(records))


class SeatMaps:
    """Filled once from a ledger just rebuilt, then fed every batch of durable events."""

    def __init__(self) -> None:
        self._letters: dict[FlightId, list[str]] = {}
        self._plans: dict[FlightId, FlightScheduled] = {}

    def fill(self, ledger: Ledger) -> list[Changed]:
        """All flights of a ledger whose every event is on disk, as they are to be published."""
        return [self._show(flight) for flight in ledger.flights.values()]

    def fold(self, records: Sequence[Recorded]) -> list[Changed]:
        """The flights that these events have changed, each once, its schedule with it if it is new."""
        changed: dict[FlightId, FlightScheduled | None] = {}
        for record in records:
            event = record.event
            if isinstance(event, FlightScheduled):
                self._plans[event.flight] = changed[event.flight] = event
                self._letters[event.flight] = [FREE] * len(event.seats)
            elif isinstance(event, FlightEvent) and (letter := _letter(event)) and event.flight in self._letters:
                changed.setdefault(event.flight, None)
                self._letters[event.flight][self._place(event.flight, letter[0])] = letter[1]
        shown = [(plan, flight, "".join(self._letters[flight])) for flight, plan in changed.items()]
        if any(changed.values()):
            self._drop_past(max(record.event.at for record in records))
        return shown

    def _drop_past(self, now: Millis) -> None:
        """It grows with what is put on sale, so that is when to forget what has left."""
        for past in [plan.flight for plan in self._plans.values() if plan.departure < now - PAST_KEPT_MS]:
            del self._plans[past], self._letters[past]

    def _show(self, flight: Flight) -> Changed:
        plan = self._plans[flight.id] = flight.scheduled
        letters = self._letters[flight.id] = [FREE] * len(plan.seats)
        for claim in flight.claims.values():
            for seat, state in claim.holds.items():
                letters[self._place(flight.id, seat)] = SOLD if state is HoldState.SOLD else HELD
        return plan, flight.id, "".join(letters)

    def _place(self, flight: FlightId, seat: SeatNo) -> int:
        plan = self._plans[flight]
        return cabin_of(plan.cabin, plan.seats).places[seat]


def _letter(event: FlightEvent) -> tuple[SeatNo, str] | None:
    match event:
        case SeatHeld():
            return event.seat, HELD
        case SeatCommitted():
            return event.seat, SOLD
        case HoldReleased() | SeatReturned():
            return event.seat, FREE
        case _:
            return None
