"""What a carrier promises, sells and gives back on one flight. Rules are numbered as in docs/protocol.md."""

from typing import TypeAlias

import pytest

from ledger import participant
from ledger.events import (
    AnyFlightEvent,
    HoldReleased,
    PrepareRefused,
    RefusalReason,
    ReleaseReason,
    SeatHeld,
)
from ledger.messages import Acknowledged, Conflict, Held, Outcome, Pledged, Refused, Restarted, Tick, Unanswered, Word
from ledger.participant.state import CLOSED_MS, Command, Flight, HoldState
from ledger.terms import DECIDE_MS, HOLD_MS, SKEW_MS
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CABIN,
    DECIDE_BY,
    DEPARTURE,
    EXPIRES_AT,
    FARE,
    HOUR_MS,
    IP_FLIGHT,
    JG_FLIGHT,
    NOW,
    RUI,
    TICKETS,
    abort,
    ask,
    ask_coordinator,
    commit,
    flight,
    force,
    give_back,
    heard,
    hold,
    inquire,
    pledged,
    prepare,
    refused,
    release,
    released,
    returned,
    sold,
    timed,
)

History: TypeAlias = tuple[AnyFlightEvent, ...]
MANY_YEARS_MS = 10 * 365 * 24 * HOUR_MS

# ---- promises -------------------------------------------------------------------------------------------------------


def test_a_free_seat_is_held_for_the_time_that_was_asked() -> None:
    [event] = participant.decide(flight(), hold("2C"), NOW)
    assert event == timed("2C")


def test_a_yes_names_all_that_is_needed_to_finish_without_the_coordinator() -> None:
    [event] = participant.decide(flight(), prepare("1A"), NOW)
    assert isinstance(event, SeatHeld)
    assert event == pledged("1A")
    assert event.participants == (AN_FLIGHT, JG_FLIGHT, IP_FLIGHT)
    assert (event.ticket, event.coupon, event.decide_by) == (TICKETS[0], 2, DECIDE_BY)


def test_a_timed_hold_becomes_a_pledge_on_the_seat_it_has() -> None:
    jangada = flight(timed("2C"))
    assert ask(jangada, prepare()) == Pledged(booking=ANA, flight=JG_FLIGHT, seats=("2C",))
    assert jangada.claims[ANA].expires_at is None
    assert jangada.claims[ANA].decide_by == DECIDE_BY


def test_a_held_seat_is_refused_to_everyone_else() -> None:
    [event] = participant.decide(flight(timed("1A")), prepare("1A", booking=RUI), NOW)
    assert isinstance(event, PrepareRefused)
    assert event.reason is RefusalReason.NOT_FREE


def test_rule_8_a_prepare_never_waits_for_a_pledged_seat() -> None:
    jangada = flight(pledged("1A"))
    assert isinstance(ask(jangada, prepare("1A", booking=RUI)), Refused)
    ask(jangada, abort())
    assert isinstance(ask(jangada, prepare("1A", booking=RUI)), Refused), "and its no stays no"


def test_a_seat_let_go_is_free_for_the_next() -> None:
    jangada = flight(pledged("1A"), released("1A"))
    assert ask(jangada, prepare("1A", booking=RUI)) == Pledged(booking=RUI, flight=JG_FLIGHT, seats=("1A",))


def test_a_returned_seat_is_free_for_the_next() -> None:
    jangada = flight(pledged("1A"), sold("1A"), returned("1A"))
    assert isinstance(ask(jangada, prepare("1A", booking=RUI)), Pledged)


def test_all_the_seats_of_a_party_or_none() -> None:
    jangada = flight(pledged("1B", booking=RUI))
    [event] = participant.decide(jangada, prepare("1A", "1B"), NOW)
    assert isinstance(event, PrepareRefused)
    assert event.seats == ("1A", "1B")


def test_each_passenger_of_a_party_has_their_own_seat_and_ticket() -> None:
    jangada = flight()
    ask(jangada, prepare("2B", "1A"))
    assert jangada.claims[ANA].tickets == {"2B": TICKETS[0], "1A": TICKETS[1]}
    coupons = participant.decide(jangada, commit(), NOW)
    assert coupons == [sold("2B", ticket=0), sold("1A", ticket=1)]


def test_a_party_that_names_no_seats_sits_together() -> None:
    jangada = flight(pledged("1B", booking=RUI))
    assert ask(jangada, hold(count=3)) == Held(
        booking=ANA, flight=JG_FLIGHT, seats=("1D", "1E", "1F"), expires_at=EXPIRES_AT
    )


def test_a_full_flight_refuses() -> None:
    jangada = flight([pledged(seat, booking=RUI) for seat in CABIN])
    [event] = participant.decide(jangada, hold(), NOW)
    assert isinstance(event, PrepareRefused)
    assert event.reason is RefusalReason.NOT_FREE


@pytest.mark.parametrize(
    ("asked", "now", "reason"),
    [
        (hold("1A", fare=FARE - 1), NOW, RefusalReason.FARE_CHANGED),
        (prepare("1A", fare=FARE + 1), NOW, RefusalReason.FARE_CHANGED),
        (hold("1A"), DEPARTURE, RefusalReason.DEPARTED),
        (prepare("1A", decide_by=DEPARTURE), DEPARTURE, RefusalReason.DEPARTED),
        (hold("9A"), NOW, RefusalReason.NO_SUCH_SEAT),
        (prepare("1A", "9A"), NOW, RefusalReason.NO_SUCH_SEAT),
    ],
)
def test_what_cannot_be_sold_is_refused(asked: Command, now: int, reason: RefusalReason) -> None:
    [event] = participant.decide(flight(), asked, now)
    assert isinstance(event, PrepareRefused)
    assert event.reason is reason


@pytest.mark.parametrize("apart_ms", [SKEW_MS + DECIDE_MS, -SKEW_MS - DECIDE_MS])
def test_a_prepare_is_refused_when_the_clocks_disagree_more_than_is_ever_expected(apart_ms: int) -> None:
    beyond = 1 if apart_ms > 0 else -1
    assert isinstance(ask(flight(), prepare("1A", decide_by=NOW + apart_ms)), Pledged)
    answer = ask(flight(), prepare("1A", decide_by=NOW + apart_ms + beyond))
    assert answer == Refused(booking=ANA, flight=JG_FLIGHT, reason=RefusalReason.CLOCKS_DISAGREE)


@pytest.mark.parametrize(
    "asked",
    [
        prepare("1B"),
        prepare("1B", "1A"),
        prepare(count=3),
        prepare("1A", "1B", fare=FARE + 1),
        prepare("1A", "1B", decide_by=NOW + 2 * SKEW_MS),
    ],
    ids=["another seat", "another order", "more seats", "another fare", "another clock"],
)
def test_a_prepare_for_something_else_than_was_held_ends_the_hold_which_is_the_no(asked: Command) -> None:
    jangada = flight(timed("1A"), timed("1B"))
    assert ask(jangada, asked) == Refused(booking=ANA, flight=JG_FLIGHT, reason="aborted")
    assert jangada.taken == {}


# ---- rule 2: time ---------------------------------------------------------------------------------------------------


def test_a_timed_hold_ends_by_itself_and_not_a_millisecond_early() -> None:
    jangada = flight(timed("1A"))
    assert participant.decide(jangada, Tick(ANA, JG_FLIGHT), EXPIRES_AT - 1) == []
    [event] = participant.decide(jangada, Tick(ANA, JG_FLIGHT), EXPIRES_AT)
    assert isinstance(event, HoldReleased)
    assert event.reason is ReleaseReason.EXPIRED


def test_rule_2_time_alone_never_releases_a_pledge() -> None:
    jangada = flight(timed("1A"), pledged("1A"))
    for now in (DECIDE_BY, EXPIRES_AT, DEPARTURE, NOW + MANY_YEARS_MS):
        ask(jangada, Tick(ANA, JG_FLIGHT), now)
        assert jangada.state_of(ANA) is HoldState.PLEDGED


def test_rule_2_a_commit_decided_in_time_is_valid_however_late_it_arrives() -> None:
    jangada = flight(pledged("1A"))
    answer = ask(jangada, commit(), NOW + MANY_YEARS_MS)
    assert answer == Acknowledged(booking=ANA, flight=JG_FLIGHT, done="commit")
    assert jangada.state_of(ANA) is HoldState.SOLD


def test_a_late_prepare_for_a_hold_that_time_has_ended_is_refused() -> None:
    jangada = flight(timed("1A"))
    ask(jangada, Tick(ANA, JG_FLIGHT), EXPIRES_AT)
    answer = ask(jangada, prepare("1A", decide_by=EXPIRES_AT + DECIDE_MS), EXPIRES_AT)
    assert answer == Refused(booking=ANA, flight=JG_FLIGHT, reason=ReleaseReason.EXPIRED)


def test_a_confirmation_in_the_last_moment_is_not_undone_by_the_hold_s_own_deadline() -> None:
    jangada = flight(timed("1A"))
    ask(jangada, prepare("1A", decide_by=EXPIRES_AT + DECIDE_MS - 1), EXPIRES_AT - 1)
    ask(jangada, Tick(ANA, JG_FLIGHT), EXPIRES_AT)
    assert jangada.state_of(ANA) is HoldState.PLEDGED


# ---- rule 3: the door -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (abort(), RefusalReason.ABORTED),
        (release(), RefusalReason.ABORTED),
        (inquire(), RefusalReason.ASKED),
    ],
    ids=["abort", "release", "inquiry"],
)
@pytest.mark.parametrize("late", [hold("1A"), prepare("1A")], ids=["hold", "prepare"])
def test_rule_3_an_abort_that_overtakes_its_prepare_closes_the_door(
    first: Command, late: Command, reason: RefusalReason
) -> None:
    jangada = flight()
    [planted] = participant.decide(jangada, first, NOW)
    assert isinstance(planted, PrepareRefused)
    assert planted.reason is reason
    participant.evolve(jangada, planted)
    assert ask(jangada, late) == Refused(booking=ANA, flight=JG_FLIGHT, reason=reason)


def other_doors_close(jangada: Flight, at: int, how_many: int = 3) -> None:
    for number in range(how_many):
        participant.evolve(jangada, refused(booking=f"someone-{at}-{number:02d}", at=at))


def test_a_closed_door_is_remembered_for_as_long_as_a_prepare_can_be_late() -> None:
    jangada = flight()
    ask(jangada, abort())
    other_doors_close(jangada, NOW + CLOSED_MS)
    assert jangada.state_of(ANA) is HoldState.REFUSED


def test_a_closed_door_is_forgotten_in_the_end_and_a_prepare_from_then_is_refused_by_its_date() -> None:
    jangada = flight(id=JG_FLIGHT)
    ask(jangada, abort())
    late = NOW + CLOSED_MS + 1
    other_doors_close(jangada, late)
    assert jangada.state_of(ANA) is HoldState.NONE, "memory is bounded"
    answer = ask(jangada, prepare("1A", decide_by=NOW + SKEW_MS + DECIDE_MS), late)
    assert answer == Refused(booking=ANA, flight=JG_FLIGHT, reason=RefusalReason.CLOCKS_DISAGREE)


@pytest.mark.parametrize(
    ("history", "word"),
    [
        ((pledged(), sold(), returned()), Word.COMMITTED),
        ((pledged(), released(reason=ReleaseReason.FORCED)), Word.PLEDGED),
    ],
    ids=["returned", "forced"],
)
def test_a_return_and_a_forced_release_are_never_forgotten_for_unknown_would_be_a_lie(
    history: History, word: Word
) -> None:
    jangada = flight(*history)
    for day in range(1, 9):
        other_doors_close(jangada, NOW + day * 24 * HOUR_MS)
    answer = ask(jangada, inquire(), NOW + 9 * 24 * HOUR_MS)
    assert isinstance(answer, Outcome)
    assert answer.word is word


def test_closed_doors_leave_memory_faster_than_they_come() -> None:
    jangada = flight()
    for number in range(500):
        participant.evolve(jangada, refused(booking=f"night-{number}", at=NOW))
    for number in range(500):
        participant.evolve(jangada, refused(booking=f"day-{number}", at=NOW + CLOSED_MS + 1))
    assert len(jangada.closed) == 500


# ---- rule 7: contradictions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "order"),
    [
        ((), commit()),
        ((timed(),), commit()),
        ((pledged(), released()), commit()),
        ((refused(),), commit()),
        ((pledged(), sold()), abort()),
        ((pledged(), sold()), release()),
        ((pledged(),), give_back()),
        ((), give_back()),
    ],
)
def test_rule_7_a_contradiction_is_answered_by_an_alarm_and_changes_nothing(history: History, order: Command) -> None:
    jangada = flight(*history)
    assert participant.decide(jangada, order, NOW) == []
    answer = participant.reply(jangada, order)
    assert isinstance(answer, Conflict)
    assert str(jangada.state_of(ANA)) in answer.detail


@pytest.mark.parametrize("history", [(), (pledged(),)], ids=["unknown", "known"])
def test_a_release_never_touches_a_pledge_nor_a_return_what_was_never_sold(history: History) -> None:
    jangada = flight(*history)
    ask(jangada, give_back())
    assert isinstance(ask(flight(pledged()), release()), Conflict)
    assert jangada.state_of(ANA) is (HoldState.PLEDGED if history else HoldState.NONE)


# ---- one booking id, two coordinators -------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [hold("1A", by="IP"), prepare("1A", by="IP")])
@pytest.mark.parametrize(
    "history", [(timed(),), (pledged(),), (pledged(), sold()), (pledged(), released()), (refused(),)]
)
def test_another_coordinator_is_refused_under_the_same_booking_id(history: History, asked: Command) -> None:
    jangada = flight(*history)
    before = jangada.state_of(ANA)
    assert isinstance(ask(jangada, asked), Refused)
    assert jangada.state_of(ANA) is before


@pytest.mark.parametrize("order", [commit(by="IP"), give_back(by="IP"), inquire(by="IP")])
@pytest.mark.parametrize("history", [(timed(),), (pledged(),), (pledged(), sold())])
def test_another_coordinator_decides_nothing_about_a_booking_that_is_not_its_own(
    history: History, order: Command
) -> None:
    jangada = flight(*history)
    before = jangada.state_of(ANA)
    answer = ask(jangada, order)
    assert isinstance(answer, Conflict)
    assert "coordinated by AN" in answer.detail
    assert jangada.state_of(ANA) is before


@pytest.mark.parametrize("order", [abort(by="IP"), release(by="IP")])
@pytest.mark.parametrize("history", [(timed(),), (pledged(),), (pledged(), sold()), (pledged(), released())])
def test_an_abort_for_a_booking_that_another_one_coordinates_is_done_for_nothing_is_held_for_it(
    history: History, order: Command
) -> None:
    """A traveller who retries at another carrier's site: that carrier's booking can settle, and touches nothing here.

    Anything but an acknowledgement is sent again for ever, and is an alarm that any traveller can ring.
    """
    jangada = flight(*history)
    before = jangada.state_of(ANA)
    assert isinstance(ask(jangada, order), Acknowledged)
    assert jangada.state_of(ANA) is before


# ---- rule 9: in doubt -----------------------------------------------------------------------------------------------


def test_rule_9_a_pledge_asks_its_coordinator_once_the_time_to_decide_has_passed() -> None:
    jangada = flight(pledged())
    ask(jangada, Tick(ANA, JG_FLIGHT), DECIDE_BY - 1)
    assert participant.pending(jangada) == []
    ask(jangada, Tick(ANA, JG_FLIGHT), DECIDE_BY)
    assert participant.pending(jangada) == [ask_coordinator()]


def test_rule_9_every_pledge_asks_after_a_restart_and_a_timed_hold_does_not() -> None:
    jangada = flight(pledged("1A"), timed("1B", booking=RUI))
    ask(jangada, Restarted(JG_FLIGHT))
    assert participant.pending(jangada) == [ask_coordinator()]


def test_rule_9_when_the_coordinator_is_silent_the_other_participants_are_asked_too() -> None:
    jangada = flight(pledged())
    ask(jangada, Unanswered(ANA, JG_FLIGHT))
    assert participant.pending(jangada) == [ask_coordinator(), inquire(about=IP_FLIGHT, asker=JG_FLIGHT)]


def test_a_pledge_for_the_carrier_s_own_booking_asks_nobody() -> None:
    jangada = flight(pledged(by="JG"))
    ask(jangada, Restarted(JG_FLIGHT))
    assert participant.pending(jangada) == []


@pytest.mark.parametrize("by", ["AN", "IP"])
@pytest.mark.parametrize(("word", "state"), [(Word.COMMITTED, HoldState.SOLD), (Word.ABORTED, HoldState.RELEASED)])
def test_rule_9_what_any_carrier_knows_ends_the_doubt(by: str, word: Word, state: HoldState) -> None:
    jangada = flight(pledged())
    ask(jangada, Unanswered(ANA, JG_FLIGHT))
    ask(jangada, heard(word, by=by))
    assert jangada.state_of(ANA) is state
    assert participant.pending(jangada) == []


def test_rule_9_when_nobody_knows_the_pledge_waits_and_goes_on_asking() -> None:
    jangada = flight(pledged())
    ask(jangada, Unanswered(ANA, JG_FLIGHT))
    owed = participant.pending(jangada)
    ask(jangada, heard(Word.PLEDGED, by="IP"))
    assert participant.pending(jangada) == owed
    ask(jangada, heard(Word.UNDECIDED, by="AN"))
    assert jangada.state_of(ANA) is HoldState.PLEDGED
    assert {question.to for question in participant.pending(jangada)} == {"AN"}, "it can be reached again"


def test_rule_9_a_participant_that_has_not_voted_gives_its_hold_up_and_so_knows_the_outcome() -> None:
    jangada = flight(timed())
    answer = ask(jangada, inquire())
    assert isinstance(answer, Outcome)
    assert answer.word is Word.ABORTED
    assert ask(jangada, prepare("1A")) == Refused(booking=ANA, flight=JG_FLIGHT, reason=ReleaseReason.ABANDONED)


def test_a_stray_word_about_a_finished_claim_changes_nothing() -> None:
    for history in ((pledged(), sold()), (pledged(), released()), (refused(),), ()):
        for word in Word:
            assert participant.decide(flight(*history), heard(word), NOW) == []


# ---- rule 11: by force ----------------------------------------------------------------------------------------------


def test_rule_11_a_forced_release_is_on_record_with_who_and_why() -> None:
    [event] = participant.decide(flight(pledged()), force(), NOW)
    assert event == released(reason=ReleaseReason.FORCED)


@pytest.mark.parametrize("history", [(), (timed(),), (pledged(), sold()), (pledged(), released())])
def test_rule_11_only_a_pledge_can_be_forced(history: History) -> None:
    assert participant.decide(flight(*history), force(), NOW) == []


def test_rule_11_a_commit_after_a_forced_release_is_an_alarm_and_an_abort_is_not() -> None:
    jangada = flight(pledged(), released(reason=ReleaseReason.FORCED))
    assert isinstance(ask(jangada, commit()), Conflict)
    assert isinstance(ask(jangada, abort()), Acknowledged)


def test_rule_11_a_broken_pledge_tells_the_others_nothing_of_the_decision() -> None:
    jangada = flight(pledged(), released(reason=ReleaseReason.FORCED))
    answer = ask(jangada, inquire())
    assert isinstance(answer, Outcome)
    assert answer.word is Word.PLEDGED


# ---- bookkeeping ----------------------------------------------------------------------------------------------------


def test_a_seat_has_one_owner_or_the_log_is_broken() -> None:
    with pytest.raises(AssertionError, match="two bookings"):
        participant.evolve(flight(pledged("1A")), pledged("1A", booking=RUI))


def test_nobody_frees_a_seat_that_is_another_s() -> None:
    with pytest.raises((AssertionError, KeyError)):
        participant.evolve(flight(pledged("1A"), pledged("1B", booking=RUI)), released("1A", booking=RUI))


def test_the_holds_of_one_claim_move_together() -> None:
    jangada = flight(pledged("1A", ticket=0), pledged("1B", ticket=1), sold("1A"))
    with pytest.raises(AssertionError, match="move together"):
        jangada.state_of(ANA)


def test_the_time_of_a_hold_is_the_carrier_s_own_clock() -> None:
    [event] = participant.decide(flight(), hold("1A"), NOW + 5 * HOUR_MS)
    assert isinstance(event, SeatHeld)
    assert event.expires_at == NOW + 5 * HOUR_MS + HOLD_MS
