"""What it means for a booking that something happened."""

from ledger.coordinator.state import (
    NEXT,
    Booking,
    ConflictHeard,
    GrantHeard,
    Heard,
    Phase,
    RecordHeard,
    ReturnHeard,
    VoteHeard,
    all_extended,
)
from ledger.events import (
    AnyBookingEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingEvent,
    BookingOpened,
    BookingSettled,
    HoldExtended,
    VotingStarted,
)


def evolve(booking: Booking, event: AnyBookingEvent | Heard) -> None:
    """What it means that it happened. A stored event that the table forbids raises, and so stops the node."""
    if isinstance(event, BookingEvent):
        before, booking.phase = booking.phase, NEXT[booking.phase, type(event)]
        booking.version += 1
        _remember(booking, event, before)
        return
    match event:
        case GrantHeard():
            booking.granted[event.flight] = event.seats
            booking.extended[event.flight] = max(event.extension, booking.extended.get(event.flight, 0))
        case VoteHeard():
            booking.votes[event.flight] = event.seats
        case RecordHeard():
            booking.recorded.add(event.flight)
            booking.conflicts.pop(event.flight, None)
        case ReturnHeard():
            booking.returned.add(event.flight)
            booking.conflicts.pop(event.flight, None)
        case ConflictHeard(seen_to=True):
            booking.seen_to.add(event.flight)
            booking.conflicts.pop(event.flight, None)
        case ConflictHeard():
            booking.conflicts[event.flight] = event.detail


def _remember(booking: Booking, event: AnyBookingEvent, before: Phase) -> None:
    match event:
        case BookingOpened():
            booking.since = event.at
            booking.segments, booking.passengers = event.segments, event.passengers
            booking.flights = tuple(segment.flight for segment in event.segments)
            booking.price, booking.body_hash, booking.hold_until = event.price, event.body_hash, event.hold_until
        case HoldExtended():
            # What not all carriers have granted yet is still no promise, and not to be built upon.
            booking.held_before = booking.hold_until if all_extended(booking) else booking.held_before
            booking.hold_until, booking.extension = event.hold_until, event.extension
        case VotingStarted():
            booking.voted_on = True
            booking.decide_by, booking.tickets = event.decide_by, event.tickets
            booking.stock.next_serial = max(booking.stock.next_serial, event.first_serial + len(event.tickets))
        case BookingCommitted():
            assert len(event.seats) == len(booking.segments), "committed without every vote"
            assert all(len(seats) == booking.passengers for seats in event.seats), "committed without every seat"
            booking.seats = event.seats
        case BookingAborted():
            booking.since = booking.since or event.at
            booking.reason, booking.detail, booking.refused_by = event.reason, event.detail, event.flight
        case BookingSettled():
            booking.commit_settled = booking.commit_settled or before is Phase.COMMITTED
        case BookingCancelled():
            pass  # the phase says it all
