"""The only writer: write, then speak; and whoever asked hears the truth, or that it is not known.

The disk, the clock and the wire are fakes. The story is the one of `tests.ledger.given`: Ana buys a seat of
Andorinha's (this node) and one of Jangada's.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

import pytest

from airline_node import node as node_module
from airline_node import thinker, writer
from airline_node.journal import JournalFull, JournalTrouble
from airline_node.node import Busy, Node, Stopped
from ledger.events import BookingOpened, BookingSettled, HoldReleased, Recorded, SeatHeld, StreamName, stream_of
from ledger.ledger import Answer, Command, Ledger
from ledger.messages import (
    Acknowledged,
    BookingView,
    CancelBooking,
    ConfirmBooking,
    Forcing,
    Held,
    Inquire,
    OpenBooking,
    PeerAnswer,
    PeerMessage,
    Pledged,
    ReadBooking,
    Refusal,
    Status,
    TravellerAnswer,
    Unanswered,
)
from ledger.terms import BookingId, FlightId, Millis, SeatNo
from ledger.waiting import WaitState
from snapshots.form import picture, restore
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CONFIRM,
    EXPIRES_AT,
    JG_FLIGHT,
    NOW,
    RUI,
    abort,
    agree,
    commit,
    hold,
    inquire,
    open_booking,
    prepare,
    propose,
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


# ---- write, then speak ------------------------------------------------------------------------------------------


@at_work()
async def test_no_answer_leaves_before_the_write_behind_it(house: Andorinha) -> None:
    house.disk.may_write.clear()
    ordered = house.buy(RUI)
    await turns()
    assert house.held_back()
    assert not ordered.done()
    house.disk.may_write.set()
    assert status(await soon(ordered)) is Status.CONFIRMED


@at_work()
async def test_no_message_to_a_peer_leaves_before_the_write_behind_it(house: Andorinha) -> None:
    house.disk.may_write.clear()
    ordered = house.buy_both()
    await turns()
    assert house.held_back()
    assert ANA not in house.wire.owed
    house.disk.may_write.set()
    await turns()
    [owed] = house.wire.owed[ANA]
    assert (owed.flight, owed.booking) == (JG_FLIGHT, ANA)
    house.node.tell([pledged()])
    await soon(ordered)


@at_work()
async def test_a_mere_question_waits_for_the_write_that_its_answer_rests_on(house: Andorinha) -> None:
    house.disk.may_write.clear()
    ordered = house.buy(RUI)
    await turns()
    asked = house.order(ReadBooking(RUI))
    await turns()
    assert not asked.done()
    house.disk.may_write.set()
    assert await soon(asked) == await soon(ordered)


@at_work()
async def test_peers_hear_their_answers_in_order_and_only_once_all_are_on_disk(house: Andorinha) -> None:
    house.disk.may_write.clear()
    asked: list[PeerMessage] = [
        prepare("2A", booking=RUI, by="JG", flight=AN_FLIGHT),
        hold("2A", booking=EVA, by="IP", flight=AN_FLIGHT),
        abort(booking=IDA, by="IP", flight=AN_FLIGHT),
    ]
    heard = asyncio.create_task(house.node.hear(asked))
    await turns()
    assert house.held_back()
    assert not heard.done()
    house.disk.may_write.set()
    answers: list[PeerAnswer] = await soon(heard)
    assert [type(answer).__name__ for answer in answers] == ["Pledged", "Refused", "Acknowledged"]
    assert [answer.booking for answer in answers] == [RUI, EVA, IDA]
    assert house.disk.sizes[-1] == 3


@at_work()
async def test_what_is_published_is_on_disk(house: Andorinha) -> None:
    before = len(house.written)
    house.disk.may_write.clear()
    ordered = house.buy(RUI)
    await turns()
    assert len(house.written) == before
    house.disk.may_write.set()
    await soon(ordered)
    assert house.written == house.disk.log


@at_work()
async def test_while_a_batch_is_written_the_next_is_thought_and_they_are_written_in_order(house: Andorinha) -> None:
    house.disk.may_write.clear()
    first = house.buy(RUI)
    await turns()
    second = house.buy(EVA)
    await turns()
    assert len(house.disk.begun) == len(house.disk.sizes) + 1
    assert EVA in house.ledger.bookings
    house.disk.may_write.set()
    await soon(asyncio.gather(first, second))
    opened = [record.event.booking for record in house.disk.log if isinstance(record.event, BookingOpened)]
    assert opened == [RUI, EVA]


@at_work()
async def test_everything_that_waits_is_written_together(house: Andorinha) -> None:
    writes = len(house.disk.sizes)
    orders = [house.buy(booking) for booking in (RUI, EVA, IDA)]
    heard = asyncio.create_task(house.node.hear([hold("2F", by="JG", flight=AN_FLIGHT)]))
    await soon(asyncio.gather(*orders, heard))
    assert len(house.disk.sizes) == writes + 1


@at_work(BATCH_MAX=2)
async def test_a_batch_has_its_limit_and_what_is_over_comes_next(house: Andorinha) -> None:
    writes = len(house.disk.sizes)
    await soon(asyncio.gather(*(house.buy(booking) for booking in (RUI, EVA, IDA))))
    assert len(house.disk.sizes) == writes + 2


@at_work()
async def test_a_question_alone_writes_nothing(house: Andorinha) -> None:
    writes = len(house.disk.sizes)
    assert await house.read(RUI) == Refusal("no-such-booking", "no booking with this id is known here")
    assert len(house.disk.sizes) == writes


# ---- the inbox --------------------------------------------------------------------------------------------------


@at_work(INBOX_MAX=2, INBOX_PEERS_MAX=4)
async def test_a_full_inbox_refuses_travellers_and_nothing_happened_and_peers_are_still_heard(house: Andorinha) -> None:
    house.disk.may_write.clear()
    orders = [house.buy(RUI)]
    await turns()
    orders.append(house.buy(EVA))
    await turns()
    orders += [house.order(ReadBooking(RUI)), house.order(ReadBooking(EVA))]
    await turns()
    assert house.node.figures()["inbox_commands"] == 2
    with pytest.raises(Busy):
        await house.node.handle(open_booking(*OUR_SEAT, booking=IDA, confirm=True))
    heard = asyncio.create_task(house.node.hear([inquire(booking=IDA, by="JG", about=AN_FLIGHT)] * 2))
    await turns()
    with pytest.raises(Busy):
        await house.node.hear([inquire(booking=IDA, by="JG", about=AN_FLIGHT)])
    house.disk.may_write.set()
    await soon(asyncio.gather(*orders, heard))
    assert isinstance(await house.read(IDA), Refusal)


@at_work()
async def test_a_client_that_goes_away_changes_nothing(house: Andorinha) -> None:
    house.disk.may_write.clear()
    house.buy(RUI)
    await turns()
    unread, unthought = house.buy(EVA), house.buy_both()
    await asyncio.sleep(0)
    unread.cancel()
    unthought.cancel()
    house.disk.may_write.set()
    await turns()
    assert status(await house.read(EVA)) is Status.CONFIRMED
    house.node.tell([pledged()])
    assert status(await house.read(ANA)) is Status.CONFIRMED


# ---- late answers -----------------------------------------------------------------------------------------------


@at_work()
async def test_an_order_that_needs_another_carrier_is_answered_when_its_vote_comes(house: Andorinha) -> None:
    ordered = house.buy_both()
    await turns()
    assert not ordered.done()
    assert house.node.late == 1
    house.node.tell([pledged()])
    assert status(await soon(ordered)) is Status.CONFIRMED
    assert house.node.late == 0


@at_work()
async def test_a_hold_is_answered_when_every_carrier_holds(house: Andorinha) -> None:
    ordered = house.order(open_booking())
    await turns()
    assert not ordered.done()
    house.node.tell([Held(booking=ANA, flight=JG_FLIGHT, seats=("1A",), expires_at=EXPIRES_AT)])
    assert status(await soon(ordered)) is Status.HELD


@at_work()
async def test_a_decision_is_told_only_once_it_is_on_disk(house: Andorinha) -> None:
    ordered = house.buy_both()
    await turns()
    house.disk.may_write.clear()
    house.node.tell([pledged()])
    await turns()
    assert not ordered.done()
    house.disk.may_write.set()
    assert status(await soon(ordered)) is Status.CONFIRMED


@at_work()
async def test_whoever_has_waited_long_enough_hears_how_the_booking_stands(house: Andorinha) -> None:
    assert status(await soon(house.buy_both(wait_ms=5))) is Status.CONFIRMING
    assert house.node.late == 0
    house.node.tell([pledged()])
    assert status(await house.read(ANA)) is Status.CONFIRMED


@at_work()
async def test_everybody_who_asks_for_the_same_booking_hears_the_same(house: Andorinha) -> None:
    first, second = house.buy_both(), house.buy_both()
    await turns()
    third = house.order(CONFIRM)
    impatient = house.buy_both(wait_ms=1)
    assert status(await soon(impatient)) is Status.CONFIRMING
    house.node.tell([pledged()])
    answers = await soon(asyncio.gather(first, second, third))
    assert [status(answer) for answer in answers] == [Status.CONFIRMED] * 3
    assert house.node.late == 0


@at_work()
async def test_drain_waits_for_late_answers_and_no_longer_than_it_is_told(house: Andorinha) -> None:
    await soon(house.node.drain(60_000))
    ordered = house.buy_both()
    await turns()
    await soon(house.node.drain(5))
    assert isinstance(await ended(ordered), Stopped), "not known yet, and it hears so"
    ordered = house.buy_both()
    await turns()
    drained = asyncio.create_task(house.node.drain(60_000))
    await turns()
    assert not drained.done()
    house.node.tell([pledged()])
    await soon(drained)
    assert ordered.done()


@at_work(INBOX_PEERS_MAX=1)
async def test_an_order_under_way_never_hears_that_nothing_happened(house: Andorinha) -> None:
    """Its booking is open, and a carrier has been asked: a full inbox does not undo that."""
    ordered = house.buy_both(wait_ms=20)
    await turns()
    house.disk.may_write.clear()
    others = []
    for booking in (RUI, EVA, IDA):
        others.append(house.buy(booking))
        await turns()
    assert isinstance(await ended(ordered), Stopped)
    house.disk.may_write.set()
    await soon(asyncio.gather(*others))


# ---- memory -----------------------------------------------------------------------------------------------------


@at_work()
async def test_a_settled_booking_leaves_memory_and_is_read_back_when_asked_for(house: Andorinha) -> None:
    await house.sell_both()
    assert house.node.figures()["bookings_in_memory"] == 0
    house.disk.reads.clear()
    for _ in range(2):
        assert status(await house.read(ANA)) is Status.CONFIRMED
        await turns()
        assert house.node.figures()["bookings_in_memory"] == 0
    assert house.disk.reads == [f"booking:{ANA}"] * 2


@at_work()
async def test_a_repeat_of_a_settled_order_hears_its_first_answer_and_sells_nothing_more(house: Andorinha) -> None:
    await house.sell_both()
    events = len(house.disk.log)
    assert status(await soon(house.buy_both())) is Status.CONFIRMED
    assert len(house.disk.log) == events


@at_work()
async def test_a_booking_that_leaves_memory_while_others_are_read_back_is_read_back_too(house: Andorinha) -> None:
    ordered = house.buy_both()
    await turns()
    house.node.tell([pledged()])
    await soon(ordered)
    house.disk.may_write.clear()
    house.disk.may_read.clear()
    house.node.tell([recorded()])
    await turns()
    assert house.held_back()
    assert house.ledger.bookings[ANA].commit_settled
    settled, unknown = house.buy_both(), house.order(ReadBooking(RUI))
    await turns()
    house.disk.may_write.set()
    await turns()
    assert ANA not in house.ledger.bookings
    house.disk.may_read.set()
    assert status(await soon(settled)) is Status.CONFIRMED
    assert isinstance(await soon(unknown), Refusal)
    assert sum(isinstance(record.event, BookingOpened) for record in house.disk.log) == 1


@at_work()
async def test_a_booking_cancelled_after_it_was_settled_is_settled_again(house: Andorinha) -> None:
    await house.sell_both()
    assert status(await soon(house.order(CancelBooking(ANA)))) is Status.CANCELLED
    assert house.node.figures()["bookings_in_memory"] == 1
    house.node.tell([Acknowledged(booking=ANA, flight=JG_FLIGHT, done="return")])
    await turns()
    assert house.node.figures()["bookings_in_memory"] == 0
    assert sum(isinstance(record.event, BookingSettled) for record in house.disk.log) == 2
    assert status(await house.read(ANA)) is Status.CANCELLED


# ---- what stops it ----------------------------------------------------------------------------------------------


@at_work()
async def test_a_failed_write_stops_the_node_and_everybody_who_waits_hears_that_the_outcome_is_not_known(
    house: Andorinha,
) -> None:
    late = house.buy_both()
    await turns()
    house.disk.may_write.clear()
    written = house.buy(RUI)
    await turns()
    thought = house.buy(EVA)
    await turns()
    waiting = house.buy(IDA)
    await turns()
    said = dict(house.wire.owed)
    house.disk.fault = JournalTrouble("the disk is full", known=True)
    house.disk.may_write.set()
    for order in (late, written, thought, waiting):
        assert isinstance(await ended(order), Stopped)
    assert await ended(house.life) is house.disk.fault
    assert house.wire.owed == said
    for ask in (house.node.handle(ReadBooking(RUI)), house.node.hear([commit(flight=AN_FLIGHT)])):
        with pytest.raises(Stopped, match="disk is full"):
            await ask
    with pytest.raises(Stopped):
        house.node.tell([recorded()])


@at_work()
async def test_a_late_order_whose_answer_waited_for_the_write_that_failed_hears_it_too(house: Andorinha) -> None:
    late = house.buy_both()
    await turns()
    house.disk.may_write.clear()
    other = house.buy(RUI)
    await turns()
    house.node.tell([pledged()])
    await turns()
    house.disk.fault = JournalTrouble("the disk is full", known=True)
    house.disk.may_write.set()
    assert await ended(house.life) is house.disk.fault
    assert isinstance(await ended(other), Stopped)
    assert isinstance(await ended(late), Stopped)


def test_an_idle_node_stops_as_soon_as_its_write_fails_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    # Whoever captures log records keeps the failed task alive, and so silent.
    monkeypatch.setattr(node_module.log, "handle", lambda record: said.append(record.getMessage()))

    @at_work()
    async def story(house: Andorinha) -> None:
        house.disk.fault = JournalTrouble("the disk is full", known=True)
        assert isinstance(await ended(house.buy(RUI)), Stopped)
        assert await ended(house.life) is house.disk.fault

    story()
    assert said == ["the node stops: the disk is full"]


class Buggy(Ledger):
    def handle(self, command: Command, now: Millis) -> Answer:
        assert not isinstance(command, CancelBooking), "a bug"
        return super().handle(command, now)


@at_work(Buggy)
async def test_a_bug_in_the_rules_stops_the_node(house: Andorinha) -> None:
    late = house.buy_both()
    await turns()
    assert isinstance(await ended(house.order(CancelBooking(ANA))), Stopped)
    assert isinstance(await ended(late), Stopped)
    assert isinstance(await ended(house.life), AssertionError)


@at_work(FULL_RETRY_MS=1)
async def test_a_full_disk_holds_orders_up_until_there_is_room_and_stops_nothing(house: Andorinha) -> None:
    house.disk.fault = JournalFull("no space left")
    first = house.buy(RUI)
    await until(lambda: house.node.full)
    second = house.buy_both()
    await asyncio.sleep(0.01)
    assert not first.done()
    assert ANA not in house.wire.owed
    house.disk.fault = None
    assert status(await soon(first)) is Status.CONFIRMED
    await until(lambda: ANA in house.wire.owed)
    house.node.tell([pledged()])
    assert status(await soon(second)) is Status.CONFIRMED
    assert not house.node.full


@at_work(FULL_RETRY_MS=1)
async def test_a_node_that_closes_on_a_full_disk_gives_up_what_it_could_not_write(house: Andorinha) -> None:
    house.disk.fault = JournalFull("no space left")
    ordered = house.buy(RUI)
    await until(lambda: house.node.full)
    assert isinstance(await house.close(), JournalFull)
    assert isinstance(await ended(ordered), Stopped)


@at_work(READ_MS=60)
async def test_a_disk_that_does_not_answer_leaves_the_outcome_unknown(house: Andorinha) -> None:
    house.disk.may_write.clear()
    with pytest.raises(Stopped):
        await house.node.hear([hold("2F", by="JG", flight=AN_FLIGHT)])
    assert isinstance(await ended(house.buy(RUI, wait_ms=5)), Stopped)


# ---- its end ----------------------------------------------------------------------------------------------------


@at_work()
async def test_a_closing_node_finishes_its_inbox_and_takes_nothing_more(house: Andorinha) -> None:
    house.disk.may_write.clear()
    orders = [house.buy(RUI)]
    await turns()
    orders.append(house.buy(EVA))
    await turns()
    orders.append(house.buy(IDA))
    await turns()
    house.node.close()
    house.disk.may_write.set()
    assert [status(answer) for answer in await soon(asyncio.gather(*orders))] == [Status.CONFIRMED] * 3
    assert await ended(house.life) is None
    with pytest.raises(Busy):
        await house.node.handle(ReadBooking(RUI))
    with pytest.raises(Busy):
        house.node.tell([recorded()])


@at_work()
async def test_an_order_that_a_closing_node_leaves_undecided_hears_at_once_that_it_is_not_known(
    house: Andorinha,
) -> None:
    ordered = house.buy_both()
    await turns()
    house.node.close()
    assert await ended(house.life) is None
    assert isinstance(await ended(ordered), Stopped)


# ---- time -------------------------------------------------------------------------------------------------------


@at_work()
async def test_a_deadline_wakes_the_node_by_itself(house: Andorinha) -> None:
    await soon(house.node.hear([hold("2A", booking=RUI, by="JG", flight=AN_FLIGHT)]))
    house.now = EXPIRES_AT - 5
    await house.read(RUI)
    assert isinstance(house.disk.log[-1].event, SeatHeld)
    house.now = EXPIRES_AT
    await until(lambda: isinstance(house.disk.log[-1].event, HoldReleased))


@at_work()
async def test_a_start_owes_again_what_was_owed_before(house: Andorinha) -> None:
    await soon(house.buy_both(wait_ms=1))
    ledger = Ledger("AN", "981")
    for record in house.disk.log:
        ledger.apply(record)
    restarted = Andorinha(ledger)
    await turns()
    assert restarted.wire.owed[ANA] == house.wire.owed[ANA] != []
    assert await restarted.close() is None


# ---- pictures ---------------------------------------------------------------------------------------------------


def folded(log: Sequence[Recorded]) -> bytes:
    ledger = Ledger("AN", "981")
    for record in log:
        ledger.apply(record)
    return picture(ledger)


def seen(state: bytes) -> bytes:
    """A picture as it looks once it was restored: settled bookings, which a replay leaves out, too."""
    ledger = Ledger("AN", "981")
    restore(ledger, state)
    ledger.forget([(booking.id, booking.version) for booking in ledger.bookings.values() if "settled" in booking.phase])
    return picture(ledger)


@at_work(PICTURE_EVENTS=5)
async def test_a_picture_is_kept_now_and_then_and_has_the_events_up_to_its_position_and_no_others(
    house: Andorinha,
) -> None:
    house.disk.may_write.clear()
    first = house.buy(RUI)
    await turns()
    # This one is thought, though not written, when the picture of the first is kept.
    second = house.buy(EVA)
    await turns()
    house.disk.may_write.set()
    await soon(asyncio.gather(first, second))
    await until(lambda: house.pictures)
    await soon(house.buy(IDA))
    assert await house.close() is None
    assert len(house.pictures) >= 2
    for position, state in house.pictures:
        assert seen(state) == folded(house.disk.log[:position])


@at_work()
async def test_at_its_end_a_node_keeps_a_picture_of_everything(house: Andorinha) -> None:
    await house.sell_both()
    assert await house.close() is None
    [(position, state)] = house.pictures
    assert position == len(house.disk.log)
    assert seen(state) == folded(house.disk.log)


@at_work(PICTURE_EVENTS=1)
async def test_a_node_at_its_end_has_kept_every_picture_that_it_began(house: Andorinha) -> None:
    await soon(house.buy(RUI))
    assert await house.close() is None
    assert [position for position, _ in house.pictures] == [1, len(house.disk.log)]


def test_a_node_that_has_written_nothing_keeps_no_picture() -> None:
    async def main() -> None:
        house = Andorinha(Ledger("AN", "981"))
        await turns()
        assert await house.close() is None
        assert house.pictures == []

    asyncio.run(main())


def test_a_long_replay_is_not_done_again_after_a_start_that_had_nothing_to_write() -> None:
    async def main() -> None:
        house = Andorinha(Ledger("AN", "981"), replayed=thinker.PICTURE_EVENTS)
        await turns()
        assert await house.close() is None
        assert house.pictures == [(0, picture(house.ledger))]

    asyncio.run(main())


def test_a_picture_that_cannot_be_kept_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def full(position: int, state: bytes) -> None:
        raise OSError("no space left")

    @at_work(PICTURE_EVENTS=1)
    async def story(house: Andorinha) -> None:
        house.keep = full
        await soon(house.buy(RUI))
        await until(lambda: caplog.records)
        assert status(await soon(house.buy(EVA))) is Status.CONFIRMED
        assert await house.close() is None

    story()
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "no space left" in caplog.text


# ---- for operators ----------------------------------------------------------------------------------------------


@at_work()
async def test_an_operator_sees_what_waits_and_may_break_a_pledge(house: Andorinha) -> None:
    await soon(house.node.hear([prepare("2A", booking=RUI, by="JG", flight=AN_FLIGHT)]))
    [waiting] = (await house.node.transactions()).transactions
    assert (waiting.booking, waiting.flight, waiting.coordinator) == (RUI, AN_FLIGHT, "JG")
    early = await house.node.operate(propose(booking=RUI, flight=AN_FLIGHT))
    assert isinstance(early, Refusal)
    assert early.error == "decision-can-be-learned"
    house.node.tell([Unanswered(RUI, AN_FLIGHT, carrier) for carrier in ("JG", "IP")])
    assert isinstance(await house.node.operate(propose(booking=RUI, flight=AN_FLIGHT)), Forcing)
    assert len((await house.node.transactions()).transactions) == 1
    answer = await house.node.operate(agree(booking=RUI, flight=AN_FLIGHT))
    assert isinstance(answer, Forcing)
    assert isinstance(house.disk.log[-1].event, HoldReleased)
    [broken] = (await house.node.transactions()).transactions
    assert broken.state is WaitState.FORCED
    unknown: FlightId = "AN9999/2026-12-14"
    assert isinstance(await house.node.operate(propose(flight=unknown)), Refusal)


@at_work()
async def test_an_operator_may_have_every_pledge_asked_about_before_its_time(house: Andorinha) -> None:
    await soon(house.node.hear([prepare("2A", booking=RUI, by="JG", flight=AN_FLIGHT)]))
    [waiting] = (await house.node.transactions()).transactions
    assert waiting.state is WaitState.PLEDGED
    for _ in range(2):
        [waiting] = (await house.node.resume()).transactions
        assert waiting.state is WaitState.IN_DOUBT
    assert [type(message) for message in house.wire.owed[AN_FLIGHT]] == [Inquire]


@at_work()
async def test_its_figures_say_what_it_has_done_and_what_it_holds(house: Andorinha) -> None:
    late = house.buy_both()
    await turns()
    figures = house.node.figures()
    assert figures["events_total"] == len(house.disk.log)
    assert figures["batches_total"] >= 2
    assert figures["inbox_commands"] == 0
    assert (figures["flights_in_memory"], figures["bookings_in_memory"]) == (1, 1)
    assert figures["orders_waiting_for_peers"] == 1
    assert figures["write_seconds_total"] >= 0
    house.node.tell([pledged()])
    await soon(late)
