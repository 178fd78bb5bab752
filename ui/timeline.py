"""A journey drawn to scale: its flights and the waits between them, each with its share of the whole."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from msgspec import Struct

from ledger.terms import AirportCode, CarrierCode, FlightId, Millis
from ui.desk import Airport

SHARES = 100


class Flown(Protocol):
    """A leg, a segment of a booking: whatever leaves one airport and arrives at another."""

    @property
    def flight(self) -> FlightId: ...
    @property
    def carrier(self) -> CarrierCode: ...
    @property
    def origin(self) -> AirportCode: ...
    @property
    def destination(self) -> AirportCode: ...
    @property
    def departure(self) -> Millis: ...
    @property
    def arrival(self) -> Millis: ...


class Part(Struct, frozen=True, kw_only=True):
    """One piece of the bar. A wait has an airport and no carrier; `share` is of 100, and at least 1."""

    minutes: int
    share: int
    carrier: CarrierCode | None = None
    number: str = ""
    airport: Airport | None = None


def timeline(legs: Sequence[Flown], airports: Mapping[AirportCode, Airport]) -> tuple[Part, ...]:
    whole = max(1, legs[-1].arrival - legs[0].departure)

    def share(spent: Millis) -> int:
        return max(1, round(SHARES * spent / whole))

    parts: list[Part] = []
    for before, leg in pairwise((None, *legs)):
        assert leg is not None
        if before is not None:
            wait = leg.departure - before.arrival
            parts.append(Part(minutes=wait // 60_000, share=share(wait), airport=airports[leg.origin]))
        flying = leg.arrival - leg.departure
        number = leg.flight.partition("/")[0]
        parts.append(Part(minutes=flying // 60_000, share=share(flying), carrier=leg.carrier, number=number))
    return tuple(parts)
