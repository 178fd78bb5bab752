"""One decision, told until all have it, after any crash. Rules are numbered as in docs/protocol.md."""

import pytest

from ledger import coordinator
from ledger.coordinator.state import (
    Command,
    ConflictHeard,
    GrantHeard,
    Phase,
    RecordHeard,
    ReturnHeard,
    VoteHeard,
)
from ledger.events import (
    AbortReason,
    BookingAborted,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    VotingStarted,
)
from ledger.messages import (
    Commit,
    Conflict,
    Outcome,
    Refusal,
    Return,
    SegmentState,
    Status,
    Tick,
    Word,
)
from ledger.terms import carrier_of, locator_of
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CANCEL,
    CONFIRM,
    DECIDE_BY,
    DEPARTURE,
    FARE,
    IP_FLIGHT,
    JG_FLIGHT,
    NOW,
    READ,
    SEGMENTS,
    TICKETS,
    aborted,
    ask_booking,
    ask_coordinator,
    booking,
    cancelled,
    committed,
    has,
    no,
    open_booking,
    opened,
    seen,
    settled,
    voting,
    yes,
)

# ---- rule 1: one decision -------------------------------------------------------------------------------------------

DECIDERS: tuple[tuple[Command, int], ...] = (
    (yes(JG_FLIGHT, "1A"), NOW),
    (yes(JG_FLIGHT, "1A"), DECIDE_BY),
    (no(JG_FLIGHT), NOW),
    (CANCEL, NOW),
    (Tick(ANA), DECIDE_BY),
    (ask_coordinator(), DECIDE_BY),
)


@pytest.mark.parametrize("first", range(len(DECIDERS)))
@pytest.mark.parametrize("second", range(len(DECIDERS)))
def test_rule_1_whoever_decides_second_hears_the_first_decision(first: int, second: int) -> None:
    ana = booking(opened(), voting(), VoteHeard(AN_FLIGHT, ("2B",)))
    ask_booking(ana, *DECIDERS[first])
    decided = ana.phase
    assert decided in (Phase.COMMITTED, Phase.ABORTED)
    events = coordinator.decide(ana, *DECIDERS[second])
    assert not any(isinstance(event, BookingCommitted | BookingAborted) for event in events)


def test_an_inquiry_after_the_deadline_makes_the_coordinator_decide() -> None:
    ana = booking(opened(), voting(), VoteHeard(JG_FLIGHT, ("1A",)))
    answer = ask_booking(ana, ask_coordinator(), DECIDE_BY)
    assert isinstance(answer, Outcome)
    assert answer.word is Word.ABORTED
    assert ana.phase is Phase.ABORTED


def test_an_inquiry_within_the_time_to_vote_is_told_to_wait() -> None:
    ana = booking(opened(), voting())
    answer = ask_booking(ana, ask_coordinator(), DECIDE_BY - 1)
    assert isinstance(answer, Outcome)
    assert answer.word is Word.UNDECIDED


# ---- rule 4: presumed abort -----------------------------------------------------------------------------------------


def test_rule_4_an_unknown_booking_is_aborted_on_record_before_that_is_answered() -> None:
    events = coordinator.decide(booking(), ask_coordinator(), NOW)
    assert [type(event) for event in events] == [BookingAborted, BookingSettled]
    assert isinstance(events[0], BookingAborted)
    assert events[0].reason is AbortReason.PRESUMED


@pytest.mark.parametrize("confirm", [True, False])
def test_rule_4_a_client_that_retries_after_a_presumed_abort_hears_refused_and_nothing_is_sold(confirm: bool) -> None:
    ana = booking()
    ask_booking(ana, ask_coordinator())
    answer = seen(ask_booking(ana, open_booking(confirm=confirm)))
    assert answer.status is Status.REFUSED
    assert answer.reason is AbortReason.PRESUMED
    assert coordinator.pending(ana) == []
    assert seen(ask_booking(ana, CONFIRM)).status is Status.REFUSED


# ---- owed until acknowledged ----------------------------------------------------------------------------------------


def test_a_decision_is_owed_to_each_carrier_until_it_acknowledges_that_very_decision() -> None:
    ana = booking(opened(), voting(), committed())
    for stray in (has("abort", JG_FLIGHT), has("return", JG_FLIGHT), has("commit", IP_FLIGHT), no(JG_FLIGHT)):
        ask_booking(ana, stray)
    assert [message.flight for message in coordinator.pending(ana)] == [AN_FLIGHT, JG_FLIGHT]
    ask_booking(ana, has("commit", AN_FLIGHT))
    assert coordinator.pending(ana) == [Commit(booking=ANA, flight=JG_FLIGHT, coordinator="AN")]
    ask_booking(ana, has("commit", JG_FLIGHT))
    assert ana.phase is Phase.COMMITTED_SETTLED
    assert coordinator.pending(ana) == []


def test_rule_7_a_contradiction_is_no_acknowledgement_and_is_kept_for_people_to_see() -> None:
    ana = booking(opened(), voting(), committed(), RecordHeard(AN_FLIGHT))
    ask_booking(ana, Conflict(booking=ANA, flight=JG_FLIGHT, detail="here it was released"))
    assert ana.conflicts == {JG_FLIGHT: "here it was released"}
    assert [message.flight for message in coordinator.pending(ana)] == [JG_FLIGHT], "it is asked again"
    ask_booking(ana, has("commit", JG_FLIGHT))
    assert ana.conflicts == {}


def test_a_contradiction_that_people_have_seen_to_is_no_alarm_and_is_asked_about_again_only_after_a_restart() -> None:
    ana = booking(opened(), voting(), committed(), RecordHeard(AN_FLIGHT), ConflictHeard(JG_FLIGHT, "released"))
    ask_booking(ana, Conflict(booking=ANA, flight=JG_FLIGHT, detail="released", seen_to=True))
    assert (ana.conflicts, coordinator.pending(ana)) == ({}, [])
    assert ana.phase is Phase.COMMITTED, "it is not settled: Jangada has not sold that seat, and never will"
    assert seen(ask_booking(ana, READ)).pending == ("JG",)
    ask_booking(ana, CANCEL)
    assert coordinator.pending(ana) == [Return(booking=ANA, flight=AN_FLIGHT, coordinator="AN")]
    again = booking(opened(), voting(), committed())
    assert JG_FLIGHT in [message.flight for message in coordinator.pending(again)]


def test_the_traveller_sees_which_carriers_have_yet_to_record_the_decision() -> None:
    ana = booking(opened(), voting(), committed(), RecordHeard(AN_FLIGHT))
    view = seen(ask_booking(ana, READ))
    assert view.pending == ("JG",)
    assert [part.state for part in view.segments] == [SegmentState.COMMITTED, SegmentState.HELD]


# ---- cancelled ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [(opened(),), (opened(), voting())])
def test_a_traveller_may_cancel_before_the_decision(history: tuple[BookingOpened | VotingStarted, ...]) -> None:
    ana = booking(*history)
    assert seen(ask_booking(ana, CANCEL)).status is Status.CANCELLED
    assert ana.phase is Phase.ABORTED


def test_a_sale_that_is_cancelled_returns_every_seat() -> None:
    ana = booking(opened(), voting(), committed(), settled())
    assert seen(ask_booking(ana, CANCEL)).status is Status.CANCELLED
    returns = [Return(booking=ANA, flight=flight, coordinator="AN") for flight in (AN_FLIGHT, JG_FLIGHT)]
    assert coordinator.pending(ana) == returns


def test_a_seat_is_returned_only_once_it_is_sold_so_the_commit_goes_first() -> None:
    ana = booking(opened(), voting(), committed(), RecordHeard(AN_FLIGHT), cancelled())
    assert [type(message) for message in coordinator.pending(ana)] == [Return, Commit]
    ask_booking(ana, has("commit", JG_FLIGHT))
    assert [type(message) for message in coordinator.pending(ana)] == [Return, Return]
    ask_booking(ana, has("return", AN_FLIGHT))
    ask_booking(ana, has("return", JG_FLIGHT))
    assert ana.phase is Phase.CANCELLED_SETTLED


def test_acknowledged_commits_alone_do_not_settle_a_cancellation() -> None:
    ana = booking(opened(), voting(), committed(), cancelled(), RecordHeard(AN_FLIGHT))
    ask_booking(ana, has("commit", JG_FLIGHT))
    assert ana.phase is Phase.CANCELLED


def test_after_the_first_departure_a_sale_stays_a_sale() -> None:
    ana = booking(opened(), voting(), committed(), settled())
    answer = ask_booking(ana, CANCEL, DEPARTURE)
    assert isinstance(answer, Refusal)
    assert answer.error == "departed"
    assert ana.phase is Phase.COMMITTED_SETTLED


def test_a_cancelled_booking_still_tells_a_carrier_in_doubt_that_it_was_committed() -> None:
    ana = booking(opened(), voting(), committed(), cancelled())
    answer = ask_booking(ana, ask_coordinator())
    assert isinstance(answer, Outcome)
    assert answer.word is Word.COMMITTED


# ---- crashes --------------------------------------------------------------------------------------------------------

LIVES = (
    (opened(),),
    (opened(), voting()),
    (opened(), voting(), committed()),
    (opened(), voting(), aborted()),
    (opened(), aborted()),
    (opened(), voting(), committed(), cancelled()),
)


@pytest.mark.parametrize("history", LIVES)
def test_rule_5_a_crash_forgets_what_was_heard_and_everybody_is_asked_again(
    history: tuple[BookingOpened | VotingStarted | BookingCommitted | BookingAborted, ...],
) -> None:
    ana = booking(*history)
    owed = coordinator.pending(ana)
    assert [message.flight for message in owed] == [AN_FLIGHT, JG_FLIGHT]
    for flight, seats in ((AN_FLIGHT, ("2B",)), (JG_FLIGHT, ("1A",))):
        for event in (GrantHeard(flight, seats), VoteHeard(flight, seats), RecordHeard(flight), ReturnHeard(flight)):
            coordinator.evolve(ana, event)
    assert coordinator.pending(ana) == []
    assert coordinator.pending(booking(*history)) == owed


def test_a_commit_without_every_vote_or_every_seat_is_a_broken_log() -> None:
    for seats in ((("2B",),), (("2B",), ()), (("2B", "2C"), ("1A",))):
        with pytest.raises(AssertionError, match="committed without every"):
            booking(opened(), voting(), committed(*seats))


def test_the_view_says_all_that_a_traveller_was_promised() -> None:
    view = seen(ask_booking(booking(opened(), voting(), committed(), settled()), READ))
    assert view.locator == locator_of(ANA)
    assert view.total == 2 * FARE
    assert view.tickets == TICKETS[:1]
    assert [(part.flight, part.carrier, part.seats, part.state) for part in view.segments] == [
        (AN_FLIGHT, carrier_of(AN_FLIGHT), ("2B",), SegmentState.COMMITTED),
        (JG_FLIGHT, carrier_of(JG_FLIGHT), ("1A",), SegmentState.COMMITTED),
    ]
    assert [part.departure for part in view.segments] == [part.departure for part in SEGMENTS]


def test_no_ticket_is_shown_before_the_commit() -> None:
    assert seen(ask_booking(booking(opened(), voting()), READ)).tickets == ()


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (AbortReason.SEAT_TAKEN, Status.REFUSED),
        (AbortReason.REFUSED, Status.REFUSED),
        (AbortReason.NO_ANSWER, Status.REFUSED),
        (AbortReason.PRESUMED, Status.REFUSED),
        (AbortReason.EXPIRED, Status.EXPIRED),
        (AbortReason.CANCELLED, Status.CANCELLED),
    ],
)
def test_the_traveller_is_told_how_it_ended(reason: AbortReason, status: Status) -> None:
    view = seen(ask_booking(booking(opened(), voting(), aborted(reason)), READ))
    assert (view.status, view.reason) == (status, reason)
    assert {part.state for part in view.segments} == {SegmentState.RELEASED}


def test_a_contradiction_is_heard_only_where_there_is_a_decision_to_contradict() -> None:
    clash = Conflict(booking=ANA, flight=JG_FLIGHT, detail="here it is sold")
    assert coordinator.decide(booking(opened()), clash, NOW) == []
    assert coordinator.decide(booking(opened(), voting(), aborted()), clash, NOW) == [
        ConflictHeard(JG_FLIGHT, "here it is sold")
    ]
