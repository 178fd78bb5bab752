"""How a node ends, by trouble, by a bug or in good order; what it keeps for its next start, and shows meanwhile."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from airline_node import node as node_module
from airline_node import thinker
from airline_node.journal import JournalFull, JournalTrouble
from airline_node.node import Busy, Stopped
from ledger.events import HoldReleased, Recorded
from ledger.ledger import Answer, Command, Ledger
from ledger.messages import (
    CancelBooking,
    Forcing,
    Inquire,
    ReadBooking,
    Refusal,
    Status,
    Unanswered,
)
from ledger.terms import FlightId, Millis
from ledger.waiting import WaitState
from snapshots.form import picture, restore
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    RUI,
    agree,
    commit,
    hold,
    prepare,
    propose,
)
from tests.node.house import (
    EVA,
    IDA,
    Andorinha,
    at_work,
    ended,
    pledged,
    recorded,
    soon,
    status,
    turns,
    until,
)

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


@at_work(PICTURE_EVENTS=3, PICTURE_PIECES=1)
async def test_a_picture_is_completed_also_when_nobody_asks_for_anything_more(house: Andorinha) -> None:
    await soon(asyncio.gather(house.buy(RUI), house.buy(EVA), house.buy(IDA)))
    await until(lambda: house.pictures)
    [(position, state)] = house.pictures
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
