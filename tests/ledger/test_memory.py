"""What leaves memory and comes back, and what the log alone says: nothing is lost by forgetting."""

import pytest

from ledger.coordinator.state import Phase
from ledger.events import (
    AnyEvent,
    PrepareRefused,
    Recorded,
    SeatCommitted,
    booking_stream,
    flight_stream,
    stream_of,
)
from ledger.ledger import Ledger, LogBroken
from ledger.messages import (
    Acknowledged,
    Conflict,
    OpenSales,
    Pledged,
    ReadTransactions,
    Refused,
    Status,
    Tick,
    Unanswered,
    Word,
)
from snapshots.form import picture, restore
from tests.ledger.disk import (
    AN_OTHER,
    HOME,
    HOME_AND_AWAY,
    LONG_AFTER,
    NOBODY,
    Disk,
    buy,
    jangada_says_yes,
    replay,
    status,
)
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CANCEL,
    CONFIRM,
    JG_FLIGHT,
    NOW,
    READ,
    abort,
    ask_coordinator,
    commit,
    give_back,
    heard,
    hold,
    inquire,
    prepare,
    propose,
    refused,
    release,
    scheduled,
    settled,
    sold,
)

# ---- out of memory and back -----------------------------------------------------------------------------------------


def test_what_must_be_read_back_before_a_command() -> None:
    ledger = Disk(AN_FLIGHT).ledger
    for order in (buy(*HOME), CONFIRM, CANCEL, READ, ask_coordinator()):
        assert ledger.missing(order) == booking_stream(ANA)
    away = (hold(), prepare(), commit(), abort(), release(), give_back(), inquire(by="IP"), propose())
    for asked in away:
        assert ledger.missing(asked) == flight_stream(JG_FLIGHT)
    at_home = (hold(flight=AN_FLIGHT), inquire(about=AN_FLIGHT, by="IP"), propose(flight=AN_FLIGHT))
    nothing = (ReadTransactions(), OpenSales(()), Tick(ANA), Unanswered(ANA, JG_FLIGHT), heard(Word.ABORTED))
    for command in (*at_home, *nothing):
        assert ledger.missing(command) is None


def test_a_settled_booking_leaves_memory_and_answers_when_it_is_asked_for() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME))
    assert ANA not in node.ledger.bookings
    for command in (READ, CONFIRM, buy(*HOME)):
        assert status(node.say(command)) is Status.CONFIRMED
    assert ANA not in node.ledger.bookings


def test_a_settled_booking_is_kept_until_that_is_on_disk() -> None:
    node = Disk(AN_FLIGHT)
    node.ledger.handle(buy(*HOME), NOW)
    change = node.ledger.take()
    assert ANA in node.ledger.bookings
    assert change.settled == [(ANA, node.ledger.bookings[ANA].version)]


def test_a_booking_that_was_cancelled_while_its_settling_was_written_stays_in_memory() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    jangada_says_yes(node)
    node.ledger.handle(Acknowledged(booking=ANA, flight=JG_FLIGHT, done="commit"), NOW)
    being_written = node.ledger.take()
    node.ledger.handle(CANCEL, NOW)
    node.ledger.forget(being_written.settled)
    assert node.ledger.bookings[ANA].phase is Phase.CANCELLED


def test_an_answer_for_a_booking_that_has_left_memory_is_nothing_new() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME))
    length = len(node.log)
    for late in (
        Pledged(booking=ANA, flight=AN_FLIGHT, seats=("1A",)),
        Refused(booking=ANA, flight=AN_FLIGHT, reason="not-free"),
        Acknowledged(booking=ANA, flight=AN_FLIGHT, done="commit"),
        Conflict(booking=ANA, flight=AN_FLIGHT, detail="?"),
        Tick(ANA),
        Tick(ANA, JG_FLIGHT),
    ):
        assert node.say(late) is None
    assert len(node.log) == length


def test_a_flight_long_landed_leaves_memory_and_answers_when_it_is_asked_for() -> None:
    node = Disk(AN_FLIGHT)
    node.say(prepare("1A", by="JG", flight=AN_FLIGHT))
    node.say(commit(by="JG", flight=AN_FLIGHT))
    node.ledger.retire(LONG_AFTER - 1)
    assert AN_FLIGHT in node.ledger.flights
    node.ledger.retire(LONG_AFTER)
    assert AN_FLIGHT not in node.ledger.flights
    answer = node.say(commit(by="JG", flight=AN_FLIGHT), LONG_AFTER)
    assert answer == Acknowledged(booking=ANA, flight=AN_FLIGHT, done="commit")


def test_opening_the_sales_of_a_new_day_lets_go_of_what_has_long_landed() -> None:
    node = Disk(AN_FLIGHT)
    node.say(OpenSales((scheduled(AN_OTHER),)), LONG_AFTER)
    assert list(node.ledger.flights) == [AN_OTHER]


def test_a_flight_with_a_pledge_is_never_forgotten() -> None:
    node = Disk(AN_FLIGHT)
    node.say(prepare("1A", by="JG", flight=AN_FLIGHT))
    node.ledger.retire(LONG_AFTER)
    assert AN_FLIGHT in node.ledger.flights


def test_a_flight_stays_in_memory_while_what_has_happened_to_it_is_not_on_disk() -> None:
    """Read back too early it would be older than it is, and one event would be written twice."""
    node = Disk(AN_FLIGHT)
    node.say(prepare("1A", by="JG", flight=AN_FLIGHT))
    node.ledger.handle(commit(by="JG", flight=AN_FLIGHT), LONG_AFTER)
    node.ledger.handle(OpenSales(()), LONG_AFTER)
    answer = node.ledger.handle(commit(by="JG", flight=AN_FLIGHT), LONG_AFTER)
    assert answer == Acknowledged(booking=ANA, flight=AN_FLIGHT, done="commit")


def test_a_flight_that_was_there_when_a_batch_began_is_there_for_all_of_it() -> None:
    """What is missing was read back before the batch: nothing may leave memory in the middle of it."""
    node = Disk(AN_FLIGHT)
    node.say(prepare("1A", by="JG", flight=AN_FLIGHT))
    node.say(commit(by="JG", flight=AN_FLIGHT))
    assert node.ledger.missing(commit(by="JG", flight=AN_FLIGHT)) is None
    node.ledger.handle(OpenSales(()), LONG_AFTER)
    answer = node.ledger.handle(commit(by="JG", flight=AN_FLIGHT), LONG_AFTER)
    assert answer == Acknowledged(booking=ANA, flight=AN_FLIGHT, done="commit")


def test_a_flight_that_leaves_memory_does_not_make_a_sale_at_home_a_contradiction_after_a_restart() -> None:
    """Jangada has been away for days. The snapshot has the booking, which waits for Jangada, and not the flight."""
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    jangada_says_yes(node)
    node.ledger.retire(LONG_AFTER)
    after = Ledger("AN", "981")
    restore(after, picture(node.ledger))
    after.restarted(LONG_AFTER)
    assert after.bookings[ANA].conflicts == {}
    after.handle(Acknowledged(booking=ANA, flight=JG_FLIGHT, done="commit"), LONG_AFTER)
    assert after.bookings[ANA].phase is Phase.COMMITTED_SETTLED


# ---- the log --------------------------------------------------------------------------------------------------------


def test_a_stream_whose_beginning_is_not_in_memory_is_torn_until_it_is_read_whole() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    jangada_says_yes(node)
    node.say(Acknowledged(booking=ANA, flight=JG_FLIGHT, done="commit"))
    start = len(node.log)
    snapshot = picture(node.ledger)
    node.say(CANCEL)
    live = picture(node.ledger)

    ledger = Ledger("AN", "981")
    restore(ledger, snapshot)
    for recorded in node.log[start:]:
        ledger.apply(recorded)
    assert ledger.torn == {booking_stream(ANA)}
    ledger.load(booking_stream(ANA), node.read(booking_stream(ANA)))
    assert ledger.torn == set()
    assert picture(ledger) == live


def test_a_replay_leaves_out_settled_bookings_and_keeps_the_ticket_stock() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME))
    ledger = replay(node.log)
    assert ledger.bookings == {}
    assert ledger.stock.next_serial == 2
    assert picture(ledger) == picture(node.ledger)


def test_reading_back_nothing_is_nothing() -> None:
    ledger = Ledger("AN", "981")
    ledger.load(booking_stream(NOBODY), [])
    assert (ledger.bookings, ledger.take().machines) == ({}, [])


def test_a_log_with_a_gap_is_refused() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME))
    held_and_sold = node.read(flight_stream(AN_FLIGHT))
    del held_and_sold[1]
    with pytest.raises(LogBroken, match="has event 3 where 2 should be"):
        replay(held_and_sold)


@pytest.mark.parametrize("impossible", [sold(), refused(), settled()])
def test_a_log_that_no_node_can_have_written_is_refused(impossible: AnyEvent) -> None:
    node = Disk(JG_FLIGHT, carrier="JG")
    node.say(prepare("1A"))
    node.say(abort())
    version = 4 if isinstance(impossible, SeatCommitted | PrepareRefused) else 1
    with pytest.raises(LogBroken, match="cannot follow"):
        replay([*node.log, Recorded(version, impossible)], "JG")
    with pytest.raises(LogBroken):
        Ledger("JG", "981").load(
            stream_of(impossible), [*node.read(stream_of(impossible)), Recorded(version, impossible)]
        )
