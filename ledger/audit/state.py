"""What an audit remembers: who owns each seat, what became of each booking, and which events said so."""

from typing import TypeAlias

from msgspec import Struct

from ledger.audit.findings import Cited
from ledger.events import BookingAborted, BookingCommitted, BookingOpened
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, SeatNo, TicketNo

Order: TypeAlias = tuple[CarrierCode, BookingId]
"""A booking and who coordinates it: one id may be taken to two carriers."""
Place: TypeAlias = tuple[FlightId, SeatNo]


class Owner(Struct):
    """Whose a seat is, and where that is said. `until` ends a timed hold, or is when a pledge should be decided."""

    order: Order
    ticket: TicketNo | None
    until: Millis | None
    at: Cited
    sold: bool = False
    sold_at: Cited | None = None


class Flight(Struct):
    """A flight's seats that are not free. `leaves` is when it may be forgotten, once nothing on it waits."""

    version: int = 0
    leaves: Millis = 0
    owners: dict[SeatNo, Owner] = {}


class Booking(Struct):
    """`holding` counts seats that it holds and does not own yet. `forced` are pledges of it that operators broke, and
    `acknowledged` the flights on which somebody has seen to that.
    """

    version: int = 0
    opened: BookingOpened | None = None
    decision: BookingCommitted | BookingAborted | None = None
    cancelled: bool = False
    settled: bool = False
    holding: int = 0
    tickets: tuple[TicketNo, ...] = ()
    sold: dict[Place, Cited] = {}
    returned: dict[Place, Cited] = {}
    forced: dict[Place, Cited] = {}
    acknowledged: set[FlightId] = set()
    said: list[Cited] = []

    def decided(self) -> set[Place]:
        """The seats that the decision gives it."""
        if self.opened is None or not isinstance(self.decision, BookingCommitted):
            return set()
        pairs = zip(self.opened.segments, self.decision.seats, strict=True)
        return {(segment.flight, seat) for segment, seats in pairs for seat in seats}


def name(order: Order) -> str:
    return f"{order[1]} (of {order[0]})"
