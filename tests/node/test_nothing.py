"""Why a search finds nothing: the day's own reason, and the connection that comes closest."""

from datetime import date

from airline_node.desk.nothing import why_nothing
from airline_node.itineraries import Offer
from ledger.terms import Millis
from tests.node.test_itineraries import AIRPORTS, HOUR, MIDNIGHT, MONDAY, board_of, offer
from ui.desk import Nothing, ShortConnection


def why(*offers: Offer, passengers: int = 1, now: Millis = 0, day: date = MONDAY) -> Nothing:
    return why_nothing(
        board_of(offers), AIRPORTS, origin="AAA", destination="CCC", day=day, passengers=passengers, now=now
    )


def test_a_connection_that_is_too_short_is_named_with_what_it_needs() -> None:
    found = why(offer(1, "AAA-BBB", 8, 2), offer(2, "BBB-CCC", 10.5, 1), offer(3, "BBB-CCC", 10.25, 1))
    assert found.short == ShortConnection(
        airport="BBB", minutes=30, needed=60, before="AN0001/2026-12-14", after="AN0002/2026-12-14"
    )


def test_flights_that_connect_and_have_too_few_seats_are_sold_out() -> None:
    assert why(offer(1, "AAA-CCC", 8, 2, free=1), passengers=2).sold_out
    assert not why(offer(1, "AAA-BBB", 8, 2)).sold_out


def test_what_has_left_today_has_departed() -> None:
    nine = MIDNIGHT + 9 * HOUR
    assert why(offer(1, "AAA-CCC", 8, 2), now=nine).departed
    assert not why(offer(1, "AAA-BBB", 8, 2), now=nine).departed


def test_where_one_can_fly_instead_is_told_for_that_day_or_else_another() -> None:
    assert why(offer(1, "AAA-BBB", 8, 2), offer(2, "AAA-DDD", 30, 2)).onward == ("BBB",)
    assert why(offer(2, "AAA-DDD", 30, 2)).onward == ("DDD",)


def test_an_airport_that_nothing_leaves_that_day_says_so() -> None:
    assert not why(offer(1, "AAA-BBB", 30, 2)).flown_at_all
    assert why(offer(1, "AAA-BBB", 8, 2)).flown_at_all
