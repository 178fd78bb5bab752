"""What nodes and travellers ask and answer. Never stored: a message is owed while a state lasts (`pending`).

Each message between nodes speaks of one claim: one booking on one flight. Their types are checked
at the door by the bounds written here. The time at which a command is decided comes beside it, from
the one clock of the node that decides.
"""

from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from ledger.events import AbortReason, RefusalReason
from ledger.terms import (
    BOOKING_PATTERN,
    CARRIER_PATTERN,
    FLIGHT_PATTERN,
    PASSENGERS_MAX,
    SEAT_PATTERN,
    SEGMENTS_MAX,
    AirportCode,
    BookingId,
    CarrierCode,
    Centavos,
    FlightId,
    Locator,
    Millis,
    SeatNo,
    Segment,
    TicketNo,
)

Carrier = Annotated[CarrierCode, Meta(pattern=CARRIER_PATTERN)]
Flight = Annotated[FlightId, Meta(pattern=FLIGHT_PATTERN)]
Seat = Annotated[SeatNo, Meta(pattern=SEAT_PATTERN)]
Booking = Annotated[BookingId, Meta(pattern=BOOKING_PATTERN)]
Count = Annotated[int, Meta(ge=1, le=PASSENGERS_MAX)]
Instant = Annotated[Millis, Meta(ge=0, le=4_102_444_800_000)]  # until the year 2100
Ticket = Annotated[TicketNo, Meta(pattern=r"^[0-9]{13}$")]

# ---- from the coordinator to a participant --------------------------------------------------------------------


class ClaimMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Asked by the booking's coordinator of the carrier that flies `flight`."""

    booking: Booking
    flight: Flight
    coordinator: Carrier


class SeatsWanted(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`seats` names one for each of `count` passengers, or is empty: the carrier chooses, together if it can."""

    participants: Annotated[tuple[Flight, ...], Meta(min_length=1, max_length=SEGMENTS_MAX)]
    seats: Annotated[tuple[Seat, ...], Meta(max_length=PASSENGERS_MAX)]
    count: Count
    fare: Annotated[Centavos, Meta(ge=0)]


class Hold(SeatsWanted, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="hold"):
    """A timed hold, please, until then at the latest. Answered `Held` or `Refused`."""

    until: Instant


class Prepare(SeatsWanted, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="prepare"):
    """Will you sell these? Answered `Pledged` (yes, until the decision) or `Refused` (never)."""

    decide_by: Instant
    tickets: Annotated[tuple[Ticket, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]
    coupon: Annotated[int, Meta(ge=1, le=SEGMENTS_MAX)]


class Commit(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="commit"):
    """Decided: the pledged seats are sold."""


class Abort(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="abort"):
    """Decided: the pledge is void, and a prepare that is still on its way will find the door closed."""


class Release(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="release"):
    """Let a timed hold go. No vote was asked for yet, so this never touches a pledge."""


class Return(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="return"):
    """The traveller cancelled a sale: the seats are free again."""


class Inquire(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="inquire"):
    """What became of it? `to` is the carrier asked: the coordinator, or the one that flies `flight`."""

    to: Carrier


PeerMessage: TypeAlias = Hold | Prepare | Commit | Abort | Release | Return | Inquire


def addressee(message: PeerMessage) -> CarrierCode:
    """The carrier that a message is for."""
    return message.to if isinstance(message, Inquire) else message.flight[:2]


# ---- their answers ----------------------------------------------------------------------------------------------


class ClaimAnswer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="answer"):
    booking: Booking
    flight: Flight


class Held(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="held"):
    seats: Annotated[tuple[Seat, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]
    expires_at: Instant


class Pledged(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="pledged"):
    """Yes. On disk before it is said."""

    seats: Annotated[tuple[Seat, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]


class Refused(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="refused"):
    """No, and it stays no for this booking: nothing more need be sent here. On disk before it is said."""

    reason: RefusalReason | None


class Acknowledged(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="acknowledged"):
    """Done here and on disk: the `commit`, `abort`, `release` or `return` that was asked."""

    done: Annotated[str, Meta(pattern="^(commit|abort|release|return)$")]


class Word(StrEnum):
    """What a carrier knows of a booking's outcome."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    PLEDGED = "pledged"
    """A participant that is itself in doubt."""
    UNDECIDED = "undecided"
    """The coordinator is still collecting votes, within its time."""


class Outcome(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="outcome"):
    """The answer to `Inquire`."""

    by: Carrier
    word: Word


class Conflict(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="conflict"):
    """What was asked contradicts what is on disk here: an alarm, and never an acknowledgement."""

    detail: Annotated[str, Meta(max_length=300)]


PeerAnswer: TypeAlias = Held | Pledged | Refused | Acknowledged | Outcome | Conflict

# ---- from travellers --------------------------------------------------------------------------------------------


class OpenBooking(Struct, frozen=True, kw_only=True):
    """Hold these seats, or with `confirm` buy them in one step.

    `objection` is what the door found wrong (a departed flight, a connection too short): it decides
    only if this booking is new, so that a repeat of an old request still hears its first answer.
    """

    booking: BookingId
    segments: tuple[Segment, ...]
    passengers: int
    body_hash: str
    confirm: bool
    objection: "Refusal | None" = None


class ConfirmBooking(Struct, frozen=True):
    booking: BookingId


class CancelBooking(Struct, frozen=True):
    booking: BookingId


class ReadBooking(Struct, frozen=True):
    booking: BookingId


TravellerCommand: TypeAlias = OpenBooking | ConfirmBooking | CancelBooking | ReadBooking


class Status(StrEnum):
    """What a traveller is told of a booking."""

    HOLDING = "holding"
    """Some carrier has not answered yet."""
    HELD = "held"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class SegmentState(StrEnum):
    ASKED = "asked"
    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    REFUSED = "refused"
    RETURNED = "returned"


class SegmentView(Struct, frozen=True, kw_only=True):
    flight: FlightId
    carrier: CarrierCode
    origin: AirportCode
    destination: AirportCode
    departure: Millis
    arrival: Millis
    seats: tuple[SeatNo, ...]
    state: SegmentState


class BookingView(Struct, frozen=True, kw_only=True):
    """A booking as its traveller may see it. `pending` are the carriers yet to record what was decided."""

    booking: BookingId
    locator: Locator
    status: Status
    total: Centavos
    hold_until: Millis | None
    reason: AbortReason | None
    detail: str | None
    tickets: tuple[TicketNo, ...]
    segments: tuple[SegmentView, ...]
    pending: tuple[CarrierCode, ...]


class Refusal(Struct, frozen=True):
    """A definite no to a traveller: nothing was sold. `error` is a word for programs, `detail` a sentence."""

    error: str
    detail: str


TravellerAnswer: TypeAlias = BookingView | Refusal

# ---- from the node itself ---------------------------------------------------------------------------------------


class Tick(Struct, frozen=True):
    """Some deadline may have passed."""


class Restarted(Struct, frozen=True):
    """The node has just read its log: whatever was pledged before may have been decided meanwhile."""


class Unanswered(Struct, frozen=True):
    """The coordinator of this claim could not be reached: ask the other participants too."""

    booking: BookingId
    flight: FlightId


class ForceRelease(Struct, frozen=True, kw_only=True):
    """An operator's own risk: give the seats of a pledge back before its decision is known here."""

    booking: BookingId
    flight: FlightId
    operator: str
    why: str


class ReadTransactions(Struct, frozen=True):
    """Whatever waits: pledges in doubt and bookings not settled."""
