"""What three carriers' logs must say together once everything has come to rest: all of a booking, or none of it.

The simulator's checker sees every write in one order and checks each as it is made. Real carriers' logs have no order
in common: what is checked here is where they end.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ledger.events import (
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    HoldReleased,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.terms import BookingId, CarrierCode, FlightId, SeatNo, Segment, TicketNo

Seat: TypeAlias = tuple[FlightId, SeatNo]


@dataclass
class Told:
    """What travellers have heard for certain: a confirmation stands, and who heard a no keeps no seat."""

    confirmed: set[BookingId] = field(default_factory=set)
    denied: set[BookingId] = field(default_factory=set)
    """Refused, run out, or cancelled after it was bought."""


def findings(logs: Mapping[CarrierCode, Iterable[AnyEvent]], told: Told) -> list[str]:
    """Everything that is wrong, a sentence each. The logs are those of all carriers, at rest."""
    seats, bookings = _Seats(), _Bookings()
    for log in logs.values():
        for event in log:
            seats.hear(event)
            bookings.hear(event)
    return [*seats.wrong, *bookings.wrong, *_left_waiting(seats), *_not_whole(seats, bookings), *_broken(seats, told)]


class _Seats:
    """Whose each seat is and was, folded from what the carriers that fly it have written."""

    def __init__(self) -> None:
        self.owner: dict[Seat, BookingId] = {}
        self.pledged_or_held: set[Seat] = set()
        self.sold: defaultdict[BookingId, set[Seat]] = defaultdict(set)
        self.returned: defaultdict[BookingId, set[Seat]] = defaultdict(set)
        self.wrong: list[str] = []

    def hear(self, event: AnyEvent) -> None:
        match event:
            case SeatHeld():
                self._hold(event, (event.flight, event.seat))
            case SeatCommitted() | HoldReleased():
                self._finish(event, (event.flight, event.seat))
            case SeatReturned():
                self._return(event, (event.flight, event.seat))

    def kept(self, booking: BookingId) -> set[Seat]:
        return self.sold[booking] - self.returned[booking]

    def _hold(self, event: SeatHeld, seat: Seat) -> None:
        owner = self.owner.setdefault(seat, event.booking)
        self._expect(owner == event.booking, event, f"{owner} has it")
        self._expect(seat not in self.kept(event.booking), event, "it is sold")
        self.pledged_or_held.add(seat)

    def _finish(self, event: SeatCommitted | HoldReleased, seat: Seat) -> None:
        owner = self.owner.get(seat)
        self._expect(seat in self.pledged_or_held, event, "nobody holds it")
        self._expect(owner == event.booking, event, f"{owner} has it")
        self.pledged_or_held.discard(seat)
        if isinstance(event, SeatCommitted):
            self.sold[event.booking].add(seat)
        else:
            self.owner.pop(seat, None)

    def _return(self, event: SeatReturned, seat: Seat) -> None:
        self._expect(seat in self.kept(event.booking), event, "it is not theirs")
        self.returned[event.booking].add(seat)
        self.owner.pop(seat, None)

    def _expect(self, holds: bool, event: AnyEvent, otherwise: str) -> None:
        if not holds:
            self.wrong.append(f"{event}: {otherwise}")


class _Bookings:
    """What was decided of each booking, folded from what its coordinator has written."""

    def __init__(self) -> None:
        self.segments: dict[BookingId, tuple[Segment, ...]] = {}
        self.decisions: defaultdict[BookingId, list[BookingCommitted | BookingAborted]] = defaultdict(list)
        self.cancelled: set[BookingId] = set()
        self.unsettled: set[BookingId] = set()
        self.wrong: list[str] = []
        self._tickets: dict[TicketNo, BookingId] = {}

    def hear(self, event: AnyEvent) -> None:
        match event:
            case BookingOpened():
                self.segments[event.booking] = event.segments
                self.decisions[event.booking] = []
                self.unsettled.add(event.booking)
            case VotingStarted():
                for ticket in event.tickets:
                    if ticket in self._tickets:
                        self.wrong.append(f"ticket {ticket} is {self._tickets[ticket]}'s and {event.booking}'s")
                    self._tickets[ticket] = event.booking
            case BookingCommitted() | BookingAborted():
                self.decisions[event.booking].append(event)
                self.unsettled.add(event.booking)
            case BookingCancelled():
                self.cancelled.add(event.booking)
                self.unsettled.add(event.booking)
            case BookingSettled():
                self.unsettled.discard(event.booking)

    def sold(self, booking: BookingId) -> set[Seat]:
        """The seats that the decision gave it."""
        return {
            (segment.flight, seat)
            for decision in self.decisions[booking]
            if isinstance(decision, BookingCommitted)
            for segment, seats in zip(self.segments[booking], decision.seats, strict=True)
            for seat in seats
        }


def _left_waiting(seats: _Seats) -> Iterator[str]:
    for seat in sorted(seats.pledged_or_held):
        yield f"{seat} still waits, for {seats.owner[seat]}"


def _not_whole(seats: _Seats, bookings: _Bookings) -> Iterator[str]:
    for booking, decisions in bookings.decisions.items():
        if len(decisions) != 1:
            yield f"{booking} was decided {len(decisions)} times"
        if booking in bookings.unsettled:
            yield f"{booking} is not settled"
    for booking in bookings.decisions.keys() | seats.sold.keys():
        decided = bookings.sold(booking)
        returned = decided if booking in bookings.cancelled else set()
        if seats.sold[booking] != decided:
            yield f"{booking} was to have {sorted(decided)} and was sold {sorted(seats.sold[booking])}"
        if seats.returned[booking] != returned:
            yield f"{booking} was to return {sorted(returned)} and did {sorted(seats.returned[booking])}"


def _broken(seats: _Seats, told: Told) -> Iterator[str]:
    for booking in sorted(told.confirmed - told.denied):
        if not seats.kept(booking):
            yield f"{booking} was confirmed to its traveller and has no seat"
    for booking in sorted(told.denied):
        if seats.kept(booking):
            yield f"{booking} was denied to its traveller and has {sorted(seats.kept(booking))}"
