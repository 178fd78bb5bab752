"""The words of the ledger and their shapes: what a flight, a seat, a segment is called and looks like.

Plain aliases: inside the house a `SeatNo` is a string that was checked at the door. The patterns
here are what a door checks; `ledger.messages` and the public API put them on their types.
"""

from hashlib import sha256
from typing import TypeAlias

from msgspec import Struct

CarrierCode: TypeAlias = str
"""Two capital letters: `AN`."""
FlightId: TypeAlias = str
"""One departure of one carrier on one date, local at the origin: `AN1001/2026-12-14`."""
SeatNo: TypeAlias = str
"""Row and column: `12A`."""
BookingId: TypeAlias = str
"""The client's own, unguessable; it is the transaction id."""
AirportCode: TypeAlias = str
Locator: TypeAlias = str
TicketNo: TypeAlias = str
"""Thirteen digits: the selling carrier's prefix, a serial, a check digit."""
Millis: TypeAlias = int
"""UTC milliseconds since 1970."""
Centavos: TypeAlias = int
"""Hundredths of a BRL."""

# A bare $ would let a line feed follow.
CARRIER_PATTERN = r"^[A-Z]{2}$(?!\n)"
FLIGHT_PATTERN = r"^[A-Z]{2}[0-9]{4}/[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)"
SEAT_PATTERN = r"^[1-9][0-9]?[A-K]$(?!\n)"
BOOKING_PATTERN = r"^[A-Za-z0-9-]{20,36}$(?!\n)"

PASSENGERS_MAX = 9
SEGMENTS_MAX = 4
HOLD_MS = 10 * 60_000
"""How long a traveller's hold lasts, and the longest that a carrier grants."""
HOLDS_MS_MAX = 60 * 60_000
"""The longest that a booking may hold seats, however often its hold is extended. Each carrier counts for itself."""
EXTENDED_MS_MIN = 60_000
"""An extension that would gain less than this is none: so a press that comes twice is one."""
DECIDE_MS = 10_000
"""From the start of voting: vote by, decide by, ask after."""
SKEW_MS = 3 * 3_600_000
"""The most that two carriers' clocks are expected to differ. Safety leans on it in one place only: how long a
closed door is remembered (`ledger.participant`)."""

LOCATOR_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Segment(Struct, frozen=True, kw_only=True):
    """One flight of an itinerary, as it was published when the booking was opened.

    `seats` names one seat a passenger, or is empty: then the carrier chooses. `fare` is for one passenger.
    """

    flight: FlightId
    origin: AirportCode
    destination: AirportCode
    departure: Millis
    arrival: Millis
    fare: Centavos
    seats: tuple[SeatNo, ...] = ()


def carrier_of(flight: FlightId) -> CarrierCode:
    """The carrier that flies it and keeps its seats."""
    return flight[:2]


def locator_of(booking: BookingId) -> Locator:
    """Six characters a person can spell on the telephone, always the same for one booking id.

    No O, 0, I or 1. Two bookings may share one (32^6 exist): it is for people, never a key.
    """
    number = int.from_bytes(sha256(booking.encode()).digest()[:4], "big")
    letters = ""
    for _ in range(6):
        number, letter = divmod(number, len(LOCATOR_LETTERS))
        letters += LOCATOR_LETTERS[letter]
    return letters


def ticket_number(prefix: str, serial: int) -> TicketNo:
    """The carrier's three digits, nine of serial, and the preceding twelve modulo seven, as IATA does it."""
    assert 0 < serial < 10**9, "a carrier's ticket stock has nine digits"
    twelve = f"{prefix}{serial:09d}"
    return f"{twelve}{int(twelve) % 7}"
