"""What was, at an instant: a flight's seats and a booking's life, folded from what had happened by then."""

from enum import StrEnum

from msgspec import Struct

from ledger.events import (
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    FlightScheduled,
    HoldReleased,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.terms import BookingId, CarrierCode, FlightId, SeatNo


class SeatState(StrEnum):
    FREE = "free"
    HELD = "held"
    PLEDGED = "pledged"
    SOLD = "sold"


class SeatThen(Struct, frozen=True):
    """Whose a seat was, and how."""

    state: SeatState
    booking: BookingId
    coordinator: CarrierCode


class FlightThen(Struct):
    """A flight as its events up to some instant leave it. `seats` has those that are not free."""

    plan: FlightScheduled | None = None
    seats: dict[SeatNo, SeatThen] = {}

    def hear(self, event: AnyEvent) -> tuple[SeatNo, ...]:
        """The next event of its stream; answers the seats that it changed."""
        match event:
            case FlightScheduled():
                self.plan = event
                return ()
            case SeatHeld():
                state = SeatState.PLEDGED if event.expires_at is None else SeatState.HELD
                self.seats[event.seat] = SeatThen(state, event.booking, event.coordinator)
            case SeatCommitted():
                before = self.seats.get(event.seat)
                self.seats[event.seat] = SeatThen(SeatState.SOLD, event.booking, before.coordinator if before else "")
            case HoldReleased() | SeatReturned():
                self.seats.pop(event.seat, None)
            case _:
                return ()
        return (event.seat,)

    def count(self, state: SeatState) -> int:
        if state is SeatState.FREE:
            return (len(self.plan.seats) if self.plan else 0) - len(self.seats)
        return sum(seat.state is state for seat in self.seats.values())


class BookingThen(Struct):
    """A booking as its coordinator's events up to some instant leave it."""

    opened: BookingOpened | None = None
    state: str = "unknown"
    settled: bool = False

    @property
    def flights(self) -> tuple[FlightId, ...]:
        return tuple(segment.flight for segment in self.opened.segments) if self.opened else ()

    def hear(self, event: AnyEvent) -> None:
        """The next event of its stream."""
        match event:
            case BookingOpened():
                self.opened, self.state = event, "open"
            case VotingStarted():
                self.state = "voting"
            case BookingCommitted():
                self.state = "committed"
            case BookingAborted():
                self.state = f"aborted ({event.reason})"
            case BookingCancelled():
                self.state, self.settled = "cancelled", False
            case BookingSettled():
                self.settled = True
            case _:
                pass
