"""Both machines whole: every state against every fact, and every state against everything that can be asked.

The tables are written out here a second time, as a person reads them: a row that is lost or added in the ledger is
seen. In the matrices of commands a cell is `state after / answer`; `.` is "as it was" or "no answer".
"""

from collections.abc import Mapping

import pytest
from msgspec import structs

from ledger import coordinator, participant
from ledger.coordinator.state import Booking, GrantHeard, Phase, RecordHeard, ReturnHeard, VoteHeard
from ledger.coordinator.state import Command as BookingCommand
from ledger.events import AnyBookingEvent, AnyFlightEvent, ReleaseReason
from ledger.messages import (
    Acknowledged,
    BookingView,
    ClaimAnswer,
    Conflict,
    Forcing,
    Held,
    Outcome,
    Pledged,
    Refusal,
    Refused,
    Restarted,
    Tick,
    Unanswered,
    Word,
)
from ledger.participant.state import NEXT, Command, HoldState, Move
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CANCEL,
    CONFIRM,
    DECIDE_BY,
    EXPIRES_AT,
    EXTEND,
    JG_FLIGHT,
    NOW,
    READ,
    abort,
    aborted,
    agree,
    ask,
    ask_booking,
    ask_coordinator,
    booking,
    cancelled,
    commit,
    committed,
    extended,
    flight,
    give_back,
    heard,
    hold,
    inquire,
    open_booking,
    opened,
    pledged,
    prepare,
    propose,
    refused,
    release,
    released,
    returned,
    see_to,
    settled,
    sold,
    timed,
    voting,
)


def cells(table: str) -> list[tuple[str, str, str]]:
    """(row, column, cell) of a table drawn with spaces; its first line names the columns."""
    lines = [line.split() for line in table.strip().splitlines()]
    columns = lines[0]
    assert all(len(line) == len(columns) + 1 for line in lines[1:]), "a row has a cell too few or too many"
    return [(row, column, cell) for row, *line in lines[1:] for column, cell in zip(columns, line, strict=True)]


# ---- a flight: states and facts -------------------------------------------------------------------------------------

PASTS: Mapping[str, tuple[AnyFlightEvent, ...]] = {
    "none": (),
    "timed": (timed(),),
    "pledged": (pledged(),),
    "sold": (pledged(), sold()),
    "released": (pledged(), released()),
    "forced": (pledged(), released(reason=ReleaseReason.FORCED)),
    "refused": (refused(),),
    "returned": (pledged(), sold(), returned()),
}

FACTS: Mapping[str, AnyFlightEvent] = {
    "hold": timed(),
    "pledge": pledged(),
    "commit": sold(),
    "release": released(),
    "refuse": refused(),
    "return": returned(),
}

HOLD_TABLE = """
            hold    pledge    commit   release    refuse   return
none        timed   pledged   -        -          refused  -
timed       timed   pledged   -        released   -        -
pledged     -       -         sold     released   -        -
sold        -       -         -        -          -        returned
released    -       -         -        -          -        -
forced      -       -         -        -          -        -
refused     -       -         -        -          -        -
returned    -       -         -        -          -        -
"""


@pytest.mark.parametrize(("state", "move", "after"), cells(HOLD_TABLE))
def test_a_hold_moves_as_the_table_says_and_no_other_way(state: str, move: str, after: str) -> None:
    jangada = flight(*PASTS[state])
    if after == "-":
        with pytest.raises((KeyError, AssertionError)):
            participant.evolve(jangada, FACTS[move])
    else:
        participant.evolve(jangada, FACTS[move])
        assert jangada.state_of(ANA) == after


def test_the_hold_table_has_the_rows_drawn_here_and_no_others() -> None:
    drawn = {(state, move): after for state, move, after in cells(HOLD_TABLE) if after != "-"}
    assert dict(NEXT) == drawn
    assert {row for row, _, _ in cells(HOLD_TABLE)} == {*HoldState, "forced"}
    assert set(FACTS) == set(Move)


@pytest.mark.parametrize("state", PASTS)
def test_a_flight_is_scheduled_once(state: str) -> None:
    jangada = flight(*PASTS[state])
    with pytest.raises(AssertionError):
        participant.evolve(jangada, jangada.scheduled)


# ---- a flight: states and commands ----------------------------------------------------------------------------------

ASKED: Mapping[str, tuple[Command, int]] = {
    "hold": (hold("1A"), NOW),
    "prepare": (prepare("1A"), NOW),
    "commit": (commit(), NOW),
    "abort": (abort(), NOW),
    "release": (release(), NOW),
    "return": (give_back(), NOW),
    "inquire": (inquire(), NOW),
    "told-commit": (heard(Word.COMMITTED), NOW),
    "told-abort": (heard(Word.ABORTED), NOW),
    "told-wait": (heard(Word.PLEDGED, by="IP"), NOW),
    "undecided": (heard(Word.UNDECIDED), NOW),
    "tick-early": (Tick(ANA, JG_FLIGHT), NOW),
    "tick-late": (Tick(ANA, JG_FLIGHT), EXPIRES_AT),
    "silence": (Unanswered(ANA, JG_FLIGHT), NOW),
    "propose": (propose(), NOW),
    "agree": (agree(), NOW),
    "see-to": (see_to(), NOW),
    "restarted": (Restarted(JG_FLIGHT), NOW),
}

CLAIM_MATRIX = """
             none               timed               pledged             sold             released            forced              refused            returned
hold         timed/held         ./held              ./yes               ./yes            ./no                ./no                ./no               ./no
prepare      pledged/yes        pledged/yes         ./yes               ./yes            ./no                ./no                ./no               ./no
commit       ./conflict         ./conflict          sold/commit         ./commit         ./conflict          released/conflict   ./conflict         ./commit
abort        refused/abort      released/abort      released/abort      ./conflict       ./abort             released/abort      ./abort            ./conflict
release      refused/release    released/release    ./conflict          ./conflict       ./release           ./release           ./release          ./conflict
return       ./conflict         ./conflict          ./conflict          returned/return  ./conflict          ./conflict          ./conflict         ./return
inquire      refused/aborted    released/aborted    ./pledged           ./committed      ./aborted           ./pledged           ./aborted          ./committed
told-commit  ./.                ./.                 sold/.              ./.              ./.                 released/.          ./.                ./.
told-abort   ./.                ./.                 released/.          ./.              ./.                 released/.          ./.                ./.
told-wait    ./.                ./.                 ./.                 ./.              ./.                 ./.                 ./.                ./.
undecided    ./.                ./.                 ./.                 ./.              ./.                 ./.                 ./.                ./.
tick-early   ./.                ./.                 ./.                 ./.              ./.                 ./.                 ./.                ./.
tick-late    ./.                released/.          ./.                 ./.              ./.                 ./.                 ./.                ./.
silence      ./.                ./.                 ./.                 ./.              ./.                 ./.                 ./.                ./.
propose      ./not-pledged      ./not-pledged       ./can-be-learned    ./committed      ./not-pledged       ./not-pledged       ./not-pledged      ./committed
agree        ./not-pledged      ./not-pledged       ./can-be-learned    ./committed      ./not-pledged       ./broken            ./not-pledged      ./committed
see-to       ./no-mismatch      ./no-mismatch       ./no-mismatch       ./no-mismatch    ./no-mismatch       ./no-mismatch       ./no-mismatch      ./no-mismatch
restarted    ./.                ./.                 ./.                 ./.              ./.                 ./.                 ./.                ./.
"""  # noqa: E501 - a matrix is read across


def word_of(answer: ClaimAnswer | Forcing | Refusal | BookingView | None) -> str:
    match answer:
        case None:
            return "."
        case Held():
            return "held"
        case Pledged():
            return "yes"
        case Refused():
            return "no"
        case Acknowledged():
            return answer.done
        case Conflict():
            return "conflict"
        case Outcome():
            return str(answer.word)
        case Refusal():
            return answer.error.removeprefix("decision-")
        case Forcing():
            return str(answer.state)
        case BookingView():
            return str(answer.status)
        case _:
            raise AssertionError(f"nobody knows this answer: {answer}")


@pytest.mark.parametrize(("asked", "state", "cell"), cells(CLAIM_MATRIX))
def test_whatever_a_carrier_is_asked_it_answers_as_the_matrix_says(asked: str, state: str, cell: str) -> None:
    jangada, (command, now) = flight(*PASTS[state]), ASKED[asked]
    before, version = jangada.state_of(ANA), jangada.version

    answer = ask(jangada, command, now)

    after, _, word = cell.rpartition("/")
    assert jangada.state_of(ANA) == (before if after == "." else after)
    assert word_of(answer) == word
    assert (jangada.version > version) == (after != ".")


@pytest.mark.parametrize(("asked", "state", "_cell"), cells(CLAIM_MATRIX))
def test_a_carrier_asked_twice_says_the_same_and_writes_once(asked: str, state: str, _cell: str) -> None:
    jangada, (command, now) = flight(*PASTS[state]), ASKED[asked]
    first, version = ask(jangada, command, now), jangada.version
    second = ask(jangada, command, now + 1)
    assert second == first
    assert jangada.version == version


def test_the_matrix_of_claims_leaves_nothing_out() -> None:
    assert {row for row, _, _ in cells(CLAIM_MATRIX)} == set(ASKED)
    assert {column for _, column, _ in cells(CLAIM_MATRIX)} == set(PASTS)
    assert {type(command) for command, _ in ASKED.values()} == set(Command.__args__)


# ---- a booking: phases and facts ------------------------------------------------------------------------------------

LIVES: Mapping[str, tuple[AnyBookingEvent | coordinator.Heard, ...]] = {
    "unknown": (),
    "open": (opened(),),
    "voting": (opened(), voting()),
    "committed": (opened(), voting(), committed()),
    "committed,settled": (opened(), voting(), committed(), settled()),
    "aborted": (opened(), voting(), aborted()),
    "aborted,settled": (opened(), voting(), aborted(), settled()),
    "cancelled": (opened(), voting(), committed(), cancelled()),
    "cancelled,settled": (opened(), voting(), committed(), cancelled(), settled()),
}

BOOKING_FACTS: Mapping[str, AnyBookingEvent] = {
    "open": opened(),
    "extend": extended(),
    "vote": voting(),
    "commit": committed(),
    "abort": aborted(),
    "settle": settled(),
    "cancel": cancelled(),
}

PHASE_TABLE = """
                    open   extend   vote     commit      abort     settle              cancel
unknown             open   -        -        -           aborted   -                   -
open                -      open     voting   -           aborted   -                   -
voting              -      -        -        committed   aborted   -                   -
committed           -      -        -        -           -         committed,settled   cancelled
committed,settled   -      -        -        -           -         -                   cancelled
aborted             -      -        -        -           -         aborted,settled     -
aborted,settled     -      -        -        -           -         -                   -
cancelled           -      -        -        -           -         cancelled,settled   -
cancelled,settled   -      -        -        -           -         -                   -
"""


def phase_of(state: Booking) -> str:
    return state.phase.replace(" ", "")


@pytest.mark.parametrize(("phase", "fact", "after"), cells(PHASE_TABLE))
def test_a_booking_moves_as_the_table_says_and_no_other_way(phase: str, fact: str, after: str) -> None:
    ana = booking(*LIVES[phase])
    assert phase_of(ana) == phase
    if after == "-":
        with pytest.raises(KeyError):
            coordinator.evolve(ana, BOOKING_FACTS[fact])
    else:
        coordinator.evolve(ana, BOOKING_FACTS[fact])
        assert phase_of(ana) == after


def test_the_phase_table_leaves_nothing_out() -> None:
    assert {row for row, _, _ in cells(PHASE_TABLE)} == {phase.replace(" ", "") for phase in Phase}
    assert {type(fact) for fact in BOOKING_FACTS.values()} == set(AnyBookingEvent.__args__)


# ---- a booking: phases and commands ---------------------------------------------------------------------------------
# It waits for Jangada alone: Andorinha has granted, voted and acknowledged before.

SAID: Mapping[str, BookingCommand] = {
    "open": open_booking(),
    "buy": open_booking(confirm=True),
    "other": open_booking(body="another body"),
    "objected": open_booking(objection=Refusal("departed", "the flight has departed")),
    "confirm": CONFIRM,
    "extend": EXTEND,
    "cancel": CANCEL,
    "read": READ,
    "inquire": ask_coordinator(),
    "tick": Tick(ANA),
    "held": Held(booking=ANA, flight=JG_FLIGHT, seats=("1A",), expires_at=EXPIRES_AT),
    "pledged": Pledged(booking=ANA, flight=JG_FLIGHT, seats=("1A",)),
    "refused": Refused(booking=ANA, flight=JG_FLIGHT, reason="not-free"),
    "ack-commit": Acknowledged(booking=ANA, flight=JG_FLIGHT, done="commit"),
    "ack-abort": Acknowledged(booking=ANA, flight=JG_FLIGHT, done="abort"),
    "ack-release": Acknowledged(booking=ANA, flight=JG_FLIGHT, done="release"),
    "ack-return": Acknowledged(booking=ANA, flight=JG_FLIGHT, done="return"),
    "conflict": Conflict(booking=ANA, flight=JG_FLIGHT, detail="here it is sold"),
}

BOOKING_MATRIX = """
             unknown                    open                       voting                committed                       committed,settled           aborted                    aborted,settled      cancelled                    cancelled,settled
open         open/.                     ./.                        ./.                   ./confirmed                     ./confirmed                 ./refused                  ./refused            ./cancelled                  ./cancelled
buy          voting/.                   voting/.                   ./.                   ./confirmed                     ./confirmed                 ./refused                  ./refused            ./cancelled                  ./cancelled
other        open/.                     ./booking-id-reused        ./booking-id-reused   ./booking-id-reused             ./booking-id-reused         ./booking-id-reused        ./booking-id-reused  ./booking-id-reused          ./booking-id-reused
objected     ./departed                 ./.                        ./.                   ./confirmed                     ./confirmed                 ./refused                  ./refused            ./cancelled                  ./cancelled
extend       ./no-such-booking          ./holding                  ./confirming          ./confirmed                     ./confirmed                 ./refused                  ./refused            ./cancelled                  ./cancelled
confirm      ./no-such-booking          voting/.                   ./.                   ./confirmed                     ./confirmed                 ./refused                  ./refused            ./cancelled                  ./cancelled
cancel       ./no-such-booking          aborted/cancelled          aborted/cancelled     cancelled/cancelled             cancelled/cancelled         ./refused                  ./refused            ./cancelled                  ./cancelled
read         ./no-such-booking          ./holding                  ./confirming          ./confirmed                     ./confirmed                 ./refused                  ./refused            ./cancelled                  ./cancelled
inquire      aborted,settled/aborted    aborted/aborted            ./undecided           ./committed                     ./committed                 ./aborted                  ./aborted            ./committed                  ./committed
tick         ./.                        ./.                        ./.                   ./.                             ./.                         ./.                        ./.                  ./.                          ./.
held         ./.                        ./.                        ./.                   ./.                             ./.                         ./.                        ./.                  ./.                          ./.
pledged      ./.                        ./.                        committed/.           ./.                             ./.                         ./.                        ./.                  ./.                          ./.
refused      ./.                        aborted/.                  aborted/.             ./.                             ./.                         ./.                        ./.                  ./.                          ./.
ack-commit   ./.                        ./.                        ./.                   committed,settled/.             ./.                         ./.                        ./.                  ./.                          ./.
ack-abort    ./.                        ./.                        ./.                   ./.                             ./.                         aborted,settled/.          ./.                  ./.                          ./.
ack-release  ./.                        ./.                        ./.                   ./.                             ./.                         aborted,settled/.          ./.                  ./.                          ./.
ack-return   ./.                        ./.                        ./.                   ./.                             ./.                         ./.                        ./.                  cancelled,settled/.          ./.
conflict     ./.                        ./.                        ./.                   ./.                             ./.                         ./.                        ./.                  ./.                          ./.
"""  # noqa: E501 - a matrix is read across

WAITING_FOR_JANGADA: Mapping[str, tuple[coordinator.Heard, ...]] = {
    "open": (GrantHeard(AN_FLIGHT, ("2B",)),),
    "voting": (VoteHeard(AN_FLIGHT, ("2B",)),),
    "committed": (RecordHeard(AN_FLIGHT),),
    "aborted": (RecordHeard(AN_FLIGHT),),
    "cancelled": (RecordHeard(AN_FLIGHT), RecordHeard(JG_FLIGHT), ReturnHeard(AN_FLIGHT)),
}


@pytest.mark.parametrize(("said", "phase", "cell"), cells(BOOKING_MATRIX))
def test_whatever_a_coordinator_is_asked_it_answers_as_the_matrix_says(said: str, phase: str, cell: str) -> None:
    ana = booking(*LIVES[phase], *WAITING_FOR_JANGADA.get(phase, ()))
    version = ana.version

    answer = ask_booking(ana, SAID[said])

    after, _, word = cell.rpartition("/")
    assert phase_of(ana) == (phase if after == "." else after)
    assert word_of(answer) == word
    assert (ana.version > version) == (after != ".")


@pytest.mark.parametrize(("said", "phase", "_cell"), cells(BOOKING_MATRIX))
def test_a_coordinator_asked_twice_says_the_same_and_writes_once(said: str, phase: str, _cell: str) -> None:
    ana = booking(*LIVES[phase], *WAITING_FOR_JANGADA.get(phase, ()))
    first, version = ask_booking(ana, SAID[said]), ana.version
    second = ask_booking(ana, SAID[said], NOW + 1)
    assert second == first
    assert ana.version == version


@pytest.mark.parametrize("phase", LIVES)
def test_an_answer_about_a_flight_that_is_not_of_the_booking_changes_nothing(phase: str) -> None:
    ana = booking(*LIVES[phase])
    for said in ("held", "pledged", "refused", "ack-commit", "ack-abort", "ack-return", "conflict"):
        stray = structs.replace(SAID[said], flight="IP9999/2026-12-14")
        assert coordinator.decide(ana, stray, NOW) == []


def test_deadlines_move_only_what_is_undecided() -> None:
    after = {phase: booking(*life) for phase, life in LIVES.items()}
    for ana in after.values():
        ask_booking(ana, Tick(ANA), EXPIRES_AT)
    moved = {phase for phase, ana in after.items() if phase_of(ana) != phase}
    assert moved == {"open", "voting"}
    assert {phase_of(after[phase]) for phase in moved} == {"aborted"}
    assert DECIDE_BY < EXPIRES_AT


def test_the_matrix_of_bookings_leaves_nothing_out() -> None:
    assert {row for row, _, _ in cells(BOOKING_MATRIX)} == set(SAID)
    assert {column for _, column, _ in cells(BOOKING_MATRIX)} == set(LIVES)
    assert {type(command) for command in SAID.values()} == set(BookingCommand.__args__)
