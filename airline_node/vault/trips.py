"""Which bookings of this airline's are whose: the account's id, and no name.

An account of any airline may buy here, so the accounts are not all ours. The booking itself is in the ledger.
"""

from typing import ClassVar

from sqlalchemy import Column, Connection, Integer, String, Table, delete, select
from sqlalchemy.dialects.sqlite import insert

from airline_node.vault.file import TABLES, SingleAsk
from ledger.terms import BookingId, Millis
from ui.visitor import AccountId

TRIPS_PER_ACCOUNT_MAX = 500
"""One more and the oldest leaves the list; the booking itself is what it was."""


class AddTrip(SingleAsk[None], frozen=True, eq=False):
    account: AccountId
    booking: BookingId
    at: Millis

    def do(self, connection: Connection) -> None:
        mine = _TRIPS.c.account == self.account
        kept = select(_TRIPS.c.booking).where(mine).order_by(*_NEWEST).limit(TRIPS_PER_ACCOUNT_MAX - 1)
        connection.execute(delete(_TRIPS).where(mine & _TRIPS.c.booking.not_in(kept)))
        row = {"account": self.account, "booking": self.booking, "at": self.at}
        connection.execute(insert(_TRIPS).on_conflict_do_nothing(), row)


class ReadTrips(SingleAsk[tuple[BookingId, ...]], frozen=True, eq=False):
    """The newest first."""

    account: AccountId
    limit: int

    def do(self, connection: Connection) -> tuple[BookingId, ...]:
        newest = select(_TRIPS.c.booking).filter_by(account=self.account).order_by(*_NEWEST).limit(self.limit)
        return tuple(connection.execute(newest).scalars())


class ForgetTrips(SingleAsk[None], frozen=True, eq=False):
    erases: ClassVar[bool] = True

    account: AccountId

    def do(self, connection: Connection) -> None:
        connection.execute(delete(_TRIPS).where(_TRIPS.c.account == self.account))


_TRIPS = Table(
    "trips",
    TABLES,
    Column("account", String, primary_key=True),
    Column("booking", String, primary_key=True),
    Column("at", Integer, nullable=False),
)
_NEWEST = (_TRIPS.c.at.desc(), _TRIPS.c.booking)
