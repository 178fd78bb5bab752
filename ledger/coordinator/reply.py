"""What a booking's coordinator answers, to its traveller and to a carrier in doubt."""

from ledger.coordinator.pending import pending
from ledger.coordinator.state import Booking, Command, Phase, all_extended
from ledger.events import AbortReason
from ledger.messages import (
    BookingView,
    CancelBooking,
    ConfirmBooking,
    ExtendBooking,
    Inquire,
    OpenBooking,
    Outcome,
    ReadBooking,
    Refusal,
    SegmentState,
    SegmentView,
    Status,
    TravellerAnswer,
    Word,
)
from ledger.terms import HOLDS_MS_MAX, FlightId, Millis, SeatNo, carrier_of, locator_of


def reply(booking: Booking, command: Command) -> TravellerAnswer | Outcome | None:
    """What the asker may be told, once what was decided is on disk. None: nobody asked, or not yet."""
    match command:
        case Inquire():
            return _outcome(booking, command)
        case OpenBooking() if booking.phase is Phase.UNKNOWN:
            assert command.objection is not None, "a new booking without objection was not opened"
            return command.objection
        case OpenBooking() | ReadBooking() if command.body_hash and booking.body_hash not in ("", command.body_hash):
            return Refusal("booking-id-reused", "this booking id was used before, for something else")
        case OpenBooking() | ExtendBooking() | ConfirmBooking() | CancelBooking() | ReadBooking() if (
            booking.phase is Phase.UNKNOWN
        ):
            return Refusal("no-such-booking", "no booking with this id is known here")
        case OpenBooking() | ConfirmBooking() if _awaits(booking, command):
            return None
        case CancelBooking() if booking.phase in (Phase.COMMITTED, Phase.COMMITTED_SETTLED):
            return Refusal("departed", "the first flight has departed: it cannot be cancelled any more")
        case OpenBooking() | ExtendBooking() | ConfirmBooking() | CancelBooking() | ReadBooking():
            return view(booking)
        case _:
            return None


def _awaits(booking: Booking, command: OpenBooking | ConfirmBooking) -> bool:
    """Whether the carriers' answers that this asker waits for are still to come."""
    holding = booking.phase is Phase.OPEN and booking.granted.keys() != set(booking.flights)
    return booking.phase is Phase.VOTING or (holding and isinstance(command, OpenBooking))


def _outcome(booking: Booking, asked: Inquire) -> Outcome:
    match booking.phase:
        case Phase.ABORTED | Phase.ABORTED_SETTLED:
            word = Word.ABORTED
        case Phase.COMMITTED | Phase.COMMITTED_SETTLED | Phase.CANCELLED | Phase.CANCELLED_SETTLED:
            word = Word.COMMITTED
        case Phase.UNKNOWN | Phase.OPEN | Phase.VOTING:
            assert booking.phase is Phase.VOTING, "an inquiry left a booking without votes undecided"
            word = Word.UNDECIDED
    return Outcome(booking=booking.id, flight=asked.flight, asker=asked.asker, by=booking.coordinator, word=word)


# ---- what a traveller sees --------------------------------------------------------------------------------------


def view(booking: Booking) -> BookingView:
    """The booking as its traveller may see it."""
    segments = tuple(
        SegmentView(
            flight=segment.flight,
            carrier=carrier_of(segment.flight),
            origin=segment.origin,
            destination=segment.destination,
            departure=segment.departure,
            arrival=segment.arrival,
            seats=_seats(booking, number),
            state=_segment_state(booking, segment.flight),
        )
        for number, segment in enumerate(booking.segments)
    )
    return BookingView(
        booking=booking.id,
        locator=locator_of(booking.id),
        status=_status(booking),
        total=booking.price,
        hold_until=_held_until(booking) if booking.phase is Phase.OPEN else None,
        extensible_until=booking.since + HOLDS_MS_MAX if booking.phase is Phase.OPEN else None,
        reason=booking.reason,
        detail=booking.detail,
        tickets=booking.tickets if booking.seats else (),
        segments=segments,
        pending=tuple(dict.fromkeys(carrier_of(flight) for flight in _unrecorded(booking))),
    )


def _unrecorded(booking: Booking) -> list[FlightId]:
    """The flights whose carrier still has to answer, and those where it never will have a seat for this booking."""
    owed = {message.flight for message in pending(booking)}
    return [flight for flight in booking.flights if flight in owed or flight in booking.seen_to]


def _held_until(booking: Booking) -> Millis:
    """An extension counts once every carrier has granted it."""
    return booking.hold_until if all_extended(booking) else booking.held_before


def _status(booking: Booking) -> Status:
    match booking.phase:
        case Phase.UNKNOWN | Phase.OPEN:
            return Status.HELD if booking.granted.keys() == set(booking.flights) else Status.HOLDING
        case Phase.VOTING:
            return Status.CONFIRMING
        case Phase.COMMITTED | Phase.COMMITTED_SETTLED:
            return Status.CONFIRMED
        case Phase.CANCELLED | Phase.CANCELLED_SETTLED:
            return Status.CANCELLED
        case Phase.ABORTED | Phase.ABORTED_SETTLED:
            endings = {AbortReason.EXPIRED: Status.EXPIRED, AbortReason.CANCELLED: Status.CANCELLED}
            return endings.get(booking.reason or AbortReason.PRESUMED, Status.REFUSED)


def _seats(booking: Booking, number: int) -> tuple[SeatNo, ...]:
    """Those decided; while nothing is, those pledged or held; else those asked for."""
    segment = booking.segments[number]
    if booking.seats:
        return booking.seats[number]
    if booking.phase in (Phase.ABORTED, Phase.ABORTED_SETTLED):
        return segment.seats
    return booking.votes.get(segment.flight) or booking.granted.get(segment.flight) or segment.seats


def _segment_state(booking: Booking, flight: FlightId) -> SegmentState:
    match booking.phase:
        case Phase.UNKNOWN | Phase.OPEN | Phase.VOTING:
            return SegmentState.HELD if flight in booking.granted or flight in booking.votes else SegmentState.ASKED
        case Phase.COMMITTED:
            return SegmentState.COMMITTED if flight in booking.recorded else SegmentState.HELD
        case Phase.COMMITTED_SETTLED:
            return SegmentState.COMMITTED
        case Phase.CANCELLED:
            return SegmentState.RETURNED if flight in booking.returned else SegmentState.COMMITTED
        case Phase.CANCELLED_SETTLED:
            return SegmentState.RETURNED
        case Phase.ABORTED | Phase.ABORTED_SETTLED:
            return SegmentState.REFUSED if flight == booking.refused_by else SegmentState.RELEASED
