"""Every stored fact. Tags and fields on disk never change; a changed event is a new tag and an upcaster.

`at` is the clock of the node that wrote it, in UTC milliseconds. A flight's events lie in the stream
`flight:<id>` of the carrier that flies it, a booking's in `booking:<id>` of its coordinator.
No event ever bears a passenger's name, document or address: those are in the vault, where they can be erased.
"""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from ledger.terms import (
    AirportCode,
    BookingId,
    CarrierCode,
    Centavos,
    FlightId,
    Millis,
    SeatNo,
    Segment,
    TicketNo,
)

StreamName: TypeAlias = str


class Event(Struct, frozen=True, kw_only=True, tag_field="event"):
    """A past fact, stored once and for ever."""

    at: Millis


# ---- a flight, at the carrier that flies it -----------------------------------------------------------------


class FlightEvent(Event, frozen=True, kw_only=True):
    flight: FlightId


class FlightScheduled(FlightEvent, frozen=True, kw_only=True, tag="flight-scheduled"):
    """The flight is on sale. `cabin` draws a row's columns with its aisle: `ABC DEF`."""

    origin: AirportCode
    destination: AirportCode
    departure: Millis
    arrival: Millis
    aircraft: str
    cabin: str
    seats: tuple[SeatNo, ...]
    fare: Centavos


class SeatHeld(FlightEvent, frozen=True, kw_only=True, tag="seat-held"):
    """One booking's hold on one seat: timed while `expires_at` is set, else pledged: a yes vote.

    A timed hold that is extended is written again, with its new end.
    A pledge names all that this carrier needs to finish without hearing from the coordinator again:
    the booking's other flights to ask, and the ticket and coupon that it becomes.
    """

    seat: SeatNo
    booking: BookingId
    coordinator: CarrierCode
    participants: tuple[FlightId, ...]
    expires_at: Millis | None
    decide_by: Millis | None = None
    ticket: TicketNo | None = None
    coupon: int | None = None


class SeatCommitted(FlightEvent, frozen=True, kw_only=True, tag="seat-committed"):
    """Sold: the decision was to commit, and this carrier has it."""

    seat: SeatNo
    booking: BookingId
    ticket: TicketNo
    coupon: int


class ReleaseReason(StrEnum):
    ABORTED = "aborted"
    EXPIRED = "expired"
    ABANDONED = "abandoned"
    FORCED = "forced"


class HoldReleased(FlightEvent, frozen=True, kw_only=True, tag="hold-released"):
    """The seat is free again. A forced release names who confirmed it, and why it was proposed."""

    seat: SeatNo
    booking: BookingId
    reason: ReleaseReason
    operator: str | None = None
    why: str | None = None


class RefusalReason(StrEnum):
    NOT_FREE = "not-free"
    NO_SUCH_FLIGHT = "no-such-flight"
    NO_SUCH_SEAT = "no-such-seat"
    DEPARTED = "departed"
    FARE_CHANGED = "fare-changed"
    CLOCKS_DISAGREE = "clocks-disagree"
    ABORTED = "aborted-before-it-came"
    ASKED = "asked-before-it-came"


class PrepareRefused(FlightEvent, frozen=True, kw_only=True, tag="prepare-refused"):
    """The tombstone: this booking will never hold a seat of this flight, however late its prepare arrives."""

    booking: BookingId
    coordinator: CarrierCode
    seats: tuple[SeatNo, ...]
    reason: RefusalReason


class SeatReturned(FlightEvent, frozen=True, kw_only=True, tag="seat-returned"):
    """Sold, then cancelled by the traveller: free again."""

    seat: SeatNo
    booking: BookingId


class ForceProposed(FlightEvent, frozen=True, kw_only=True, tag="force-proposed"):
    """An operator would break this pledge, and says why. Nothing is released until a second one confirms it in time."""

    booking: BookingId
    operator: str
    why: str
    expires_at: Millis


class Decision(StrEnum):
    COMMITTED = "committed"
    ABORTED = "aborted"


class ForceCompared(FlightEvent, frozen=True, kw_only=True, tag="force-compared"):
    """The decision about a pledge that was broken by force has come to light. A commit is a mismatch: an alarm."""

    booking: BookingId
    decision: Decision


class MismatchAcknowledged(FlightEvent, frozen=True, kw_only=True, tag="mismatch-acknowledged"):
    """An operator has looked at a mismatch and done for the traveller what the note says. The alarm ends."""

    booking: BookingId
    operator: str
    note: str


# ---- a booking, at its coordinator ----------------------------------------------------------------------------


class BookingEvent(Event, frozen=True, kw_only=True):
    booking: BookingId


class BookingOpened(BookingEvent, frozen=True, kw_only=True, tag="booking-opened"):
    """A traveller's order is taken.

    `body_hash` tells a repeated request from another one under the same id; it is keyed and so tells no name.
    """

    segments: tuple[Segment, ...]
    passengers: int
    price: Centavos
    body_hash: str
    hold_until: Millis


class HoldExtended(BookingEvent, frozen=True, kw_only=True, tag="hold-extended"):
    """The traveller asked for more time: the `extension`-th time, and every carrier is asked to hold until then."""

    extension: int
    hold_until: Millis


class VotingStarted(BookingEvent, frozen=True, kw_only=True, tag="voting-started"):
    """Written before any prepare leaves. Tickets are allotted here, one a passenger; an abort leaves a gap."""

    decide_by: Millis
    first_serial: int
    tickets: tuple[TicketNo, ...]


class BookingCommitted(BookingEvent, frozen=True, kw_only=True, tag="booking-committed"):
    """The decision: sold. `seats` has, for each segment in order, one seat a passenger."""

    seats: tuple[tuple[SeatNo, ...], ...]


class AbortReason(StrEnum):
    SEAT_TAKEN = "seat-taken"
    REFUSED = "refused"
    NO_ANSWER = "no-answer"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    PRESUMED = "presumed"


class BookingAborted(BookingEvent, frozen=True, kw_only=True, tag="booking-aborted"):
    """The decision: not sold; the presumed one too. `detail` is for people; `flight` is the one that refused."""

    reason: AbortReason
    detail: str
    flight: FlightId | None = None


class BookingSettled(BookingEvent, frozen=True, kw_only=True, tag="booking-settled"):
    """Every participant has acknowledged the decision, or the cancellation that followed it."""


class BookingCancelled(BookingEvent, frozen=True, kw_only=True, tag="booking-cancelled"):
    """The traveller gave a confirmed booking back: every seat returns."""


AnyFlightEvent: TypeAlias = (
    FlightScheduled
    | SeatHeld
    | SeatCommitted
    | HoldReleased
    | PrepareRefused
    | SeatReturned
    | ForceProposed
    | ForceCompared
    | MismatchAcknowledged
)
AnyBookingEvent: TypeAlias = (
    BookingOpened | HoldExtended | VotingStarted | BookingCommitted | BookingAborted | BookingSettled | BookingCancelled
)
AnyEvent: TypeAlias = AnyFlightEvent | AnyBookingEvent


class Recorded(Struct, frozen=True):
    """An event and its place: the `version`-th of its stream, counted from 1."""

    version: int
    event: AnyEvent


def flight_stream(flight: FlightId) -> StreamName:
    return f"flight:{flight}"


def booking_stream(booking: BookingId) -> StreamName:
    return f"booking:{booking}"


def stream_of(event: AnyEvent) -> StreamName:
    """Where the event is stored."""
    return flight_stream(event.flight) if isinstance(event, FlightEvent) else booking_stream(event.booking)
