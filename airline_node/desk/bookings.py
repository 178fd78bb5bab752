"""Orders from the pages: the same commands that the API gives, with the same checks before them."""

from collections.abc import Callable

from msgspec import UNSET

from airline_node.desk.words import in_the_pages_words
from airline_node.door import encoded
from airline_node.network import Network
from airline_node.node import ANSWER_MS, Node
from airline_node.timetable import Timetable
from airline_node.vault import Contact, Passenger, Travellers, Vault
from airline_node.wire import SegmentWanted, in_this_world
from ledger.messages import (
    BookingView,
    CancelBooking,
    ConfirmBooking,
    ExtendBooking,
    OpenBooking,
    ReadBooking,
    Refusal,
    TravellerCommand,
)
from ledger.terms import BookingId, Millis
from ui.desk import DeskClosed, Names, Order


class NodeBookings:
    """See `ui.desk.Bookings`."""

    def __init__(
        self,
        node: Node,
        vault: Vault,
        network: Network,
        timetable: Timetable,
        now: Callable[[], Millis],
        closed: Callable[[], str | None],
    ) -> None:
        self._node = node
        self._vault = vault
        self._network = network
        self._airports = timetable.airports
        self._now = now
        self._closed = closed

    async def hold(self, order: Order, wait_ms: Millis) -> BookingView | Refusal:
        wanted = [
            SegmentWanted(flight=leg.flight, seats=seats or UNSET)
            for leg, seats in zip(order.legs, order.seats, strict=True)
        ]
        segments, objection = in_this_world(wanted, network=self._network, airports=self._airports, now=self._now())
        # Nobody is named yet, so the flights, the seats and how many they are for are all of this order.
        meant = encoded(
            (order.passengers, [(leg.flight, seats) for leg, seats in zip(order.legs, order.seats, strict=True)])
        )
        command = OpenBooking(
            booking=order.booking,
            segments=segments,
            passengers=order.passengers,
            body_hash=self._vault.fingerprint(meant),
            confirm=False,
            objection=objection,
        )
        return await self._order(command, wait_ms)

    async def buy(self, booking: BookingId, names: Names, wait_ms: Millis) -> BookingView | Refusal:
        passengers = tuple(Passenger(name=name) for name in names.passengers)
        self._be_open()
        with in_the_pages_words(), self._node.turn(wait_ms):
            # Whoever was named first travels: the vault keeps them, whatever is sent again.
            await self._vault.keep(booking, Travellers(passengers=passengers, contact=Contact(email=names.email)))
            return await self._node.handle(ConfirmBooking(booking), wait_ms)

    async def extend(self, booking: BookingId) -> BookingView | Refusal:
        return await self._order(ExtendBooking(booking), ANSWER_MS)

    async def cancel(self, booking: BookingId) -> BookingView | Refusal:
        return await self._order(CancelBooking(booking), ANSWER_MS)

    async def read(self, booking: BookingId) -> BookingView | Refusal:
        with in_the_pages_words():
            return await self._node.handle(ReadBooking(booking))

    async def names(self, booking: BookingId) -> Names | None:
        with in_the_pages_words():
            kept = await self._vault.travellers(booking)
        return Names(tuple(who.name for who in kept.passengers), kept.contact.email) if kept else None

    async def _order(self, command: TravellerCommand, wait_ms: Millis) -> BookingView | Refusal:
        self._be_open()
        with in_the_pages_words(), self._node.turn(wait_ms):
            return await self._node.handle(command, wait_ms)

    def _be_open(self) -> None:
        if why := self._closed():
            raise DeskClosed(why)
