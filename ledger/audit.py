"""What is wrong in one log or in many: a plain second reading of the events, which shares no rule with the machines.

An auditor folds the logs of as many carriers as there are at hand, in any order of carriers, each from its beginning.
What a missing carrier would have to confirm is left open; what the logs at hand contradict is a finding.

    sold twice        two bookings own one seat
    half sold         committed, and a carrier has not sold its seats; or cancelled, and they were not given back
    unfounded         sold without a pledge or without a commit, released or returned by whom it does not belong to
    decided twice     a booking with two decisions; a ticket of two bookings
    unkept            acknowledged to its traveller and not there, or denied and owned
    unfinished        only when all should be at rest: undecided, or a seat that is held for nothing
"""

from collections.abc import Iterator, Set
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, field

from ledger.direct import direct
from ledger.events import (
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    HoldReleased,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    StreamName,
    VotingStarted,
    booking_stream,
    flight_stream,
    stream_of,
)
from ledger.terms import BookingId, CarrierCode, FlightId, SeatNo, TicketNo, carrier_of

Order: TypeAlias = tuple[CarrierCode, BookingId]
"""A booking and who coordinates it: one id may be taken to two carriers."""
Place: TypeAlias = tuple[FlightId, SeatNo]


@direct
class Fault(StrEnum):
    SOLD_TWICE = "sold twice"
    HALF_SOLD = "half sold"
    UNFOUNDED = "unfounded"
    DECIDED_TWICE = "decided twice"
    UNKEPT = "acknowledged and missing"
    UNFINISHED = "unfinished"


class Finding(Struct, frozen=True):
    """One thing that must not be, where it shows, and in a sentence what is wrong with it."""

    fault: Fault
    stream: StreamName
    detail: str


class Promises(Struct, frozen=True):
    """What travellers have heard for certain: who was told yes owns seats, and who was told no owns none."""

    confirmed: Set[BookingId] = frozenset()
    denied: Set[BookingId] = frozenset()


NO_PROMISES = Promises()


class _Owner(Struct):
    order: Order
    ticket: TicketNo | None
    sold: bool = False


class _Booking(Struct):
    opened: BookingOpened | None = None
    decision: BookingCommitted | BookingAborted | None = None
    cancelled: bool = False
    sold: set[Place] = field(default_factory=set)
    returned: set[Place] = field(default_factory=set)

    def decided(self) -> set[Place]:
        """The seats that the decision gives it."""
        if self.opened is None or not isinstance(self.decision, BookingCommitted):
            return set()
        pairs = zip(self.opened.segments, self.decision.seats, strict=True)
        return {(segment.flight, seat) for segment, seats in pairs for seat in seats}


class Audit:
    """Hears every event of every log at hand, each log in its order, and then says what is wrong."""

    def __init__(self) -> None:
        self._carriers: set[CarrierCode] = set()
        self._owners: dict[Place, _Owner] = {}
        self._bookings: dict[Order, _Booking] = {}
        self._tickets: dict[TicketNo, Order] = {}
        self._found: list[Finding] = []

    def hear(self, carrier: CarrierCode, event: AnyEvent) -> None:
        """The next event of this carrier's log."""
        self._carriers.add(carrier)
        match event:
            case SeatHeld():
                self._held(event)
            case SeatCommitted() | HoldReleased() | SeatReturned():
                self._moved(event)
            case BookingOpened():
                self._booking((carrier, event.booking)).opened = event
            case VotingStarted():
                for ticket in event.tickets:
                    if (first := self._tickets.setdefault(ticket, (carrier, event.booking))) != (
                        carrier,
                        event.booking,
                    ):
                        self._find(Fault.DECIDED_TWICE, event, f"ticket {ticket} belongs to {_name(first)} already")
            case BookingCommitted() | BookingAborted():
                booking = self._booking((carrier, event.booking))
                if booking.decision is not None:
                    self._find(Fault.DECIDED_TWICE, event, f"it was decided before: {booking.decision}")
                booking.decision = booking.decision or event
            case BookingCancelled():
                self._booking((carrier, event.booking)).cancelled = True
            case _:
                pass  # Schedules, refusals and settlements own nothing.

    def findings(self, promises: Promises = NO_PROMISES, *, at_rest: bool = False) -> list[Finding]:
        """Everything that is wrong. With `at_rest` nothing may be under way any more, in logs that are all at hand."""
        found = list(self._found)
        for order, booking in self._bookings.items():
            found += self._torn(order, booking, at_rest)
        if at_rest:
            found += self._left_waiting()
        return found + list(self._unkept(promises))

    # ---- while reading ---------------------------------------------------------------------------------------------

    def _held(self, event: SeatHeld) -> None:
        order = (event.coordinator, event.booking)
        owner = self._owners.get((event.flight, event.seat))
        if owner is not None and (owner.order != order or owner.ticket is not None):
            self._find(Fault.SOLD_TWICE, event, f"{event.seat} is {_name(owner.order)}'s, and held for {_name(order)}")
        self._owners[event.flight, event.seat] = _Owner(order, event.ticket if event.expires_at is None else None)

    def _moved(self, event: SeatCommitted | HoldReleased | SeatReturned) -> None:
        place = (event.flight, event.seat)
        owner = self._owners.get(place)
        if owner is None or owner.order[1] != event.booking:
            whose = f"{_name(owner.order)}'s" if owner else "nobody's"
            self._find(Fault.UNFOUNDED, event, f"{type(event).__name__} for {event.booking}: {event.seat} is {whose}")
            return
        if owner.sold is not isinstance(event, SeatReturned):
            self._find(
                Fault.UNFOUNDED, event, f"{type(event).__name__}: {event.seat} is {'' if owner.sold else 'not '}sold"
            )
        booking = self._booking(owner.order)
        match event:
            case SeatCommitted():
                if owner.ticket != event.ticket:
                    self._find(
                        Fault.UNFOUNDED, event, f"{event.seat} was pledged for {owner.ticket}, sold for {event.ticket}"
                    )
                owner.sold = True
                booking.sold.add(place)
            case SeatReturned():
                booking.returned.add(place)
                del self._owners[place]
            case HoldReleased():
                del self._owners[place]

    def _booking(self, order: Order) -> _Booking:
        return self._bookings.setdefault(order, _Booking())

    def _find(self, fault: Fault, event: AnyEvent, detail: str) -> None:
        self._found.append(Finding(fault, stream_of(event), detail))

    # ---- in the end ------------------------------------------------------------------------------------------------

    def _torn(self, order: Order, booking: _Booking, at_rest: bool) -> Iterator[Finding]:
        """Where the coordinator's log and the carriers' logs do not say the same."""
        if order[0] not in self._carriers:
            return
        stream, decided = booking_stream(order[1]), booking.decided()
        if at_rest and booking.decision is None:
            yield Finding(Fault.UNFINISHED, stream, "it was never decided")
        for flight, seat in sorted(booking.sold - decided):
            why = "no commit" if not decided else "a commit of other seats"
            yield Finding(Fault.UNFOUNDED, flight_stream(flight), f"{seat} was sold to {_name(order)} on {why}")
        for place in sorted(decided - booking.sold):
            if carrier_of(place[0]) in self._carriers and (at_rest or not self._waits(place, order)):
                yield Finding(Fault.HALF_SOLD, stream, f"committed, and {place[1]} of {place[0]} was not sold to it")
        if not booking.cancelled:
            for flight, seat in sorted(booking.returned):
                yield Finding(
                    Fault.UNFOUNDED, flight_stream(flight), f"{seat} was returned, {_name(order)} not cancelled"
                )
        elif at_rest:
            for flight, seat in sorted(booking.sold - booking.returned):
                yield Finding(Fault.HALF_SOLD, stream, f"cancelled, and {seat} of {flight} was not given back")

    def _waits(self, place: Place, order: Order) -> bool:
        """The commit may still be on its way: the seat is pledged to it."""
        owner = self._owners.get(place)
        return owner is not None and owner.order == order and owner.ticket is not None

    def _left_waiting(self) -> Iterator[Finding]:
        for (flight, seat), owner in self._owners.items():
            if not owner.sold:
                yield Finding(Fault.UNFINISHED, flight_stream(flight), f"{seat} is held for {_name(owner.order)}")

    def _unkept(self, promises: Promises) -> Iterator[Finding]:
        committed = {
            order[1]
            for order, booking in self._bookings.items()
            if isinstance(booking.decision, BookingCommitted) and not booking.cancelled
        }
        for booking in sorted(promises.confirmed - promises.denied - committed):
            yield Finding(Fault.UNKEPT, booking_stream(booking), "its traveller was told that it is confirmed")
        for booking in sorted(promises.denied & committed):
            yield Finding(Fault.UNKEPT, booking_stream(booking), "its traveller was told no, and it is sold")


def _name(order: Order) -> str:
    return f"{order[1]} (of {order[0]})"
