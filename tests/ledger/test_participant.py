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
from ledger.messages import Acknowledged, Held, Outcome, Pledged, Refused, Tick, Word
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
    commit,
    flight,
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


@pytest.mark.parametrize(
    ("history", "order", "reason"),
    [
        ((pledged(),), abort(), ReleaseReason.ABORTED),
        ((timed(),), abort(), ReleaseReason.ABORTED),
        ((timed(),), release(), ReleaseReason.ABANDONED),
        ((timed(),), inquire(), ReleaseReason.ABANDONED),
        ((pledged(),), heard(Word.ABORTED), ReleaseReason.ABORTED),
        ((timed(),), prepare("1B"), ReleaseReason.ABORTED),
    ],
)
def test_a_released_seat_says_for_ever_why(history: History, order: Command, reason: ReleaseReason) -> None:
    [event] = participant.decide(flight(*history), order, NOW)
    assert event == released(reason=reason)


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
