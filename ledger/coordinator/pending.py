"""What a booking's coordinator still owes to the carriers, worked out from the state."""

from ledger.coordinator.state import Booking, Phase
from ledger.messages import Abort, Commit, Hold, PeerMessage, Prepare, Release, Return
from ledger.terms import HOLD_MS, FlightId, Segment


def pending(booking: Booking) -> list[PeerMessage]:
    """Every message that a carrier has not answered yet. Sent again until it has: that is all there is to recovery."""
    return [message for number in range(len(booking.flights)) if (message := owed(booking, number))]


def owed(booking: Booking, number: int) -> PeerMessage | None:
    """What the carrier of this segment has to be asked or told now."""
    flight = booking.flights[number]
    if flight in booking.seen_to:
        return None  # Its carrier knows the decision, cannot keep it, and people have put that right.
    match booking.phase:
        case Phase.OPEN:
            granted = flight in booking.granted and booking.extended.get(flight, 0) >= booking.extension
            return None if granted else _hold(booking, booking.segments[number])
        case Phase.VOTING:
            return None if flight in booking.votes else _prepare(booking, number, booking.segments[number])
        case Phase.COMMITTED:
            return None if flight in booking.recorded else _tell(Commit, booking, flight)
        case Phase.ABORTED:
            return (
                None if flight in booking.recorded else _tell(Abort if booking.voted_on else Release, booking, flight)
            )
        case Phase.CANCELLED:
            return None if flight in booking.returned else _undo(booking, flight)
        case Phase.UNKNOWN | Phase.COMMITTED_SETTLED | Phase.ABORTED_SETTLED | Phase.CANCELLED_SETTLED:
            return None


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
        extension=booking.extension,
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
