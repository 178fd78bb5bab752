"""What an auditor holds against the log: the seats that this carrier's travellers are shown as held or sold."""

from collections.abc import Mapping
from heapq import nsmallest
from typing import Annotated, Final

from msgspec import Meta, Struct

from airline_node.availability import HELD, SOLD
from ledger.events import FlightScheduled
from ledger.terms import FlightId, SeatNo

FLIGHTS_PER_PAGE: Final = 200
"""A few milliseconds' work: orders wait for no longer."""
NAME_MAX: Final = 64


class TakenWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after: Annotated[str, Meta(max_length=NAME_MAX, description="The last flight that you have.")] = ""


class TakenSeats(Struct, frozen=True):
    flight: FlightId
    held: tuple[SeatNo, ...]
    sold: tuple[SeatNo, ...]


class TakenAnswer(Struct, frozen=True):
    """The next flights by their names, those without a taken seat too; none: there are no more."""

    flights: tuple[TakenSeats, ...]


def taken(flights: Mapping[FlightId, tuple[FlightScheduled, str]], after: str) -> TakenAnswer:
    """A page of these, each with one letter for each of its seats (see `FlightNews`)."""
    names = nsmallest(FLIGHTS_PER_PAGE, (name for name in flights if name > after))
    return TakenAnswer(tuple(_taken(*flights[name]) for name in names))


def _taken(plan: FlightScheduled, letters: str) -> TakenSeats:
    def of(letter: str) -> tuple[SeatNo, ...]:
        return tuple(seat for seat, known in zip(plan.seats, letters, strict=True) if known == letter)

    return TakenSeats(plan.flight, of(HELD), of(SOLD))
