"""The only writer: everything that happens on a node passes through one inbox, in one order.

    inbox -> think (decide, evolve, reply; answers kept back) -> write (one insert, one fsync) -> speak

The rule it holds is *write, then speak*: no answer and no message leaves before the events behind it are on disk, and
neither does an answer to a mere question, which may rest on events that are still being written. While one batch is
being written the next one is thought: group commit costs nothing while nobody waits, and nothing more when many do.

A write that fails stops the node: its memory is ahead of its disk, and only a restart mends that. A client that goes
away changes nothing: its order is in the inbox, and the inbox is consumed by one task that nobody cancels.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias, cast

from msgspec import structs

from airline_node.figures import Timings
from airline_node.pace import Pace, Turn
from airline_node.thinker import Asker, Entry, Said, Thinker
from airline_node.writer import Keep, Log, Writer
from ledger.events import FlightScheduled, Recorded
from ledger.ledger import Answer, Command, Ledger, Machine
from ledger.messages import (
    ForceMessage,
    Forcing,
    OpenBooking,
    OpenSales,
    PeerAnswer,
    PeerMessage,
    ReadBooking,
    ReadTransactions,
    Refusal,
    Resume,
    TravellerAnswer,
    TravellerCommand,
)
from ledger.terms import BookingId, FlightId, Millis
from ledger.waiting import Transactions, tally
from snapshots.form import GradualPicture

INBOX_MAX = 2_000
"""Commands of travellers that may wait; one more is refused, and nothing has happened."""
INBOX_PEERS_MAX = 2 * INBOX_MAX
"""The same for peers: what they ask finishes what has begun, and so it goes on when travellers are turned away."""
BATCH_MAX = 1_000
"""Commands thought and written together."""
ANSWER_MS = 15_000
"""So long a traveller waits for the carriers; then the answer is that it is not known yet."""
READ_MS = 5_000
BUSY = "too many orders are waiting already"
ALARM_MS_MAX = 60_000

log = logging.getLogger(__name__)


class Busy(Exception):
    """No more is taken: the inbox is full, or the node is closing. Definite: nothing happened."""


class Stopped(Exception):
    """The node has stopped, or does not get on with its disk. What became of the command is not known."""


class Wire(Protocol):
    """What a node needs of the way to its peers."""

    def owe(self, machine: str, messages: Sequence[PeerMessage]) -> None: ...


Written: TypeAlias = Callable[[Sequence[Recorded]], None]
"""Told of every batch's events once they are on disk; what it raises stops the node."""
Moved: TypeAlias = Callable[[Sequence[Machine]], None]
"""Told which bookings and flights have moved, also by what is heard and not stored, once that may be spoken of."""


class Node:
    """One carrier's rules at work on one journal. `run` it in a task; stop it with `close`."""

    def __init__(
        self,
        ledger: Ledger,
        journal: Log,
        clock: Callable[[], Millis],
        wire: Wire,
        *,
        position: int,
        replayed: int,
        written: Written,
        keep: Keep,
        moved: Moved = lambda _machines: None,
    ) -> None:
        """`ledger` is as its log leaves it at `position`, `replayed` events after the newest snapshot."""
        self._ledger = ledger
        self._clock = clock
        self._wire = wire
        self._on_written = written
        self._on_moved = moved
        self._thinker = Thinker(ledger, journal, replayed)
        self._pace = Pace()
        self._writer = Writer(journal, position, keep)
        self._inbox: deque[Entry] = deque()
        self._commands = 0
        self._wake = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._batch: Sequence[Entry] = ()
        self._held_back: deque[Said] = deque()
        self._turned_away = 0
        self._closing = False
        self._fault: BaseException | None = None
        self.orders = Timings()
        """From a traveller's order, questions included, to its answer."""
        self.writes = self._writer.timings

    # ---- what others ask --------------------------------------------------------------------------------------------

    def turn(self, wait_ms: Millis = ANSWER_MS) -> Turn:
        """A new order's, which it takes before anything is done for it, the vault's part included.

        Raises `Busy`: it would wait for too long, or there is no room for it.
        """
        if self.crowded():
            self.turn_away()
            raise Busy(BUSY)
        return Turn(self._pace, wait_ms)

    def turn_away(self) -> None:
        """Whoever says no to an order for want of a turn tells it here, so that it is counted."""
        self._turned_away += 1

    def crowded(self, coming: int = 0) -> bool:
        """There is no turn for one more order, beside so many that are about to take theirs."""
        return self._commands + coming >= INBOX_MAX or self._pace.crowded(coming)

    async def handle(self, command: TravellerCommand, wait_ms: Millis = ANSWER_MS) -> TravellerAnswer:
        """A traveller's order. Answered when it is decided and on disk, or after `wait_ms` with the booking as it is.

        Raises `Busy` (nothing happened) or `Stopped` (unknown: ask again for the booking).
        """
        loop, asker = asyncio.get_running_loop(), self._put([command], INBOX_MAX)
        # Cheaper than asyncio.timeout, and every order has one (docs/performance.md).
        begun, alarm = loop.time(), loop.call_later(wait_ms / 1000, _run_out, asker)
        try:
            [answer] = await asker
        except TimeoutError:
            [answer] = await self._so_far(command)
        finally:
            alarm.cancel()
            self._thinker.no_longer_late(command.booking, asker)
            self.orders.note(loop.time() - begun)
        return cast(TravellerAnswer, answer)

    async def _so_far(self, command: TravellerCommand) -> Sequence[Answer]:
        """A booking whose order is under way already: that it cannot be looked at now does not undo it."""
        body_hash = command.body_hash if isinstance(command, OpenBooking) else ""
        try:
            return await self._soon(self._put([ReadBooking(command.booking, body_hash)], INBOX_PEERS_MAX))
        except Busy as trouble:
            raise Stopped(str(trouble)) from trouble

    async def hear(self, messages: Sequence[PeerMessage]) -> list[PeerAnswer]:
        """What a peer asks; its answers in order, each durable. Raises `Busy` or `Stopped`."""
        return cast(list[PeerAnswer], list(await self._soon(self._put(messages, INBOX_PEERS_MAX))))

    async def transactions(self) -> Transactions:
        """Whatever waits at this node, and why."""
        [answer] = await self._soon(self._put([ReadTransactions()], INBOX_PEERS_MAX))
        return cast(Transactions, answer)

    async def resume(self) -> Transactions:
        """Ask about every pledge now. What waits, once what is asked is on its way to the lines."""
        [answer] = await self._soon(self._put([Resume()], INBOX_PEERS_MAX))
        return cast(Transactions, answer)

    async def operate(self, command: ForceMessage) -> Forcing | Refusal:
        """What an operator does about a claim, at this carrier's risk and on record."""
        [answer] = await self._soon(self._put([command], INBOX_PEERS_MAX))
        return cast(Forcing | Refusal, answer)

    def flights_of(self, booking: BookingId) -> tuple[FlightId, ...]:
        """The flights in memory that know of this booking. For people: it looks at every one of them."""
        return tuple(flight.id for flight in self._ledger.flights.values() if flight.coordinator_of(booking))

    @property
    def full(self) -> bool:
        """The log has no room at the moment: it is better to take no orders."""
        return self._writer.full

    @property
    def late(self) -> int:
        """Travellers' orders that wait for other carriers."""
        return self._thinker.late

    async def open_sales(self, plans: Sequence[FlightScheduled]) -> None:
        """Put flights on sale; on disk when this returns."""
        await self._soon(self._put([OpenSales(tuple(plans))], INBOX_PEERS_MAX))

    def tell(self, commands: Sequence[Command]) -> None:
        """What needs no answer: peers' answers to what was owed to them, and their silence."""
        self._check()
        self._enter(Entry(commands, None))

    def figures(self) -> Mapping[str, float]:
        """Counters and gauges, with their units in their names."""
        return {
            "inbox_commands": self._commands,
            "orders_turned_away_total": self._turned_away,
            "batches_total": self.writes.count,
            "events_total": self._writer.events,
            "write_seconds_total": self.writes.seconds,
            "disk_full": self._writer.full,
            "orders_waiting_for_peers": self.late,
            "bookings_in_memory": len(self._ledger.bookings),
            "flights_in_memory": len(self._ledger.flights),
            **structs.asdict(tally(self._ledger.flights.values(), self._ledger.bookings.values())),
        }

    # ---- its life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Consume the inbox until `close`. Raises what made it stop: trouble with the disk, or a bug."""
        try:
            self._take_up()
            while batch := await self._next():
                self._batch = batch
                await self._thinker.read_back(batch)
                said = self._think(batch)
                self._batch = ()
                self._held_back.append(said)
                await self._written()
                self._writing = asyncio.create_task(self._write(said))
            await self._written()
            if last := self._thinker.last_picture():
                self._keep_pictures(last, last)
            await self._writer.finish()
            self._leave_undecided("the node has closed")
        except BaseException as fault:
            self._fail(fault)
            raise
        finally:
            if self._alarm:
                self._alarm.cancel()

    async def drain(self, wait_ms: Millis) -> None:
        """Until the orders that wait for other carriers now are answered, or `wait_ms` have passed.

        The others then hear that their outcome is not known.
        """
        if askers := self._thinker.late_askers():
            await asyncio.wait(askers, timeout=wait_ms / 1000)
        self._leave_undecided("the node is closing")

    def close(self) -> None:
        """Finish what is in the inbox, then end `run`. What comes later is refused as `Busy`."""
        self._closing = True
        self._wake.set()

    def _take_up(self) -> None:
        """After a start: what was owed before it is owed again."""
        self._ledger.restarted(self._clock())
        self._enter(Entry([], None))

    # ---- inbox ------------------------------------------------------------------------------------------------------

    def _put(self, commands: Sequence[Command], limit: int) -> Asker:
        self._check()
        if self._commands + len(commands) > limit:
            self._turned_away += limit == INBOX_MAX  # A traveller's; what peers send again by themselves is no order.
            raise Busy(f"{self._commands} orders are waiting already")
        asker: Asker = asyncio.get_running_loop().create_future()
        self._enter(Entry(commands, asker))
        return asker

    def _enter(self, entry: Entry) -> None:
        self._inbox.append(entry)
        self._commands += len(entry.commands)
        self._wake.set()

    def _check(self) -> None:
        if self._fault is not None:
            raise Stopped(f"the node has stopped: {self._fault}")
        if self._closing:
            raise Busy("the node is closing")

    async def _soon(self, asker: Asker) -> Sequence[Answer]:
        try:
            async with asyncio.timeout(READ_MS / 1000):
                return await asker
        except TimeoutError:
            raise Stopped(f"the node has not answered for {READ_MS / 1000:.0f} s") from None

    async def _next(self) -> list[Entry]:
        """Everything that waits, up to BATCH_MAX commands; nothing when the node is to close and all is done."""
        while not self._inbox and not self._closing:
            self._wake.clear()
            await self._wake.wait()
            if self._fault:
                raise self._fault
        batch: list[Entry] = []
        count = 0
        while self._inbox and count < BATCH_MAX:
            batch.append(self._inbox.popleft())
            count += len(batch[-1].commands)
        self._commands -= count
        return batch

    # ---- think ------------------------------------------------------------------------------------------------------

    def _think(self, batch: Sequence[Entry]) -> Said:
        now = self._clock()
        said = self._thinker.think(batch, now)
        if self._thinker.drawing and not self._inbox and not self._closing:
            self._enter(Entry([], None))
        self._set_alarm(now)
        return said

    def _set_alarm(self, now: Millis) -> None:
        """The next deadline wakes the node by itself."""
        if self._alarm:
            self._alarm.cancel()
        if (due := self._ledger.next_due) is not None:
            wait_ms = min(max(due - now, 1), ALARM_MS_MAX)
            self._alarm = asyncio.get_running_loop().call_later(wait_ms / 1000, self._enter, Entry([], None))

    # ---- write, then speak ------------------------------------------------------------------------------------------

    async def _written(self) -> None:
        """The batch before is on disk and said."""
        if self._writing:
            await self._writing
            self._writing = None
        if self._fault:
            raise self._fault

    async def _write(self, said: Said) -> None:
        try:
            if said.change.records:
                await self._writer.append(said.change.records, give_up=lambda: self._closing)
                self._on_written(said.change.records)
            self._keep_pictures(said.begun, said.drawn)  # also after a long replay, when the first batch writes nothing
            self._speak(said)
        except BaseException as fault:
            self._fail(fault)  # `run` raises it

    def _keep_pictures(self, begun: GradualPicture | None, drawn: GradualPicture | None) -> None:
        if begun:
            begun.position = self._writer.position
        if drawn:
            self._writer.keep_soon(drawn)

    def _speak(self, said: Said) -> None:
        assert self._held_back.popleft() is said, "what was thought first is said first"
        self._ledger.forget(said.change.settled)
        for machine, messages in said.owed:
            self._wire.owe(machine, messages)
        for asker, answer in said.answers:
            if not asker.done():
                asker.set_result(answer)
        self._on_moved(said.change.machines)

    def _fail(self, fault: BaseException) -> None:
        """Nothing more is taken or said. Who waits learns that the outcome is not known."""
        if self._fault is not None:
            return
        self._fault = fault
        if not isinstance(fault, asyncio.CancelledError):
            log.critical("the node stops: %s", fault, exc_info=fault)
        held_back = [asker for said in self._held_back for asker, _ in said.answers]
        asked = [entry.asker for entry in (*self._batch, *self._inbox) if entry.asker]
        _give_up([*held_back, *asked], f"the node has stopped: {fault}")
        self._leave_undecided(f"the node has stopped: {fault}")
        self._wake.set()

    def _leave_undecided(self, why: str) -> None:
        """Orders that still wait for other carriers hear that their outcome is not known."""
        _give_up(self._thinker.late_askers(), why)


def _run_out(asker: Asker) -> None:
    if not asker.done():
        asker.set_exception(TimeoutError())


def _give_up(askers: Iterable[Asker], why: str) -> None:
    for asker in askers:
        if not asker.done():
            asker.set_exception(Stopped(why))
