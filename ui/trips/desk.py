"""What the page of a traveller's trips needs of the node."""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from ledger.messages import CheckedBooking, CheckedCarrier, CheckedFlight, CheckedInstant, Status
from ledger.terms import SEGMENTS_MAX, AirportCode, BookingId, Centavos, Locator
from ui.visitor import AccountId

CheckedAirport = Annotated[AirportCode, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]


class TripSegment(Struct, frozen=True, kw_only=True):
    flight: CheckedFlight
    origin: CheckedAirport
    destination: CheckedAirport
    departure: CheckedInstant
    arrival: CheckedInstant


class Trip(Struct, frozen=True, kw_only=True):
    """One booking, as its seller tells it: another airline's word is checked by these bounds."""

    booking: CheckedBooking
    locator: Annotated[Locator, Meta(pattern=r"^[A-Z2-9]{6}$(?!\n)")]
    seller: CheckedCarrier
    status: Status
    total: Annotated[Centavos, Meta(ge=0)]
    segments: Annotated[tuple[TripSegment, ...], Meta(min_length=1, max_length=SEGMENTS_MAX)]


class MyTrips(Struct, frozen=True):
    """`silent` are the airlines that did not answer: what was bought there is missing here."""

    trips: tuple[Trip, ...]
    silent: tuple[str, ...]


class Trips(Protocol):
    async def add(self, account: AccountId, booking: BookingId) -> None:
        """This booking here is that account's. On disk when this returns; a second time changes nothing."""

    async def of(self, account: AccountId) -> MyTrips: ...
