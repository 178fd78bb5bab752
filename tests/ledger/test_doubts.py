"""Where a carrier and a coordinator disagree, or cannot hear one another. Rules are numbered as in docs/protocol.md."""

from typing import TypeAlias

import pytest

from ledger import participant
from ledger.events import (
    AnyFlightEvent,
    ReleaseReason,
)
from ledger.messages import Acknowledged, Conflict, Outcome, Refused, Restarted, Tick, Unanswered, Word
from ledger.participant.state import Command, HoldState
from tests.ledger.given import (
    ANA,
    DECIDE_BY,
    IP_FLIGHT,
    JG_FLIGHT,
    NOW,
    RUI,
    abort,
    ask,
    ask_coordinator,
    commit,
    flight,
    give_back,
    heard,
    hold,
    inquire,
    pledged,
    prepare,
    refused,
    release,
    released,
    sold,
    timed,
)

History: TypeAlias = tuple[AnyFlightEvent, ...]

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
