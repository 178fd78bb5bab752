"""Who told what to whom, and when: a booking's messages, worked out from what the carriers' logs have of it.

Messages are not stored. But nothing is said before it is on disk, and so each event is the proof of one: a pledge is
the yes to a prepare, a decision is told to every carrier that has not recorded it. What was said and left no trace (an
answer that was lost, a question asked twice) is not shown.

Times are each carrier's own clock. Where clocks differ an answer can be older than its question: rows therefore stand
in the order of the protocol, and by time within a step of it. What operators did is set between them by its time.

Another carrier's log tells of its flights alone. Where the coordinator's decision is not at hand, a participant's own
event still proves that it was told one.
"""

from collections.abc import Iterator, Sequence, Set
from itertools import groupby

from msgspec import Struct

from ledger.events import (
    AbortReason,
    AnyBookingEvent,
    AnyEvent,
    AnyFlightEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingEvent,
    BookingOpened,
    BookingSettled,
    Decision,
    FlightEvent,
    ForceCompared,
    ForceProposed,
    HoldReleased,
    MismatchAcknowledged,
    PrepareRefused,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.terms import CarrierCode, FlightId, Millis, carrier_of
from ui.language import gettext as _
from ui.operations import Account

TRAVELLER = ""
"""The lane of whoever buys."""
ROWS_MAX = 80


class Message(Struct, frozen=True, kw_only=True):
    """From one lane to another, or (`to` is None) something that a carrier wrote down for itself."""

    at: Millis
    sender: CarrierCode
    to: CarrierCode | None
    words: str
    detail: str = ""
    decides: bool = False
    answers: bool = False


class Diagram(Struct, frozen=True, kw_only=True):
    """`lanes` begins with the traveller and the coordinator. `silent` are carriers whose logs could not be asked."""

    lanes: tuple[CarrierCode, ...]
    messages: tuple[Message, ...]
    silent: tuple[tuple[CarrierCode, str], ...]


_Placed = tuple[int, Millis, Message]


def diagram(accounts: Sequence[Account]) -> Diagram:
    events = [event for account in accounts for event in account.events]
    coordinator, flights = _coordinator(accounts), _flights(events)
    placed = [*_of_booking(coordinator, flights, events), *_of_claims(coordinator, events)]
    said = [message for _stage, _at, message in sorted(placed, key=lambda one: one[:2])]
    done = sorted((note for event in events if (note := _by_operators(event))), key=lambda note: note.at)
    return Diagram(
        lanes=(TRAVELLER, *dict.fromkeys([coordinator, *map(carrier_of, flights)])),
        messages=tuple(_merged(said, done))[:ROWS_MAX],
        silent=tuple((account.carrier, account.trouble) for account in accounts if account.trouble),
    )


def _merged(said: Sequence[Message], done: Sequence[Message]) -> Iterator[Message]:
    """What operators did, each after all that was said before it."""
    left = list(done)
    for message in said:
        while left and left[0].at < message.at:
            yield left.pop(0)
        yield message
    yield from left


def _coordinator(accounts: Sequence[Account]) -> CarrierCode:
    for account in accounts:
        for event in account.events:
            if isinstance(event, SeatHeld | PrepareRefused):
                return event.coordinator
            if isinstance(event, BookingEvent):
                return account.carrier
    return ""


def _flights(events: Sequence[AnyEvent]) -> tuple[FlightId, ...]:
    """The booking's flights, in the traveller's order where that is known."""
    for event in events:
        if isinstance(event, BookingOpened):
            return tuple(segment.flight for segment in event.segments)
        if isinstance(event, SeatHeld):
            return event.participants
    return tuple(dict.fromkeys(event.flight for event in events if isinstance(event, FlightEvent)))


# ---- what the coordinator's log proves ------------------------------------------------------------------------------


def _of_booking(coordinator: CarrierCode, flights: Sequence[FlightId], events: Sequence[AnyEvent]) -> Iterator[_Placed]:
    others = [carrier for carrier in dict.fromkeys(map(carrier_of, flights)) if carrier != coordinator]
    voted = any(isinstance(event, VotingStarted) for event in events)
    held_first = any(isinstance(event, SeatHeld) and event.expires_at is not None for event in events)
    for event in events:
        if isinstance(event, BookingEvent):
            yield from _told(coordinator, others, event, voted=voted, held_first=held_first)


def _told(
    coordinator: CarrierCode, others: Sequence[CarrierCode], event: AnyBookingEvent, *, voted: bool, held_first: bool
) -> Iterator[_Placed]:
    def to_all(stage: int, words: str) -> Iterator[_Placed]:
        for carrier in others:
            yield stage, event.at, Message(at=event.at, sender=coordinator, to=carrier, words=words)

    def note(stage: int, words: str, detail: str = "", *, decides: bool = False) -> _Placed:
        told = Message(at=event.at, sender=coordinator, to=None, words=words, detail=detail, decides=decides)
        return stage, event.at, told

    match event:
        case BookingOpened():
            yield 0, event.at, Message(at=event.at, sender=TRAVELLER, to=coordinator, words=_("order"))
            if held_first:
                yield from to_all(1, _("hold"))
        case VotingStarted():
            yield from to_all(3, _("prepare"))
        case BookingCommitted():
            yield note(5, _("decision: commit"), decides=True)
            yield (
                6,
                event.at,
                Message(at=event.at, sender=coordinator, to=TRAVELLER, words=_("confirmed"), answers=True),
            )
            yield from to_all(6, _("commit"))
        case BookingAborted():
            yield note(5, _("decision: abort"), abort_word(event.reason), decides=True)
            yield from to_all(6, _("abort") if voted else _("release"))
        case BookingSettled():
            yield note(8, _("settled: every carrier has recorded it"))
        case BookingCancelled():
            yield 9, event.at, Message(at=event.at, sender=TRAVELLER, to=coordinator, words=_("cancel"))
            yield from to_all(10, _("return"))


def abort_word(reason: AbortReason) -> str:
    words = {
        AbortReason.SEAT_TAKEN: _("a seat was taken"),
        AbortReason.REFUSED: _("a carrier refused"),
        AbortReason.NO_ANSWER: _("a carrier did not answer in time"),
        AbortReason.EXPIRED: _("the hold ran out"),
        AbortReason.CANCELLED: _("the traveller cancelled"),
        AbortReason.PRESUMED: _("asked about, and nothing was decided"),
    }
    return words[reason]


# ---- what the participants' logs prove ------------------------------------------------------------------------------


def _of_claims(coordinator: CarrierCode, events: Sequence[AnyEvent]) -> Iterator[_Placed]:
    claims = [event for event in events if isinstance(event, FlightEvent)]
    known = {type(event) for event in events if isinstance(event, BookingEvent)}
    # A claim's seats move together: one row for all of them.
    for _key, same in groupby(claims, key=lambda event: (event.flight, type(event), event.at)):
        every = list(same)
        if _is_theirs(every[0]):
            continue
        if asked := _question(coordinator, every[0], known):
            yield asked
        yield _recorded(coordinator, every[0], every)


def _question(coordinator: CarrierCode, event: AnyFlightEvent, known: Set[type[BookingEvent]]) -> _Placed | None:
    """What the coordinator must have said before this, where its own log does not tell it."""
    match event:
        case SeatHeld(expires_at=None) if VotingStarted not in known:
            stage, words = 3, _("prepare")
        case SeatHeld() if BookingOpened not in known:
            stage, words = 1, _("hold")
        case SeatCommitted() if BookingCommitted not in known:
            stage, words = 6, _("commit")
        case HoldReleased(reason=ReleaseReason.ABORTED) if BookingAborted not in known:
            stage, words = 6, _("abort")
        case SeatReturned() if BookingCancelled not in known:
            stage, words = 10, _("return")
        case _:
            return None
    carrier = carrier_of(event.flight)
    if carrier == coordinator:
        return None
    return stage, event.at, Message(at=event.at, sender=coordinator, to=carrier, words=words)


def _recorded(coordinator: CarrierCode, event: AnyFlightEvent, every: Sequence[AnyFlightEvent]) -> _Placed:
    carrier = carrier_of(event.flight)
    seats = " ".join(seat for one in every if (seat := getattr(one, "seat", None)))
    detail = f"{event.flight.partition('/')[0]} {seats}".strip()

    def answer(stage: int, words: str) -> _Placed:
        to = None if carrier == coordinator else coordinator
        return stage, event.at, Message(at=event.at, sender=carrier, to=to, words=words, detail=detail, answers=True)

    match event:
        case SeatHeld(expires_at=None):
            return answer(4, _("yes, pledged"))
        case SeatHeld():
            return answer(2, _("held"))
        case PrepareRefused():
            return answer(4, _("no, refused"))
        case SeatCommitted():
            return answer(7, _("sold and recorded"))
        case HoldReleased():
            return answer(7, _("released"))
        case SeatReturned():
            return answer(11, _("returned"))
        case _:
            raise AssertionError(f"{event} belongs to no booking")


# ---- what operators did ---------------------------------------------------------------------------------------------


def _is_theirs(event: AnyEvent) -> bool:
    forced = isinstance(event, HoldReleased) and event.reason is ReleaseReason.FORCED
    return forced or isinstance(event, ForceProposed | ForceCompared | MismatchAcknowledged)


def _by_operators(event: AnyEvent) -> Message | None:
    match event:
        case ForceProposed():
            words = _("breaking the pledge is proposed")
        case HoldReleased(reason=ReleaseReason.FORCED):
            words = _("pledge broken by force")
        case ForceCompared(decision=Decision.COMMITTED):
            words = _("compared: it was sold, a mismatch")
        case ForceCompared():
            words = _("compared: it was aborted, as it should")
        case MismatchAcknowledged():
            words = _("the traveller was seen to")
        case _:
            return None
    detail = f"{event.flight.partition('/')[0]} {getattr(event, 'seat', '')}".strip()
    return Message(at=event.at, sender=carrier_of(event.flight), to=None, words=words, detail=detail)
