"""What becomes of a traveller's booking: votes, the one decision, and what is owed until all have it.

Rules are numbered as in docs/protocol.md.
"""

import pytest
from msgspec.structs import replace

from ledger import coordinator
from ledger.coordinator.state import (
    Booking,
    Command,
    GrantHeard,
    Phase,
    RecordHeard,
    VoteHeard,
)
from ledger.events import (
    AbortReason,
    BookingAborted,
    BookingOpened,
    BookingSettled,
    VotingStarted,
)
from ledger.messages import (
    Abort,
    ReadBooking,
    Refusal,
    Release,
    SegmentState,
    Status,
    Tick,
)
from ledger.terms import DECIDE_MS, HOLD_MS, SeatNo
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CONFIRM,
    DECIDE_BY,
    EXPIRES_AT,
    FARE,
    JG_FLIGHT,
    NOW,
    READ,
    TICKETS,
    ask_booking,
    booking,
    committed,
    hold,
    holds,
    no,
    open_booking,
    opened,
    prepare,
    seen,
    segment,
    voting,
    yes,
)

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


def test_the_traveller_sees_which_carriers_hold_seats_already_and_which_are_asked() -> None:
    ana = booking(opened(), GrantHeard(AN_FLIGHT, ("2B",)))
    parts = seen(ask_booking(ana, READ)).segments
    assert [(part.seats, part.state) for part in parts] == [(("2B",), SegmentState.HELD), (("1A",), SegmentState.ASKED)]


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


def test_rule_6_who_looks_again_for_another_order_under_the_same_id_does_not_hear_of_the_first() -> None:
    ana = booking(opened(), voting(), committed())
    reused = Refusal("booking-id-reused", "this booking id was used before, for something else")
    assert coordinator.reply(ana, ReadBooking(ANA, "another body")) == reused
    assert seen(coordinator.reply(ana, ReadBooking(ANA, ana.body_hash))).status is Status.CONFIRMED


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
