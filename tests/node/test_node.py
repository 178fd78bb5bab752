"""The only writer: write, then speak; and whoever asked hears the truth, or that it is not known."""

import asyncio
from unittest.mock import patch

import pytest

from airline_node import pace
from airline_node.node import Busy, Stopped
from ledger.events import BookingOpened, BookingSettled, HoldReleased, SeatHeld
from ledger.ledger import Ledger
from ledger.messages import (
    Acknowledged,
    CancelBooking,
    Held,
    PeerAnswer,
    PeerMessage,
    ReadBooking,
    Refusal,
    Status,
)
from ledger.terms import BookingId
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CONFIRM,
    EXPIRES_AT,
    JG_FLIGHT,
    RUI,
    abort,
    hold,
    inquire,
    open_booking,
    prepare,
)
from tests.node.house import (
    EVA,
    IDA,
    OUR_SEAT,
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
    assert house.node.figures()["orders_turned_away_total"] == 1, "a traveller's order, and no peer's message"
    house.disk.may_write.set()
    await soon(asyncio.gather(*orders, heard))
    assert isinstance(await house.read(IDA), Refusal)


@at_work()
async def test_a_node_whose_orders_take_too_long_has_a_turn_for_no_more_until_they_are_answered(
    house: Andorinha,
) -> None:
    async def order(who: BookingId) -> None:
        with house.node.turn():
            await house.buy(who)

    with patch.multiple(pace, CROWD_MIN=1, WAIT_MS_MAX=0):
        await order(RUI)
        house.disk.may_write.clear()
        under_way = asyncio.create_task(order(EVA))
        await turns()
        with pytest.raises(Busy):
            await order(RUI)
        assert house.node.figures()["orders_turned_away_total"] == 1
        house.disk.may_write.set()
        await soon(under_way)
        await order(RUI)


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
    ordered = house.buy_both(wait_ms=200)  # longer than it takes to fill the inbox
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
