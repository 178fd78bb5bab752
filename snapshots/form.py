"""A ledger's state as JSON and back: what a snapshot holds.

Left out is whatever a crash may forget (votes, acknowledgements, doubts) and whatever follows from the rest (which
seats are taken, which claims wait). Flights of one cabin share its list of seats.
"""

from itertools import islice
from typing import Any

import orjson
from msgspec import Struct
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from ledger.coordinator.state import HEARD, Booking, Stock
from ledger.ledger import Ledger, Machine
from ledger.participant.state import Flight, HoldState
from ledger.terms import BookingId, CarrierCode, FlightId, SeatNo


class Picture(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One node's state after the last event of its log. `cabins` has, for each flight in order, its seats' number."""

    carrier: CarrierCode
    stock: Stock
    seats: tuple[tuple[SeatNo, ...], ...]
    cabins: tuple[int, ...]
    flights: tuple[Flight, ...]
    bookings: tuple[Booking, ...]


_DECODER = Decoder(Picture)
_ENCODER = Encoder()


class GradualPicture:
    """A picture of the moment in which it is begun, drawn piece by piece while the ledger goes on: copy on write.

    It must begin when the last event of `ledger` is the last one of a batch. Whatever is about to change is drawn
    first, as it still is; so until it is `complete`, the ledger has room for no second one.
    """

    def __init__(self, ledger: Ledger) -> None:
        assert ledger.before_change is None, "one picture at a time"
        self._ledger = ledger
        self._stock = replace(ledger.stock)
        self._flights: dict[FlightId, bytes] = dict.fromkeys(ledger.flights, b"")
        self._bookings: dict[BookingId, bytes] = dict.fromkeys(ledger.bookings, b"")
        self._cabins = dict.fromkeys(ledger.flights, 0)
        self._seats: dict[tuple[SeatNo, ...], int] = {}
        self._left: dict[Machine, Flight | Booking] = {**ledger.flights, **ledger.bookings}
        self._next = iter(list(self._left.values()))
        self.position: int | None = None
        """Up to where the log is in it: known only when the batch is written after which it was begun."""
        ledger.before_change = self._draw
        self.go_on(0)

    @property
    def complete(self) -> bool:
        return not self._left

    def go_on(self, pieces: int) -> None:
        """Draw so many flights and bookings more."""
        for machine in islice(self._next, pieces):
            self._draw(machine)
        if self.complete:
            self._ledger.before_change = None

    def state(self) -> bytes:
        """The whole as JSON. For a large ledger it is tens of megabytes to be copied: it may be called in a thread."""
        assert self.complete, f"{len(self._left)} pieces are missing"
        return orjson.dumps(
            {
                "carrier": self._ledger.carrier,
                "stock": {"prefix": self._stock.prefix, "next_serial": self._stock.next_serial},
                "seats": list(self._seats),
                "cabins": list(self._cabins.values()),
                "flights": [orjson.Fragment(drawn) for drawn in self._flights.values()],
                "bookings": [orjson.Fragment(drawn) for drawn in self._bookings.values()],
            }
        )

    def _draw(self, machine: Flight | Booking) -> None:
        """As it was in the beginning: meanwhile another object may bear its name, read back after it was forgotten."""
        as_it_was = self._left.pop(machine.id, None)
        if isinstance(as_it_was, Flight):
            seats = as_it_was.scheduled.seats
            self._cabins[as_it_was.id] = self._seats.setdefault(seats, len(self._seats))
            self._flights[as_it_was.id] = _ENCODER.encode(_bare_flight(as_it_was))
        elif as_it_was is not None:
            self._bookings[as_it_was.id] = _ENCODER.encode(_bare_booking(as_it_was, self._stock))


def drawn_at_once(ledger: Ledger) -> GradualPicture:
    """A complete picture. One that is being drawn goes on undisturbed."""
    drawing, ledger.before_change = ledger.before_change, None
    whole = GradualPicture(ledger)
    whole.go_on(len(ledger.flights) + len(ledger.bookings))
    ledger.before_change = drawing
    return whole


def picture(ledger: Ledger) -> bytes:
    """The state as JSON. It must be taken when the last event of `ledger` is the last one of a batch."""
    return drawn_at_once(ledger).state()


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


def _bare_booking(booking: Booking, stock: Stock) -> Booking:
    heard: dict[str, Any] = {name: type(getattr(booking, name))() for name in HEARD}
    return replace(booking, stock=stock, **heard)
