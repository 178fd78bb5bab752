"""What a node answers over its public API, as far as `passcom book` needs it; checked: it may be anybody's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from ledger.messages import CheckedCarrier, CheckedFlight, CheckedSeat, CheckedTicket, SegmentState, Status
from ledger.terms import AirportCode, BookingId, Centavos

CheckedAirport = Annotated[AirportCode, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]
CheckedLocator = Annotated[str, Meta(pattern=r"^[A-Z2-9]{6}$(?!\n)")]


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why not. `booking` is where to look when the outcome is not known yet."""

    error: str
    detail: str
    known: bool
    booking: BookingId | None = None


class Segment(Struct, frozen=True, kw_only=True):
    flight: CheckedFlight
    carrier: CheckedCarrier
    origin: CheckedAirport
    destination: CheckedAirport
    departure: datetime
    arrival: datetime


class Itinerary(Struct, frozen=True, kw_only=True):
    segments: Annotated[tuple[Segment, ...], Meta(min_length=1)]
    price: Centavos
    minutes: int


class Itineraries(Struct, frozen=True, kw_only=True):
    itineraries: tuple[Itinerary, ...]
    stale: Mapping[CheckedCarrier, float]


class SoldSegment(Segment, frozen=True, kw_only=True):
    seats: tuple[CheckedSeat, ...]
    state: SegmentState


class Booking(Struct, frozen=True, kw_only=True):
    booking: BookingId
    locator: CheckedLocator
    status: Status
    total: Centavos
    hold_until: datetime | None
    tickets: tuple[CheckedTicket, ...]
    segments: tuple[SoldSegment, ...]
    pending: tuple[CheckedCarrier, ...]
