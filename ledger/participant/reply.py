"""What a flight's carrier answers, worked out from the state."""

from ledger.events import RefusalReason, ReleaseReason
from ledger.messages import (
    Abort,
    Acknowledged,
    Commit,
    Conflict,
    Forcing,
    Held,
    Hold,
    Inquire,
    OperatorCommand,
    Outcome,
    PeerAnswer,
    Pledged,
    Prepare,
    Refusal,
    Refused,
    Release,
    Restarted,
    Return,
    Tick,
    Unanswered,
    Word,
)
from ledger.participant import forcing
from ledger.participant.state import Command, CoordinatorMessage, Flight, HoldState, foreign
from ledger.terms import BookingId, carrier_of


def reply(flight: Flight, command: Command) -> PeerAnswer | Forcing | Refusal | None:
    """What the asker may be told, once what was decided is on disk. None where nobody asked."""
    match command:
        case Hold() | Prepare():
            return _answer_wanted(flight, command)
        case Commit():
            return _answer_order(flight, command, "commit", HoldState.SOLD, HoldState.RETURNED)
        case Abort():
            return _answer_order(flight, command, "abort", HoldState.RELEASED, HoldState.REFUSED)
        case Release():
            return _answer_order(flight, command, "release", HoldState.RELEASED, HoldState.REFUSED)
        case Return():
            return _answer_order(flight, command, "return", HoldState.RETURNED)
        case Inquire():
            return _answer_inquiry(flight, command)
        case OperatorCommand():
            return forcing.reply(flight, command)
        case Outcome() | Tick() | Restarted() | Unanswered():
            return None


def _answer_wanted(flight: Flight, asked: Hold | Prepare) -> PeerAnswer:
    booking, claim = asked.booking, flight.claims.get(asked.booking)
    if claim is None:
        return Refused(booking=booking, flight=flight.id, reason=flight.closed[booking].reason)
    if foreign(flight, asked):
        return Refused(booking=booking, flight=flight.id, reason=RefusalReason.NOT_FREE)
    if claim.expires_at is None:
        return Pledged(booking=booking, flight=flight.id, seats=claim.seats)
    assert isinstance(asked, Hold), "a prepare leaves no timed hold behind"
    # An extension that would gain nothing is granted as it is.
    extension = max(asked.extension, claim.extension)
    return Held(booking=booking, flight=flight.id, seats=claim.seats, expires_at=claim.expires_at, extension=extension)


def _answer_order(
    flight: Flight, asked: Commit | Abort | Release | Return, done: str, *fulfilled: HoldState
) -> PeerAnswer:
    foreigner = foreign(flight, asked)
    nothing_held = foreigner and isinstance(asked, (Abort, Release))  # another coordinator's is, under the same id
    if nothing_held or (flight.state_of(asked.booking) in fulfilled and not foreigner):
        return Acknowledged(booking=asked.booking, flight=flight.id, done=done)
    return _conflict(flight, asked, done)


def _conflict(flight: Flight, asked: CoordinatorMessage, asked_for: str) -> Conflict:
    state, coordinator = flight.state_of(asked.booking), flight.coordinator_of(asked.booking)
    detail = f"{asked_for} was asked by {asked.coordinator}, but here the booking is {state}"
    detail += f", coordinated by {coordinator}" if coordinator else ""
    seen_to = forcing.seen_to(flight, asked.booking) and not foreign(flight, asked)
    return Conflict(booking=asked.booking, flight=flight.id, detail=detail, seen_to=seen_to)


def _answer_inquiry(flight: Flight, asked: Inquire) -> PeerAnswer:
    if foreign(flight, asked):
        return _conflict(flight, asked, "an outcome")
    word = _word(flight, asked.booking)
    return Outcome(booking=asked.booking, flight=flight.id, asker=asked.asker, by=carrier_of(flight.id), word=word)


def _word(flight: Flight, booking: BookingId) -> Word:
    """A pledge that an operator broke tells nothing of the decision."""
    state = flight.state_of(booking)
    if state in (HoldState.SOLD, HoldState.RETURNED):
        return Word.COMMITTED
    if state is HoldState.PLEDGED or flight.closed[booking].reason == ReleaseReason.FORCED:
        return Word.PLEDGED
    return Word.ABORTED
