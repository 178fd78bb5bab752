"""Breaking a pledge by force: never the default, never by one person, and never forgotten.

    NONE --propose--> PROPOSED --release--> BROKEN --compare: aborted----> BORNE_OUT
                       |    ^                 '----compare: committed--> MISMATCH --acknowledge--> ACKNOWLEDGED
                       '----'  proposed anew, when the time to confirm has run out

Rule 11. It is refused while the decision can still be learned: while the coordinator has time to decide or answers, and
until every other participant has been asked and either waits like this carrier or cannot be reached. What a carrier
that has committed says ends the doubt by itself (rule 9), so that nothing is left to force. A second operator confirms
in time, and all of this is looked at once more then. After that the carrier goes on asking for the decision; a commit
is a mismatch, and stays one until an operator has acknowledged it; from then on its coordinator is told so too.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from msgspec.structs import replace

from ledger.events import (
    AnyFlightEvent,
    Decision,
    ForceCompared,
    ForceProposed,
    HoldReleased,
    MismatchAcknowledged,
    ReleaseReason,
)
from ledger.messages import (
    Abort,
    AcknowledgeMismatch,
    Commit,
    ConfirmForce,
    ForceState,
    Forcing,
    Inquire,
    OperatorCommand,
    Outcome,
    ProposeForce,
    Refusal,
    Word,
)
from ledger.participant.state import Broken, Flight, HoldState
from ledger.terms import BookingId, CarrierCode, Millis, carrier_of

CONFIRM_MS = 15 * 60_000
"""How long a second operator has to confirm: a proposal from yesterday's shift is not a decision."""

ForceEvent: TypeAlias = ForceProposed | HoldReleased | ForceCompared | MismatchAcknowledged

NEXT: Mapping[tuple[ForceState, str], ForceState] = MappingProxyType(
    {
        (ForceState.NONE, "propose"): ForceState.PROPOSED,
        (ForceState.NONE, "release"): ForceState.BROKEN,  # a log from before there were proposals
        (ForceState.PROPOSED, "propose"): ForceState.PROPOSED,
        (ForceState.PROPOSED, "release"): ForceState.BROKEN,
        (ForceState.BROKEN, "release"): ForceState.BROKEN,  # the claim's next seat
        (ForceState.BROKEN, "aborted"): ForceState.BORNE_OUT,
        (ForceState.BROKEN, "committed"): ForceState.MISMATCH,
        (ForceState.MISMATCH, "acknowledge"): ForceState.ACKNOWLEDGED,
    }
)


def move_of(event: ForceEvent) -> str:
    """The column of the table that an event stands in."""
    match event:
        case ForceProposed():
            return "propose"
        case HoldReleased():
            return "release"
        case ForceCompared():
            return event.decision
        case MismatchAcknowledged():
            return "acknowledge"


# ---- decide ---------------------------------------------------------------------------------------------------------


def decide(flight: Flight, command: OperatorCommand, now: Millis) -> Sequence[AnyFlightEvent]:
    """What should happen; nothing for what is already so, and nothing for what is refused (`reply` says why)."""
    match command, flight.broken.get(command.booking):
        case ProposeForce(), known if refusal(flight, command.booking) is None and not _stands(known, now):
            return [
                ForceProposed(
                    at=now,
                    flight=flight.id,
                    booking=command.booking,
                    operator=command.operator,
                    why=command.why,
                    expires_at=now + CONFIRM_MS,
                )
            ]
        case ConfirmForce(), Broken() as known if (
            refusal(flight, command.booking) is None and _stands(known, now) and not _same(known, command)
        ):
            return [
                HoldReleased(
                    at=now,
                    flight=flight.id,
                    seat=seat,
                    booking=command.booking,
                    reason=ReleaseReason.FORCED,
                    operator=command.operator,
                    why=known.why,
                )
                for seat in flight.claims[command.booking].seats
            ]
        case AcknowledgeMismatch(), Broken(state=ForceState.MISMATCH):
            return [
                MismatchAcknowledged(
                    at=now,
                    flight=flight.id,
                    booking=command.booking,
                    operator=command.operator,
                    note=command.note,
                )
            ]
        case _:
            return []


def compare(flight: Flight, told: Commit | Abort | Outcome, now: Millis) -> Sequence[AnyFlightEvent]:
    """The decision comes to light: once, for a pledge that was broken before anybody here knew it."""
    known = flight.broken.get(told.booking)
    if known is None or known.state is not ForceState.BROKEN:
        return []
    match told:
        case Commit() | Outcome(word=Word.COMMITTED):
            decision = Decision.COMMITTED
        case Abort() | Outcome(word=Word.ABORTED):
            decision = Decision.ABORTED
        case _:
            return []
    return [ForceCompared(at=now, flight=flight.id, booking=told.booking, decision=decision)]


def refusal(flight: Flight, booking: BookingId) -> Refusal | None:
    """Why this pledge may not be broken now, in a sentence; None: it may be, by two operators."""
    state, claim = flight.state_of(booking), flight.claims.get(booking)
    if state in (HoldState.SOLD, HoldState.RETURNED):
        return Refusal("committed", "the decision is known: it was to commit, and a carrier's sale is never broken")
    if claim is None or state is not HoldState.PLEDGED:
        return Refusal("not-pledged", f"{booking} has no pledge on {flight.id} that could be broken")
    me, doubt = carrier_of(flight.id), flight.doubts.get(booking)
    if claim.coordinator == me:
        return Refusal("decision-can-be-learned", "this carrier's own log holds the decision: it settles by itself")
    if doubt is None:
        return Refusal("decision-can-be-learned", f"{claim.coordinator} still has time to decide: ask again first")
    if claim.coordinator not in doubt.silent:
        return Refusal("decision-can-be-learned", f"{claim.coordinator} has not been found silent: ask it first")
    if unheard := [other for other in claim.others(me) if other not in doubt.words and other not in doubt.silent]:
        detail = f"{' and '.join(unheard)} may know the decision and has not answered yet: wait for that"
        return Refusal("decision-can-be-learned", detail)
    return None


def _stands(known: Broken | None, now: Millis) -> bool:
    return known is not None and known.state is ForceState.PROPOSED and now < known.expires_at


def _same(known: Broken, command: OperatorCommand) -> bool:
    return known.operator.casefold() == command.operator.casefold()


# ---- evolve ---------------------------------------------------------------------------------------------------------


def evolve(flight: Flight, event: ForceEvent) -> None:
    """What it means that it happened. A stored event that the table forbids raises, and so stops the node."""
    known = flight.broken.get(event.booking)
    before = known.state if known else ForceState.NONE
    state = NEXT[before, move_of(event)]
    match event:
        case ForceProposed():
            claim = flight.claims[event.booking]
            known = Broken(
                coordinator=claim.coordinator,
                participants=claim.participants,
                seats=claim.seats,
                operator=event.operator,
                why=event.why,
                expires_at=event.expires_at,
            )
        case HoldReleased():
            known = known or _unproposed(flight, event)
            known = replace(known, confirmed_by=event.operator)
        case ForceCompared() | MismatchAcknowledged():
            assert known is not None
    flight.broken[event.booking] = replace(known, state=state, since=event.at)


def _unproposed(flight: Flight, event: HoldReleased) -> Broken:
    claim = flight.claims[event.booking]
    return Broken(
        coordinator=claim.coordinator,
        participants=claim.participants,
        seats=claim.seats,
        operator=event.operator or "",
        why=event.why or "",
        expires_at=event.at,
    )


# ---- reply, pending -------------------------------------------------------------------------------------------------


def reply(flight: Flight, command: OperatorCommand) -> Forcing | Refusal:
    """What the operator may be told, once what was decided is on disk."""
    known = flight.broken.get(command.booking)
    match command, known:
        case ProposeForce(), Broken(state=ForceState.PROPOSED) if not _same(known, command):
            return Refusal("proposed-already", f"{known.operator} has proposed it: confirm that, or let it run out")
        case ((ProposeForce() | ConfirmForce()), Broken(state=ForceState.PROPOSED)) if no := refusal(
            flight, command.booking
        ):
            return no
        case ProposeForce(), Broken(state=ForceState.PROPOSED):
            return view(flight, command.booking, known)
        case ConfirmForce(), Broken(state=ForceState.PROPOSED) if _same(known, command):
            return Refusal("second-operator", "a second operator has to confirm what the first one proposed")
        case ConfirmForce(), Broken(state=ForceState.PROPOSED):
            return Refusal("proposal-expired", "the time to confirm it has run out: propose it again")
        case ConfirmForce(), Broken():
            return view(flight, command.booking, known)
        case AcknowledgeMismatch(), Broken(state=ForceState.ACKNOWLEDGED):
            return view(flight, command.booking, known)
        case AcknowledgeMismatch(), _:
            return Refusal("no-mismatch", f"{command.booking} has no mismatch on {flight.id}")
        case ConfirmForce(), None if refusal(flight, command.booking) is None:
            return Refusal("not-proposed", "nobody has proposed it: propose it first, with the reason")
        case _:
            no = refusal(flight, command.booking)
            return no or Refusal("not-pledged", f"{command.booking} has no pledge on {flight.id} any more")


def seen_to(flight: Flight, booking: BookingId) -> bool:
    """Whether an operator has acknowledged that this pledge was broken against its decision."""
    known = flight.broken.get(booking)
    return known is not None and known.state is ForceState.ACKNOWLEDGED


def view(flight: Flight, booking: BookingId, known: Broken) -> Forcing:
    return Forcing(
        booking=booking,
        flight=flight.id,
        state=known.state,
        operator=known.operator,
        why=known.why,
        expires_at=known.expires_at,
        confirmed_by=known.confirmed_by,
    )


def pending(flight: Flight, booking: BookingId, known: Broken) -> list[Inquire]:
    """A broken pledge asks on, everybody who may know: what was decided must come to light."""
    if known.state is not ForceState.BROKEN:
        return []
    me = carrier_of(flight.id)

    def ask(about: str, to: CarrierCode) -> Inquire:
        return Inquire(booking=booking, flight=about, coordinator=known.coordinator, asker=flight.id, to=to)

    others = [other for other in known.participants if carrier_of(other) not in (me, known.coordinator)]
    return [ask(flight.id, known.coordinator), *(ask(other, carrier_of(other)) for other in others)]
