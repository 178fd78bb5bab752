"""Rule 11: a pledge may be broken by force, as a last resort, by two people, on record, and never forgotten."""

from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from ledger import participant
from ledger.events import AnyFlightEvent, Decision, ForceCompared, HoldReleased, ReleaseReason
from ledger.ledger import Command as NodeCommand
from ledger.messages import (
    Acknowledged,
    Commit,
    Conflict,
    ForceMessage,
    ForceState,
    Forcing,
    Outcome,
    Refusal,
    Restarted,
    Return,
    Unanswered,
    Word,
)
from ledger.participant.forcing import CONFIRM_MS, NEXT
from ledger.participant.state import Command, Flight, HoldState
from tests.ledger.disk import LONG_AFTER, Disk
from tests.ledger.given import (
    ANA,
    IP_FLIGHT,
    JG_FLIGHT,
    NOW,
    abort,
    agree,
    ask,
    ask_coordinator,
    commit,
    compared,
    flight,
    give_back,
    heard,
    inquire,
    pledged,
    prepare,
    propose,
    proposed,
    release,
    released,
    see_to,
    seen_to,
    sold,
    timed,
)

FORCED = released(reason=ReleaseReason.FORCED)
NOBODY_KNOWS: tuple[Unanswered, Outcome] = (Unanswered(ANA, JG_FLIGHT), heard(Word.PLEDGED, by="IP"))
"""The coordinator is silent, and the other participant waits like this one."""

PASTS: Mapping[ForceState, tuple[AnyFlightEvent, ...]] = {
    ForceState.NONE: (pledged(),),
    ForceState.PROPOSED: (pledged(), proposed()),
    ForceState.BROKEN: (pledged(), proposed(), FORCED),
    ForceState.BORNE_OUT: (pledged(), proposed(), FORCED, compared(Decision.ABORTED)),
    ForceState.MISMATCH: (pledged(), proposed(), FORCED, compared(Decision.COMMITTED)),
    ForceState.ACKNOWLEDGED: (pledged(), proposed(), FORCED, compared(Decision.COMMITTED), seen_to()),
}
FACTS: Mapping[str, AnyFlightEvent] = {
    "propose": proposed(at=NOW + 1),
    "release": FORCED,
    "aborted": compared(Decision.ABORTED),
    "committed": compared(Decision.COMMITTED),
    "acknowledge": seen_to(),
}
TABLE: Mapping[tuple[ForceState, str], ForceState] = {
    (ForceState.NONE, "propose"): ForceState.PROPOSED,
    (ForceState.NONE, "release"): ForceState.BROKEN,
    (ForceState.PROPOSED, "propose"): ForceState.PROPOSED,
    (ForceState.PROPOSED, "release"): ForceState.BROKEN,
    (ForceState.BROKEN, "release"): ForceState.BROKEN,
    (ForceState.BROKEN, "aborted"): ForceState.BORNE_OUT,
    (ForceState.BROKEN, "committed"): ForceState.MISMATCH,
    (ForceState.MISMATCH, "acknowledge"): ForceState.ACKNOWLEDGED,
}
SECOND_SEAT = (ForceState.BROKEN, "release")


def state_of(jangada: Flight) -> ForceState:
    known = jangada.broken.get(ANA)
    return known.state if known else ForceState.NONE


def in_doubt(*history: AnyFlightEvent) -> Flight:
    """As far as a pledge can be in doubt: its coordinator silent, the others as unknowing."""
    jangada = flight(*(history or (pledged(),)))
    for said in NOBODY_KNOWS:
        ask(jangada, said)
    return jangada


def error(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    assert answer.detail
    return answer.error


# ---- the table ------------------------------------------------------------------------------------------------------


def test_the_table_has_the_rows_drawn_here_and_no_others() -> None:
    assert dict(NEXT) == dict(TABLE)


@pytest.mark.parametrize("state", PASTS)
@pytest.mark.parametrize("move", FACTS)
def test_a_breaking_moves_as_the_table_says_and_no_other_way(state: ForceState, move: str) -> None:
    jangada = flight(*PASTS[state])
    assert state_of(jangada) is state
    if (after := TABLE.get((state, move))) and (state, move) != SECOND_SEAT:
        participant.evolve(jangada, FACTS[move])
        assert state_of(jangada) is after
    else:
        with pytest.raises((KeyError, AssertionError)):
            participant.evolve(jangada, FACTS[move])


def test_all_seats_of_a_claim_are_released_together() -> None:
    jangada = in_doubt(pledged("1A"), pledged("1B", ticket=1), proposed())
    ask(jangada, agree())
    assert jangada.taken == {}
    assert jangada.broken[ANA].seats == ("1A", "1B")


# ---- refused while the decision can be learned ----------------------------------------------------------------------


@pytest.mark.parametrize("asked", [propose(), agree()])
@pytest.mark.parametrize(
    ("history", "heard_before", "why"),
    [
        ((), (), "not-pledged"),
        ((timed(),), (), "not-pledged"),
        ((pledged(), released()), (), "not-pledged"),
        ((pledged(), sold()), (), "committed"),
        ((pledged(),), (), "decision-can-be-learned"),
        ((pledged(),), (Restarted(JG_FLIGHT),), "decision-can-be-learned"),
        ((pledged(),), (Unanswered(ANA, JG_FLIGHT),), "decision-can-be-learned"),
        ((pledged(),), (heard(Word.UNDECIDED),), "decision-can-be-learned"),
        ((pledged(),), (*NOBODY_KNOWS, heard(Word.UNDECIDED)), "decision-can-be-learned"),
        ((pledged(),), (*NOBODY_KNOWS, heard(Word.COMMITTED, by="IP")), "committed"),
        ((pledged(),), (*NOBODY_KNOWS, heard(Word.ABORTED, by="IP")), "not-pledged"),
        ((pledged(by="JG"),), (Restarted(JG_FLIGHT),), "decision-can-be-learned"),
    ],
    ids=[
        "nothing held",
        "a timed hold",
        "aborted",
        "sold",
        "in time",
        "nobody asked yet",
        "the other not asked yet",
        "the coordinator answers",
        "the coordinator answers again",
        "the other has committed",
        "the other was released",
        "at home",
    ],
)
def test_force_is_refused_unless_nobody_who_can_be_reached_knows(
    history: tuple[AnyFlightEvent, ...], heard_before: Sequence[Command], why: str, asked: ForceMessage
) -> None:
    jangada = flight(*history)
    for said in heard_before:
        ask(jangada, said)
    version = jangada.version
    assert error(ask(jangada, asked)) == why
    assert jangada.version == version


def test_a_participant_that_cannot_be_reached_does_not_hold_force_up_for_ever() -> None:
    jangada = flight(pledged())
    for carrier in ("AN", "IP"):
        ask(jangada, Unanswered(ANA, JG_FLIGHT, carrier))
    assert isinstance(ask(jangada, propose()), Forcing)


def test_all_is_looked_at_again_when_the_second_operator_confirms() -> None:
    jangada = in_doubt()
    ask(jangada, propose())
    ask(jangada, heard(Word.UNDECIDED))
    assert error(ask(jangada, agree())) == "decision-can-be-learned"
    assert jangada.state_of(ANA) is HoldState.PLEDGED


# ---- two people -----------------------------------------------------------------------------------------------------


def test_a_proposal_releases_nothing_and_is_on_record_with_who_and_why() -> None:
    jangada = in_doubt()
    assert participant.decide(jangada, propose(), NOW) == [proposed()]
    answer = ask(jangada, propose())
    assert isinstance(answer, Forcing)
    assert (answer.state, answer.operator, answer.confirmed_by) == (ForceState.PROPOSED, "marta", None)
    assert jangada.state_of(ANA) is HoldState.PLEDGED


def test_a_second_operator_s_confirmation_releases_the_seats_on_record() -> None:
    jangada = in_doubt(pledged(), proposed())
    [event] = participant.decide(jangada, agree(), NOW)
    assert event == FORCED
    answer = ask(jangada, agree())
    assert isinstance(answer, Forcing)
    assert (answer.state, answer.operator, answer.confirmed_by) == (ForceState.BROKEN, "marta", "josé")
    assert jangada.taken == {}


@pytest.mark.parametrize("name", ["marta", "Marta", "MARTA"])
def test_nobody_confirms_their_own_proposal(name: str) -> None:
    assert error(ask(in_doubt(pledged(), proposed()), agree(name))) == "second-operator"


def test_what_was_not_proposed_is_not_confirmed() -> None:
    assert error(ask(in_doubt(), agree())) == "not-proposed"


def test_a_second_operator_who_proposes_too_is_told_to_confirm() -> None:
    assert error(ask(in_doubt(pledged(), proposed()), propose("josé"))) == "proposed-already"


def test_a_proposal_runs_out_and_can_be_made_again_by_anybody() -> None:
    jangada = in_doubt(pledged(), proposed())
    late = NOW + CONFIRM_MS
    assert error(ask(jangada, agree(), late)) == "proposal-expired"
    again = ask(jangada, propose("josé"), late)
    assert isinstance(again, Forcing)
    assert (again.operator, again.expires_at) == ("josé", late + CONFIRM_MS)
    assert isinstance(ask(jangada, agree("marta"), late), Forcing)


@pytest.mark.parametrize("asked", [propose(), agree(), see_to()])
@pytest.mark.parametrize("state", PASTS)
def test_an_operator_who_asks_twice_hears_the_same_and_it_is_written_once(
    state: ForceState, asked: ForceMessage
) -> None:
    history = PASTS[state]
    jangada = in_doubt(*history) if len(history) < 3 else flight(*history)
    first, version = ask(jangada, asked), jangada.version
    assert ask(jangada, asked) == first
    assert jangada.version == version


@pytest.mark.parametrize("end", [commit(), abort()])
def test_a_decision_that_comes_in_time_leaves_nothing_of_a_proposal(end: Command) -> None:
    jangada = in_doubt(pledged(), proposed())
    ask(jangada, end)
    assert state_of(jangada) is ForceState.NONE
    assert error(ask(jangada, agree())) in ("committed", "not-pledged")


# ---- compared with the decision -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "after"),
    [
        (commit(), ForceState.MISMATCH),
        (heard(Word.COMMITTED), ForceState.MISMATCH),
        (heard(Word.COMMITTED, by="IP"), ForceState.MISMATCH),
        (abort(), ForceState.BORNE_OUT),
        (heard(Word.ABORTED), ForceState.BORNE_OUT),
        (heard(Word.UNDECIDED), ForceState.BROKEN),
        (heard(Word.PLEDGED, by="IP"), ForceState.BROKEN),
        (release(), ForceState.BROKEN),
        (commit(by="IP"), ForceState.BROKEN),
    ],
)
def test_a_broken_pledge_is_compared_with_the_decision_when_it_comes_to_light(word: Command, after: ForceState) -> None:
    jangada = flight(*PASTS[ForceState.BROKEN])
    ask(jangada, word)
    assert state_of(jangada) is after


def test_a_decision_is_compared_once_however_often_it_is_told() -> None:
    jangada = flight(*PASTS[ForceState.BROKEN])
    [event] = participant.decide(jangada, commit(), NOW)
    assert event == compared(Decision.COMMITTED)
    assert isinstance(ask(jangada, commit()), Conflict)
    assert participant.decide(jangada, commit(), NOW) == []
    assert participant.decide(jangada, heard(Word.ABORTED, by="IP"), NOW) == []


def test_a_commit_of_a_broken_pledge_is_an_alarm_and_an_abort_is_not() -> None:
    assert isinstance(ask(flight(*PASTS[ForceState.BROKEN]), commit()), Conflict)
    assert isinstance(ask(flight(*PASTS[ForceState.BROKEN]), abort()), Acknowledged)


def test_a_broken_pledge_tells_the_others_nothing_of_the_decision() -> None:
    answer = ask(flight(*PASTS[ForceState.BROKEN]), inquire())
    assert isinstance(answer, Outcome)
    assert answer.word is Word.PLEDGED


def test_a_mismatch_ends_when_somebody_has_seen_to_the_traveller() -> None:
    jangada = flight(*PASTS[ForceState.MISMATCH])
    assert participant.decide(jangada, see_to(), NOW) == [seen_to()]
    answer = ask(jangada, see_to())
    assert isinstance(answer, Forcing)
    assert answer.state is ForceState.ACKNOWLEDGED


@pytest.mark.parametrize("asked", [commit(), give_back()])
def test_its_coordinator_is_told_that_people_have_seen_to_it(asked: Commit | Return) -> None:
    for state, seen in ((ForceState.MISMATCH, False), (ForceState.ACKNOWLEDGED, True)):
        answer = ask(flight(*PASTS[state]), asked)
        assert isinstance(answer, Conflict)
        assert answer.seen_to is seen
    stranger = ask(flight(*PASTS[ForceState.ACKNOWLEDGED]), replace(asked, coordinator="IP"))
    assert isinstance(stranger, Conflict)
    assert not stranger.seen_to, "another coordinator's booking is no matter of that pledge"


@pytest.mark.parametrize("state", [ForceState.NONE, ForceState.PROPOSED, ForceState.BROKEN, ForceState.BORNE_OUT])
def test_only_a_mismatch_is_acknowledged(state: ForceState) -> None:
    assert error(ask(flight(*PASTS[state]), see_to())) == "no-mismatch"


def test_a_broken_pledge_asks_everybody_who_may_know_after_a_restart_too_until_the_decision_comes_to_light() -> None:
    node = Disk(JG_FLIGHT, carrier="JG")
    said: Sequence[NodeCommand] = (prepare("1A"), *NOBODY_KNOWS, propose(), agree())
    for command in said:
        node.say(command)
    assert node.last(1) == [HoldReleased]
    asked = [ask_coordinator(), inquire(about=IP_FLIGHT, asker=JG_FLIGHT)]
    assert node.owed() == asked
    node.restart()
    assert node.owed() == asked
    node.ledger.restarted(NOW)
    assert JG_FLIGHT in node.ledger.take().machines, "a start sends what the machines that it names owe"
    node.say(commit())
    assert node.last(1) == [ForceCompared]
    assert node.owed() == []


@pytest.mark.parametrize(
    ("history", "kept"),
    [(state, state in (ForceState.BROKEN, ForceState.MISMATCH)) for state in list(PASTS)[2:]],
)
def test_a_flight_long_landed_stays_in_memory_while_a_broken_pledge_waits(history: ForceState, kept: bool) -> None:
    node = Disk(carrier="JG")
    node.ledger.flights[JG_FLIGHT] = flight(*PASTS[history])
    node.ledger.retire(LONG_AFTER)
    assert (JG_FLIGHT in node.ledger.flights) is kept
