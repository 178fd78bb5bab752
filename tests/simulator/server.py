"""A carrier's server: what lasts (a disk, a clock that may be wrong), and process after process that lives on it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from airline_node.journal import JournalTrouble
from airline_node.node import Busy, Stopped
from airline_node.rebuild import rebuild
from ledger.coordinator.state import HEARD, SETTLED
from ledger.events import FlightScheduled, Recorded
from ledger.ledger import Ledger
from ledger.participant.state import Flight, HoldState
from ledger.terms import CarrierCode, Millis
from tests.simulator.disk import Disk, SimulatedJournal, SimulatedSnapshots
from tests.simulator.loop import LIFE, Life
from tests.simulator.must import must

if TYPE_CHECKING:
    from tests.simulator.watched import WatchedNode
    from tests.simulator.world import World


class Server(ABC):
    """`up` from a start to the crash or the end; `open` while its doors are; `closing` once it was told to end.

    `node` and `ledger` are those of the life that was begun last.
    """

    node: "WatchedNode"
    ledger: Ledger
    life: Life

    def __init__(
        self,
        world: "World",
        carrier: CarrierCode,
        ticket_prefix: str,
        skew_ms: Millis,
        plans: Sequence[FlightScheduled],
    ) -> None:
        self.world = world
        self.carrier = carrier
        self.ticket_prefix = ticket_prefix
        self.skew_ms = skew_ms
        self.plans = plans
        self.disk = Disk(world.chance, self._written, self._dies_of_writing, world.count)
        self.up = self.open = self.closing = False
        self.told_to_end = asyncio.Event()

    @property
    def others(self) -> list[CarrierCode]:
        return [carrier for carrier in self.world.carriers if carrier != self.carrier]

    def now(self) -> Millis:
        """This carrier's own clock."""
        return int(self.world.now) + self.skew_ms

    def note(self, what: str, about: object = "") -> None:
        self.world.note(self.carrier, what, about)

    # ---- its lives --------------------------------------------------------------------------------------------------

    @abstractmethod
    async def run(self) -> None:
        """One process, from its start until it was told to end or cannot go on. It calls `opened`."""

    def start(self) -> None:
        self.up, self.open, self.closing = True, False, False
        self.told_to_end = asyncio.Event()
        self.life = Life(self.world.loop, owner=self)
        self.note("starts", f"with {len(self.disk.log)} events on disk")
        self.life.start(self.run()).add_done_callback(self._ended)

    def opened(self) -> None:
        """Its doors are open now."""
        self.open = True
        self.note("opens")

    def close(self) -> None:
        """Somebody ends it in good order."""
        if self.open and not self.closing:
            self.closing = True
            self.note("closes", f"with {self.node.late} orders under way")
            self.told_to_end.set()

    def doom(self, steps: int) -> None:
        """It crashes after so many more steps."""
        if self.up:
            self.life.doom(steps, lambda: self.world.blows.falls(self))

    def crash(self) -> None:
        """Nothing of it runs any more, and the disk keeps what it kept."""
        self.note("crashes")
        self.up = self.open = False
        self.life.end()
        self.disk.crash()

    def _ended(self, run: "asyncio.Task[None]") -> None:
        """The process has ended by itself: it was told to, or its disk is to blame. There is no other excuse."""
        match run.exception():
            case None:
                self.world.count("nodes closed in good order")
            case JournalTrouble() | Busy() | Stopped():
                self.world.count("nodes that stopped over their disk")
            case fault:
                self.world.fails(fault)
        self.world.blows.falls(self)

    def _dies_of_writing(self, in_s: float) -> None:
        life = self.life
        self.world.later(in_s * 1000, lambda: None if life.over else self.world.blows.falls(self))

    def _written(self, recorded: Recorded) -> None:
        self.note("writes", recorded.event)
        self.world.check(self.world.checker.written, self.carrier, recorded.event)

    def look(self) -> None:
        """An operator looks at what waits."""
        if self.open:
            self.life.start(self._look())

    async def _look(self) -> None:
        try:
            for waiting in (await self.node.transactions()).transactions:
                self.world.check(must, waiting.reason and waiting.safe, f"nobody can read why it waits: {waiting}")
        except (Busy, Stopped):
            self.world.count("told: not known")

    @property
    def idle(self) -> bool:
        """Its bookings are settled, its doubts ended, its holds too."""
        flights = self.ledger.flights.values()
        waits = any(flight.doubts or len(flight.taken) > _sold(flight) for flight in flights)
        return not (self.ledger.bookings or self.node.late or waits)

    # ---- at rest ----------------------------------------------------------------------------------------------------

    async def check_rest(self) -> None:
        """Raises `Violation` if anything is under way, or if the disk would give other facts than those that live."""
        me, ledger = self.carrier, self.ledger
        must(self.open, "{} does not come up", me)
        must(not self.node.late, "travellers of {} wait for ever", me)
        must(not self.node.figures()["inbox_commands"], "{} is still busy", me)
        must(not ledger.bookings, "{} still has {}", me, list(ledger.bookings.values()))
        owed = [message for flight in ledger.flights for message in ledger.pending(flight)]
        must(not owed, "{} still owes {}", me, owed)
        doubts = [flight.doubts for flight in ledger.flights.values() if flight.doubts]
        must(not doubts, "{} is in doubt: {}", me, doubts)
        live = facts(ledger)
        for source in (self.disk, self.disk.without_pictures()):
            again = await rebuild(me, self.ticket_prefix, SimulatedJournal(source), SimulatedSnapshots(source))
            replayed = facts(again.ledger)
            differs = [name for name in {**live, **replayed} if live.get(name) != replayed.get(name)]
            must(not differs, "{}: a replay gives other facts about {}", me, differs)


def _sold(flight: Flight) -> int:
    return sum(len(claim.seats) for claim in flight.claims.values() if claim.state is HoldState.SOLD)


def here() -> Server:
    """The server whose process asks."""
    life = LIFE.get()
    assert life is not None
    assert isinstance(life.owner, Server)
    return life.owner


def facts(ledger: Ledger) -> dict[str, bytes]:
    """All that is remembered by right, byte for byte: what was merely heard is left out, and what may leave memory."""
    flights = {flight.id: msgspec.json.encode(replace(flight, doubts={})) for flight in ledger.flights.values()}
    bookings = {
        booking.id: msgspec.json.encode(replace(booking, **{name: type(getattr(booking, name))() for name in HEARD}))
        for booking in ledger.bookings.values()
        if booking.phase not in SETTLED
    }
    return {**flights, **bookings, "stock": msgspec.json.encode(ledger.stock)}
