"""The nouns of a flight: its holds and their table, its claims, the doors it has closed, the doubts it has."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias, assert_never

from msgspec import Struct, field

from ledger.cabin import Cabin, cabin_of
from ledger.events import (
    FlightScheduled,
    HoldReleased,
    PrepareRefused,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
)
from ledger.messages import (
    Abort,
    ClaimMessage,
    Commit,
    ForceMessage,
    ForceState,
    Hold,
    Inquire,
    Outcome,
    Prepare,
    Release,
    Restarted,
    Return,
    Tick,
    Unanswered,
    Word,
)
from ledger.terms import SKEW_MS, BookingId, CarrierCode, FlightId, Millis, SeatNo, TicketNo, carrier_of

CLOSED_MS = 4 * SKEW_MS
"""How long a door closed to a booking is remembered in memory. A prepare whose `decide_by` is further from this
carrier's clock than `SKEW_MS` (and the voting time) is refused anyway, and no coordinator commits after `decide_by`
by its own clock: so no prepare that could still lead to a commit outlives the memory of its closed door."""


class HoldState(StrEnum):
    NONE = "none"
    TIMED = "timed"
    PLEDGED = "pledged"
    SOLD = "sold"
    RELEASED = "released"
    REFUSED = "refused"
    RETURNED = "returned"


class Move(StrEnum):
    HOLD = "hold"
    PLEDGE = "pledge"
    COMMIT = "commit"
    RELEASE = "release"
    REFUSE = "refuse"
    RETURN = "return"


NEXT: Mapping[tuple[HoldState, Move], HoldState] = MappingProxyType(
    {
        (HoldState.NONE, Move.HOLD): HoldState.TIMED,
        (HoldState.NONE, Move.PLEDGE): HoldState.PLEDGED,
        (HoldState.NONE, Move.REFUSE): HoldState.REFUSED,
        (HoldState.TIMED, Move.HOLD): HoldState.TIMED,
        (HoldState.TIMED, Move.PLEDGE): HoldState.PLEDGED,
        (HoldState.TIMED, Move.RELEASE): HoldState.RELEASED,
        (HoldState.PLEDGED, Move.COMMIT): HoldState.SOLD,
        (HoldState.PLEDGED, Move.RELEASE): HoldState.RELEASED,
        (HoldState.SOLD, Move.RETURN): HoldState.RETURNED,
    }
)

SeatEvent: TypeAlias = SeatHeld | SeatCommitted | HoldReleased | SeatReturned


def move_of(event: SeatEvent | PrepareRefused) -> Move:
    """The column of the table that an event stands in."""
    match event:
        case SeatHeld(expires_at=None):
            return Move.PLEDGE
        case SeatHeld():
            return Move.HOLD
        case SeatCommitted():
            return Move.COMMIT
        case HoldReleased():
            return Move.RELEASE
        case PrepareRefused():
            return Move.REFUSE
        case SeatReturned():
            return Move.RETURN
        case _:
            assert_never(event)


class Claim(Struct, omit_defaults=True):
    """All holds of one booking on this flight, seat by seat in the passengers' order.

    `extension` counts how often a timed hold was extended.
    """

    coordinator: CarrierCode
    participants: tuple[FlightId, ...]
    since: Millis
    expires_at: Millis | None
    decide_by: Millis | None
    holds: dict[SeatNo, HoldState] = field(default_factory=dict)
    tickets: dict[SeatNo, TicketNo] = field(default_factory=dict)
    coupon: int = 0
    extension: int = 0

    @property
    def state(self) -> HoldState:
        first, *others = self.holds.values()
        if others:
            assert all(state is first for state in others), (
                f"a claim's holds move together, these did not: {self.holds}"
            )
        return first

    @property
    def seats(self) -> tuple[SeatNo, ...]:
        return tuple(self.holds)

    def others(self, me: CarrierCode) -> tuple[CarrierCode, ...]:
        """The carriers that are bound by the same decision, beside this one and the coordinator."""
        carriers = dict.fromkeys(carrier_of(flight) for flight in self.participants)
        return tuple(carrier for carrier in carriers if carrier not in (me, self.coordinator))


class Closed(Struct, frozen=True):
    """A booking that has no seat here any more, or never had: what a latecomer is told, remembered `since` then."""

    state: HoldState
    coordinator: CarrierCode
    reason: str
    since: Millis

    @property
    def for_ever(self) -> bool:
        """A sale that was returned, or a pledge that an operator broke: "unknown" would be a wrong answer about it."""
        return self.state is HoldState.RETURNED or self.reason == ReleaseReason.FORCED


class Doubt(Struct):
    """Not stored: what this carrier has learned while it asks for a decision that it does not know."""

    silent: set[CarrierCode] = field(default_factory=set)
    words: dict[CarrierCode, Word] = field(default_factory=dict)


class Broken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pledge that operators break, from the proposal on (`ledger.participant.forcing`)."""

    coordinator: CarrierCode
    participants: tuple[FlightId, ...]
    seats: tuple[SeatNo, ...]
    operator: str
    why: str
    expires_at: Millis
    state: ForceState = ForceState.NONE
    since: Millis = 0
    confirmed_by: str | None = None

    @property
    def waits(self) -> bool:
        """For the decision, or for somebody to look."""
        return self.state in (ForceState.BROKEN, ForceState.MISMATCH)


class Flight(Struct, omit_defaults=True):
    """`taken` are the seats that are not free, and whose they are; `waiting` the claims that are neither sold nor gone.

    A crash forgets the `doubts`; it asks again.
    """

    id: FlightId
    version: int = 0
    plan: FlightScheduled | None = None
    taken: dict[SeatNo, BookingId] = field(default_factory=dict)
    waiting: set[BookingId] = field(default_factory=set)
    claims: dict[BookingId, Claim] = field(default_factory=dict)
    closed: dict[BookingId, Closed] = field(default_factory=dict)
    doubts: dict[BookingId, Doubt] = field(default_factory=dict)
    broken: dict[BookingId, Broken] = field(default_factory=dict)

    @property
    def scheduled(self) -> FlightScheduled:
        assert self.plan is not None, f"{self.id} was never scheduled"
        return self.plan

    @property
    def cabin(self) -> Cabin:
        return cabin_of(self.scheduled.cabin, self.scheduled.seats)

    def state_of(self, booking: BookingId) -> HoldState:
        if claim := self.claims.get(booking):
            return claim.state
        return self.closed[booking].state if booking in self.closed else HoldState.NONE

    def coordinator_of(self, booking: BookingId) -> CarrierCode | None:
        known = self.claims.get(booking) or self.closed.get(booking)
        return known.coordinator if known else None


class Doubted(Struct, frozen=True):
    """Heard, not stored: this pledge has waited long enough to ask what became of it."""

    booking: BookingId


class Silence(Struct, frozen=True):
    """Heard, not stored: a carrier that may know what became of this pledge could not be reached."""

    booking: BookingId
    carrier: CarrierCode


class WordHeard(Struct, frozen=True):
    """Heard, not stored: a carrier that was asked cannot tell either."""

    booking: BookingId
    by: CarrierCode
    word: Word


Heard: TypeAlias = Doubted | Silence | WordHeard
CoordinatorMessage: TypeAlias = Hold | Prepare | Commit | Abort | Release | Return | Inquire
Command: TypeAlias = CoordinatorMessage | Outcome | Tick | Restarted | Unanswered | ForceMessage


def foreign(flight: Flight, command: Command) -> bool:
    """Whether a coordinator speaks of a booking that another one coordinates."""
    if not isinstance(command, ClaimMessage):
        return False
    known = flight.coordinator_of(command.booking)
    return known is not None and known != command.coordinator
