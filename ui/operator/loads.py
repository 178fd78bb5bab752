"""A flight's load, and its holds by their age: an old hold is a seat that nobody can buy."""

from msgspec import Struct

from ledger.terms import BookingId, FlightId, Millis
from ledger.waiting import WaitState
from ui.language import gettext as _
from ui.operations import Load
from ui.operator.words import Tone, length, state_word, tone_of

MINUTE_MS: Millis = 60_000
HOUR_MS: Millis = 60 * MINUTE_MS
AGES: tuple[Millis, ...] = (MINUTE_MS, 10 * MINUTE_MS, HOUR_MS)
"""Where one age ends and the next begins. A timed hold ends by itself within ten minutes."""


class Hold(Struct, frozen=True, kw_only=True):
    booking: BookingId
    locator: str
    seats: str
    state: str
    tone: Tone
    age: str


class Age(Struct, frozen=True):
    """Holds of one age. `part` is their seats' share of the oldest bar, of 100."""

    name: str
    seats: int
    part: int
    tone: Tone


class LoadView(Struct, frozen=True, kw_only=True):
    """`parts` are sold, held and free as hundredths that add up."""

    flight: FlightId
    route: tuple[str, str]
    departure: Millis
    sold: int
    held: int
    free: int
    seats: int
    parts: tuple[int, int, int]
    ages: tuple[Age, ...]
    holds: tuple[Hold, ...]


def view(load: Load, now: Millis) -> LoadView:
    sold, held, free = load.count("s"), load.count("h"), load.count(".")
    seats = len(load.letters)
    part_sold, part_held = round(100 * sold / seats), round(100 * held / seats)
    return LoadView(
        flight=load.schedule.flight,
        route=(load.schedule.origin, load.schedule.destination),
        departure=load.schedule.departure,
        sold=sold,
        held=held,
        free=free,
        seats=seats,
        parts=(part_sold, part_held, max(0, 100 - part_sold - part_held)),
        ages=_ages(load, now),
        holds=tuple(
            Hold(
                booking=one.booking,
                locator=one.locator,
                seats=" ".join(one.seats),
                state=state_word(one.state),
                tone=tone_of(one.state),
                age=length(now - one.since),
            )
            for one in load.holds
            if one.state not in (WaitState.FORCED, WaitState.MISMATCH)
        ),
    )


def _ages(load: Load, now: Millis) -> tuple[Age, ...]:
    names = (_("under 1 min"), _("1 to 10 min"), _("10 min to 1 h"), _("over 1 h"))
    counts = [0] * len(names)
    for one in load.holds:
        if one.state not in (WaitState.FORCED, WaitState.MISMATCH):
            counts[sum(now - one.since >= age for age in AGES)] += len(one.seats)
    most = max(1, *counts)
    return tuple(
        Age(name, seats, round(100 * seats / most), Tone.WARN if old >= 2 and seats else Tone.GOOD)
        for old, (name, seats) in enumerate(zip(names, counts, strict=True))
    )
