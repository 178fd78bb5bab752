"""What it means for a flight that something happened."""

from itertools import islice

from msgspec.structs import replace

from ledger.cabin import cabin_of
from ledger.events import (
    AnyFlightEvent,
    FlightScheduled,
    ForceCompared,
    ForceProposed,
    HoldReleased,
    MismatchAcknowledged,
    PrepareRefused,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
)
from ledger.messages import ForceState
from ledger.participant import forcing
from ledger.participant.state import (
    CLOSED_MS,
    NEXT,
    Claim,
    Closed,
    Doubt,
    Doubted,
    Flight,
    Heard,
    HoldState,
    Move,
    SeatEvent,
    Silence,
    WordHeard,
    move_of,
)
from ledger.terms import BookingId


def evolve(flight: Flight, event: AnyFlightEvent | Heard) -> None:
    """What it means that it happened. A stored event that the table forbids raises, and so stops the node."""
    match event:
        case Doubted():
            flight.doubts.setdefault(event.booking, Doubt())
            return
        case Silence():
            flight.doubts.setdefault(event.booking, Doubt()).silent.add(event.carrier)
            return
        case WordHeard():
            doubt = flight.doubts.setdefault(event.booking, Doubt())
            doubt.words[event.by] = event.word
            doubt.silent.discard(event.by)
            return
        case FlightScheduled():
            assert flight.plan is None, f"{flight.id} was scheduled twice"
            cabin = cabin_of(event.cabin, event.seats)
            flight.plan = replace(event, seats=cabin.seats)  # one tuple for all flights of one cabin
        case PrepareRefused():
            after = NEXT[flight.state_of(event.booking), Move.REFUSE]
            _close(flight, event.booking, Closed(after, event.coordinator, event.reason, event.at))
        case ForceProposed() | ForceCompared() | MismatchAcknowledged():
            forcing.evolve(flight, event)
        case _:
            _move(flight, event)
    flight.version += 1


def _move(flight: Flight, event: SeatEvent) -> None:
    claim = flight.claims.get(event.booking)
    before = claim.holds.get(event.seat, HoldState.NONE) if claim else flight.state_of(event.booking)
    after = NEXT[before, move_of(event)]
    match event:
        case SeatHeld():
            _hold(flight, event, after)
        case SeatCommitted():
            assert claim is not None
            claim.holds[event.seat] = after
            flight.waiting.discard(event.booking)
            _decided(flight, event.booking)
        case HoldReleased() | SeatReturned():
            assert claim is not None
            if isinstance(event, HoldReleased) and event.reason is ReleaseReason.FORCED:
                forcing.evolve(flight, event)
            assert flight.taken.pop(event.seat) == event.booking, f"{event.seat} was not this booking's to free"
            del claim.holds[event.seat]
            if not claim.holds:
                reason = event.reason if isinstance(event, HoldReleased) else HoldState.RETURNED
                _close(flight, event.booking, Closed(after, claim.coordinator, reason, event.at))


def _hold(flight: Flight, event: SeatHeld, state: HoldState) -> None:
    owner = flight.taken.setdefault(event.seat, event.booking)
    assert owner == event.booking, f"{event.seat} of {flight.id} was held for two bookings"
    claim = flight.claims.get(event.booking)
    if claim is None:
        claim = Claim(event.coordinator, event.participants, event.at, event.expires_at, event.decide_by)
        flight.claims[event.booking] = claim
        flight.waiting.add(event.booking)
    if event.expires_at is not None and event.seat == next(iter(claim.holds), None):
        claim.extension += 1  # A timed hold that was there is written again: once for each extension.
    claim.holds[event.seat] = state
    claim.expires_at, claim.decide_by = event.expires_at, event.decide_by
    if event.ticket is not None:
        assert event.coupon is not None
        claim.tickets[event.seat], claim.coupon = event.ticket, event.coupon


def _decided(flight: Flight, booking: BookingId) -> None:
    """Nothing is in doubt any more, and a proposal to break the pledge has come to nothing."""
    flight.doubts.pop(booking, None)
    if booking in flight.broken and flight.broken[booking].state is ForceState.PROPOSED:
        del flight.broken[booking]


def _close(flight: Flight, booking: BookingId, closed: Closed) -> None:
    flight.claims.pop(booking, None)
    flight.waiting.discard(booking)
    _decided(flight, booking)
    flight.closed[booking] = closed
    for oldest in list(islice(flight.closed, 2)):  # two a step: it shrinks faster than it grows, and never pauses
        told = flight.closed[oldest]
        if told.since + CLOSED_MS < closed.since:
            del flight.closed[oldest]
            if told.for_ever:
                flight.closed[oldest] = replace(told, since=closed.since)
