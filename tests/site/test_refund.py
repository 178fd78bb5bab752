"""What comes back: the law first, then the fare's own rule, and never a centavo lost."""

from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.ticket.refund import DAY_MS, PERCENT, Quote, Rule, quote

BAHIA = ZoneInfo("America/Bahia")  # three hours behind UTC
DEPARTURE = 1_797_237_600_000  # 2026-12-14 05:40 in Bahia
HOUR_MS = 3_600_000
PRICE = 76_970


def told(*, bought: float, now: float, price: int = PRICE) -> Quote | None:
    """`bought` and `now` are days before the departure."""
    return quote(
        price=price,
        bought_at=DEPARTURE - round(bought * DAY_MS),
        departure=DEPARTURE,
        zone=BAHIA,
        now=DEPARTURE - round(now * DAY_MS),
    )


@pytest.mark.parametrize(
    ("bought", "now", "rule", "refund"),
    [
        (20, 19.5, Rule.WITHDRAWAL, 76_970),
        (20, 19, Rule.WITHDRAWAL, 76_970),
        (20, 18.99, Rule.EARLY, 69_273),
        (7, 6.5, Rule.WITHDRAWAL, 76_970),
        (6, 5.5, Rule.LATE, 46_182),
        (20, 7, Rule.EARLY, 69_273),
        (20, 6.99, Rule.LATE, 46_182),
        (20, 1, Rule.LATE, 46_182),
        (20, 0.99, Rule.LAST, 15_394),
        (20, 0.0001, Rule.LAST, 15_394),
    ],
)
def test_the_rule_by_when_it_was_bought_and_when_it_is_given_back(
    bought: float, now: float, rule: Rule, refund: int
) -> None:
    given_back = told(bought=bought, now=now)
    assert given_back
    assert (given_back.rule, given_back.refund, given_back.kept) == (rule, refund, PRICE - refund)


def test_after_the_departure_nothing_is_quoted() -> None:
    assert told(bought=20, now=0) is None
    assert told(bought=20, now=-1) is None


def test_seven_days_are_counted_by_dates_at_the_airport_and_not_by_hours() -> None:
    """The resolution says "before the date of departure": bought late on the 7th, leaving early on the 14th, counts."""
    late_on_the_7th = DEPARTURE - 7 * DAY_MS + 18 * HOUR_MS  # 23:40 there, and the 8th in UTC
    early_on_the_8th = late_on_the_7th + HOUR_MS
    rules = [
        quote(price=PRICE, bought_at=bought, departure=DEPARTURE, zone=BAHIA, now=bought)
        for bought in (late_on_the_7th, early_on_the_8th)
    ]
    assert [rule and rule.rule for rule in rules] == [Rule.WITHDRAWAL, Rule.LATE]


def test_a_share_is_rounded_in_favour_of_the_traveller() -> None:
    given_back = told(bought=20, now=10, price=33)
    assert given_back
    assert (given_back.refund, given_back.kept) == (30, 3)


@given(price=st.integers(0, 10**8), ahead=st.integers(1, 60 * DAY_MS), since=st.integers(0, 40 * DAY_MS))
def test_a_quote_is_the_price_in_two_parts_and_holds_exactly_as_long_as_it_says(
    price: int, ahead: int, since: int
) -> None:
    now = DEPARTURE - ahead
    asked = partial(quote, price=price, bought_at=now - since, departure=DEPARTURE, zone=BAHIA)
    first = asked(now=now)
    assert first
    assert first.refund + first.kept == price
    assert first.refund * 100 >= price * PERCENT[first.rule] > first.refund * 100 - 100
    last = asked(now=first.good_until - 1)
    after = asked(now=first.good_until)
    assert first.good_until > now
    assert last
    assert last.rule is first.rule
    assert after is None or after.rule is not first.rule
