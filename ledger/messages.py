"""What nodes and travellers ask and answer. Never stored: a message is owed while a state lasts (`pending`).

Each message between nodes speaks of one claim: one booking on one flight. Their types are checked
at the door by the bounds written here. The time at which a command is decided comes beside it, from
the one clock of the node that decides.
"""

from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from ledger.events import AbortReason, FlightScheduled
from ledger.terms import (
    BOOKING_PATTERN,
    CARRIER_PATTERN,
    EXTENDED_MS_MIN,
    FLIGHT_PATTERN,
    HOLD_MS,
    HOLDS_MS_MAX,
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

CheckedCarrier = Annotated[CarrierCode, Meta(pattern=CARRIER_PATTERN)]
CheckedFlight = Annotated[FlightId, Meta(pattern=FLIGHT_PATTERN)]
CheckedSeat = Annotated[SeatNo, Meta(pattern=SEAT_PATTERN)]
CheckedBooking = Annotated[BookingId, Meta(pattern=BOOKING_PATTERN)]
CheckedCount = Annotated[int, Meta(ge=1, le=PASSENGERS_MAX)]
CheckedExtension = Annotated[int, Meta(ge=0, le=HOLDS_MS_MAX // EXTENDED_MS_MIN)]
CheckedInstant = Annotated[Millis, Meta(ge=0, le=4_102_444_800_000)]  # until the year 2100
CheckedTicket = Annotated[TicketNo, Meta(pattern=r"^[0-9]{13}$(?!\n)")]

# ---- from the coordinator to a participant --------------------------------------------------------------------


class ClaimMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Asked by the booking's coordinator of the carrier that flies `flight`."""

    booking: CheckedBooking
    flight: CheckedFlight
    coordinator: CheckedCarrier


class SeatsWanted(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`seats` names one for each of `count` passengers, or is empty: the carrier chooses, together if it can."""

    participants: Annotated[tuple[CheckedFlight, ...], Meta(min_length=1, max_length=SEGMENTS_MAX)]
    seats: Annotated[tuple[CheckedSeat, ...], Meta(max_length=PASSENGERS_MAX)]
    count: CheckedCount
    fare: Annotated[Centavos, Meta(ge=0)]

    def __post_init__(self) -> None:
        if self.seats and len(set(self.seats)) != self.count:
            raise ValueError("name one seat a passenger, each once, or none")
        if self.flight not in self.participants:
            raise ValueError("the flight is not among its own booking's participants")


class Hold(SeatsWanted, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="hold"):
    """A timed hold, please, lasting so many milliseconds by your own clock. Answered `Held` or `Refused`.

    With another `extension` than the last one, the hold that is there lasts so long from now on.
    """

    lasting: Annotated[int, Meta(ge=1, le=HOLD_MS)]
    extension: CheckedExtension = 0


class Prepare(SeatsWanted, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="prepare"):
    """Will you sell these? Answered `Pledged` (yes, until the decision) or `Refused` (never)."""

    decide_by: CheckedInstant
    tickets: Annotated[tuple[CheckedTicket, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]
    coupon: Annotated[int, Meta(ge=1, le=SEGMENTS_MAX)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.tickets) != self.count:
            raise ValueError("one ticket a passenger")


class Commit(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="commit"):
    """Decided: the pledged seats are sold."""


class Abort(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="abort"):
    """Decided: the pledge is void, and a prepare that is still on its way will find the door closed."""


class Release(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="release"):
    """Let a timed hold go. No vote was asked for yet, so this never touches a pledge."""


class Return(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="return"):
    """The traveller cancelled a sale: the seats are free again."""


class Inquire(ClaimMessage, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="inquire"):
    """What became of it? Asked for the pledge on `asker`, of `to`: the coordinator, or the one that flies `flight`."""

    asker: CheckedFlight
    to: CheckedCarrier


PeerMessage: TypeAlias = Hold | Prepare | Commit | Abort | Release | Return | Inquire


def addressee(message: PeerMessage) -> CarrierCode:
    """The carrier that a message is for."""
    return message.to if isinstance(message, Inquire) else message.flight[:2]


# ---- their answers ----------------------------------------------------------------------------------------------


class ClaimAnswer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="answer"):
    booking: CheckedBooking
    flight: CheckedFlight


class Held(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="held"):
    """These seats, until then by this carrier's clock."""

    seats: Annotated[tuple[CheckedSeat, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]
    expires_at: CheckedInstant
    extension: CheckedExtension = 0


class Pledged(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="pledged"):
    """Yes, these seats, until the decision. On disk before it is said."""

    seats: Annotated[tuple[CheckedSeat, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]


class Refused(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="refused"):
    """No, and it stays no for this booking: nothing more need be sent here. On disk before it is said."""

    reason: Annotated[str, Meta(pattern=r"^[a-z-]{1,40}$(?!\n)")]
    """A `RefusalReason`, or the `ReleaseReason` of a hold that is gone."""


class Acknowledged(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="acknowledged"):
    """Done here and on disk: the `commit`, `abort`, `release` or `return` that was asked."""

    done: Annotated[str, Meta(pattern=r"^(commit|abort|release|return)$(?!\n)")]


class Word(StrEnum):
    """What a carrier knows of a booking's outcome."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    PLEDGED = "pledged"
    """A participant that is itself in doubt."""
    UNDECIDED = "undecided"
    """The coordinator is still collecting votes, within its time."""


class Outcome(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="outcome"):
    """The answer to `Inquire`, for the pledge on `asker`."""

    asker: CheckedFlight
    by: CheckedCarrier
    word: Word


class Conflict(ClaimAnswer, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="conflict"):
    """What was asked contradicts what is on disk here: an alarm, and never an acknowledgement.

    `seen_to`: operators broke this very pledge, and it is on disk that they have seen to the traveller since.
    """

    detail: Annotated[str, Meta(max_length=300)]
    seen_to: bool = False


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


class ExtendBooking(Struct, frozen=True):
    """Hold the seats for longer. Where no more is to be gained the booking stays as it is."""

    booking: BookingId


class CancelBooking(Struct, frozen=True):
    booking: BookingId


class ReadBooking(Struct, frozen=True):
    """As it is now. With `body_hash` it is asked by who ordered just that, and is told if the id is another order's."""

    booking: BookingId
    body_hash: str = ""


TravellerCommand: TypeAlias = OpenBooking | ExtendBooking | ConfirmBooking | CancelBooking | ReadBooking


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
    """A booking as its traveller may see it. `pending` are the carriers yet to record what was decided.

    `hold_until` is when its hold ends if nothing is done, `extensible_until` the end that no extension goes beyond.
    """

    booking: BookingId
    locator: Locator
    status: Status
    total: Centavos
    hold_until: Millis | None
    extensible_until: Millis | None = None
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
    """A deadline may have passed: of this booking, or of its claim on this flight."""

    booking: BookingId
    flight: FlightId | None = None


class OpenSales(Struct, frozen=True):
    """These flights go on sale; those that are already on sale stay as they are."""

    plans: tuple[FlightScheduled, ...]


class Restarted(Struct, frozen=True):
    """The node has just read its log: whatever was pledged here before may have been decided meanwhile."""

    flight: FlightId


class Unanswered(Struct, frozen=True):
    """A carrier could not be reached about this claim: if it is the coordinator, ask the other participants too."""

    booking: BookingId
    flight: FlightId
    to: CarrierCode | None = None
    """Whom; None: the coordinator."""


# ---- from operators ---------------------------------------------------------------------------------------------


class OperatorCommand(Struct, frozen=True, kw_only=True):
    """About one claim, by a person with a name. Answered with `Forcing`, or a `Refusal` that changes nothing."""

    booking: BookingId
    flight: FlightId
    operator: str


class ProposeForce(OperatorCommand, frozen=True, kw_only=True):
    """Break this pledge before its decision is known here, if a second operator agrees."""

    why: str


class ConfirmForce(OperatorCommand, frozen=True, kw_only=True):
    """The second operator agrees, at this carrier's own risk."""


class AcknowledgeMismatch(OperatorCommand, frozen=True, kw_only=True):
    """A pledge was broken that should have been sold: somebody has seen to it, and the note says how."""

    note: str


ForceMessage: TypeAlias = ProposeForce | ConfirmForce | AcknowledgeMismatch


class ForceState(StrEnum):
    NONE = "none"
    PROPOSED = "proposed"
    BROKEN = "broken"
    """The pledge is broken; what was decided is not known here yet."""
    BORNE_OUT = "borne out"
    """The decision was to abort: nobody was harmed."""
    MISMATCH = "mismatch"
    """The decision was to commit: a traveller has a ticket and no seat."""
    ACKNOWLEDGED = "acknowledged"


class Forcing(Struct, frozen=True, kw_only=True):
    """How a pledge's breaking stands: who proposed it, until when it can be confirmed, who confirmed it."""

    booking: BookingId
    flight: FlightId
    state: ForceState
    operator: str
    why: str
    expires_at: Millis
    confirmed_by: str | None


class ReadTransactions(Struct, frozen=True):
    """Whatever waits: pledges in doubt and bookings not settled."""


class Resume(Struct, frozen=True):
    """Ask about every pledge now, its time up or not; answered as `ReadTransactions` is."""
