"""One node's rules together: who is asked, what happens at home, what leaves memory and comes back, what time does."""

from collections.abc import Sequence

import pytest

from ledger.events import (
    AbortReason,
    BookingAborted,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    ForceProposed,
    HoldReleased,
    RefusalReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.ledger import Answer, Command
from ledger.messages import (
    Abort,
    Acknowledged,
    BookingView,
    Commit,
    Conflict,
    Inquire,
    OpenSales,
    Outcome,
    PeerAnswer,
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
from ledger.waiting import Transactions
from tests.ledger.disk import (
    AN_OTHER,
    HOME,
    HOME_AND_AWAY,
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
    give_back,
    heard,
    hold,
    inquire,
    open_booking,
    prepare,
    propose,
    release,
    scheduled,
    segment,
)

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


def test_a_pledge_at_home_is_never_forced_for_the_decision_is_in_this_very_log() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    node.ledger.restarted(NOW)
    refusal = node.say(propose(flight=AN_FLIGHT))
    assert isinstance(refusal, Refusal)
    assert refusal.error == "decision-can-be-learned"
    assert node.last(1) != [ForceProposed]


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


def test_a_crash_forgets_the_vote_at_home_too_and_a_restart_counts_it_anew() -> None:
    node = Disk(AN_FLIGHT)
    node.say(buy(*HOME_AND_AWAY))
    node.restart()
    jangada_says_yes(node)
    assert status(node.say(READ)) is Status.CONFIRMED


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
        (propose(), Refusal("no-such-flight", f"{JG_FLIGHT} is not known here")),
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
