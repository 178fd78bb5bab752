"""The operators' pages as data: one sentence on top that is the worst there is, tiles, what waits, a flight's load."""

from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from ledger.messages import Restarted, Unanswered, Word
from ledger.participant.state import Command, Flight
from ledger.terms import CarrierCode
from ledger.waiting import Transaction, WaitState, transactions
from tests.ledger.given import (
    ANA,
    JG_FLIGHT,
    NOW,
    RUI,
    ask,
    booking,
    committed,
    flight,
    heard,
    opened,
    pledged,
    scheduled,
    sold,
    timed,
    voting,
)
from ui import language
from ui.operations import Load, Tile, Vitals, Waiting
from ui.operator.loads import view
from ui.operator.overview import Overview, overview
from ui.operator.words import Tone, length, safe, state_word, why, why_not_force

WELL = Vitals(now=NOW, inbox=0, holds=2, in_doubt=0, unsettled=0, alarms=0, orders=9, p50_ms=20, p99_ms=80)


@pytest.fixture(autouse=True)
def _english() -> None:
    language.speak("en")


def tiles(**changed: Tile) -> dict[CarrierCode, Tile]:
    """Jangada's node sees the other two; all are well but those that are named."""
    well = {
        "JG": Tile(carrier="JG", vitals=WELL),
        "AN": Tile(carrier="AN", vitals=WELL, lag_ms=300),
        "IP": Tile(carrier="IP", vitals=WELL, lag_ms=300),
    }
    return well | changed


SILENT = Tile(carrier="AN", vitals=None, lag_ms=90_000, owed=3, silent_since=NOW - 90_000, trouble="inquire: no answer")


def waits(*said: Command, silent: Sequence[CarrierCode] = ()) -> Waiting:
    """Ana's pledge at Jangada, after it has heard this."""
    jangada = flight(pledged())
    for one in said:
        ask(jangada, one)
    return of(jangada, silent=silent)


def of(jangada: Flight, silent: Sequence[CarrierCode] = ()) -> Waiting:
    [one] = transactions([jangada], []).transactions
    return Waiting(transaction=one, unreachable=tuple(silent), next_try=NOW + 3_000)


IN_DOUBT: tuple[Command, ...] = (Unanswered(ANA, JG_FLIGHT), heard(Word.PLEDGED, by="IP"))


def alarm(state: WaitState) -> Waiting:
    one = waits(*IN_DOUBT)
    return Waiting(transaction=replace(one.transaction, state=state, booking=RUI), unreachable=(), next_try=None)


def seen(of_tiles: Mapping[CarrierCode, Tile], *waiting: Waiting) -> Overview:
    return overview(of_tiles, waiting, NOW)


# ---- the sentence on top --------------------------------------------------------------------------------------------


def test_when_nothing_waits_and_everybody_answers_everything_is_normal() -> None:
    shown = seen(tiles())
    assert (shown.headline.tone, shown.headline.words) == (Tone.GOOD, "Everything is normal.")
    assert [card.tone for card in shown.cards] == [Tone.GOOD] * 3


def test_what_is_merely_under_way_is_normal_too() -> None:
    shown = seen(tiles(), waits())
    assert shown.headline.tone is Tone.GOOD
    assert (shown.rows, shown.routine) == ((), 1)
    assert seen(tiles(), waits(), waits()).routine == 1, "a booking is one, at its coordinator and on its flights"


def test_a_silent_carrier_is_named_with_how_long_it_has_been_silent() -> None:
    shown = seen(tiles(AN=SILENT))
    assert shown.headline.tone is Tone.WARN
    assert shown.headline.words == "AN does not answer. Silent for 90 s. Nothing waits for it."


def test_bookings_in_doubt_say_how_many_what_is_at_stake_and_who_is_silent() -> None:
    shown = seen(tiles(AN=SILENT), waits(*IN_DOUBT, silent=["AN"]))
    assert shown.headline.tone is Tone.WARN
    assert shown.headline.words.replace("\xa0", " ") == "1 booking waits, R$410.00 at stake. AN does not answer."


@pytest.mark.parametrize("state", [WaitState.CONFLICT, WaitState.MISMATCH])
def test_logs_that_contradict_each_other_are_worse_than_anything_else(state: WaitState) -> None:
    shown = seen(tiles(AN=SILENT), waits(*IN_DOUBT), alarm(state))
    assert shown.headline.tone is Tone.BAD
    assert shown.headline.words.startswith("1 booking is told differently by two logs")
    assert [row.tone for row in shown.rows] == [Tone.BAD, Tone.WARN], "and stand first, however young they are"


def test_slowness_is_told_when_nothing_worse_is() -> None:
    slow = Tile(carrier="IP", vitals=replace(WELL, p99_ms=1_500), lag_ms=300)
    assert seen(tiles(IP=slow)).headline.words == "Everything is answered, but slowly at IP."
    assert seen(tiles(IP=slow, AN=SILENT)).headline.words.startswith("AN does not answer.")


def test_a_booking_is_counted_once_whoever_tells_of_it() -> None:
    whole = transactions([], [booking(opened(), voting(), committed())]).transactions[0]
    own = Waiting(transaction=whole, unreachable=(), next_try=None)
    shown = seen(tiles(), own, waits(*IN_DOUBT))
    assert shown.at_stake == whole.at_stake, "its price, and not the pinned seats once more"
    assert shown.headline.words.startswith("1 booking waits")


# ---- tiles ----------------------------------------------------------------------------------------------------------


def test_a_silent_carrier_s_tile_shows_no_figures_that_nobody_told() -> None:
    _own, card, _ = seen(tiles(AN=SILENT)).cards
    assert (card.tone, card.state, card.detail) == (Tone.BAD, "does not answer", "Silent for 90 s.")
    assert [(figure.name, figure.value) for figure in card.figures] == [("Heard", "90 s ago"), ("Owed to it", "3")]


def test_a_carrier_with_an_alarm_or_a_doubt_is_seen_from_afar() -> None:
    bad = Tile(carrier="AN", vitals=replace(WELL, alarms=1), lag_ms=300)
    doubting = Tile(carrier="IP", vitals=replace(WELL, in_doubt=2), lag_ms=300)
    assert [card.tone for card in seen(tiles(AN=bad, IP=doubting)).cards] == [Tone.GOOD, Tone.BAD, Tone.WARN]


def test_a_node_that_took_no_order_yet_has_no_percentile() -> None:
    idle = Tile(carrier="JG", vitals=replace(WELL, p50_ms=None, p99_ms=None, orders=0))
    figures = {figure.name: figure.value for figure in seen(tiles(JG=idle)).cards[0].figures}
    assert figures["Half of the orders within"] == "–"


# ---- what waits -----------------------------------------------------------------------------------------------------


def test_a_row_says_why_what_is_safe_who_said_what_and_when_it_is_asked_again() -> None:
    [row] = seen(tiles(AN=SILENT), waits(*IN_DOUBT, silent=["AN"])).rows
    assert row.why == "Only AN knows the decision, and it cannot be reached."
    assert row.safe == "Wait, and bring AN back. The seat can neither be lost nor sold twice meanwhile."
    assert row.said == (("AN", "silent"), ("JG", "pledged"), ("IP", "pledged"))
    assert (row.seats, row.next_try, row.since) == ("1A", "in 3 s", "0 s ago")


@pytest.mark.parametrize("spoken", ["en", "pt"])
@pytest.mark.parametrize("state", WaitState)
@pytest.mark.parametrize("silent", [(), ("AN",)])
def test_every_state_has_a_word_a_reason_and_something_safe_to_do_in_both_languages(
    spoken: str, state: WaitState, silent: tuple[CarrierCode, ...]
) -> None:
    language.speak(spoken)
    told = replace(waits(*IN_DOUBT).transaction, state=state, waits_for=("AN",))
    one = Waiting(transaction=told, unreachable=silent, next_try=None)
    for words in (state_word(state), why(one), safe(one)):
        assert words
        assert "{" not in words


@pytest.mark.parametrize(
    ("said", "no"),
    [
        ((), "Its time to be decided is not over yet."),
        ((Restarted(JG_FLIGHT),), "AN can still be asked."),
        ((Unanswered(ANA, JG_FLIGHT),), "IP may know the decision and has not answered yet."),
        (IN_DOUBT, ""),
    ],
)
def test_it_is_said_why_a_pledge_may_not_be_broken_yet(said: tuple[Command, ...], no: str) -> None:
    assert why_not_force(waits(*said).transaction) == no


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 s"), (119_000, "119 s"), (120_000, "2 min"), (7_200_000, "2 h"), (172_800_000, "2 days"), (-5, "0 s")],
)
def test_a_time_is_told_as_one_says_it(ms: int, words: str) -> None:
    assert length(ms) == words


# ---- a flight's load ------------------------------------------------------------------------------------------------


def load(*holds: Transaction, letters: str = "ssh.........") -> Load:
    return Load(schedule=scheduled(), letters=letters, holds=holds)


def held(age_ms: int) -> Transaction:
    [one] = transactions([flight(timed("1C", at=NOW - age_ms))], []).transactions
    return one


def test_a_flight_s_seats_are_sold_held_or_free_and_add_up() -> None:
    shown = view(load(held(0)), NOW)
    assert (shown.sold, shown.held, shown.free, shown.seats) == (2, 1, 9, 12)
    assert sum(shown.parts) == 100


@pytest.mark.parametrize(
    ("age_ms", "place"), [(0, 0), (59_999, 0), (60_000, 1), (600_000, 2), (3_599_999, 2), (3_600_000, 3)]
)
def test_holds_are_counted_by_their_age_and_old_ones_are_seen(age_ms: int, place: int) -> None:
    shown = view(load(held(age_ms)), NOW)
    assert [age.seats for age in shown.ages] == [int(place == at) for at in range(4)]
    assert (shown.ages[place].tone is Tone.WARN) == (place >= 2)


def test_sold_seats_are_no_holds() -> None:
    assert transactions([flight(pledged(), sold())], []).transactions == ()
    assert view(load(), NOW).holds == ()
