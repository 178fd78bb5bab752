"""Rule 10: every seat that waits has a reason that a person can read."""

import pytest

from ledger import coordinator
from ledger.coordinator.state import ConflictHeard, GrantHeard, RecordHeard, ReturnHeard, VoteHeard
from ledger.events import AnyBookingEvent, AnyFlightEvent, Decision, ReleaseReason
from ledger.messages import Restarted, Unanswered, Word
from ledger.participant.state import Flight
from ledger.terms import locator_of
from ledger.waiting import Said, Tally, Transaction, WaitState, tally, transactions
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    DECIDE_BY,
    FARE,
    IP_FLIGHT,
    JG_FLIGHT,
    NOW,
    RUI,
    aborted,
    ask,
    booking,
    cancelled,
    commit,
    committed,
    compared,
    flight,
    heard,
    opened,
    pledged,
    proposed,
    refused,
    released,
    returned,
    seen_to,
    settled,
    sold,
    timed,
    voting,
)

EVA = "eva-00000000000000000000"


def only(jangada: Flight) -> Transaction:
    [transaction] = transactions([jangada], []).transactions
    return transaction


def of(*history: AnyBookingEvent | coordinator.Heard) -> Transaction:
    [transaction] = transactions([], [booking(*history)]).transactions
    return transaction


def test_a_timed_hold_waits_for_its_traveller_alone() -> None:
    waiting = only(flight(timed("1A"), timed("1B")))
    assert (waiting.state, waiting.seats, waiting.waits_for) == (WaitState.HELD, ("1A", "1B"), ())
    assert waiting.reason == "held while its traveller makes up their mind"
    assert (waiting.booking, waiting.locator, waiting.flight) == (ANA, locator_of(ANA), JG_FLIGHT)
    assert waiting.since == NOW


def test_a_pledge_within_its_time_is_not_in_doubt() -> None:
    waiting = only(flight(pledged()))
    assert (waiting.state, waiting.waits_for) == (WaitState.PLEDGED, ("AN",))
    assert waiting.reason == "pledged; AN is collecting the votes"


def test_a_pledge_in_doubt_says_who_has_the_decision_who_is_silent_and_who_said_what() -> None:
    jangada = flight(pledged())
    ask(jangada, Restarted(JG_FLIGHT))
    assert only(jangada).state is WaitState.IN_DOUBT
    assert only(jangada).reason == "pledged; AN has the decision"
    ask(jangada, Unanswered(ANA, JG_FLIGHT))
    ask(jangada, heard(Word.PLEDGED, by="IP"))
    assert only(jangada).reason == "pledged; AN has the decision and cannot be reached; IP says pledged"
    assert only(jangada).safe == "wait, and bring AN back: the pledge keeps the seat safe"


def test_a_coordinator_that_answers_again_is_not_called_unreachable() -> None:
    jangada = flight(pledged())
    ask(jangada, Unanswered(ANA, JG_FLIGHT))
    ask(jangada, heard(Word.UNDECIDED, by="AN"))
    assert "cannot be reached" not in only(jangada).reason


@pytest.mark.parametrize(
    "history",
    [
        (),
        (refused(),),
        (pledged(), sold()),
        (pledged(), released()),
        (pledged(), released(reason=ReleaseReason.FORCED), compared(Decision.ABORTED)),
        (pledged(), released(reason=ReleaseReason.FORCED), compared(Decision.COMMITTED), seen_to()),
        (pledged(), sold(), returned()),
    ],
)
def test_what_is_finished_waits_for_nobody(history: tuple[AnyFlightEvent, ...]) -> None:
    assert transactions([flight(*history)], []).transactions == ()


@pytest.mark.parametrize(
    ("history", "state", "waits_for"),
    [
        ((opened(),), WaitState.OPEN, ("AN", "JG")),
        ((opened(), voting()), WaitState.VOTING, ("AN", "JG")),
        ((opened(), voting(), committed(), RecordHeard(AN_FLIGHT)), WaitState.UNSETTLED, ("JG",)),
        ((opened(), voting(), aborted(), RecordHeard(JG_FLIGHT)), WaitState.UNSETTLED, ("AN",)),
        ((opened(), voting(), committed(), cancelled()), WaitState.UNSETTLED, ("AN", "JG")),
        (
            (opened(), voting(), committed(), ConflictHeard(JG_FLIGHT, "here it is free")),
            WaitState.CONFLICT,
            ("AN", "JG"),
        ),
    ],
)
def test_a_booking_says_whose_answer_it_waits_for(
    history: tuple[AnyBookingEvent | coordinator.Heard, ...], state: WaitState, waits_for: tuple[str, ...]
) -> None:
    waiting = of(*history)
    assert (waiting.state, waiting.waits_for, waiting.flight) == (state, waits_for, None)
    assert waiting.reason
    assert waiting.safe


def test_a_contradiction_is_told_with_both_sides() -> None:
    waiting = of(opened(), voting(), committed(), ConflictHeard(JG_FLIGHT, "here it is free"))
    assert waiting.reason == "committed, but JG: here it is free"
    assert waiting.safe == "compare both logs before anything else"


def test_a_settled_booking_waits_for_nobody_while_it_is_still_in_memory() -> None:
    assert transactions([], [booking(opened(), voting(), committed(), settled())]).transactions == ()


def test_a_mismatch_that_people_have_seen_to_waits_for_nobody_at_its_coordinator_either() -> None:
    alarm = booking(opened(), voting(), committed(), RecordHeard(AN_FLIGHT), ConflictHeard(JG_FLIGHT, "released"))
    assert tally([], [alarm]).bookings_in_conflict == 1
    coordinator.evolve(alarm, ConflictHeard(JG_FLIGHT, "released", seen_to=True))
    assert transactions([], [alarm]).transactions == ()
    assert tally([], [alarm]) == Tally()


def test_money_at_stake_is_the_booking_s_price_at_its_coordinator_and_the_seats_fare_elsewhere() -> None:
    assert only(flight(pledged("1A"), pledged("1B", ticket=1))).at_stake == 2 * FARE
    assert of(opened()).at_stake == 2 * FARE


def test_each_carrier_s_word_is_told_as_far_as_it_is_known_here() -> None:
    jangada = flight(pledged())
    ask(jangada, Unanswered(ANA, JG_FLIGHT))
    ask(jangada, heard(Word.PLEDGED, by="IP"))
    assert [(one.carrier, one.flight, one.said) for one in only(jangada).standings] == [
        ("AN", None, Said.SILENT),
        ("AN", AN_FLIGHT, Said.SILENT),
        ("JG", JG_FLIGHT, Said.PLEDGED),
        ("IP", IP_FLIGHT, Said.PLEDGED),
    ]
    ask(jangada, Unanswered(ANA, JG_FLIGHT, "IP"))
    assert only(jangada).standings[-1].said is Said.SILENT


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ((opened(), GrantHeard(JG_FLIGHT, ("1A",))), Said.HELD),
        ((opened(), voting(), VoteHeard(JG_FLIGHT, ("1A",))), Said.PLEDGED),
        ((opened(), voting(), committed(), RecordHeard(JG_FLIGHT)), Said.RECORDED),
        ((opened(), voting(), committed(), ConflictHeard(JG_FLIGHT, "it is free")), Said.CONFLICT),
        ((opened(), voting(), committed(), ConflictHeard(JG_FLIGHT, "it is free", seen_to=True)), Said.SEEN_TO),
        ((opened(), voting(), committed(), cancelled(), ReturnHeard(JG_FLIGHT)), Said.RETURNED),
    ],
)
def test_a_booking_tells_what_each_carrier_has_said(
    history: tuple[AnyBookingEvent | coordinator.Heard, ...], said: Said
) -> None:
    assert [one.said for one in of(*history).standings] == [Said.UNHEARD, said]


def test_a_broken_pledge_waits_for_the_decision_and_a_mismatch_for_somebody_to_look() -> None:
    broken = flight(pledged(), proposed(), released(reason=ReleaseReason.FORCED))
    assert (only(broken).state, only(broken).waits_for, only(broken).seats) == (WaitState.FORCED, ("AN",), ("1A",))
    assert "marta and josé broke the pledge (the gate closes)" in only(broken).reason
    ask(broken, commit())
    assert (only(broken).state, only(broken).waits_for) == (WaitState.MISMATCH, ())
    assert "see to the traveller" in only(broken).safe


def test_what_waits_is_counted_by_its_sort_and_what_is_sold_is_not() -> None:
    doubted = flight(pledged("1A"), timed("1B", booking=RUI), pledged("1C", booking=EVA), sold("1C", booking=EVA))
    ask(doubted, Restarted(JG_FLIGHT))
    broken = flight(pledged(), released(reason=ReleaseReason.FORCED))
    wrong = flight(pledged(), released(reason=ReleaseReason.FORCED), compared(Decision.COMMITTED))
    bookings = [
        booking(opened()),
        booking(opened(), voting()),
        booking(opened(), voting(), committed()),
        booking(opened(), voting(), aborted(), ConflictHeard(JG_FLIGHT, "it is sold")),
        booking(opened(), voting(), committed(), settled()),
    ]
    assert tally([doubted, broken, wrong], bookings) == Tally(
        holds_timed=1,
        holds_pledged=1,
        holds_in_doubt=1,
        pledges_broken=1,
        forced_mismatches=1,
        bookings_open=1,
        bookings_voting=1,
        bookings_unsettled=2,
        bookings_in_conflict=1,
    )


def test_the_oldest_comes_first() -> None:
    jangada = flight(pledged("1A"), timed("1B", booking=RUI, at=NOW - 1))
    assert [waiting.booking for waiting in transactions([jangada], []).transactions] == [RUI, ANA]
    assert DECIDE_BY > NOW
