"""Names of passengers, told to the carriers that fly them: each those of its own flights.

The rules: a name never enters a log. What is owed is worked out from the log's decisions and kept in the vault, so that
a restart goes on where it stopped; what is told is how it was when the log was last looked at: the names of a confirmed
booking, or nobody once it is cancelled or its names are erased. Whatever changes after that is owed anew. So it may be
told twice, late or in another order. A carrier that is silent is told later; it holds up nobody else.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from airline_node.journal import Journal, JournalTrouble
from airline_node.people.asking import ITEMS_MAX, Asking
from airline_node.vault import Vault, VaultTrouble
from airline_node.vault.manifest import (
    EraseNames,
    ForgetFlights,
    OnBoard,
    Owe,
    Owing,
    ReadManifest,
    ReadOwed,
    ReadPosition,
    RecordNames,
    Settle,
)
from airline_node.vault.travellers import NAME_PATTERN, Travellers
from ledger.events import (
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    Recorded,
    VotingStarted,
    booking_stream,
)
from ledger.messages import CheckedBooking, CheckedFlight, CheckedSeat, CheckedTicket
from ledger.terms import (
    PASSENGERS_MAX,
    SEGMENTS_MAX,
    BookingId,
    CarrierCode,
    FlightId,
    Millis,
    SeatNo,
    Segment,
    TicketNo,
    carrier_of,
)
from ui.people import Silent

LOOK_MS = 1_000
"""Between two looks at the log: names are not urgent, and many travel as one."""
FOLLOWED_MAX = 500
SOLD_KEPT_MAX = 5_000
"""Bookings remembered between their decision and the telling."""
TELL_MS_MAX = 10_000
RETRY_MS_MIN, RETRY_MS_MAX = 1_000, 60_000
KEPT_DAYS = 30
"""After a flight's date its names are erased at the carrier that flew it."""

TROUBLE = (Silent, VaultTrouble, JournalTrouble)
log = logging.getLogger(__name__)


class Named(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One passenger on one flight of the carrier that is told."""

    flight: CheckedFlight
    seat: CheckedSeat
    ticket: CheckedTicket
    coupon: Annotated[int, Meta(ge=1, le=SEGMENTS_MAX)]
    name: Annotated[str, Meta(min_length=1, max_length=80, pattern=NAME_PATTERN)]


class Names(Struct, frozen=True, forbid_unknown_fields=True):
    """All of a booking's passengers on that carrier's flights; nobody: erase whom you were told before."""

    booking: CheckedBooking
    passengers: Annotated[tuple[Named, ...], Meta(max_length=PASSENGERS_MAX * SEGMENTS_MAX)]


class NamesRecorded(Struct, frozen=True):
    """On disk."""

    booking: BookingId


class Sold(Struct, frozen=True):
    """What a booking's own stream says of it; without seats it is not sold, or not any more."""

    segments: tuple[Segment, ...]
    tickets: tuple[TicketNo, ...]
    seats: tuple[tuple[SeatNo, ...], ...]


class Manifest:
    def __init__(
        self, me: CarrierCode, vault: Vault, journal: Journal, asking: Asking, now: Callable[[], Millis]
    ) -> None:
        self._me = me
        self._vault = vault
        self._journal = journal
        self._asking = asking
        self._now = now
        self._owes = {carrier: asyncio.Event() for carrier in (me, *asking.carriers)}
        self._position = 0
        self._sold: dict[BookingId, Sold] = {}
        """Bookings whose names are owed, as they were when they were last looked at: whatever changes is owed anew."""

    async def of(self, flight: FlightId) -> tuple[OnBoard, ...]:
        """Who is on board of one of this carrier's own flights, as far as their sellers have told."""
        return await self._vault.file.ask(ReadManifest(flight))

    async def hear(self, coordinator: CarrierCode, told: Sequence[Names]) -> list[NamesRecorded]:
        """Each on disk when this returns."""
        await self._vault.file.ask_all([_recording(coordinator, names) for names in told])
        return [NamesRecorded(names.booking) for names in told]

    async def erase(self, booking: BookingId) -> None:
        """The names of one of this carrier's own bookings: here when this returns, at the others as soon as may be."""
        sold = _sold((await self._journal.read([booking_stream(booking)]))[booking_stream(booking)])
        carriers = {carrier_of(segment.flight) for segment in sold.segments} if sold.tickets else set()
        await self._vault.erase(booking, owed_to=sorted(carriers))
        self._wake(carriers)

    async def run(self) -> None:
        """Until cancelled."""
        for owes in self._owes.values():
            owes.set()  # From before the start.
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._follow())
            for carrier in self._owes:
                parts.create_task(self._tell(carrier))

    # ---- what is owed -----------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Whatever the log says was decided is owed from then on."""
        forgot, begun = "", False
        while True:
            try:
                if not begun:
                    self._position, begun = await self._vault.file.ask(ReadPosition()), True
                more = await self._look()
                if (day := self._oldest_day()) != forgot:
                    await self._vault.file.ask(ForgetFlights(day))
                    forgot = day
            except TROUBLE as trouble:
                log.warning("the manifests are not up to date: %s", trouble)
                more = False
            if not more:
                await asyncio.sleep(LOOK_MS / 1000)

    async def _look(self) -> bool:
        """One section of the log. Whether there may be more."""
        bookings, position = await self._journal.decided(self._position, FOLLOWED_MAX)
        if bookings:
            sold = await self._read(bookings)
            if len(self._sold) > SOLD_KEPT_MAX:
                self._sold.clear()  # A carrier is silent; what is forgotten here is read again.
            self._sold |= sold
            owed = {(booking, carrier_of(part.flight)): None for booking in sold for part in sold[booking].segments}
            await self._vault.file.ask(Owe(tuple(owed), position))
            self._wake({carrier for _, carrier in owed})
        self._position = position
        return len(bookings) == FOLLOWED_MAX

    def _oldest_day(self) -> str:
        return (datetime.fromtimestamp(self._now() // 1000, UTC) - timedelta(days=KEPT_DAYS)).date().isoformat()

    def _wake(self, carriers: set[CarrierCode]) -> None:
        for carrier, owes in self._owes.items():  # in an order that does not change from one run to the next
            if carrier in carriers:
                owes.set()

    # ---- telling ----------------------------------------------------------------------------------------------------

    async def _tell(self, carrier: CarrierCode) -> None:
        """One carrier, this one included, whatever it is owed: a batch at a time."""
        retry_ms, words = RETRY_MS_MIN, ""
        while True:
            await self._owes[carrier].wait()
            self._owes[carrier].clear()
            try:
                while owed := await self._vault.file.ask(ReadOwed(carrier, ITEMS_MAX)):
                    await self._tell_batch(carrier, owed)
                retry_ms, words = RETRY_MS_MIN, ""
            except TROUBLE as trouble:
                if words != (words := str(trouble)):
                    log.warning("%s is not told its passengers' names, and will be later: %s", carrier, trouble)
                await asyncio.sleep(retry_ms / 1000)
                retry_ms = min(2 * retry_ms, RETRY_MS_MAX)
                self._owes[carrier].set()

    async def _tell_batch(self, carrier: CarrierCode, owed: Sequence[Owing]) -> None:
        sold = {one.booking: self._sold[one.booking] for one in owed if one.booking in self._sold}
        if unknown := [one.booking for one in owed if one.booking not in sold]:
            sold |= await self._read(unknown)
        travellers = await self._vault.all_travellers([one.booking for one in owed])
        told = [
            Names(one.booking, _aboard(sold[one.booking], who, carrier))
            for one, who in zip(owed, travellers, strict=True)
        ]
        if carrier == self._me:
            await self.hear(carrier, told)
        else:
            await self._asking.ask(carrier, "manifest", told, NamesRecorded, wait_ms=TELL_MS_MAX)
        await self._vault.file.ask(Settle(tuple(one.number for one in owed)))

    async def _read(self, bookings: Sequence[BookingId]) -> dict[BookingId, Sold]:
        streams = {booking: booking_stream(booking) for booking in bookings}
        read = await self._journal.read(list(streams.values()))
        return {booking: _sold(read[stream]) for booking, stream in streams.items()}


def _recording(coordinator: CarrierCode, names: Names) -> RecordNames:
    passengers = tuple(
        OnBoard(flight=one.flight, seat=one.seat, ticket=one.ticket, coupon=one.coupon, name=one.name)
        for one in names.passengers
    )
    kind = RecordNames if passengers else EraseNames
    return kind(coordinator, names.booking, passengers)


def _sold(records: Sequence[Recorded]) -> Sold:
    sold = Sold((), (), ())
    for record in records:
        match record.event:
            case BookingOpened(segments=segments):
                sold = Sold(segments, (), ())
            case VotingStarted(tickets=tickets):
                sold = Sold(sold.segments, tickets, ())
            case BookingCommitted(seats=seats):
                sold = Sold(sold.segments, sold.tickets, seats)
            case BookingCancelled():
                sold = Sold(sold.segments, sold.tickets, ())
    return sold


def _aboard(sold: Sold, who: Travellers | None, carrier: CarrierCode) -> tuple[Named, ...]:
    """The passengers on this carrier's flights; nobody if it is not sold any more, or they are erased."""
    if who is None or not sold.seats:
        return ()
    return tuple(
        Named(flight=segment.flight, seat=seat, ticket=ticket, coupon=coupon, name=passenger.name)
        for coupon, (segment, seats) in enumerate(zip(sold.segments, sold.seats, strict=True), 1)
        if carrier_of(segment.flight) == carrier
        for seat, ticket, passenger in zip(seats, sold.tickets, who.passengers, strict=True)
    )
