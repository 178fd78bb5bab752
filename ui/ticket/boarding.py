"""The code that is scanned at the gate: IATA's bar coded boarding pass (Resolution 792), one leg, mandatory items.

Sixty characters of fixed width. It says what the coupon says and nothing more; what decides at the gate is the
operating carrier's own manifest.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby

import segno
from msgspec import Struct

from ledger.terms import AirportCode, FlightId, Locator, SeatNo

NAME_WIDTH = 20
LENGTH = 60
QUIET = 4
"""Light squares around a code, without which readers do not find it (ISO/IEC 18004)."""


class Coupon(Struct, frozen=True, kw_only=True):
    """One passenger on one flight. `number` is the check-in sequence's place: here, the coupon's own."""

    passenger: str
    locator: Locator
    origin: AirportCode
    destination: AirportCode
    flight: FlightId
    seat: SeatNo
    number: int


def boarding_code(coupon: Coupon) -> str:
    """The sixty characters."""
    carrier, number, day = coupon.flight[:2], coupon.flight[2:6], date.fromisoformat(coupon.flight[7:])
    row, column = coupon.seat[:-1], coupon.seat[-1]
    code = "".join(
        (
            "M1",
            f"{ticket_name(coupon.passenger):<{NAME_WIDTH}}",
            "E",
            f"{coupon.locator:<7}",
            coupon.origin,
            coupon.destination,
            f"{carrier:<3}",
            f"{number} ",
            f"{day.timetuple().tm_yday:03d}",
            "Y",
            f"{int(row):03d}{column}",
            f"{coupon.number:04d} ",
            "1",
            "00",
        )
    )
    assert len(code) == LENGTH, code
    return code


def ticket_name(name: str) -> str:
    """As it is written on tickets: the last word, a slash, the others; letters from A to Z, twenty at most."""
    plain = unicodedata.normalize("NFKD", name.upper())
    words = "".join(letter if "A" <= letter <= "Z" else " " * letter.isspace() for letter in plain).split()
    if not words:
        return "X"  # A name in another script: the gate looks at the document.
    *given, last = words
    return "/".join(filter(None, (last, " ".join(given))))[:NAME_WIDTH].rstrip()


class Picture(Struct, frozen=True):
    """The code as squares: how many on a side, quiet ones included, and the dark ones as the data of an SVG path."""

    side: int
    dark: str


def picture(code: str) -> Picture:
    rows = list(segno.make(code, error="m", micro=False).matrix_iter(border=QUIET))
    return Picture(len(rows), "".join(_runs(rows)))


def _runs(rows: Iterable[Iterable[int]]) -> Iterator[str]:
    """A rectangle for all dark squares of a row that touch."""
    for y, row in enumerate(rows):
        x = 0
        for dark, squares in groupby(row):
            width = len(list(squares))
            if dark:
                yield f"M{x} {y}h{width}v1h-{width}z"
            x += width
