"""What travellers, partners, operators and auditors may ask: their JSON, and from it the command for the node.

Rule: what a body alone shows to be wrong is refused at once (422). What is wrong with it in this world (a departed
flight, a connection too short) travels in the command as its `objection` and decides only if the booking is new: a
repeat of an old request still hears its first answer (protocol rule 6). The answers are in `answers.py`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date as Date
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from airline_node.door import decoded, encoded, invalid
from airline_node.itineraries import connection_fault
from airline_node.journal import LOG_EVENTS_MAX
from airline_node.network import Network
from airline_node.timetable import Airport
from airline_node.vault import Contact, Passenger, Travellers
from ledger.events import FlightScheduled
from ledger.messages import CheckedCount, CheckedFlight, CheckedSeat, OpenBooking, Refusal
from ledger.terms import BOOKING_PATTERN, PASSENGERS_MAX, SEGMENTS_MAX, AirportCode, BookingId, Millis, SeatNo, Segment

LOG_EVENTS = 100
"""Events in an answer, if the auditor does not say how many."""
STREAM_MAX = 64
POSITION_MAX = 2**53
"""The largest number that every reader of JSON keeps exact."""
YEARS = range(2000, 2100)
"""A day of travel in another year is a slip of the pen."""

# ---- the types --------------------------------------------------------------------------------------------------

SeatNames: TypeAlias = Annotated[
    tuple[CheckedSeat, ...],
    Meta(min_length=1, max_length=PASSENGERS_MAX, description="One for each passenger, in their order."),
]
SeatCount: TypeAlias = Annotated[
    CheckedCount, Meta(description="One for each passenger; the carrier chooses, together if it can.")
]
CheckedAirport: TypeAlias = Annotated[AirportCode, Meta(pattern="^[A-Z]{3}$", description="The airport's IATA code.")]


class SegmentWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seats on one flight: named, or how many; without them, one for each passenger."""

    flight: Annotated[CheckedFlight, Meta(description="Carrier, number and date, local at the origin.")]
    seats: SeatNames | SeatCount | UnsetType = UNSET

    @property
    def named(self) -> tuple[SeatNo, ...]:
        return self.seats if isinstance(self.seats, tuple) else ()


class BookingWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of these seats, or none. With `confirm` they are bought in one step, else held."""

    segments: Annotated[tuple[SegmentWanted, ...], Meta(min_length=1, max_length=SEGMENTS_MAX)]
    passengers: Annotated[tuple[Passenger, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]
    contact: Contact
    confirm: bool = False

    def __post_init__(self) -> None:
        flights = [segment.flight for segment in self.segments]
        for index, segment in enumerate(self.segments):
            where = f"at `$.segments[{index}]`"
            if segment.flight in flights[:index]:
                raise ValueError(f"The same flight twice - {where}")
            if len(set(segment.named)) < len(segment.named):
                raise ValueError(f"The same seat twice - {where}")
            count = segment.seats if isinstance(segment.seats, int) else len(segment.named)
            if segment.seats is not UNSET and count != len(self.passengers):
                raise ValueError(f"{count} seats for {len(self.passengers)} passengers - {where}")


class ItinerariesWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    origin: CheckedAirport
    destination: CheckedAirport
    date: Annotated[Date, Meta(description="Day of departure, local at the origin.")]
    passengers: CheckedCount = 1

    def __post_init__(self) -> None:
        if self.origin == self.destination:
            raise ValueError("The journey ends where it begins - at `$.destination`")
        if self.date.year not in YEARS:
            raise ValueError(f"Not a year from {YEARS.start} to {YEARS.stop - 1} - at `$.date`")


class LogWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after: Annotated[int, Meta(ge=0, le=POSITION_MAX, description="The last position that you have.")] = 0
    limit: Annotated[int, Meta(ge=1, le=LOG_EVENTS_MAX)] = LOG_EVENTS
    stream: Annotated[str, Meta(max_length=STREAM_MAX, description="One flight's or booking's events alone.")] = ""


# ---- bytes -> command --------------------------------------------------------------------------------------------

_BOOKING_WANTED = msgspec.json.Decoder(BookingWanted)


def booking_id(text: str) -> BookingId:
    """The client's id of its booking, or a `Fault`."""
    # fullmatch: the pattern's own `$` would let a line feed follow, and the id goes into a header.
    if not re.fullmatch(BOOKING_PATTERN, text):
        raise invalid("A booking id is 20 to 36 of A-Z, a-z, 0-9 and -")
    return text


def open_booking(
    booking: BookingId,
    body: bytes,
    *,
    network: Network,
    airports: Mapping[AirportCode, Airport],
    now: Millis,
    fingerprint: Callable[[bytes], str],
) -> tuple[OpenBooking, Travellers]:
    """What to ask of the node, and whom to keep in the vault before. `Fault` if the body alone is wrong."""
    wanted = decoded(_BOOKING_WANTED, body)
    segments, objection = in_this_world(wanted.segments, network=network, airports=airports, now=now)
    command = OpenBooking(
        booking=booking,
        segments=segments,
        passengers=len(wanted.passengers),
        body_hash=fingerprint(_canonical(wanted)),
        confirm=wanted.confirm,
        objection=objection,
    )
    return command, Travellers(passengers=wanted.passengers, contact=wanted.contact)


def in_this_world(
    wanted: Sequence[SegmentWanted], *, network: Network, airports: Mapping[AirportCode, Airport], now: Millis
) -> tuple[tuple[Segment, ...], Refusal | None]:
    """The segments with what their carriers have published, and the first thing that is wrong with them together."""
    schedules = [network.segment(segment.flight) for segment in wanted]
    segments = tuple(
        _completed(segment, schedule)
        for segment, schedule in zip(wanted, schedules, strict=True)
        if schedule is not None
    )
    return segments, next(_objections(wanted, schedules, segments, airports, now), None)


def _completed(wanted: SegmentWanted, schedule: FlightScheduled) -> Segment:
    """With what its carrier has published of the flight."""
    return Segment(
        flight=wanted.flight,
        origin=schedule.origin,
        destination=schedule.destination,
        departure=schedule.departure,
        arrival=schedule.arrival,
        fare=schedule.fare,
        seats=wanted.named,
    )


def _objections(
    wanted: Sequence[SegmentWanted],
    schedules: Sequence[FlightScheduled | None],
    segments: Sequence[Segment],
    airports: Mapping[AirportCode, Airport],
    now: Millis,
) -> Iterator[Refusal]:
    for segment, schedule in zip(wanted, schedules, strict=True):
        if schedule is None:
            yield Refusal("no-such-flight", f"{segment.flight} is not on sale, as far as this carrier knows")
            continue
        if schedule.departure <= now:
            yield Refusal("departed", f"{segment.flight} has departed")
        for seat in segment.named:
            if seat not in schedule.seats:
                yield Refusal("no-such-seat", f"{segment.flight} has no seat {seat}")
    if fault := connection_fault(segments, airports):
        yield Refusal("connection", fault)
    path = [segment.origin for segment in segments] + [segment.destination for segment in segments[-1:]]
    for airport in path:
        if path.count(airport) > 1:
            yield Refusal("airport-twice", f"this goes through {airport} twice: book there and back separately")


def _canonical(wanted: BookingWanted) -> bytes:
    """The order that a body means, whatever its spacing and the order of its keys.

    `confirm` is left out: a held booking is put again with it, to buy.
    """
    segments = [(segment.flight, segment.named) for segment in wanted.segments]
    return encoded((segments, wanted.passengers, wanted.contact))
