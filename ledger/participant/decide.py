"""What should happen to a flight's holds."""

from collections.abc import Sequence

from msgspec.structs import replace

from ledger.cabin import choose
from ledger.events import (
    AnyFlightEvent,
    HoldReleased,
    PrepareRefused,
    RefusalReason,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
)
from ledger.messages import (
    Abort,
    Commit,
    Hold,
    Inquire,
    OperatorCommand,
    Outcome,
    Prepare,
    Release,
    Restarted,
    Return,
    SeatsWanted,
    Tick,
    Unanswered,
    Word,
)
from ledger.participant import forcing
from ledger.participant.state import (
    Command,
    CoordinatorMessage,
    Doubted,
    Flight,
    Heard,
    HoldState,
    Silence,
    WordHeard,
    foreign,
)
from ledger.terms import DECIDE_MS, HOLDS_MS_MAX, SKEW_MS, BookingId, Millis, SeatNo


def decide(flight: Flight, command: Command, now: Millis) -> Sequence[AnyFlightEvent | Heard]:
    """What should happen; nothing for what is already so, and nothing for what is forbidden (`reply` says which)."""
    if isinstance(command, Restarted):
        return [Doubted(b) for b in sorted(flight.waiting) if flight.claims[b].state is HoldState.PLEDGED]
    if foreign(flight, command):
        return []
    if isinstance(command, OperatorCommand):
        return forcing.decide(flight, command, now)
    state = flight.state_of(command.booking)
    match command, state:
        case ((Hold() | Prepare()), HoldState.NONE):
            return _grant(flight, command, now)
        case Hold(), HoldState.TIMED:
            return _extend(flight, command, now)
        case Prepare(), HoldState.TIMED:
            return _promise(flight, command, now)
        case Commit(), HoldState.PLEDGED:
            return _sell(flight, command.booking, now)
        case ((Abort() | Release()), HoldState.NONE):
            return [_refusal(command, RefusalReason.ABORTED, now)]
        case Abort(), (HoldState.TIMED | HoldState.PLEDGED):
            return _let_go(flight, command.booking, ReleaseReason.ABORTED, now)
        case Release(), HoldState.TIMED:
            return _let_go(flight, command.booking, ReleaseReason.ABANDONED, now)
        case ((Commit() | Abort() | Outcome()), HoldState.RELEASED):
            return forcing.compare(flight, command, now)
        case Return(), HoldState.SOLD:
            seats = flight.claims[command.booking].seats
            return [SeatReturned(at=now, flight=flight.id, seat=seat, booking=command.booking) for seat in seats]
        case Inquire(), HoldState.NONE:
            return [_refusal(command, RefusalReason.ASKED, now)]
        case (
            Inquire(),
            HoldState.TIMED,
        ):  # no vote was given: this carrier may still say no, and then knows the outcome
            return _let_go(flight, command.booking, ReleaseReason.ABANDONED, now)
        case Outcome(), HoldState.PLEDGED:
            return _learn(flight, command, now)
        case Tick(), (HoldState.TIMED | HoldState.PLEDGED):
            return _expire(flight, command.booking, now)
        case Unanswered(), HoldState.PLEDGED:
            return [Silence(command.booking, command.to or flight.claims[command.booking].coordinator)]
        case _:
            return []


def _grant(flight: Flight, asked: Hold | Prepare, now: Millis) -> Sequence[AnyFlightEvent]:
    """Seats for a booking that has none here: all that it wants, or the door closes."""
    seats = _available(flight, asked, now)
    if isinstance(seats, RefusalReason):
        return [_refusal(asked, seats, now)]
    assert not any(seat in flight.taken for seat in seats), "a seat that is not free was granted"
    return _held(flight, asked, seats, now)


def _available(flight: Flight, asked: Hold | Prepare, now: Millis) -> tuple[SeatNo, ...] | RefusalReason:
    if fault := _unacceptable(flight, asked, now):
        return fault
    if not asked.seats:
        return choose(flight.cabin, flight.taken, asked.count) or RefusalReason.NOT_FREE
    if any(seat not in flight.cabin.places for seat in asked.seats):
        return RefusalReason.NO_SUCH_SEAT
    if any(seat in flight.taken for seat in asked.seats):
        return RefusalReason.NOT_FREE
    return asked.seats


def _unacceptable(flight: Flight, asked: Hold | Prepare, now: Millis) -> RefusalReason | None:
    if now >= flight.scheduled.departure:
        return RefusalReason.DEPARTED
    if asked.fare != flight.scheduled.fare:
        return RefusalReason.FARE_CHANGED
    if isinstance(asked, Prepare) and abs(asked.decide_by - now) > SKEW_MS + DECIDE_MS:
        return RefusalReason.CLOCKS_DISAGREE
    return None


def _held(flight: Flight, asked: Hold | Prepare, seats: tuple[SeatNo, ...], now: Millis) -> list[SeatHeld]:
    """The yes, one event a seat, timed or pledged."""
    return [
        SeatHeld(
            at=now,
            flight=flight.id,
            seat=seat,
            booking=asked.booking,
            coordinator=asked.coordinator,
            participants=asked.participants,
            expires_at=None if isinstance(asked, Prepare) else now + asked.lasting,
            decide_by=asked.decide_by if isinstance(asked, Prepare) else None,
            ticket=asked.tickets[passenger] if isinstance(asked, Prepare) else None,
            coupon=asked.coupon if isinstance(asked, Prepare) else None,
        )
        for passenger, seat in enumerate(seats)
    ]


def _extend(flight: Flight, asked: Hold, now: Millis) -> Sequence[AnyFlightEvent]:
    """A hold lasts longer, up to this carrier's own limit; the same extension comes twice, and counts once."""
    claim = flight.claims[asked.booking]
    assert claim.expires_at is not None, "a timed hold without an end"
    until = min(now + asked.lasting, claim.since + HOLDS_MS_MAX)
    if asked.extension <= claim.extension or until <= claim.expires_at:
        return []
    return [replace(held, expires_at=until) for held in _held(flight, asked, claim.seats, now)]


def _promise(flight: Flight, asked: Prepare, now: Millis) -> Sequence[AnyFlightEvent]:
    """A timed hold becomes a pledge, on the seats it has; or it ends, which is the no."""
    seats = flight.claims[asked.booking].seats
    same = len(seats) == asked.count and asked.seats in ((), seats)
    if not same or _unacceptable(flight, asked, now):
        return _let_go(flight, asked.booking, ReleaseReason.ABORTED, now)
    return _held(flight, asked, seats, now)


def _refusal(asked: CoordinatorMessage, reason: RefusalReason, now: Millis) -> PrepareRefused:
    return PrepareRefused(
        at=now,
        flight=asked.flight,
        booking=asked.booking,
        coordinator=asked.coordinator,
        seats=asked.seats if isinstance(asked, SeatsWanted) else (),
        reason=reason,
    )


def _sell(flight: Flight, booking: BookingId, now: Millis) -> list[AnyFlightEvent]:
    claim = flight.claims[booking]
    return [
        SeatCommitted(at=now, flight=flight.id, seat=seat, booking=booking, ticket=ticket, coupon=claim.coupon)
        for seat, ticket in claim.tickets.items()
    ]


def _let_go(flight: Flight, booking: BookingId, reason: ReleaseReason, now: Millis) -> list[AnyFlightEvent]:
    return [
        HoldReleased(at=now, flight=flight.id, seat=seat, booking=booking, reason=reason)
        for seat in flight.claims[booking].seats
    ]


def _learn(flight: Flight, outcome: Outcome, now: Millis) -> Sequence[AnyFlightEvent | Heard]:
    """What another carrier says became of a pledge: the coordinator, or one that is bound by the same decision."""
    match outcome.word:
        case Word.COMMITTED:
            return _sell(flight, outcome.booking, now)
        case Word.ABORTED:
            return _let_go(flight, outcome.booking, ReleaseReason.ABORTED, now)
        case Word.PLEDGED | Word.UNDECIDED:
            return [WordHeard(outcome.booking, outcome.by, outcome.word)]


def _expire(flight: Flight, booking: BookingId, now: Millis) -> Sequence[AnyFlightEvent | Heard]:
    claim = flight.claims[booking]
    if claim.expires_at is not None and now >= claim.expires_at:
        return _let_go(flight, booking, ReleaseReason.EXPIRED, now)
    if claim.decide_by is not None and now >= claim.decide_by and booking not in flight.doubts:
        return [Doubted(booking)]
    return []
