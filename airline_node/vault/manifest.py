"""Passengers' names of this carrier's own flights, and which names this carrier owes to others.

The rules: a coordinator tells the names under its own tickets alone, and telling them again replaces what it told
before, so that nothing told twice is there twice and an empty list erases. What is owed is one row for a booking and a
carrier, with a number of its own each time it is owed anew: settling an older number leaves the newer one owed.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Column, Connection, Index, Integer, String, Table, bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from airline_node.vault.file import TABLES, Ask, SingleAsk
from ledger.terms import BookingId, CarrierCode, FlightId, SeatNo, TicketNo


class OnBoard(Struct, frozen=True, kw_only=True):
    """One passenger on one flight: one coupon."""

    flight: FlightId
    seat: SeatNo
    ticket: TicketNo
    coupon: int
    name: str


class RecordNames(Ask[None], frozen=True, eq=False):
    """All names of this booking on this carrier's flights; none, to erase them."""

    coordinator: CarrierCode
    booking: BookingId
    passengers: tuple[OnBoard, ...]

    @classmethod
    def together(cls, connection: Connection, asks: "Sequence[RecordNames]") -> Sequence[None]:
        told = {(ask.coordinator, ask.booking): ask.passengers for ask in asks}  # What was told last counts.
        connection.execute(_ERASE, [{"c": coordinator, "b": booking} for coordinator, booking in told])
        if rows := [
            {"coordinator": coordinator, "booking": booking} | structs.asdict(one)
            for (coordinator, booking), passengers in told.items()
            for one in passengers
        ]:
            connection.execute(_RECORD, rows)
        return [None] * len(asks)


class EraseNames(RecordNames, frozen=True, eq=False):
    """The same with nobody: gone from the file's log as well."""

    erases = True


class ReadManifest(SingleAsk[tuple[OnBoard, ...]], frozen=True, eq=False):
    flight: FlightId

    def do(self, connection: Connection) -> tuple[OnBoard, ...]:
        rows = connection.execute(select(_MANIFEST).filter_by(flight=self.flight).order_by(_MANIFEST.c.ticket))
        return tuple(
            OnBoard(flight=row.flight, seat=row.seat, ticket=row.ticket, coupon=row.coupon, name=row.name)
            for row in rows
        )


class ForgetFlights(SingleAsk[None], frozen=True, eq=False):
    """Of all dates before this one (`2026-12-14`, local at the origin)."""

    erases = True

    before: str

    def do(self, connection: Connection) -> None:
        connection.execute(delete(_MANIFEST).where(func.substr(_MANIFEST.c.flight, -10) < self.before))


# ---- what is owed ------------------------------------------------------------------------------------------------


class Owing(Struct, frozen=True):
    number: int
    booking: BookingId


class ReadPosition(SingleAsk[int], frozen=True, eq=False):
    """Of the log, up to which every decided booking is owed or was."""

    def do(self, connection: Connection) -> int:
        return connection.execute(select(_FOLLOWED.c.position)).scalar_one_or_none() or 0


class Owe(SingleAsk[None], frozen=True, eq=False):
    """These bookings to these carriers, as of this position of the log."""

    owed: tuple[tuple[BookingId, CarrierCode], ...]
    position: int

    def do(self, connection: Connection) -> None:
        owe(connection, self.owed)
        row = {"name": "decided", "position": self.position}
        connection.execute(_FOLLOW, row)


class ReadOwed(SingleAsk[tuple[Owing, ...]], frozen=True, eq=False):
    """The oldest."""

    carrier: CarrierCode
    limit: int

    def do(self, connection: Connection) -> tuple[Owing, ...]:
        oldest = select(_OWED).filter_by(carrier=self.carrier).order_by(_OWED.c.number).limit(self.limit)
        return tuple(Owing(row.number, row.booking) for row in connection.execute(oldest))


class Settle(SingleAsk[None], frozen=True, eq=False):
    numbers: tuple[int, ...]

    def do(self, connection: Connection) -> None:
        connection.execute(delete(_OWED).where(_OWED.c.number.in_(self.numbers)))


def owe(connection: Connection, owed: Sequence[tuple[BookingId, CarrierCode]]) -> None:
    """Anew, under new numbers."""
    if owed:
        connection.execute(_OWE, [{"booking": booking, "carrier": carrier} for booking, carrier in owed])


_MANIFEST = Table(
    "manifest",
    TABLES,
    Column("flight", String, primary_key=True),
    Column("ticket", String, primary_key=True),
    Column("coupon", Integer, nullable=False),
    Column("seat", String, nullable=False),
    Column("coordinator", String, nullable=False),
    Column("booking", String, nullable=False),
    Column("name", String, nullable=False),
    Index("manifest_of_booking", "booking", "coordinator"),
)
_OWED = Table(
    "manifest_owed",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("booking", String, nullable=False),
    Column("carrier", String, nullable=False),
    Index("manifest_owed_once", "carrier", "booking", unique=True),
    sqlite_autoincrement=True,  # A number that was settled is never given again.
)
_FOLLOWED = Table(
    "manifest_followed",
    TABLES,
    Column("name", String, primary_key=True),
    Column("position", Integer, nullable=False),
)
_RECORD: Any = insert(_MANIFEST).prefix_with("OR REPLACE")
_ERASE = delete(_MANIFEST).where((_MANIFEST.c.coordinator == bindparam("c")) & (_MANIFEST.c.booking == bindparam("b")))
_OWE: Any = insert(_OWED).prefix_with("OR REPLACE")
_FOLLOW = insert(_FOLLOWED).on_conflict_do_update(
    index_elements=["name"], set_={"position": insert(_FOLLOWED).excluded.position}
)
