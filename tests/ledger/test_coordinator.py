"""What becomes of a traveller's booking: votes, the one decision, and what is owed until all have it.

Rules are numbered as in docs/protocol.md.
"""

import pytest
from msgspec.structs import replace

from ledger import coordinator
from ledger.coordinator.state import (
    Booking,
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
    RefusalReason,
    VotingStarted,
)
from ledger.messages import (
    Abort,
    Acknowledged,
    BookingView,
    Commit,
    Conflict,
    Held,
    Outcome,
    Pledged,
    Refusal,
    Refused,
    Release,
    Return,
    SegmentState,
    Status,
    Tick,
    TravellerAnswer,
    Word,
)
from ledger.terms import DECIDE_MS, HOLD_MS, FlightId, SeatNo, carrier_of, locator_of
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CANCEL,
    CONFIRM,
    DECIDE_BY,
    DEPARTURE,
    EXPIRES_AT,
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
    hold,
    open_booking,
    opened,
    prepare,
    segment,
    settled,
    voting,
)


def holds(flight: FlightId, *seats: SeatNo) -> Held:
    return Held(booking=ANA, flight=flight, seats=seats, expires_at=EXPIRES_AT)


def yes(flight: FlightId, *seats: SeatNo) -> Pledged:
    return Pledged(booking=ANA, flight=flight, seats=seats)


def no(flight: FlightId, reason: str = RefusalReason.NOT_FREE) -> Refused:
    return Refused(booking=ANA, flight=flight, reason=reason)


def has(done: str, flight: FlightId) -> Acknowledged:
    return Acknowledged(booking=ANA, flight=flight, done=done)


def seen(answer: TravellerAnswer | Outcome | None) -> BookingView:
    assert isinstance(answer, BookingView)
    return answer


# ---- open -----------------------------------------------------------------------------------------------------------


def test_a_new_booking_is_priced_and_asks_each_carrier_for_a_hold() -> None:
    [event] = coordinator.decide(booking(), open_booking(passengers=3), NOW)
    assert isinstance(event, BookingOpened)
    assert event.price == 3 * 2 * FARE
    assert event.hold_until == NOW + HOLD_MS
    asked = coordinator.pending(booking(opened()))
    assert [type(message).__name__ for message in asked] == ["Hold", "Hold"]
    assert [message.flight for message in asked] == [AN_FLIGHT, JG_FLIGHT]


def test_the_carriers_are_asked_for_what_the_traveller_named() -> None:
    [first, second] = coordinator.pending(booking(opened(passengers=1)))
    assert (first.booking, first.coordinator) == (ANA, "AN")
    assert second == replace(hold("1A"), participants=(AN_FLIGHT, JG_FLIGHT))
    [_, second] = coordinator.pending(booking(opened(), voting()))
    assert second == replace(prepare("1A"), participants=(AN_FLIGHT, JG_FLIGHT))


def test_a_booking_is_held_when_every_carrier_holds_it_and_not_before() -> None:
    ana = booking(opened())
    assert ask_booking(ana, open_booking()) is None
    ask_booking(ana, holds(AN_FLIGHT, "2B"))
    assert ask_booking(ana, open_booking()) is None
    assert seen(ask_booking(ana, READ)).status is Status.HOLDING
    ask_booking(ana, holds(JG_FLIGHT, "1A"))
    assert seen(ask_booking(ana, open_booking())).status is Status.HELD
    assert seen(ask_booking(ana, READ)).hold_until == EXPIRES_AT
    assert coordinator.pending(ana) == []


def test_one_carrier_without_seats_ends_the_booking_and_the_others_are_let_go() -> None:
    ana = booking(opened(), GrantHeard(AN_FLIGHT, ("2B",)))
    ask_booking(ana, no(JG_FLIGHT))
    view = seen(ask_booking(ana, READ))
    assert (view.status, view.reason) == (Status.REFUSED, AbortReason.SEAT_TAKEN)
    assert view.detail == "JG has no such seats free any more on JG2055/2026-12-14"
    assert coordinator.pending(ana) == [Release(booking=ANA, flight=AN_FLIGHT, coordinator="AN")]


def test_an_objection_at_the_door_counts_for_a_new_booking_only() -> None:
    too_short = Refusal("connection-too-short", "40 minutes are needed")
    assert ask_booking(booking(), open_booking(objection=too_short)) == too_short
    ana = booking(opened(), voting(), committed())
    assert seen(ask_booking(ana, open_booking(objection=too_short))).status is Status.CONFIRMED


def test_rule_6_the_same_id_with_other_contents_is_refused_and_changes_nothing() -> None:
    ana = booking(opened())
    other = open_booking(confirm=True, body="another body")
    assert coordinator.decide(ana, other, NOW) == []
    assert coordinator.reply(ana, other) == Refusal(
        "booking-id-reused", "this booking id was used before, for something else"
    )


# ---- vote -----------------------------------------------------------------------------------------------------------


def test_voting_is_written_with_its_deadline_and_tickets_before_anybody_is_asked() -> None:
    [opening, started] = coordinator.decide(booking(), open_booking(confirm=True, passengers=2), NOW)
    assert isinstance(opening, BookingOpened)
    assert started == VotingStarted(at=NOW, booking=ANA, decide_by=NOW + DECIDE_MS, first_serial=1, tickets=TICKETS[:2])


def test_ticket_numbers_are_never_given_twice() -> None:
    ana = booking(opened(passengers=2), voting(passengers=2), next_serial=1)
    assert ana.stock.next_serial == 3
    late = Booking("rui-00000000000000000000", "AN", ana.stock)
    [_, started] = coordinator.decide(late, open_booking(confirm=True, booking=late.id), NOW)
    assert isinstance(started, VotingStarted)
    assert started.tickets == TICKETS[2:3]


def test_all_yes_is_a_commit_with_every_passenger_s_seats() -> None:
    ana = booking(opened(), voting())
    assert coordinator.decide(ana, yes(JG_FLIGHT, "1A"), NOW) == [VoteHeard(JG_FLIGHT, ("1A",))]
    ask_booking(ana, yes(JG_FLIGHT, "1A"))
    events = coordinator.decide(ana, yes(AN_FLIGHT, "2B"), NOW)
    assert events == [VoteHeard(AN_FLIGHT, ("2B",)), committed(("2B",), ("1A",))]


def test_one_yes_said_twice_is_one_vote() -> None:
    ana = booking(opened(), voting())
    ask_booking(ana, yes(JG_FLIGHT, "1A"))
    ask_booking(ana, yes(JG_FLIGHT, "1A"))
    assert ana.phase is Phase.VOTING


def test_one_no_is_an_abort_and_whoever_said_it_need_not_be_told() -> None:
    ana = booking(opened(), voting())
    ask_booking(ana, yes(AN_FLIGHT, "2B"))
    ask_booking(ana, no(JG_FLIGHT))
    assert ana.phase is Phase.ABORTED
    assert coordinator.pending(ana) == [Abort(booking=ANA, flight=AN_FLIGHT, coordinator="AN")]


def test_when_everybody_has_closed_the_door_already_the_abort_is_settled_at_once() -> None:
    ana = booking(opened((segment(JG_FLIGHT),)), voting())
    events = coordinator.decide(ana, no(JG_FLIGHT), NOW)
    assert [type(event) for event in events] == [BookingAborted, RecordHeard, BookingSettled]


@pytest.mark.parametrize("seats", [("1B",), ("1A", "1B"), ()])
def test_a_yes_to_something_else_than_was_asked_is_no_vote_but_an_abort(seats: tuple[SeatNo, ...]) -> None:
    ana = booking(opened(), voting(), VoteHeard(AN_FLIGHT, ("2B",)))
    ask_booking(ana, yes(JG_FLIGHT, *seats))
    assert (ana.phase, ana.reason) == (Phase.ABORTED, AbortReason.REFUSED)
    assert Abort(booking=ANA, flight=JG_FLIGHT, coordinator="AN") in coordinator.pending(ana), "its pledge is undone"


def test_a_confirmation_may_come_before_every_hold_is_known() -> None:
    ana = booking(opened())
    assert ask_booking(ana, CONFIRM) is None
    assert ana.phase is Phase.VOTING


# ---- time -----------------------------------------------------------------------------------------------------------


def test_rule_2_a_yes_counts_until_decide_by_and_not_after() -> None:
    in_time = booking(opened(), voting(), VoteHeard(AN_FLIGHT, ("2B",)))
    ask_booking(in_time, yes(JG_FLIGHT, "1A"), DECIDE_BY - 1)
    assert in_time.phase is Phase.COMMITTED
    late = booking(opened(), voting(), VoteHeard(AN_FLIGHT, ("2B",)))
    ask_booking(late, yes(JG_FLIGHT, "1A"), DECIDE_BY)
    assert (late.phase, late.reason) == (Phase.ABORTED, AbortReason.NO_ANSWER)


def test_an_abort_for_silence_names_who_was_silent() -> None:
    ana = booking(opened(), voting(), VoteHeard(AN_FLIGHT, ("2B",)))
    ask_booking(ana, Tick(ANA), DECIDE_BY)
    assert seen(ask_booking(ana, READ)).detail == "JG did not answer in time"


def test_a_hold_that_nobody_confirms_expires_and_every_carrier_is_told() -> None:
    ana = booking(opened(), GrantHeard(AN_FLIGHT, ("2B",)), GrantHeard(JG_FLIGHT, ("1A",)))
    assert coordinator.decide(ana, Tick(ANA), EXPIRES_AT - 1) == []
    ask_booking(ana, Tick(ANA), EXPIRES_AT)
    assert seen(ask_booking(ana, READ)).status is Status.EXPIRED
    assert [type(message) for message in coordinator.pending(ana)] == [Release, Release]


@pytest.mark.parametrize("command", [CONFIRM, open_booking(confirm=True)])
def test_a_confirmation_after_the_hold_has_run_out_comes_too_late(command: Command) -> None:
    ana = booking(opened(), GrantHeard(AN_FLIGHT, ("2B",)), GrantHeard(JG_FLIGHT, ("1A",)))
    assert seen(ask_booking(ana, command, EXPIRES_AT)).status is Status.EXPIRED


def test_a_confirmation_in_the_last_moment_has_its_whole_time_to_vote() -> None:
    ana = booking(opened())
    ask_booking(ana, CONFIRM, EXPIRES_AT - 1)
    ask_booking(ana, Tick(ANA), EXPIRES_AT)
    assert ana.phase is Phase.VOTING
    assert ana.decide_by == EXPIRES_AT - 1 + DECIDE_MS


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
