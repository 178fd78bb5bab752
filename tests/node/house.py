"""One node among fakes: its disk, its clock and its wire.

The story is the one of `tests.ledger.given`: Ana buys a seat of Andorinha's (this node) and one of Jangada's.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

import pytest

from airline_node import node as node_module
from airline_node import thinker, writer
from airline_node.node import Node
from ledger.events import Recorded, StreamName, stream_of
from ledger.ledger import Ledger
from ledger.messages import (
    Acknowledged,
    BookingView,
    CancelBooking,
    ConfirmBooking,
    OpenBooking,
    PeerMessage,
    Pledged,
    ReadBooking,
    Status,
    TravellerAnswer,
)
from ledger.terms import BookingId, Millis, SeatNo
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    JG_FLIGHT,
    NOW,
    open_booking,
    scheduled,
    segment,
)

T = TypeVar("T")
Story: TypeAlias = Callable[["Andorinha"], Awaitable[None]]

EVA: BookingId = "eva-00000000000000000000"
IDA: BookingId = "ida-00000000000000000000"
OUR_SEAT = (segment(AN_FLIGHT),)
SOON_S = 5.0
"""Far less than any limit of the node's, far more than the loop needs."""


class Disk:
    """An in-memory log. A write waits while `may_write` is not set and fails with `fault`; a read waits likewise."""

    def __init__(self) -> None:
        self.log: list[Recorded] = []
        self.begun: list[Sequence[Recorded]] = []
        self.sizes: list[int] = []
        self.fault: Exception | None = None
        self.reads: list[StreamName] = []
        self.may_write, self.may_read = asyncio.Event(), asyncio.Event()
        self.may_write.set()
        self.may_read.set()

    async def append(self, records: Sequence[Recorded]) -> int:
        assert len(self.begun) == len(self.sizes), "two writes at a time"
        self.begun.append(records)
        await self.may_write.wait()
        if self.fault:
            self.begun.pop()
            raise self.fault
        self.log += records
        self.sizes.append(len(records))
        return len(self.log)

    async def read(self, streams: Sequence[StreamName]) -> dict[StreamName, list[Recorded]]:
        found = {name: [record for record in self.log if stream_of(record.event) == name] for name in streams}
        self.reads += streams
        await self.may_read.wait()
        return found


class Wire:
    """What this node owes to its peers, machine by machine, as it was last said."""

    def __init__(self) -> None:
        self.owed: dict[str, list[PeerMessage]] = {}

    def owe(self, machine: str, messages: Sequence[PeerMessage]) -> None:
        self.owed[machine] = list(messages)


class Andorinha:
    """A node among fakes."""

    def __init__(self, ledger: Ledger, replayed: int = 0) -> None:
        self.now = NOW
        self.disk, self.wire = Disk(), Wire()
        self.ledger = ledger
        self.written: list[Recorded] = []
        self.pictures: list[tuple[int, bytes]] = []
        self.keep: Callable[[int, bytes], None] = lambda position, state: self.pictures.append((position, state))
        self.node = Node(
            self.ledger,
            self.disk,
            lambda: self.now,
            self.wire,
            position=0,
            replayed=replayed,
            written=self.written.extend,
            keep=lambda position, state: self.keep(position, state),
        )
        self.life = asyncio.create_task(self.node.run())

    async def close(self) -> BaseException | None:
        """What it ended with."""
        self.disk.may_write.set()
        self.disk.may_read.set()
        self.node.close()
        return await ended(self.life)

    def buy(self, booking: BookingId, wait_ms: Millis = 60_000) -> "asyncio.Task[TravellerAnswer]":
        """A seat of Andorinha's alone: decided at once."""
        return self.order(open_booking(*OUR_SEAT, booking=booking, confirm=True), wait_ms)

    def buy_both(self, booking: BookingId = ANA, wait_ms: Millis = 60_000) -> "asyncio.Task[TravellerAnswer]":
        """A seat of Jangada's too: decided when Jangada has answered."""
        return self.order(open_booking(booking=booking, confirm=True), wait_ms)

    def order(
        self, command: OpenBooking | ConfirmBooking | CancelBooking | ReadBooking, wait_ms: Millis = 60_000
    ) -> "asyncio.Task[TravellerAnswer]":
        return asyncio.create_task(self.node.handle(command, wait_ms))

    async def read(self, booking: BookingId) -> TravellerAnswer:
        return await soon(self.node.handle(ReadBooking(booking)))

    async def sell_both(self, booking: BookingId = ANA) -> None:
        """Until every carrier has recorded it, so that the booking is settled."""
        ordered = self.buy_both(booking)
        await turns()
        self.node.tell([pledged(booking=booking)])
        await soon(ordered)
        self.node.tell([recorded(booking)])
        await turns()

    def held_back(self) -> bool:
        """A write has begun and may not end yet."""
        return len(self.disk.begun) > len(self.disk.sizes)


def at_work(ledger: type[Ledger] = Ledger, **limits: int) -> Callable[[Story], Callable[[], None]]:
    """A test of a node with one flight on sale, and with these limits of its modules'."""

    def told(story: Story) -> Callable[[], None]:
        unheard: list[str] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, fault: unheard.append(str(fault)))
            house = Andorinha(ledger("AN", "981"))
            await house.node.open_sales([scheduled(AN_FLIGHT)])
            try:
                await story(house)
            finally:
                await house.close()

        def test() -> None:
            with pytest.MonkeyPatch.context() as patch:
                for name, limit in limits.items():
                    [module] = [module for module in (node_module, thinker, writer) if hasattr(module, name)]
                    patch.setattr(module, name, limit)
                try:
                    asyncio.run(main())
                finally:
                    # A task that failed and that nobody asked speaks up when it is collected.
                    gc.collect()
            assert unheard == []

        return test

    return told


def pledged(seat: SeatNo = "1A", booking: BookingId = ANA) -> Pledged:
    return Pledged(booking=booking, flight=JG_FLIGHT, seats=(seat,))


def recorded(booking: BookingId = ANA) -> Acknowledged:
    return Acknowledged(booking=booking, flight=JG_FLIGHT, done="commit")


def status(answer: TravellerAnswer) -> Status:
    assert isinstance(answer, BookingView), answer
    return answer.status


async def soon(awaited: Awaitable[T]) -> T:
    async with asyncio.timeout(SOON_S):
        return await awaited


async def turns() -> None:
    """Whatever can happen now has happened."""
    for _ in range(50):
        await asyncio.sleep(0)


async def until(what: Callable[[], object]) -> None:
    """For what happens in a thread, or by the loop's clock."""
    for _ in range(5_000):
        if what():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came about")


async def ended(task: "asyncio.Task[T]") -> BaseException | None:
    done, _ = await asyncio.wait([task], timeout=SOON_S)
    assert done, "it still waits"
    return task.exception()
