"""A traveller's bookings, at whichever airline they were bought.

The rules: each airline keeps which of its own bookings are whose, by the account's id; asked, it answers from its own
ledger. Whoever is asked and silent is named, and the others' trips are shown.
"""

import asyncio
import logging
from collections.abc import Callable

from msgspec import Struct

from airline_node.desk.words import for_pages
from airline_node.node import Node
from airline_node.people.asking import Asking
from airline_node.people.vouching import CheckedAccount
from airline_node.vault.file import VaultFile
from airline_node.vault.trips import AddTrip, ReadTrips
from ledger.messages import BookingView, ReadBooking
from ledger.terms import BookingId, CarrierCode, Millis
from ui.people import MyTrips, Silent, Trip, TripSegment
from ui.visitor import AccountId

TRIPS_MAX = 50
"""Told of one account by one airline: the newest."""

log = logging.getLogger(__name__)


class TripsWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Who knows an account's id may ask: its own airline, and those where it has logged in."""

    account: CheckedAccount


class TripsTold(Struct, frozen=True):
    trips: tuple[Trip, ...]


class Trips:
    def __init__(self, me: CarrierCode, file: VaultFile, node: Node, asking: Asking, now: Callable[[], Millis]) -> None:
        self._me = me
        self._file = file
        self._node = node
        self._asking = asking
        self._now = now

    @for_pages
    async def add(self, account: AccountId, booking: BookingId) -> None:
        """This booking here is that account's. On disk when this returns; a second time changes nothing."""
        await self._file.ask(AddTrip(account, booking, self._now()))

    @for_pages
    async def of(self, account: AccountId) -> MyTrips:
        """At all airlines."""
        here, others = await asyncio.gather(
            self.here(account), asyncio.gather(*(self._there(carrier, account) for carrier in self._asking.carriers))
        )
        told = [here, *(trips for trips in others if trips is not None)]
        silent = [carrier for carrier, trips in zip(self._asking.carriers, others, strict=True) if trips is None]
        return MyTrips(tuple(trip for trips in told for trip in trips), tuple(silent))

    async def here(self, account: AccountId) -> tuple[Trip, ...]:
        """Those that were bought at this airline."""
        bookings = await self._file.ask(ReadTrips(account, TRIPS_MAX))
        views = await asyncio.gather(*(self._node.handle(ReadBooking(booking)) for booking in bookings))
        return tuple(self._trip(view) for view in views if isinstance(view, BookingView))

    async def _there(self, carrier: CarrierCode, account: AccountId) -> tuple[Trip, ...] | None:
        try:
            [told] = await self._asking.ask(carrier, "trips", [TripsWanted(account)], TripsTold)
        except Silent as silence:
            log.info("trips are not told: %s", silence)
            return None
        return tuple(trip for trip in told.trips[:TRIPS_MAX] if trip.seller == carrier)

    def _trip(self, view: BookingView) -> Trip:
        return Trip(
            booking=view.booking,
            locator=view.locator,
            seller=self._me,
            status=view.status,
            total=view.total,
            segments=tuple(
                TripSegment(
                    flight=segment.flight,
                    origin=segment.origin,
                    destination=segment.destination,
                    departure=segment.departure,
                    arrival=segment.arrival,
                )
                for segment in view.segments
            ),
        )
