"""What is chosen so far, as it stands in the address: flights, how many travel, and the seats of each flight."""

import re
from collections.abc import Sequence
from urllib.parse import urlencode

from msgspec import Struct
from multidict import MultiMapping

from ledger.terms import FLIGHT_PATTERN, PASSENGERS_MAX, SEAT_PATTERN, SEGMENTS_MAX, FlightId, SeatNo
from ui.desk import Leg, Sale

BETWEEN = "."
"""Between the seats of one flight in the address: `12A.12B`."""


class Chosen(Struct, frozen=True, kw_only=True):
    """`seats` has an entry for each leg; an empty one is not chosen yet."""

    legs: tuple[Leg, ...]
    passengers: int
    seats: tuple[tuple[SeatNo, ...], ...]

    @property
    def total(self) -> int:
        return self.passengers * sum(leg.fare for leg in self.legs)

    @property
    def whole(self) -> bool:
        return all(len(seats) == self.passengers for seats in self.seats)

    def with_seats(self, number: int, seats: Sequence[SeatNo]) -> "Chosen":
        changed = (*self.seats[:number], tuple(seats), *self.seats[number + 1 :])
        return Chosen(legs=self.legs, passengers=self.passengers, seats=changed)

    def fields(self) -> list[tuple[str, str]]:
        """All of it, for an address or a form's hidden fields."""
        return [
            *(("flight", leg.flight) for leg in self.legs),
            ("passengers", str(self.passengers)),
            *(("seats", BETWEEN.join(seats)) for seats in self.seats),
        ]

    def address(self, number: int) -> str:
        """Where the seats of this leg are chosen."""
        return f"/seats?{urlencode([*self.fields(), ('leg', str(number))])}"


def read(fields: MultiMapping[str], sale: Sale) -> Chosen | None:
    """What the fields say; None if they are no journey that is on sale. Seats that cannot be are not chosen."""
    flights: list[FlightId] = fields.getall("flight", [])
    passengers = fields.get("passengers", "1")
    if not (1 <= len(flights) <= SEGMENTS_MAX and all(re.match(FLIGHT_PATTERN, flight) for flight in flights)):
        return None
    if not (passengers.isascii() and passengers.isdigit() and 1 <= int(passengers) <= PASSENGERS_MAX):
        return None
    legs = [sale.leg(flight) for flight in flights]
    if any(leg is None for leg in legs):
        return None
    count = int(passengers)
    written = [*fields.getall("seats", []), *([""] * len(flights))][: len(flights)]
    return Chosen(
        legs=tuple(leg for leg in legs if leg is not None),
        passengers=count,
        seats=tuple(seats if len(seats := seat_names(words.split(BETWEEN))) == count else () for words in written),
    )


def seat_names(words: Sequence[str]) -> tuple[SeatNo, ...]:
    """Each once, and only what can be the name of a seat."""
    return tuple(dict.fromkeys(word for word in words if re.match(SEAT_PATTERN, word)))


def leg_number(fields: MultiMapping[str], chosen: Chosen) -> int:
    words = fields.get("leg", "0")
    return min(int(words), len(chosen.legs) - 1) if words.isascii() and words.isdigit() and len(words) < 3 else 0
