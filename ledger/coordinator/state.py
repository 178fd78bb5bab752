"""The nouns of a booking: its phases and their table, what is decided, what was heard."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct, field

from ledger.events import (
    AbortReason,
    AnyBookingEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    HoldExtended,
    VotingStarted,
)
from ledger.messages import (
    Acknowledged,
    CancelBooking,
    ConfirmBooking,
    Conflict,
    ExtendBooking,
    Held,
    Inquire,
    OpenBooking,
    Pledged,
    ReadBooking,
    Refused,
    Tick,
)
from ledger.terms import BookingId, CarrierCode, Centavos, FlightId, Millis, SeatNo, Segment, TicketNo


class Phase(StrEnum):
    UNKNOWN = "unknown"
    OPEN = "open"
    VOTING = "voting"
    COMMITTED = "committed"
    COMMITTED_SETTLED = "committed, settled"
    ABORTED = "aborted"
    ABORTED_SETTLED = "aborted, settled"
    CANCELLED = "cancelled"
    CANCELLED_SETTLED = "cancelled, settled"


NEXT: Mapping[tuple[Phase, type[AnyBookingEvent]], Phase] = MappingProxyType(
    {
        (Phase.UNKNOWN, BookingOpened): Phase.OPEN,
        (Phase.UNKNOWN, BookingAborted): Phase.ABORTED,
        (Phase.OPEN, HoldExtended): Phase.OPEN,
        (Phase.OPEN, VotingStarted): Phase.VOTING,
        (Phase.OPEN, BookingAborted): Phase.ABORTED,
        (Phase.VOTING, BookingCommitted): Phase.COMMITTED,
        (Phase.VOTING, BookingAborted): Phase.ABORTED,
        (Phase.ABORTED, BookingSettled): Phase.ABORTED_SETTLED,
        (Phase.COMMITTED, BookingSettled): Phase.COMMITTED_SETTLED,
        (Phase.COMMITTED, BookingCancelled): Phase.CANCELLED,
        (Phase.COMMITTED_SETTLED, BookingCancelled): Phase.CANCELLED,
        (Phase.CANCELLED, BookingSettled): Phase.CANCELLED_SETTLED,
    }
)

SETTLED = frozenset({Phase.COMMITTED_SETTLED, Phase.ABORTED_SETTLED, Phase.CANCELLED_SETTLED})
"""Nothing is owed any more: such a booking leaves memory."""


class Stock(Struct):
    """The carrier's ticket numbers: its prefix and the next serial."""

    prefix: str
    next_serial: int = 1


class Booking(Struct, omit_defaults=True):
    """Its last fields (`HEARD`) are what was heard and is not stored.

    `flights` are the participants, in the traveller's order. `seats` has a tuple a segment once it is committed.
    `extended` has the last extension that each carrier has granted; until all have the last one, `held_before` counts.
    `recorded` are the flights whose carrier has acknowledged the decision, `returned` the cancellation, `seen_to` those
    where operators have broken the pledge and seen to the traveller since.
    """

    id: BookingId
    coordinator: CarrierCode
    stock: Stock
    phase: Phase = Phase.UNKNOWN
    version: int = 0
    since: Millis = 0
    segments: tuple[Segment, ...] = ()
    flights: tuple[FlightId, ...] = ()
    passengers: int = 0
    price: Centavos = 0
    body_hash: str = ""
    hold_until: Millis = 0
    held_before: Millis = 0
    extension: int = 0
    voted_on: bool = False
    decide_by: Millis = 0
    tickets: tuple[TicketNo, ...] = ()
    seats: tuple[tuple[SeatNo, ...], ...] = ()
    reason: AbortReason | None = None
    detail: str | None = None
    refused_by: FlightId | None = None
    commit_settled: bool = False
    granted: dict[FlightId, tuple[SeatNo, ...]] = field(default_factory=dict)
    extended: dict[FlightId, int] = field(default_factory=dict)
    votes: dict[FlightId, tuple[SeatNo, ...]] = field(default_factory=dict)
    recorded: set[FlightId] = field(default_factory=set)
    returned: set[FlightId] = field(default_factory=set)
    conflicts: dict[FlightId, str] = field(default_factory=dict)
    seen_to: set[FlightId] = field(default_factory=set)


def all_extended(booking: Booking) -> bool:
    """Whether every carrier holds its seats as long as the traveller is promised."""
    return all(booking.extended.get(flight, 0) >= booking.extension for flight in booking.flights)


HEARD = ("granted", "extended", "votes", "recorded", "returned", "conflicts", "seen_to")


class GrantHeard(Struct, frozen=True):
    """Heard, not stored: the carrier holds these seats for a while, and has granted this extension."""

    flight: FlightId
    seats: tuple[SeatNo, ...]
    extension: int = 0


class VoteHeard(Struct, frozen=True):
    """Heard, not stored: the carrier has pledged these seats."""

    flight: FlightId
    seats: tuple[SeatNo, ...]


class RecordHeard(Struct, frozen=True):
    """Heard, not stored: the carrier has the decision on disk."""

    flight: FlightId


class ReturnHeard(Struct, frozen=True):
    """Heard, not stored: the carrier has taken its seats back."""

    flight: FlightId


class ConflictHeard(Struct, frozen=True):
    """Heard, not stored: the carrier's log contradicts the decision. An alarm, until people have seen to it.

    A restart forgets that too, asks once more, and hears it again: it is on the carrier's disk.
    """

    flight: FlightId
    detail: str
    seen_to: bool = False


Heard: TypeAlias = GrantHeard | VoteHeard | RecordHeard | ReturnHeard | ConflictHeard
ParticipantAnswer: TypeAlias = Held | Pledged | Refused | Acknowledged | Conflict
Command: TypeAlias = (
    OpenBooking | ExtendBooking | ConfirmBooking | CancelBooking | ReadBooking | ParticipantAnswer | Inquire | Tick
)
