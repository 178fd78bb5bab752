"""One node's rules together: who is asked, what happens at home, what leaves memory and comes back, what time does."""

from collections.abc import Sequence

import pytest

from ledger.coordinator.state import Phase
from ledger.events import (
    AbortReason,
    AnyEvent,
    BookingAborted,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    HoldReleased,
    PrepareRefused,
    Recorded,
    RefusalReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    StreamName,
    VotingStarted,
    booking_stream,
    flight_stream,
    stream_of,
)
from ledger.ledger import RETIRE_MS, Answer, Command, Ledger, LogBroken
from ledger.messages import (
    Abort,
    Acknowledged,
    BookingView,
    Commit,
    Conflict,
    Inquire,
    OpenBooking,
    OpenSales,
    Outcome,
    PeerAnswer,
    PeerMessage,
    Pledged,
    Prepare,
    ReadTransactions,
    Refusal,
    Refused,
    Status,
    Tick,
    Unanswered,
    Word,
    addressee,
)
from ledger.participant.state import HoldState
from ledger.terms import BookingId, FlightId, Millis, Segment
from ledger.waiting import Transactions
from snapshots.form import picture, restore
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    ARRIVAL,
    CANCEL,
    CONFIRM,
    DECIDE_BY,
    EXPIRES_AT,
    IP_FLIGHT,
    JG_FLIGHT,
    NOW,
    READ,
    RUI,
    abort,
    ask_coordinator,
    commit,
    force,
    give_back,
    heard,
    hold,
    inquire,
    open_booking,
    prepare,
    refused,
    release,
    scheduled,
    segment,
    settled,
    sold,
)

AN_OTHER: FlightId = "AN1118/2026-12-14"
HOME = (segment(AN_FLIGHT, "1A"),)
HOME_AND_AWAY = (segment(AN_FLIGHT, "1A"), segment(JG_FLIGHT, "1A"))
LONG_AFTER: Millis = ARRIVAL + RETIRE_MS + 1
NOBODY: BookingId = "nobody-0000000000000000"


class Disk:
    """A node without a shell: a ledger and the log it has written. Everything is written at once."""

    def __init__(self, *flights: FlightId, carrier: str = "AN") -> None:
        self.ledger = Ledger(carrier, "981")
        self.log: list[Recorded] = []
        self.say(OpenSales(tuple(scheduled(flight) for flight in flights)))

    def say(self, command: Command, now: Millis = NOW) -> Answer:
        """One batch of one command."""
        if stream := self.ledger.missing(command):
            self.ledger.load(stream, self.read(stream))
        answer = self.ledger.handle(command, now)
        self.write()
        return answer

    def write(self) -> list[AnyEvent]:
        change = self.ledger.take()
        self.log += change.records
        self.ledger.forget(change.settled)
        return [recorded.event for recorded in change.records]

    def read(self, stream: StreamName) -> list[Recorded]:
        return [recorded for recorded in self.log if stream_of(recorded.event) == stream]

    def last(self, count: int) -> list[type[AnyEvent]]:
        return [type(recorded.event) for recorded in self.log[-count:]]

    def restart(self, now: Millis = NOW) -> None:
        carrier = self.ledger.carrier
        self.ledger = replay(self.log, carrier)
        self.ledger.restarted(now)
        self.write()

    def owed(self) -> list[PeerMessage]:
        machines = [*self.ledger.bookings, *self.ledger.flights]
        return [message for machine in machines for message in self.ledger.pending(machine)]


def replay(log: Sequence[Recorded], carrier: str = "AN") -> Ledger:
    """What a start makes of a log: all of it folded, and read whole what went on after it had left memory."""
    ledger = Ledger(carrier, "981")
    for recorded in log:
        ledger.apply(recorded)
    for stream in sorted(ledger.torn):
        ledger.load(stream, [recorded for recorded in log if stream_of(recorded.event) == stream])
    return ledger


def buy(*segments: Segment, booking: BookingId = ANA) -> OpenBooking:
    return open_booking(*segments, confirm=True, booking=booking)


def status(answer: Answer) -> Status:
    assert isinstance(answer, BookingView)
    return answer.status


def jangada_says_yes(node: Disk) -> None:
    node.say(Pledged(booking=ANA, flight=JG_FLIGHT, seats=("1A",)))


# ---- at home --------------------------------------------------------------------------------------------------------


def test_a_purchase_at_home_is_one_batch_from_opening_to_settled() -> None:
    node = Disk(AN_FLIGHT)
    assert status(node.say(buy(*HOME))) is Status.CONFIRMED
    assert node.last(6) == [BookingOpened, VotingStarted, SeatHeld, BookingCommitted, SeatCommitted, BookingSettled]
    assert node.owed() == []
    assert node.ledger.bookings == {}


def test_a_hold_at_home_is_known_at_once() -> None:
    node = Disk(AN_FLIGHT)
    assert status(node.say(open_booking(*HOME))) is Status.HELD
    assert node.last(2) == [BookingOpened, SeatHeld]


def test_a_booking_of_two_flights_at_home_is_all_or_nothing() -> None:
    node = Disk(AN_FLIGHT, AN_OTHER)
    node.say(buy(segment(AN_OTHER, "1A"), booking=RUI))
    assert status(node.say(buy(segment(AN_FLIGHT, "1A"), segment(AN_OTHER, "1A")))) is Status.REFUSED
    assert node.ledger.flights[AN_FLIGHT].taken == {}
    assert node.last(1) == [BookingSettled]


def test_the_home_vote_lies_in_the_same_batch_as_the_start_of_voting_and_only_the_others_are_asked() -> None:
    node = Disk(AN_FLIGHT)
    assert node.say(buy(*HOME_AND_AWAY)) is None, "the answer has to wait for Jangada"
    assert node.last(3) == [BookingOpened, VotingStarted, SeatHeld]
    assert [type(message) for message in node.owed()] == [Prepare]
    assert {addressee(message) for message in node.owed()} == {"JG"}


def test_the_decision_and_the_sale_at_home_lie_in_the_same_batch() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    jangada_says_yes(node)
    assert node.last(2) == [BookingCommitted, SeatCommitted]
    assert node.owed() == [Commit(booking=ANA, flight=JG_FLIGHT, coordinator="AN")]
    assert status(node.say(buy(*HOME_AND_AWAY))) is Status.CONFIRMED


def test_a_seat_that_is_taken_at_home_ends_it_before_anybody_else_is_asked_for_a_vote() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME, booking=RUI))
    assert status(node.say(buy(*HOME_AND_AWAY))) is Status.REFUSED
    assert node.owed() == [Abort(booking=ANA, flight=JG_FLIGHT, coordinator="AN")]


def test_a_cancelled_sale_returns_its_seats_at_home_in_the_same_batch() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME))
    assert status(node.say(CANCEL)) is Status.CANCELLED
    assert node.last(2) == [SeatReturned, BookingSettled]


def test_a_cancellation_that_a_crash_interrupted_is_finished_at_home_and_away() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    jangada_says_yes(node)
    node.say(CANCEL)
    node.restart()
    assert [type(message) for message in node.owed()] == [Commit], "it is not known any more whether Jangada sold"
    for done in ("commit", "return"):
        node.say(Acknowledged(booking=ANA, flight=JG_FLIGHT, done=done))
    assert node.last(1) == [BookingSettled]
    assert node.owed() == []


def test_a_pledge_that_was_forced_at_home_is_an_alarm_and_no_endless_loop() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    assert isinstance(node.say(force(flight=AN_FLIGHT)), Acknowledged)
    jangada_says_yes(node)
    assert node.ledger.bookings[ANA].conflicts.keys() == {AN_FLIGHT}


# ---- rule 4, by name ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("confirm", [True, False])
@pytest.mark.parametrize("written", [True, False], ids=["on disk", "still being written"])
def test_rule_4_a_retry_under_an_id_that_was_presumed_aborted_hears_refused_and_nothing_commits(
    confirm: bool, written: bool
) -> None:
    node = Disk(AN_FLIGHT)
    retry = open_booking(*HOME, confirm=confirm)
    answer = node.say(ask_coordinator()) if written else node.ledger.handle(ask_coordinator(), NOW)
    assert isinstance(answer, Outcome)
    assert answer.word is Word.ABORTED
    assert (ANA in node.ledger.bookings) is not written
    assert status(node.say(retry)) is Status.REFUSED
    assert status(node.say(retry)) is Status.REFUSED
    assert status(node.say(CONFIRM)) is Status.REFUSED
    assert node.ledger.flights[AN_FLIGHT].taken == {}
    assert node.last(2) == [BookingAborted, BookingSettled]


def test_rule_4_a_crash_before_the_presumed_abort_is_on_disk_leaves_the_booking_unknown() -> None:
    node = Disk(AN_FLIGHT)
    node.ledger.handle(ask_coordinator(), NOW)
    node.restart()
    assert status(node.say(buy(*HOME))) is Status.CONFIRMED


# ---- out of memory and back -----------------------------------------------------------------------------------------


def test_what_must_be_read_back_before_a_command() -> None:
    ledger = Disk(AN_FLIGHT).ledger
    for order in (buy(*HOME), CONFIRM, CANCEL, READ, ask_coordinator()):
        assert ledger.missing(order) == booking_stream(ANA)
    away = (hold(), prepare(), commit(), abort(), release(), give_back(), inquire(by="IP"), force())
    for asked in away:
        assert ledger.missing(asked) == flight_stream(JG_FLIGHT)
    at_home = (hold(flight=AN_FLIGHT), inquire(about=AN_FLIGHT, by="IP"), force(flight=AN_FLIGHT))
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


# ---- time -----------------------------------------------------------------------------------------------------------


def test_every_deadline_has_its_say_in_time() -> None:
    node = Disk(AN_FLIGHT)
    node.say(open_booking(*HOME))
    assert node.ledger.next_due == EXPIRES_AT
    node.ledger.tick(EXPIRES_AT - 1)
    assert node.write() == []
    node.ledger.tick(EXPIRES_AT)
    assert [type(event) for event in node.write()] == [BookingAborted, HoldReleased, BookingSettled]
    assert status(node.say(READ)) is Status.EXPIRED
    assert node.ledger.next_due is None


def test_a_vote_that_does_not_come_is_an_abort_at_decide_by() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    assert node.ledger.next_due == DECIDE_BY
    node.ledger.tick(DECIDE_BY)
    assert [type(event) for event in node.write()] == [BookingAborted, HoldReleased]
    answer = node.say(READ)
    assert isinstance(answer, BookingView)
    assert answer.reason is AbortReason.NO_ANSWER


@pytest.mark.parametrize("confirm", [True, False])
def test_deadlines_are_taken_up_again_after_a_restart(confirm: bool) -> None:
    node = Disk(AN_FLIGHT)
    node.say(open_booking(*HOME_AND_AWAY, confirm=confirm))
    node.say(hold("2A", booking=RUI, by="JG", flight=AN_FLIGHT))
    due = node.ledger.next_due
    node.restart()
    assert node.ledger.next_due == due
    node.ledger.tick(EXPIRES_AT)
    node.write()
    assert node.ledger.flights[AN_FLIGHT].taken == {}
    assert [type(message) for message in node.owed()] == ([Abort] if confirm else [type(release())])


def test_a_pledge_for_another_coordinator_inquires_after_decide_by_and_after_a_restart() -> None:
    node = Disk(AN_FLIGHT)
    node.say(prepare("1A", by="JG", flight=AN_FLIGHT))
    assert node.owed() == []
    node.ledger.tick(DECIDE_BY)
    asked = Inquire(booking=ANA, flight=AN_FLIGHT, coordinator="JG", asker=AN_FLIGHT, to="JG")
    assert node.owed() == [asked]
    node.restart()
    assert node.owed() == [asked]


def test_after_a_restart_everything_owed_is_among_what_has_moved_and_so_is_sent() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    node.say(prepare("2A", booking=RUI, by="IP", flight=AN_FLIGHT))
    node.ledger = replay(node.log)
    node.ledger.restarted(NOW)
    moved = node.ledger.take().machines
    assert set(moved) == {ANA, AN_FLIGHT}


# ---- unknown flights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (hold(), Refused(booking=ANA, flight=JG_FLIGHT, reason=RefusalReason.NO_SUCH_FLIGHT)),
        (prepare(), Refused(booking=ANA, flight=JG_FLIGHT, reason=RefusalReason.NO_SUCH_FLIGHT)),
        (abort(), Acknowledged(booking=ANA, flight=JG_FLIGHT, done="abort")),
        (release(), Acknowledged(booking=ANA, flight=JG_FLIGHT, done="release")),
        (commit(), Conflict(booking=ANA, flight=JG_FLIGHT, detail="no such flight is known here")),
        (give_back(), Conflict(booking=ANA, flight=JG_FLIGHT, detail="no such flight is known here")),
        (inquire(), Conflict(booking=ANA, flight=JG_FLIGHT, detail="no such flight is known here")),
        (force(), Refusal("no-such-flight", f"{JG_FLIGHT} is not known here")),
        (heard(Word.COMMITTED), None),
        (Tick(ANA, JG_FLIGHT), None),
        (Unanswered(ANA, JG_FLIGHT), None),
    ],
)
def test_of_an_unknown_flight_nothing_is_held_sold_or_written(asked: Command, answer: Answer) -> None:
    node = Disk(carrier="JG")
    assert node.say(asked) == answer
    assert node.log == []


def test_a_flight_goes_on_sale_once() -> None:
    node = Disk(AN_FLIGHT)
    node.say(OpenSales((scheduled(AN_FLIGHT), scheduled(AN_OTHER))))
    assert len(node.log) == 2
    with pytest.raises(AssertionError, match="only its own"):
        node.say(OpenSales((scheduled(JG_FLIGHT),)))


def test_an_operator_sees_what_waits() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    answer = node.say(ReadTransactions())
    assert isinstance(answer, Transactions)
    assert [(waiting.flight, waiting.waits_for) for waiting in answer.transactions] == [
        (None, ("JG",)),
        (AN_FLIGHT, ("AN",)),
    ]


# ---- two carriers ---------------------------------------------------------------------------------------------------


def converse(nodes: Sequence[Disk], rounds: int = 10) -> None:
    """Everything owed is delivered and answered, until nobody owes anything or the rounds are over."""
    by_carrier = {node.ledger.carrier: node for node in nodes}
    for _ in range(rounds):
        for node in nodes:
            for message in node.owed():
                answer = by_carrier[addressee(message)].say(message)
                assert isinstance(answer, PeerAnswer)
                node.say(answer)


def test_two_carriers_sell_one_itinerary_together() -> None:
    andorinha, jangada = Disk(AN_FLIGHT), Disk(JG_FLIGHT, carrier="JG")
    andorinha.say(buy(*HOME_AND_AWAY))
    converse([andorinha, jangada])
    assert status(andorinha.say(READ)) is Status.CONFIRMED
    assert jangada.ledger.flights[JG_FLIGHT].state_of(ANA) is HoldState.SOLD
    assert andorinha.last(1) == [BookingSettled]


def test_a_booking_id_taken_to_two_carriers_is_sold_by_one_of_them_at_most_and_both_come_to_rest() -> None:
    """A traveller whose first carrier seems dead takes the same order to another one's site."""
    nodes = [Disk(AN_FLIGHT), Disk(JG_FLIGHT, carrier="JG"), Disk(IP_FLIGHT, carrier="IP")]
    for seller in nodes[:2]:
        seller.say(buy(segment(AN_FLIGHT, "1A"), segment(JG_FLIGHT, "1A"), segment(IP_FLIGHT, "1A")))
    converse(nodes)
    assert [node.owed() for node in nodes] == [[], [], []]
    assert [dict(node.ledger.bookings) for node in nodes] == [{}, {}, {}]
