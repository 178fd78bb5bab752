"""A flight at one instant of its log: its seats then, what the last event changed, and what must hold. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from ledger.audit import Audit
from ledger.cabin import cabin_of
from ledger.events import AnyEvent, FlightEvent, SeatCommitted, SeatHeld
from ledger.history import FlightThen, SeatState
from ledger.terms import BookingId, CarrierCode, Millis, SeatNo, carrier_of
from ui.language import gettext as _
from ui.language import pgettext
from ui.logbook import Entry

SIGNS = {SeatState.FREE: "", SeatState.HELD: "○", SeatState.PLEDGED: "◐", SeatState.SOLD: "●"}


class Seat(Struct, frozen=True, kw_only=True):
    """`words` is what a screen reader says; `seller` is the carrier whose booking it is."""

    number: SeatNo
    state: SeatState
    sign: str
    seller: CarrierCode | None
    booking: BookingId | None
    changed: bool
    words: str


class Rule(Struct, frozen=True):
    """Something that must hold at every instant, and whether it did; `wrong` says what did not."""

    text: str
    holds: bool
    wrong: str


class Instant(Struct, frozen=True, kw_only=True):
    """`number` counts the flight's own events from 1; `entry` is the last of them that had happened."""

    number: int
    of: int
    entry: Entry
    then: FlightThen
    rows: tuple[tuple[str, tuple[tuple[Seat | None, ...], ...]], ...]
    sellers: dict[CarrierCode, dict[SeatState, int]]
    counts: dict[SeatState, int]
    rules: tuple[Rule, ...]


def instant(entries: Sequence[Entry], number: int) -> Instant:
    """The flight after its first `number` events; there is at least one, which put it on sale."""
    then, audit = FlightThen(), Audit()
    changed: tuple[SeatNo, ...] = ()
    first = entries[0].event
    assert isinstance(first, FlightEvent)
    carrier = carrier_of(first.flight)
    for entry in entries[:number]:
        changed = then.hear(entry.event)
        audit.hear(carrier, entry.event, entry.position, entry.version)
    sellers: dict[CarrierCode, dict[SeatState, int]] = {}
    for owner in then.seats.values():
        of_seller = sellers.setdefault(owner.coordinator, dict.fromkeys(SeatState, 0))
        of_seller[owner.state] += 1
    return Instant(
        number=number,
        of=len(entries),
        entry=entries[number - 1],
        then=then,
        rows=_rows(then, set(changed)),
        sellers=dict(sorted(sellers.items())),
        counts={state: then.count(state) for state in SeatState},
        rules=_rules(then, audit),
    )


def number_at(entries: Sequence[Entry], at: Millis) -> int:
    """How many of these events had happened by then, and at least the first."""
    return max(1, sum(entry.event.at <= at for entry in entries))


def _rows(then: FlightThen, changed: set[SeatNo]) -> tuple[tuple[str, tuple[tuple[Seat | None, ...], ...]], ...]:
    assert then.plan is not None, "a flight's first event puts it on sale"
    there = set(then.plan.seats)
    return tuple(
        (
            row[0][:-1],
            tuple(
                tuple(
                    _seat(then, name, changed) if (name := row[0][:-1] + letter) in there else None for letter in block
                )
                for block in then.plan.cabin.split()
            ),
        )
        for row in cabin_of(then.plan.cabin, then.plan.seats).rows
    )


def _seat(then: FlightThen, number: SeatNo, changed: set[SeatNo]) -> Seat:
    owner = then.seats.get(number)
    state = owner.state if owner else SeatState.FREE
    words = [number, state_words(state)]
    if owner:
        words.append(_("by {carrier}").format(carrier=owner.coordinator))
    if number in changed:
        words.append(_("just changed"))
    return Seat(
        number=number,
        state=state,
        sign=SIGNS[state],
        seller=owner.coordinator if owner else None,
        booking=owner.booking if owner else None,
        changed=number in changed,
        words=", ".join(words),
    )


def _rules(then: FlightThen, audit: Audit) -> tuple[Rule, ...]:
    findings = audit.contradictions()
    twice = [f.detail for f in findings if f.fault == "sold twice"]
    unfounded = [f.detail for f in findings if f.fault == "unfounded"]
    order = [f.detail for f in findings if f.fault in ("gap", "reordered")]
    counts = {state: then.count(state) for state in SeatState}
    seats = len(then.plan.seats) if then.plan else 0
    return (
        _rule(_("No seat has two owners"), twice),
        _rule(_("Every sale had its pledge, and every release its hold"), unfounded),
        _rule(_("No event is missing and none is out of order"), order),
        Rule(
            _("Free, held, pledged and sold make up the whole cabin"),
            sum(counts.values()) == seats and min(counts.values()) >= 0,
            "",
        ),
    )


def _rule(text: str, wrong: Sequence[str]) -> Rule:
    return Rule(text, not wrong, "; ".join(wrong))


def state_words(state: SeatState) -> str:
    return {
        SeatState.FREE: pgettext("seat in a log", "free"),
        SeatState.HELD: pgettext("seat in a log", "held"),
        SeatState.PLEDGED: pgettext("seat in a log", "pledged"),
        SeatState.SOLD: pgettext("seat in a log", "sold"),
    }[state]


def booking_words(state: str) -> str:
    """A booking's state at some instant (`BookingThen`); why it was aborted stays as the log has it."""
    phase, _space, reason = state.partition(" ")
    words = {
        "open": pgettext("a booking", "held for its traveller"),
        "voting": _("collecting votes"),
        "committed": pgettext("a booking", "sold"),
        "aborted": pgettext("a booking", "not sold"),
        "cancelled": _("cancelled by the traveller"),
    }
    return f"{words.get(phase, phase)} {reason}".strip()


# ---- words for the log ---------------------------------------------------------------------------------------------


def what(event: AnyEvent) -> str:
    """The event in a few words, for a list."""
    seat = getattr(event, "seat", None)
    match event:
        case SeatHeld() if event.expires_at is None:
            return _("{seat} pledged").format(seat=seat)
        case SeatHeld():
            return _("{seat} held for a while").format(seat=seat)
        case SeatCommitted():
            return _("{seat} sold").format(seat=seat)
    words = {
        "FlightScheduled": _("put on sale"),
        "HoldReleased": _("{seat} released"),
        "PrepareRefused": _("refused"),
        "SeatReturned": _("{seat} given back"),
        "ForceProposed": _("force proposed"),
        "ForceCompared": _("force compared with the decision"),
        "MismatchAcknowledged": _("mismatch acknowledged"),
        "BookingOpened": _("booking opened"),
        "HoldExtended": _("more time asked for"),
        "VotingStarted": _("votes asked for"),
        "BookingCommitted": _("decided: sold"),
        "BookingAborted": _("decided: not sold"),
        "BookingSettled": _("settled everywhere"),
        "BookingCancelled": _("cancelled by the traveller"),
    }
    return words.get(type(event).__name__, type(event).__name__).format(seat=seat)


def utc(at: Millis) -> str:
    """`2026-12-01 10:00:05.123`: logs are compared to the millisecond, and between time zones."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S}.{at % 1000:03d}"


def utc_seconds(at_s: int) -> str:
    try:
        return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "?"


def millis(text: str) -> Millis | None:
    """An instant as a form sends it, `2026-12-01T10:00` or with seconds or a zone; UTC unless it says otherwise."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def month_of(day: date) -> tuple[date, date]:
    """Its first day and its last."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
