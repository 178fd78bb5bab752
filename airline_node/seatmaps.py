"""This carrier's own seats as they stand on disk: one letter for each seat of each flight.

The ledger's state may be ahead of the disk; what is published must not be. So the published letters are moved on by
events that are durable, and by nothing else.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from airline_node.availability import FREE, HELD, PAST_KEPT_MS, SOLD
from ledger.cabin import cabin_of
from ledger.events import AnyEvent, FlightScheduled, HoldReleased, Recorded, SeatCommitted, SeatHeld, SeatReturned
from ledger.ledger import Ledger
from ledger.participant.state import Flight, HoldState
from ledger.terms import FlightId, Millis, SeatNo

Changed = tuple[FlightScheduled | None, FlightId, str]


PUBLISH_MS = 250
"""How long a change may wait for others of the same flight. A sale is a pledge and a moment later a sale: told once."""
SEAT_EVENTS = (SeatHeld, SeatCommitted, HoldReleased, SeatReturned)
LETTERS: Mapping[type[AnyEvent], str] = {SeatHeld: HELD, SeatCommitted: SOLD, HoldReleased: FREE, SeatReturned: FREE}
"""What an event makes of its seat; any other leaves every seat as it is."""


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


class _Map(Struct):
    """A flight and one letter for each of its seats; `places` has each seat's number among them."""

    plan: FlightScheduled
    places: Mapping[SeatNo, int]
    letters: bytearray

    @classmethod
    def of(cls, plan: FlightScheduled) -> "_Map":
        return cls(plan, cabin_of(plan.cabin, plan.seats).places, bytearray(FREE.encode() * len(plan.seats)))

    def put(self, seat: SeatNo, letter: str) -> None:
        self.letters[self.places[seat]] = ord(letter)

    def text(self) -> str:
        return self.letters.decode("ascii")


class SeatMaps:
    """Filled once from a ledger just rebuilt, then fed every batch of durable events."""

    def __init__(self) -> None:
        self._maps: dict[FlightId, _Map] = {}

    def fill(self, ledger: Ledger) -> list[Changed]:
        """All flights of a ledger whose every event is on disk, as they are to be published."""
        return [self._show(flight) for flight in ledger.flights.values()]

    def fold(self, records: Sequence[Recorded]) -> list[Changed]:
        """The flights that these events have changed, each once, its schedule with it if it is new."""
        changed: dict[FlightId, FlightScheduled | None] = {}
        for record in records:
            event = record.event
            if isinstance(event, FlightScheduled):
                self._maps[event.flight] = _Map.of(event)
                changed[event.flight] = event
            elif letter := LETTERS.get(type(event)):
                assert isinstance(event, SEAT_EVENTS)
                if known := self._maps.get(event.flight):
                    known.put(event.seat, letter)
                    changed.setdefault(event.flight, None)
        shown = [(plan, flight, self._maps[flight].text()) for flight, plan in changed.items()]
        if any(changed.values()):
            self._drop_past(max(record.event.at for record in records))
        return shown

    def _drop_past(self, now: Millis) -> None:
        """It grows with what is put on sale, so that is when to forget what has left."""
        for past in [flight for flight, known in self._maps.items() if known.plan.departure < now - PAST_KEPT_MS]:
            del self._maps[past]

    def _show(self, flight: Flight) -> Changed:
        known = self._maps[flight.id] = _Map.of(flight.scheduled)
        for claim in flight.claims.values():
            for seat, state in claim.holds.items():
                known.put(seat, SOLD if state is HoldState.SOLD else HELD)
        return known.plan, flight.id, known.text()
