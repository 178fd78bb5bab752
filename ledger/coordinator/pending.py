"""What a booking's coordinator still owes to the carriers, worked out from the state."""

from ledger.coordinator.state import Booking, Phase
from ledger.messages import Abort, Commit, Hold, PeerMessage, Prepare, Release, Return
from ledger.terms import HOLD_MS, FlightId, Segment


def pending(booking: Booking) -> list[PeerMessage]:
    """Every message that a carrier has not answered yet. Sent again until it has: that is all there is to recovery."""
    match booking.phase:
        case Phase.OPEN:
            return [_hold(booking, s) for s in booking.segments if s.flight not in booking.granted]
        case Phase.VOTING:
            return [_prepare(booking, n, s) for n, s in enumerate(booking.segments) if s.flight not in booking.votes]
        case Phase.COMMITTED:
            return [_tell(Commit, booking, flight) for flight in booking.flights if flight not in booking.recorded]
        case Phase.ABORTED:
            kind = Abort if booking.voted_on else Release
            return [_tell(kind, booking, flight) for flight in booking.flights if flight not in booking.recorded]
        case Phase.CANCELLED:
            return [_undo(booking, flight) for flight in booking.flights if flight not in booking.returned]
        case Phase.UNKNOWN | Phase.COMMITTED_SETTLED | Phase.ABORTED_SETTLED | Phase.CANCELLED_SETTLED:
            return []


def _hold(booking: Booking, segment: Segment) -> Hold:
    return Hold(
        booking=booking.id,
        flight=segment.flight,
        coordinator=booking.coordinator,
        participants=booking.flights,
        seats=segment.seats,
        count=booking.passengers,
        fare=segment.fare,
        lasting=HOLD_MS,
    )


def _prepare(booking: Booking, number: int, segment: Segment) -> Prepare:
    return Prepare(
        booking=booking.id,
        flight=segment.flight,
        coordinator=booking.coordinator,
        participants=booking.flights,
        seats=segment.seats,
        count=booking.passengers,
        fare=segment.fare,
        decide_by=booking.decide_by,
        tickets=booking.tickets,
        coupon=number + 1,
    )


def _undo(booking: Booking, flight: FlightId) -> PeerMessage:
    """A seat can be returned only once it is sold: the commit goes first."""
    sold = booking.commit_settled or flight in booking.recorded
    return _tell(Return if sold else Commit, booking, flight)


def _tell(
    kind: type[Commit] | type[Abort] | type[Release] | type[Return], booking: Booking, flight: FlightId
) -> PeerMessage:
    return kind(booking=booking.id, flight=flight, coordinator=booking.coordinator)
