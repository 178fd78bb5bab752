"""What comes back when a traveller cancels, and by which rule. Pure: the hour is handed in.

The law first: ANAC's resolution 400, article 11, gives everything back within 24 hours of the purchase, if it was
bought seven days or more before the date of departure. Otherwise the fare's own rule, the same at all three airlines:

    seven days or more before the departure     90 %
    24 hours or more                            60 %
    less                                        20 %
    after the first departure                   it cannot be cancelled any more

A share is rounded up to a whole centavo, in favour of the traveller. One itinerary has one rule, by its first
departure: it was bought as a whole and is given back as a whole.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum

from msgspec import Struct

from ledger.terms import Centavos, Millis

DAY_MS = 24 * 3_600_000
EARLY_MS = 7 * DAY_MS
LAST_MS = DAY_MS
WITHDRAWAL_DAYS = 7


class Rule(StrEnum):
    WITHDRAWAL = "withdrawal"
    """The law's: all of it, within 24 hours."""
    EARLY = "early"
    LATE = "late"
    LAST = "last"


PERCENT: Mapping[Rule, int] = {Rule.WITHDRAWAL: 100, Rule.EARLY: 90, Rule.LATE: 60, Rule.LAST: 20}


class Quote(Struct, frozen=True, kw_only=True):
    """`refund` and `kept` are the price in two parts; the quote holds until `good_until`, and not at that instant."""

    rule: Rule
    percent: int
    refund: Centavos
    kept: Centavos
    good_until: Millis


def quote(*, price: Centavos, bought_at: Millis, departure: Millis, zone: tzinfo, now: Millis) -> Quote | None:
    """What comes back now; None once the first flight has left. `zone` is that of the airport it leaves from."""
    if now >= departure:
        return None
    rule, until = _rule(bought_at, departure, zone, now)
    refund = -(-price * PERCENT[rule] // 100)
    return Quote(rule=rule, percent=PERCENT[rule], refund=refund, kept=price - refund, good_until=until)


def _rule(bought_at: Millis, departure: Millis, zone: tzinfo, now: Millis) -> tuple[Rule, Millis]:
    ahead = (_date(departure, zone) - _date(bought_at, zone)).days
    # "Within 24 hours": the last instant counts.
    if ahead >= WITHDRAWAL_DAYS and now <= bought_at + DAY_MS:
        return Rule.WITHDRAWAL, min(bought_at + DAY_MS + 1, departure)
    if departure - now >= EARLY_MS:
        return Rule.EARLY, departure - EARLY_MS + 1
    if departure - now >= LAST_MS:
        return Rule.LATE, departure - LAST_MS + 1
    return Rule.LAST, departure


def _date(at: Millis, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at // 1000, UTC).astimezone(zone).date()
