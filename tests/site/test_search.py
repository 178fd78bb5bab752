"""What a traveller may type for an airport, and how what is found is put in order."""

import pytest
from multidict import MultiDict

from tests.site.given import AIRPORTS, HOUR, NOON, journey, leg
from ui.search.asked import folded, matching
from ui.search.results import Filters, Order, choices, filters_of, order_of, ordered, seats_left, shown
from ui.timeline import timeline

CHEAP = journey(leg("IP4001/2026-12-01", fare=20_000, hours=9))
FAST = journey(leg("AN1117/2026-12-01", fare=60_000, hours=2))
FAIR = journey(leg("JG2055/2026-12-01", fare=25_000, hours=3, departure=NOON + 7 * HOUR))
FOUND = [CHEAP, FAST, FAIR]


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ("FEC", {"FEC"}),
        ("fec", {"FEC"}),
        ("Feira de Santana (FEC)", {"FEC"}),
        ("feira de santana", {"FEC"}),
        ("cuiaba", {"CGB"}),
        ("CUIABÁ", {"CGB"}),
        ("sao luis", {"SLZ"}),
        ("são paulo", {"GRU", "CGH"}),
        ("congonhas", {"CGH"}),
        ("bahia", {"FEC", "SSA"}),
        ("mato grosso", {"CGB"}),
        ("salv", {"SSA"}),
        ("ador", set()),
        ("", set()),
        ("São Paulo (XXX)", set()),
        ("()", set()),
    ],
)
def test_an_airport_is_meant_by_code_city_or_state_with_or_without_accents(words: str, codes: set[str]) -> None:
    assert {airport.code for airport in matching(words, AIRPORTS)} == codes


def test_accents_capitals_and_punctuation_do_not_count() -> None:
    assert folded("  São Luís-MA ") == "sao luis ma"


def test_the_cheapest_the_fastest_and_the_best_of_both() -> None:
    assert [ordered(FOUND, order)[0] for order in Order] == [FAIR, CHEAP, FAST]


def test_an_order_that_nobody_knows_is_the_best() -> None:
    assert order_of(MultiDict(sort="dearest")) is Order.BEST


def test_a_filter_tells_how_many_each_box_would_let_through_given_the_other_groups() -> None:
    evening = filters_of(MultiDict(time="evening"), ["AN", "JG", "IP"])
    assert shown(FOUND, evening, AIRPORTS) == [FAIR]
    counted = choices(FOUND, evening, AIRPORTS, ["AN", "JG", "IP"])
    assert {choice.value: choice.count for choice in counted["carrier"]} == {"JG": 1}
    assert {choice.value: choice.count for choice in counted["time"]} == {"afternoon": 2, "evening": 1}


def test_a_group_whose_boxes_all_let_everything_through_is_not_offered() -> None:
    assert choices([FAIR], Filters(), AIRPORTS, ["AN", "JG", "IP"]) == {}
    offered = choices([FAIR], filters_of(MultiDict(time="evening"), []), AIRPORTS, ["AN", "JG", "IP"])
    assert list(offered) == ["time"], "what is ticked can be unticked"


def test_nothing_ticked_lets_everything_through() -> None:
    assert shown(FOUND, Filters(), AIRPORTS) == FOUND


def test_few_seats_are_worth_a_word_and_the_fullest_flight_counts() -> None:
    assert seats_left(journey(leg(free=40), leg(free=3))) == 3
    assert seats_left(journey(leg(free=40))) is None


def test_a_timeline_is_to_scale_and_shows_the_waits() -> None:
    first = leg("IP4001/2026-12-01", "FEC", "SSA", NOON, 1)
    second = leg("AN1117/2026-12-01", "SSA", "CGB", NOON + 2 * HOUR, 3)
    parts = timeline((first, second), AIRPORTS)
    assert [(part.carrier, part.share, part.minutes) for part in parts] == [
        ("IP", 20, 60),
        (None, 20, 60),
        ("AN", 60, 180),
    ]
    assert parts[1].airport == AIRPORTS["SSA"]
