"""Who travels, and how to reach them, keyed by booking id.

The rules: what was kept first stays, however often a request is repeated; what was erased stays gone.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec
import orjson
from msgspec import Meta, Struct
from sqlalchemy import Column, Connection, LargeBinary, String, Table, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from airline_node.vault.file import TABLES, Ask
from airline_node.vault.manifest import owe
from ledger.terms import PASSENGERS_MAX, BookingId, CarrierCode

# No control characters, none that turn or hide text, and something to see. `$` alone would let a line feed follow.
HIDDEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
NAME_PATTERN = rf"^(?=.*\S)[^{HIDDEN}]+$(?!\n)"
EMAIL_PATTERN = rf"^[^@\s{HIDDEN}]+@[^@\s{HIDDEN}]+$(?!\n)"


class Passenger(Struct, frozen=True, forbid_unknown_fields=True):
    """`name` as it will stand on the ticket."""

    name: Annotated[str, Meta(min_length=1, max_length=80, pattern=NAME_PATTERN)]


class Contact(Struct, frozen=True, forbid_unknown_fields=True):
    email: Annotated[str, Meta(max_length=254, pattern=EMAIL_PATTERN)]


class Travellers(Struct, frozen=True):
    """A booking's passengers, in the order of its seats, and whom to write to."""

    passengers: Annotated[tuple[Passenger, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]
    contact: Contact


class Keep(Ask[Travellers | None], frozen=True, eq=False):
    """Answers who is kept: these, or who came first; None if they are erased."""

    booking: BookingId
    travellers: Travellers

    @classmethod
    def together(cls, connection: Connection, asks: "Sequence[Keep]") -> Sequence[Travellers | None]:
        kept: dict[BookingId, Travellers | None] = {ask.booking: ask.travellers for ask in reversed(asks)}
        rows = [{"booking": booking, "body": orjson.dumps(msgspec.to_builtins(who))} for booking, who in kept.items()]
        if connection.execute(_KEEP, rows).rowcount < len(rows):
            # Some were there before: whoever came first is told.
            kept |= _found(connection, list(kept))
        return [kept[ask.booking] for ask in asks]


class Read(Ask[Travellers | None], frozen=True, eq=False):
    booking: BookingId

    @classmethod
    def together(cls, connection: Connection, asks: "Sequence[Read]") -> Sequence[Travellers | None]:
        found = _found(connection, [ask.booking for ask in asks])
        return [found.get(ask.booking) for ask in asks]


class Erase(Ask[None], frozen=True, eq=False):
    erases: ClassVar[bool] = True

    booking: BookingId
    owed_to: tuple[CarrierCode, ...]

    @classmethod
    def together(cls, connection: Connection, asks: "Sequence[Erase]") -> Sequence[None]:
        connection.execute(_ERASE, [{"booking": ask.booking} for ask in asks])
        owe(connection, [(ask.booking, carrier) for ask in asks for carrier in ask.owed_to])
        return [None] * len(asks)


def _found(connection: Connection, bookings: Sequence[BookingId]) -> Mapping[BookingId, Travellers | None]:
    rows = connection.execute(_READ, {"bookings": bookings})
    return {booking: _BODY.decode(body) if body is not None else None for booking, body in rows}


_TRAVELLERS = Table(
    "travellers",
    TABLES,
    Column("booking", String, primary_key=True),
    Column("body", LargeBinary),  # `Travellers` as JSON. NULL once erased, so that a late repeat finds its place taken.
)
_KEEP = insert(_TRAVELLERS).on_conflict_do_nothing()
_ERASE = insert(_TRAVELLERS).values(body=None).on_conflict_do_update(index_elements=["booking"], set_={"body": None})
_READ = select(_TRAVELLERS).where(_TRAVELLERS.c.booking.in_(bindparam("bookings", expanding=True)))
_BODY = msgspec.json.Decoder(Travellers)
