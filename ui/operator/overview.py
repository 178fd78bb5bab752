"""The operators' first page as data: one sentence on top, a tile a carrier, what waits. Worst first, everywhere."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ledger.terms import BookingId, CarrierCode, Centavos, FlightId, Millis
from ledger.waiting import WaitState
from ui.figures import money, number, spoken_list
from ui.language import gettext as _
from ui.language import ngettext
from ui.operations import Tile, Waiting
from ui.operator.words import (
    ALARMS,
    ROUTINE,
    Tone,
    length,
    safe,
    said_word,
    state_word,
    tone_of,
    why,
)

STALE_MS: Millis = 10_000
"""A carrier whose flights were not heard for so long: what is shown of them may have changed."""
SLOW_MS = 1_000
CROWDED = 1_000
"""Half of what the inbox takes."""
ROWS_MAX = 50


class Headline(Struct, frozen=True):
    tone: Tone
    words: str


class Figure(Struct, frozen=True):
    """One figure of a tile; `tone` other than good is seen from afar."""

    name: str
    value: str
    tone: Tone = Tone.GOOD


class Card(Struct, frozen=True, kw_only=True):
    """A carrier's tile: how it is in a word, since when, and its figures."""

    carrier: CarrierCode
    own: bool
    tone: Tone
    state: str
    detail: str
    figures: tuple[Figure, ...]


class Row(Struct, frozen=True, kw_only=True):
    """One that waits."""

    booking: BookingId
    locator: str
    flight: FlightId | None
    seats: str
    tone: Tone
    state: str
    why: str
    safe: str
    since: str
    at_stake: Centavos
    said: tuple[tuple[CarrierCode, str], ...]
    next_try: str


class Overview(Struct, frozen=True, kw_only=True):
    headline: Headline
    cards: tuple[Card, ...]
    rows: tuple[Row, ...]
    more: int
    routine: int
    at_stake: Centavos


def overview(tiles: Mapping[CarrierCode, Tile], waiting: Sequence[Waiting], now: Millis) -> Overview:
    unsettled = [one for one in waiting if one.transaction.state not in ROUTINE]
    unsettled.sort(key=lambda one: (one.transaction.state not in ALARMS, one.transaction.since))
    own = next(iter(tiles))
    return Overview(
        headline=headline(tiles, unsettled, now),
        cards=tuple(_card(tile, tile.carrier == own, now) for tile in tiles.values()),
        rows=tuple(row(one, now) for one in unsettled[:ROWS_MAX]),
        more=max(0, len(unsettled) - ROWS_MAX),
        routine=len({one.transaction.booking for one in waiting if one.transaction.state in ROUTINE}),
        at_stake=at_stake(unsettled),
    )


def headline(tiles: Mapping[CarrierCode, Tile], unsettled: Sequence[Waiting], now: Millis) -> Headline:
    """The worst there is, in one sentence."""
    alarms = {one.transaction.booking for one in unsettled if one.transaction.state in ALARMS}
    if alarms:
        words = ngettext(
            "{count} booking is told differently by two logs: people have to look at it now.",
            "{count} bookings are told differently by two logs: people have to look at them now.",
            len(alarms),
        )
        return Headline(Tone.BAD, words.format(count=len(alarms)))
    down = [tile.carrier for tile in tiles.values() if tile.vitals is None]
    doubt = {one.transaction.booking for one in unsettled}
    if doubt:
        return Headline(Tone.WARN, _doubt(len(doubt), at_stake(unsettled), down))
    if down:
        words = ngettext("{carriers} does not answer.", "{carriers} do not answer.", len(down))
        since = min((t.silent_since for t in tiles.values() if t.silent_since is not None), default=None)
        told = words.format(carriers=spoken_list(down))
        if since is not None:
            told += " " + _("Silent for {time}.").format(time=length(now - since))
        return Headline(Tone.WARN, told + " " + _("Nothing waits for it."))
    if slow := [tile for tile in tiles.values() if tile.vitals and (tile.vitals.p99_ms or 0) > SLOW_MS]:
        words = _("Everything is answered, but slowly at {carriers}.")
        return Headline(Tone.WARN, words.format(carriers=spoken_list([tile.carrier for tile in slow])))
    return Headline(Tone.GOOD, _("Everything is normal."))


def _doubt(count: int, stake: Centavos, down: Sequence[CarrierCode]) -> str:
    words = ngettext(
        "{count} booking waits, {money} at stake.", "{count} bookings wait, {money} at stake.", count
    ).format(count=count, money=money(stake))
    if down:
        silent = ngettext("{carriers} does not answer.", "{carriers} do not answer.", len(down))
        return f"{words} {silent.format(carriers=spoken_list(list(down)))}"
    return words


def at_stake(waiting: Sequence[Waiting]) -> Centavos:
    """A booking's price where it is told whole, else the seats that are pinned here: never both."""
    whole = {one.transaction.booking: one.transaction.at_stake for one in waiting if one.transaction.flight is None}
    parts = (one.transaction.at_stake for one in waiting if one.transaction.booking not in whole)
    return sum(whole.values()) + sum(parts)


# ---- a tile ---------------------------------------------------------------------------------------------------------


def _card(tile: Tile, own: bool, now: Millis) -> Card:
    vitals = tile.vitals
    if vitals is None:
        tone, state = Tone.BAD, _("does not answer")
    elif vitals.alarms:
        tone, state = Tone.BAD, _("up, with an alarm")
    elif vitals.in_doubt or vitals.unsettled or (tile.lag_ms or 0) > STALE_MS:
        tone, state = Tone.WARN, _("up, something waits")
    else:
        tone, state = Tone.GOOD, _("up")
    return Card(
        carrier=tile.carrier,
        own=own,
        tone=tone,
        state=state,
        detail=_detail(tile, now),
        figures=tuple(_figures(tile, own)),
    )


def _detail(tile: Tile, now: Millis) -> str:
    if tile.silent_since is not None:
        return _("Silent for {time}.").format(time=length(now - tile.silent_since))
    if tile.vitals is None:
        return _("It does not tell how it is; nothing waits for it here.")
    return ""


def _figures(tile: Tile, own: bool) -> list[Figure]:
    figures: list[Figure] = []
    if not own:
        lag = tile.lag_ms or 0
        figures.append(Figure(_("Heard"), _("{time} ago").format(time=length(lag)), _warn(lag > STALE_MS)))
        figures.append(Figure(_("Owed to it"), number(tile.owed), _warn(tile.vitals is None and tile.owed > 0)))
    if vitals := tile.vitals:
        figures += [
            Figure(_("In doubt"), number(vitals.in_doubt), _warn(vitals.in_doubt > 0)),
            Figure(_("Not recorded"), number(vitals.unsettled), _warn(vitals.unsettled > 0)),
            Figure(_("Open holds"), number(vitals.holds)),
            Figure(_("Inbox"), number(vitals.inbox), _warn(vitals.inbox > CROWDED)),
            Figure(_("Half of the orders within"), _ms(vitals.p50_ms)),
            Figure(_("99 of 100 orders within"), _ms(vitals.p99_ms), _warn((vitals.p99_ms or 0) > SLOW_MS)),
        ]
        if vitals.alarms:
            figures.insert(0, Figure(_("Alarms"), number(vitals.alarms), Tone.BAD))
    return figures


def _warn(bad: bool) -> Tone:
    return Tone.WARN if bad else Tone.GOOD


def _ms(value: float | None) -> str:
    return "–" if value is None else _("{ms} ms").format(ms=number(round(value)))


# ---- one that waits -------------------------------------------------------------------------------------------------


def row(one: Waiting, now: Millis) -> Row:
    told = one.transaction
    # Each carrier once, with the last word it is known for.
    said = dict.fromkeys((standing.carrier, said_word(standing.said)) for standing in told.standings)
    flights = [standing.flight.partition("/")[0] for standing in told.standings if standing.flight]
    return Row(
        booking=told.booking,
        locator=told.locator,
        flight=told.flight,
        seats=" ".join(told.seats) if told.flight else " ".join(dict.fromkeys(flights)),
        tone=tone_of(told.state),
        state=state_word(told.state),
        why=why(one),
        safe=safe(one),
        since=_("{time} ago").format(time=length(now - told.since)),
        at_stake=told.at_stake,
        said=tuple(said),
        next_try=_next(one, now),
    )


def _next(one: Waiting, now: Millis) -> str:
    if one.next_try is None:
        return "" if one.transaction.state is not WaitState.IN_DOUBT else _("now")
    left = one.next_try - now
    return _("now") if left <= 1_000 else _("in {time}").format(time=length(left))
