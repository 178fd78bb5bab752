"""The node as its operators' pages see it. See `ui.operations.Operations`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from airline_node.control import Control
from airline_node.journal import Journal
from airline_node.neighbours import Neighbours, Unheard
from airline_node.network import Network
from airline_node.node import Busy, Stopped
from ledger.events import AnyEvent, BookingOpened, FlightScheduled, SeatHeld, booking_stream, flight_stream
from ledger.messages import ForceMessage, Forcing, Refusal
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, carrier_of
from ledger.waiting import Transaction
from ui.desk import DeskClosed, DeskUnsure
from ui.operations import Account, Load, Tile, Waiting


class NodeOperations:
    def __init__(
        self, control: Control, neighbours: Neighbours, network: Network, journal: Journal, now: Callable[[], Millis]
    ) -> None:
        self._control = control
        self._neighbours = neighbours
        self._network = network
        self._journal = journal
        self._now = now

    async def tiles(self) -> Mapping[CarrierCode, Tile]:
        me, now = self._control.carrier, self._now()
        tiles = {me: Tile(carrier=me, vitals=self._control.vitals())}
        reach, lag = self._control.reached(), self._network.lag(now)
        for carrier, told in (await self._neighbours.vitals()).items():
            seen = reach.get(carrier)
            trouble = (seen.error if seen else None) or (str(told) if isinstance(told, Unheard) else None)
            tiles[carrier] = Tile(
                carrier=carrier,
                vitals=None if isinstance(told, Unheard) else told,
                lag_ms=round(1000 * lag[carrier]),
                owed=seen.waiting if seen else 0,
                silent_since=seen.silent_since if seen else None,
                trouble=trouble,
            )
        return tiles

    async def waiting(self) -> tuple[Waiting, ...]:
        told, reach = await self._asked(self._control.waiting), self._control.reach()
        return tuple(self._with_reach(one, *reach(one)) for one in told)

    async def resume(self) -> None:
        await self._asked(self._control.resume)

    async def operate(self, command: ForceMessage) -> Forcing | Refusal:
        try:
            return await self._control.operate(command)
        except Busy as busy:
            raise DeskClosed(str(busy)) from busy
        except Stopped as stopped:
            raise DeskUnsure(str(stopped)) from stopped

    async def accounts(self, booking: BookingId) -> tuple[Account, ...]:
        opened = (await self._journal.read([booking_stream(booking)]))[booking_stream(booking)]
        events: list[AnyEvent] = [one.event for one in opened]
        flights = await self._flights_of(booking, events)
        mine = [flight for flight in flights if carrier_of(flight) == self._control.carrier]
        streams = await self._journal.read([flight_stream(flight) for flight in mine])
        for records in streams.values():
            events += [one.event for one in records if getattr(one.event, "booking", None) == booking]
        if not events:
            return ()
        others = dict.fromkeys(carrier_of(flight) for flight in flights if flight not in mine)
        told = await asyncio.gather(*(self._account(booking, carrier, flights) for carrier in others))
        return (Account(carrier=self._control.carrier, events=tuple(events)), *told)

    async def load(self, flight: FlightId) -> Load | None:
        known = self._network.seats(flight)
        if known is None or carrier_of(flight) != self._control.carrier:
            return None
        told = await self._asked(self._control.waiting)
        holds = tuple(one for one in told if one.flight == flight)
        return Load(schedule=known[0], letters=known[1], holds=holds)

    def flights(self) -> Sequence[FlightScheduled]:
        now = self._now()
        plans = [plan for plan, _ in self._network.flights(self._control.carrier).values() if plan.departure > now]
        return sorted(plans, key=lambda plan: plan.departure)

    async def _flights_of(self, booking: BookingId, events: Sequence[AnyEvent]) -> tuple[FlightId, ...]:
        """The booking's flights: as it was opened here, or as one of this carrier's claims names them."""
        for event in events:
            if isinstance(event, BookingOpened):
                return tuple(segment.flight for segment in event.segments)
        for flight in self._control.flights_of(booking):
            stream = flight_stream(flight)
            for one in (await self._journal.read([stream]))[stream]:
                if isinstance(one.event, SeatHeld) and one.event.booking == booking:
                    return one.event.participants
            return (flight,)
        return ()

    async def _account(self, booking: BookingId, carrier: CarrierCode, flights: Sequence[FlightId]) -> Account:
        events: list[AnyEvent] = []
        try:
            for flight in flights:
                if carrier_of(flight) == carrier:
                    events += await self._neighbours.claim(booking, flight)
        except Unheard as unheard:
            return Account(carrier=carrier, trouble=str(unheard))
        return Account(carrier=carrier, events=tuple(events))

    async def _asked(self, question: Callable[[], Awaitable[tuple[Transaction, ...]]]) -> tuple[Transaction, ...]:
        try:
            return await question()
        except (Busy, Stopped) as trouble:
            raise DeskClosed(str(trouble)) from trouble  # it only looked, or asked again: nothing was ordered

    @staticmethod
    def _with_reach(one: Transaction, unreachable: tuple[CarrierCode, ...], next_try: Millis | None) -> Waiting:
        return Waiting(transaction=one, unreachable=unreachable, next_try=next_try)
