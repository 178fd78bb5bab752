"""What the pages need of a node. The node implements it (`airline_node.desk`); nothing here knows how.

A `Desk` has a part for each subject, each a small Protocol. A room that needs more of the node adds a part.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from ledger.events import AnyBookingEvent
from ledger.messages import BookingView, Refusal
from ledger.terms import AirportCode, BookingId, CarrierCode, Centavos, FlightId, Millis, SeatNo, carrier_of
from ui.logbook import LogBook
from ui.operations import Operations
from ui.people import People


class DeskClosed(Exception):
    """No order is taken now. Definite: nothing has happened. The text says why, for whoever runs the node."""


class DeskUnsure(Exception):
    """What became of the order is not known yet. Look at the booking again; the same order may be given again."""


# ---- the house ---------------------------------------------------------------------------------------------------


class Carrier(Struct, frozen=True, kw_only=True):
    code: CarrierCode
    name: str
    colour: str
    colour_dark: str


class Airport(Struct, frozen=True, kw_only=True):
    """`mct_minutes`: from one flight's arrival to the departure of the next one that may be sold with it."""

    code: AirportCode
    city: str
    name: str
    state: str
    zone: ZoneInfo
    mct_minutes: int

    @property
    def label(self) -> str:
        """As a form shows it, and understands it again: `Feira de Santana (FEC)`."""
        return f"{self.city} ({self.code})"


class House(Protocol):
    """Whose site this is, and the world as all carriers print it."""

    @property
    def carrier(self) -> Carrier: ...
    @property
    def carriers(self) -> Mapping[CarrierCode, Carrier]: ...
    @property
    def airports(self) -> Mapping[AirportCode, Airport]: ...
    @property
    def boot(self) -> str:
        """Another word for every start of the node."""

    def now(self) -> Millis:
        """The node's clock."""

    def closed(self) -> str | None:
        """Why no orders are taken at the moment; None while they are."""

    def watch(self, *names: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever one of these flights or bookings changes. Clear it before you look."""


# ---- what is on sale ---------------------------------------------------------------------------------------------


class Leg(Struct, frozen=True, kw_only=True):
    """A flight on sale. `fare` is for one passenger, `free` counts seats as last heard."""

    flight: FlightId
    origin: AirportCode
    destination: AirportCode
    departure: Millis
    arrival: Millis
    fare: Centavos
    free: int
    aircraft: str

    @property
    def carrier(self) -> CarrierCode:
        return carrier_of(self.flight)

    @property
    def number(self) -> str:
        """`AN1117`, as it stands on a board."""
        return self.flight.partition("/")[0]


class Journey(Struct, frozen=True, kw_only=True):
    """Legs that connect. `price` is for all passengers."""

    legs: tuple[Leg, ...]
    price: Centavos

    @property
    def departure(self) -> Millis:
        return self.legs[0].departure

    @property
    def arrival(self) -> Millis:
        return self.legs[-1].arrival

    @property
    def minutes(self) -> int:
        return (self.arrival - self.departure) // 60_000

    @property
    def carriers(self) -> tuple[CarrierCode, ...]:
        """Each once, in the order of travel."""
        return tuple(dict.fromkeys(leg.carrier for leg in self.legs))


class ShortConnection(Struct, frozen=True, kw_only=True):
    """Two flights that would make the journey, but for the time between them."""

    airport: AirportCode
    minutes: int
    needed: int
    before: FlightId
    after: FlightId


class Nothing(Struct, frozen=True, kw_only=True):
    """Why a search found nothing on a day.

    `sold_out`: flights that connect, but too few seats. `departed`: what there was has left. `short`: the two flights
    that come closest to connecting. `onward`: where flights from there go at all, that day or else another.
    """

    flown_at_all: bool
    sold_out: bool
    departed: bool
    short: ShortConnection | None
    onward: tuple[AirportCode, ...]


class Cabin(Struct, frozen=True, kw_only=True):
    """A flight's seats as last heard. `letters` has one for each: `.` free, `h` held, `s` sold.

    `revision` counts the changes of this flight since the node started, `columns` shows the aisle: `ABC DEF`.
    """

    flight: FlightId
    aircraft: str
    columns: str
    seats: tuple[SeatNo, ...]
    letters: str
    exits: tuple[int, ...]
    revision: int

    @property
    def free(self) -> tuple[SeatNo, ...]:
        return tuple(seat for seat, letter in zip(self.seats, self.letters, strict=True) if letter == ".")


class Sale(Protocol):
    """What all carriers sell, as it is known here."""

    def search(self, origin: AirportCode, destination: AirportCode, day: date, passengers: int) -> tuple[Journey, ...]:
        """The best by price, duration and connections, cheapest first."""

    def lowest(self, origin: AirportCode, destination: AirportCode, day: date, passengers: int) -> Centavos | None:
        """The lowest price on a day, for all passengers; it may be a few seconds old."""

    def nothing(self, origin: AirportCode, destination: AirportCode, day: date, passengers: int) -> Nothing:
        """Why a search comes back empty."""

    def days(self) -> tuple[date, date]:
        """The first and the last day that are on sale."""

    def leg(self, flight: FlightId) -> Leg | None: ...

    def cabin(self, flight: FlightId) -> Cabin | None: ...

    def fault(self, legs: tuple[Leg, ...]) -> Refusal | None:
        """What is wrong with these as one journey, as the API would say it."""

    def silent(self) -> Mapping[CarrierCode, float]:
        """The carriers that are not heard at the moment, and for how many seconds they have not been."""


# ---- bookings ----------------------------------------------------------------------------------------------------


class Order(Struct, frozen=True, kw_only=True):
    """`seats` has, for each leg, one seat a passenger, or nothing: then its carrier chooses."""

    booking: BookingId
    legs: tuple[Leg, ...]
    seats: tuple[tuple[SeatNo, ...], ...]
    passengers: int


class Names(Struct, frozen=True):
    """Who travels, in the order of the seats, and where to write to."""

    passengers: tuple[str, ...]
    email: str


class Bookings(Protocol):
    """Orders, the same that the API takes. Each raises `DeskClosed` or `DeskUnsure`."""

    async def hold(self, order: Order, wait_ms: Millis) -> BookingView | Refusal:
        """Hold every seat; after `wait_ms` at the latest, how far it has come. The same order may be given again."""

    async def extend(self, booking: BookingId) -> BookingView | Refusal:
        """Hold the seats for ten minutes from now, as long as `extensible_until` allows."""

    async def buy(self, booking: BookingId, names: Names, wait_ms: Millis) -> BookingView | Refusal:
        """Remember who travels, then buy what is held; after `wait_ms` at the latest, how far it has come."""

    async def cancel(self, booking: BookingId) -> BookingView | Refusal: ...

    async def read(self, booking: BookingId) -> BookingView | Refusal: ...

    async def names(self, booking: BookingId) -> Names | None:
        """Who travels; None if nobody was named yet, or they are erased."""


class History(Protocol):
    """What has happened, from the log."""

    async def of(self, booking: BookingId) -> tuple[AnyBookingEvent, ...]:
        """In order; empty for a booking that is not known here."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The node as its pages see it: a part for each subject."""

    house: House
    sale: Sale
    bookings: Bookings
    operations: Operations
    history: History
    people: People
    log: LogBook
