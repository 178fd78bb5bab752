"""What the operators' pages need of the node: what waits, how the carriers are, what was said about a booking.

What is known of another carrier is what that carrier tells of itself, or what this node has seen of it; which of the
two it is, each field says. Nothing here takes a carrier's word for a decision.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from ledger.events import AnyEvent, FlightScheduled
from ledger.messages import CheckedInstant, ForceMessage, Forcing, Refusal
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, SeatNo
from ledger.waiting import Transaction

Count = Annotated[int, Meta(ge=0, lt=2**53)]
Duration = Annotated[float, Meta(ge=0, le=10**9)]


class Vitals(Struct, frozen=True, kw_only=True):
    """What a node tells of itself. `holds` are claims, timed and pledged; percentiles are of its last orders."""

    now: CheckedInstant
    inbox: Count
    holds: Count
    in_doubt: Count
    unsettled: Count
    alarms: Count
    orders: Count
    p50_ms: Duration | None
    p99_ms: Duration | None


class Tile(Struct, frozen=True, kw_only=True):
    """One carrier, seen from here. `vitals` is its own word, None while it gives none.

    `lag_ms` is since its flights were heard last, `owed` what waits for it here, `silent_since` and `trouble` are why
    it does not go. The own carrier has none of these.
    """

    carrier: CarrierCode
    vitals: Vitals | None
    lag_ms: Millis | None = None
    owed: int = 0
    silent_since: Millis | None = None
    trouble: str | None = None


class Waiting(Struct, frozen=True, kw_only=True):
    """One that waits, and what the lines know: who of those it waits for is unreachable, when they are asked next."""

    transaction: Transaction
    unreachable: tuple[CarrierCode, ...]
    next_try: Millis | None


class Account(Struct, frozen=True, kw_only=True):
    """What one carrier's log has of a booking, in its order; or in a word why it cannot be had."""

    carrier: CarrierCode
    events: tuple[AnyEvent, ...] = ()
    trouble: str | None = None


class Load(Struct, frozen=True, kw_only=True):
    """A flight of this carrier's: a letter a seat as published (`.` free, `h` held, `s` sold), and its open claims."""

    schedule: FlightScheduled
    letters: str
    holds: tuple[Transaction, ...]

    def count(self, letter: str) -> int:
        return self.letters.count(letter)

    def of(self, letter: str) -> Sequence[SeatNo]:
        return [seat for seat, known in zip(self.schedule.seats, self.letters, strict=True) if known == letter]


class Operations(Protocol):
    """The operators' part of the desk."""

    async def tiles(self) -> Mapping[CarrierCode, Tile]:
        """Every carrier, this one first; a silent one costs at most a second."""

    async def waiting(self) -> tuple[Waiting, ...]:
        """Everything that waits here, oldest first."""

    async def resume(self) -> None:
        """Ask about all of it now. As often as one likes."""

    async def operate(self, command: ForceMessage) -> Forcing | Refusal: ...

    async def accounts(self, booking: BookingId) -> tuple[Account, ...]:
        """What each carrier that has to do with this booking has on disk of it; empty if none is known here."""

    async def load(self, flight: FlightId) -> Load | None:
        """None for a flight that is not this carrier's, or not on sale."""

    def flights(self) -> Sequence[FlightScheduled]:
        """This carrier's own, that have not left yet: the next one first."""
