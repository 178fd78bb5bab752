"""A ledger's state as JSON and back: what a snapshot holds.

Left out is whatever a crash may forget (votes, acknowledgements, doubts) and whatever follows from the rest (which
seats are taken, which claims wait). Flights of one cabin share its list of seats.
"""

from typing import Any

import orjson
from msgspec import Struct, to_builtins
from msgspec.json import Decoder
from msgspec.structs import replace

from ledger.coordinator.state import HEARD, Booking, Stock
from ledger.ledger import Ledger
from ledger.participant.state import Flight, HoldState
from ledger.terms import CarrierCode, SeatNo


class Picture(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One node's state after the last event of its log. `cabins` has, for each flight in order, its seats' number."""

    carrier: CarrierCode
    stock: Stock
    seats: tuple[tuple[SeatNo, ...], ...]
    cabins: tuple[int, ...]
    flights: tuple[Flight, ...]
    bookings: tuple[Booking, ...]


_DECODER = Decoder(Picture)


def picture(ledger: Ledger) -> bytes:
    """The state as JSON. It must be taken when the last event of `ledger` is the last one of a batch."""
    seats: dict[tuple[SeatNo, ...], int] = {}
    cabins = [seats.setdefault(flight.scheduled.seats, len(seats)) for flight in ledger.flights.values()]
    return orjson.dumps(
        to_builtins(
            Picture(
                carrier=ledger.carrier,
                stock=ledger.stock,
                seats=tuple(seats),
                cabins=tuple(cabins),
                flights=tuple(_bare_flight(flight) for flight in ledger.flights.values()),
                bookings=tuple(_bare_booking(booking) for booking in ledger.bookings.values()),
            )
        )
    )


def decoded(state: bytes) -> Picture:
    """A picture as it was taken: its flights without their cabins. Raises ValueError for what is no picture."""
    return _DECODER.decode(state)


def restore(ledger: Ledger, state: bytes) -> None:
    """Fill an empty ledger from a picture. Raises ValueError for another carrier's, or one that is no picture."""
    seen = decoded(state)
    if seen.carrier != ledger.carrier:
        raise ValueError(f"this is a snapshot of {seen.carrier}, not of {ledger.carrier}")
    ledger.stock.next_serial = seen.stock.next_serial
    if any(not 0 <= cabin < len(seen.seats) for cabin in seen.cabins):
        raise ValueError("a flight has a cabin that is not there")
    for flight, cabin in zip(seen.flights, seen.cabins, strict=True):
        flight.plan = replace(flight.scheduled, seats=seen.seats[cabin])
        flight.taken = {seat: booking for booking, claim in flight.claims.items() for seat in claim.holds}
        flight.waiting = {booking for booking, claim in flight.claims.items() if claim.state is not HoldState.SOLD}
        ledger.flights[flight.id] = flight
    for booking in seen.bookings:
        booking.stock = ledger.stock
        ledger.bookings[booking.id] = booking


def _bare_flight(flight: Flight) -> Flight:
    return replace(flight, plan=replace(flight.scheduled, seats=()), taken={}, waiting=set(), doubts={})


def _bare_booking(booking: Booking) -> Booking:
    heard: dict[str, Any] = {name: type(getattr(booking, name))() for name in HEARD}
    return replace(booking, **heard)
