"""Money, times, days and durations as a traveller reads them, in the language of the page.

A time is local to the airport where it happens: so whoever shows one names the airport.
"""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal

from ledger.terms import Centavos, Millis
from ui.language import gettext as _
from ui.language import locale

HOUR = 60


def money(amount: Centavos) -> str:
    """`R$ 769,70`."""
    return format_currency(Decimal(amount) / 100, "BRL", locale=locale())


def whole_money(amount: Centavos) -> str:
    """`R$ 770`, for where there is little room: rounded up, because nobody is glad to pay more than was shown."""
    pattern = locale().currency_formats["standard"].pattern.replace(".00", "")
    return format_currency(Decimal(-(-amount // 100)), "BRL", locale=locale(), format=pattern, currency_digits=False)


def local(at: Millis, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, zone)


def clock(at: Millis, zone: ZoneInfo) -> str:
    """`05:40`."""
    return f"{local(at, zone):%H:%M}"


def machine_time(at: Millis, zone: ZoneInfo) -> str:
    """For the `datetime` of a `<time>`."""
    return local(at, zone).isoformat(timespec="minutes")


def day(when: date) -> str:
    """`seg., 14 de dez.`"""
    return format_date(when, _("EEE, MMM d"), locale=locale())


def short_day(when: date) -> str:
    """`seg., 14 dez.`"""
    return format_date(when, _("EEE MMM d"), locale=locale())


def long_day(when: date) -> str:
    """`segunda-feira, 14 de dezembro`."""
    return format_date(when, _("EEEE, MMMM d"), locale=locale())


def moment(at: Millis, zone: ZoneInfo) -> str:
    """`14 de dez., 05:40`."""
    return format_datetime(local(at, zone).replace(tzinfo=None), _("MMM d, HH:mm"), locale=locale())


def days_later(at: Millis, zone: ZoneInfo, first: date) -> int:
    return (local(at, zone).date() - first).days


def duration(minutes: int) -> str:
    """`8 h 25 min`."""
    hours, rest = divmod(minutes, HOUR)
    if not hours:
        return _("{minutes} min").format(minutes=rest)
    if not rest:
        return _("{hours} h").format(hours=hours)
    return _("{hours} h {minutes} min").format(hours=hours, minutes=rest)


def short_duration(minutes: int) -> str:
    """`8h25`, where there is little room and the long form stands nearby."""
    hours, rest = divmod(minutes, HOUR)
    return f"{hours}h{rest:02}" if hours else f"{rest} min"


def spoken_list(items: list[str]) -> str:
    """`A, B and C`."""
    return format_list(items, locale=locale())


def number(value: float) -> str:
    return format_decimal(value, locale=locale())
