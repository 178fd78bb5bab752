"""The code that is scanned at the gate: IATA's bar coded boarding pass (Resolution 792), one leg, mandatory items.

Sixty characters of fixed width. It says what the coupon says and nothing more; what decides at the gate is the
operating carrier's own manifest.
"""

import unicodedata
from datetime import date

import segno
from msgspec import Struct

from ledger.terms import AirportCode, FlightId, Locator, SeatNo

NAME_WIDTH = 20
LENGTH = 60


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


def picture(code: str) -> str:
    """The code as an `<svg>` that scales with its box, black on white whatever the page's colours are."""
    return segno.make(code, error="m", micro=False).svg_inline(
        scale=4, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
    )
