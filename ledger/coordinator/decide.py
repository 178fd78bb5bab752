"""What should happen to a booking."""

from collections.abc import Sequence

from ledger.coordinator.state import (
    Booking,
    Command,
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
    AbortReason,
    AnyBookingEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    HoldExtended,
    RefusalReason,
    VotingStarted,
)
from ledger.messages import (
    Acknowledged,
    CancelBooking,
    ClaimAnswer,
    ConfirmBooking,
    Conflict,
    ExtendBooking,
    Held,
    Inquire,
    OpenBooking,
    Pledged,
    Refused,
    Tick,
)
from ledger.terms import DECIDE_MS, EXTENDED_MS_MIN, HOLD_MS, HOLDS_MS_MAX, FlightId, Millis, carrier_of, ticket_number

Decided = Sequence[AnyBookingEvent | Heard]


def decide(booking: Booking, command: Command, now: Millis) -> Decided:
    """What should happen; nothing for what is already so, and nothing for an answer that comes too late to matter."""
    if isinstance(command, ClaimAnswer):
        return _hear(booking, command, now) if command.flight in booking.flights else []
    match command, booking.phase:
        case OpenBooking(objection=None), Phase.UNKNOWN:
            return _open(booking, command, now)
        case OpenBooking(confirm=True), Phase.OPEN if command.body_hash == booking.body_hash:
            return _start_voting(booking, now)
        case ExtendBooking(), Phase.OPEN:
            return _extend(booking, now)
        case ConfirmBooking(), Phase.OPEN:
            return _start_voting(booking, now)
        case CancelBooking(), Phase.OPEN | Phase.VOTING:
            return [_abort(booking, AbortReason.CANCELLED, "the traveller cancelled it", now)]
        case CancelBooking(), Phase.COMMITTED | Phase.COMMITTED_SETTLED if now < booking.segments[0].departure:
            return [BookingCancelled(at=now, booking=booking.id)]
        case Inquire(), Phase.UNKNOWN:
            abort = _abort(booking, AbortReason.PRESUMED, "it was asked about before it was known here", now)
            return [abort, BookingSettled(at=now, booking=booking.id)]
        case Inquire(), Phase.OPEN:
            return [_abort(booking, AbortReason.PRESUMED, "it was asked about before any vote", now)]
        case ((Tick() | Inquire()), Phase.OPEN | Phase.VOTING):
            return _run_out(booking, now)
        case ((Held() | Pledged() | Refused() | Acknowledged() | Conflict()), _):
            return _hear(booking, command, now) if command.flight in booking.flights else []
        case _:
            return []


def _open(booking: Booking, command: OpenBooking, now: Millis) -> Decided:
    opened = BookingOpened(
        at=now,
        booking=booking.id,
        segments=command.segments,
        passengers=command.passengers,
        price=command.passengers * sum(segment.fare for segment in command.segments),
        body_hash=command.body_hash,
        hold_until=now + HOLD_MS,
    )
    return [opened, _voting(booking, command.passengers, now)] if command.confirm else [opened]


def _extend(booking: Booking, now: Millis) -> Decided:
    """More time, up to the limit; nothing where too little would be gained, so a press that comes twice is one."""
    until = min(now + HOLD_MS, booking.since + HOLDS_MS_MAX)
    if booking.granted.keys() != set(booking.flights) or not all_extended(booking):
        return _run_out(booking, now)  # The carriers count extensions: each is granted by all before the next.
    if now >= booking.hold_until or until < booking.hold_until + EXTENDED_MS_MIN:
        return _run_out(booking, now)
    return [HoldExtended(at=now, booking=booking.id, extension=booking.extension + 1, hold_until=until)]


def _start_voting(booking: Booking, now: Millis) -> Decided:
    return _run_out(booking, now) or [_voting(booking, booking.passengers, now)]


def _voting(booking: Booking, passengers: int, now: Millis) -> VotingStarted:
    first = booking.stock.next_serial
    return VotingStarted(
        at=now,
        booking=booking.id,
        decide_by=now + DECIDE_MS,
        first_serial=first,
        tickets=tuple(ticket_number(booking.stock.prefix, first + n) for n in range(passengers)),
    )


def _run_out(booking: Booking, now: Millis) -> Sequence[BookingAborted]:
    """The deadline's own decision, where it has passed."""
    if booking.phase is Phase.OPEN and now >= booking.hold_until:
        return [_abort(booking, AbortReason.EXPIRED, "the hold ran out before it was confirmed", now)]
    if booking.phase is Phase.VOTING and now >= booking.decide_by:
        silent = sorted({carrier_of(flight) for flight in booking.flights if flight not in booking.votes})
        return [_abort(booking, AbortReason.NO_ANSWER, f"{' and '.join(silent)} did not answer in time", now)]
    return []


def _abort(
    booking: Booking, reason: AbortReason, detail: str, now: Millis, flight: FlightId | None = None
) -> BookingAborted:
    return BookingAborted(at=now, booking=booking.id, reason=reason, detail=detail, flight=flight)


def _hear(booking: Booking, answer: ClaimAnswer, now: Millis) -> Decided:
    """A carrier's answer; one that its phase does not wait for comes twice or late, and changes nothing."""
    match answer, booking.phase:
        case Held(), Phase.OPEN:
            return [GrantHeard(answer.flight, answer.seats, answer.extension)]
        case Pledged(), Phase.VOTING:
            return _count(booking, answer, now)
        case Refused(), Phase.OPEN | Phase.VOTING:
            return _refused(booking, answer, now)
        case Acknowledged(done="commit"), Phase.COMMITTED | Phase.CANCELLED:
            return _recorded(booking, answer.flight, now)
        case Acknowledged(done="abort" | "release"), Phase.ABORTED:
            return _recorded(booking, answer.flight, now)
        case Acknowledged(done="return"), Phase.CANCELLED:
            return _returned(booking, answer.flight, now)
        case Conflict(), Phase.COMMITTED | Phase.ABORTED | Phase.CANCELLED:
            return [ConflictHeard(answer.flight, answer.detail, answer.seen_to)]
        case _:
            return []


def _count(booking: Booking, yes: Pledged, now: Millis) -> Decided:
    """A vote, and with the last one the commit. "Vote by, decide by": after that it is too late to commit."""
    if late := _run_out(booking, now):
        return late
    named = booking.segments[booking.flights.index(yes.flight)].seats
    if len(yes.seats) != booking.passengers or named not in ((), yes.seats):
        detail = f"{carrier_of(yes.flight)} pledged other seats than it was asked for: {', '.join(yes.seats)}"
        return [_abort(booking, AbortReason.REFUSED, detail, now, yes.flight)]
    votes = booking.votes | {yes.flight: yes.seats}
    if votes.keys() != set(booking.flights):
        return [VoteHeard(yes.flight, yes.seats)]
    seats = tuple(votes[flight] for flight in booking.flights)
    return [VoteHeard(yes.flight, yes.seats), BookingCommitted(at=now, booking=booking.id, seats=seats)]


def _refused(booking: Booking, no: Refused, now: Millis) -> Decided:
    """One no ends it. Who says no has closed its door already and need not be told."""
    taken = no.reason == RefusalReason.NOT_FREE
    reason = AbortReason.SEAT_TAKEN if taken else AbortReason.REFUSED
    detail = "has no such seats free any more" if taken else f"refused: {no.reason}"
    abort = _abort(booking, reason, f"{carrier_of(no.flight)} {detail} on {no.flight}", now, no.flight)
    return [abort, *_recorded(booking, no.flight, now)]


def _recorded(booking: Booking, flight: FlightId, now: Millis) -> Decided:
    all_have = booking.recorded | {flight} >= set(booking.flights)
    settled = all_have and booking.phase is not Phase.CANCELLED
    return [RecordHeard(flight), *([BookingSettled(at=now, booking=booking.id)] if settled else [])]


def _returned(booking: Booking, flight: FlightId, now: Millis) -> Decided:
    all_have = booking.returned | {flight} >= set(booking.flights)
    return [ReturnHeard(flight), *([BookingSettled(at=now, booking=booking.id)] if all_have else [])]
