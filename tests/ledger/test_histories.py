"""Whatever is asked, in whatever order: no seat has two owners, nothing is lost in a replay, nothing happens twice."""

from collections.abc import Sequence
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from ledger import participant
from ledger.events import AnyFlightEvent, BookingAborted, BookingCommitted, Event, Recorded, stream_of
from ledger.ledger import Command, Ledger
from ledger.messages import (
    Acknowledged,
    CancelBooking,
    ConfirmBooking,
    Conflict,
    Held,
    Inquire,
    OpenBooking,
    OpenSales,
    Outcome,
    Pledged,
    ReadBooking,
    ReadTransactions,
    Refused,
    Restarted,
    Tick,
    Unanswered,
    Word,
)
from ledger.participant.state import Command as FlightCommand
from ledger.participant.state import Flight, HoldState
from ledger.terms import DECIDE_MS, HOLD_MS, BookingId, Millis
from snapshots.form import picture, restore
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    CABIN,
    HOUR_MS,
    JG_FLIGHT,
    NOW,
    RUI,
    abort,
    agree,
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
    see_to,
    segment,
)
from tests.simulator.server import facts

EVA: BookingId = "eva-00000000000000000000"
AN_OTHER = "AN1118/2026-12-14"
FEW = CABIN[:3]
RUN = settings(max_examples=60, deadline=None)

Asked: TypeAlias = tuple[FlightCommand, Millis]
bookings = st.sampled_from([ANA, RUI, EVA])
coordinators = st.sampled_from(["AN", "AN", "AN", "IP"])
some_seats = st.sampled_from([(), *[(seat,) for seat in FEW], FEW[:2], (FEW[2], FEW[0])])
pauses = st.sampled_from([0, 0, 1, DECIDE_MS, HOLD_MS, 5 * HOUR_MS])


@st.composite
def asked_of_a_flight(draw: st.DrawFn) -> FlightCommand:
    booking, by, seats = draw(bookings), draw(coordinators), draw(some_seats)
    count = len(seats) or draw(st.integers(1, 3))
    decide_by = NOW + draw(st.sampled_from([DECIDE_MS, 6 * HOUR_MS]))
    asked: list[FlightCommand] = [
        hold(*seats, booking=booking, by=by, count=count),
        prepare(*seats, booking=booking, by=by, count=count, decide_by=decide_by),
        prepare(*seats, booking=booking, by=by, count=count, decide_by=decide_by),
        commit(booking, by),
        abort(booking, by),
        release(booking, by),
        give_back(booking, by),
        inquire(booking, by),
        heard(draw(st.sampled_from(Word)), by="IP", booking=booking),
        Tick(booking, JG_FLIGHT),
        Unanswered(booking, JG_FLIGHT),
        Restarted(JG_FLIGHT),
        propose(booking=booking),
        agree(booking=booking),
        see_to(booking=booking),
    ]
    return draw(st.sampled_from(asked))


histories: st.SearchStrategy[list[tuple[FlightCommand, Millis]]] = st.lists(
    st.tuples(asked_of_a_flight(), pauses), max_size=40
)


def few_seats() -> Flight:
    state = Flight(JG_FLIGHT)
    participant.evolve(state, scheduled(JG_FLIGHT, FEW))
    return state


def one_owner_a_seat(jangada: Flight) -> None:
    claimed = [seat for claim in jangada.claims.values() for seat in claim.holds]
    assert sorted(claimed) == sorted(jangada.taken)
    assert len(set(claimed)) == len(claimed)
    for booking, claim in jangada.claims.items():
        assert all(jangada.taken[seat] == booking for seat in claim.holds)
    states = [claim.state for claim in jangada.claims.values()]
    held = sum(len(c.holds) for c in jangada.claims.values() if c.state in (HoldState.TIMED, HoldState.PLEDGED))
    sold = sum(len(c.holds) for c in jangada.claims.values() if c.state is HoldState.SOLD)
    free = [seat for seat in jangada.scheduled.seats if seat not in jangada.taken]
    assert len(free) + held + sold == len(FEW)
    assert set(states) <= {HoldState.TIMED, HoldState.PLEDGED, HoldState.SOLD}


@RUN
@given(histories)
def test_no_seat_has_two_owners_and_every_seat_is_free_or_held_or_sold(history: Sequence[Asked]) -> None:
    jangada, now = few_seats(), NOW
    for command, pause in history:
        now += pause
        for event in participant.decide(jangada, command, now):
            participant.evolve(jangada, event)
        participant.reply(jangada, command)
        one_owner_a_seat(jangada)


@RUN
@given(histories)
def test_whatever_a_carrier_is_asked_the_second_time_changes_nothing_and_is_answered_alike(
    history: Sequence[Asked],
) -> None:
    jangada, now = few_seats(), NOW
    for command, pause in history:
        now += pause
        for event in participant.decide(jangada, command, now):
            participant.evolve(jangada, event)
        first, before = participant.reply(jangada, command), json.encode(jangada)
        again = participant.decide(jangada, command, now)
        assert not any(isinstance(event, Event) for event in again)
        for event in again:
            participant.evolve(jangada, event)
        assert participant.reply(jangada, command) == first
        assert json.encode(jangada) == before


@RUN
@given(histories)
def test_a_flight_folded_from_its_events_is_the_flight_that_lived(history: Sequence[Asked]) -> None:
    jangada, now = few_seats(), NOW
    stored: list[AnyFlightEvent] = []
    for command, pause in history:
        now += pause
        for event in participant.decide(jangada, command, now):
            participant.evolve(jangada, event)
            if isinstance(event, Event):
                stored.append(event)
    folded = few_seats()
    for fact in stored:
        participant.evolve(folded, fact)
    assert json.encode(folded) == json.encode(replace(jangada, doubts={}))


# ---- a whole node ---------------------------------------------------------------------------------------------------


@st.composite
def asked_of_a_node(draw: st.DrawFn) -> Command:
    booking, seats = draw(bookings), draw(some_seats)
    count = len(seats) or draw(st.integers(1, 2))
    flights = draw(st.sampled_from([(AN_FLIGHT,), (AN_FLIGHT, AN_OTHER), (AN_FLIGHT, JG_FLIGHT), (JG_FLIGHT,)]))
    order = open_booking(
        *(segment(flight, *seats) for flight in flights),
        booking=booking,
        passengers=count,
        confirm=draw(st.booleans()),
        body=draw(st.sampled_from(["a body", "a body", "another"])),
    )
    answers = answers_of_jangada(booking, seats or FEW[:count])
    asked = asked_of_andorinha(booking, seats, count)
    orders: list[Command] = [order, order, ConfirmBooking(booking), CancelBooking(booking), ReadBooking(booking)]
    return draw(st.sampled_from([*orders, *answers, *asked, Tick(booking), ReadTransactions()]))


def answers_of_jangada(booking: BookingId, seats: tuple[str, ...]) -> list[Command]:
    done = [Acknowledged(booking=booking, flight=JG_FLIGHT, done=d) for d in ("commit", "abort", "release", "return")]
    return [
        Held(booking=booking, flight=JG_FLIGHT, seats=seats, expires_at=NOW + HOLD_MS),
        Pledged(booking=booking, flight=JG_FLIGHT, seats=seats),
        Refused(booking=booking, flight=JG_FLIGHT, reason="not-free"),
        Conflict(booking=booking, flight=JG_FLIGHT, detail="?"),
        *done,
    ]


def asked_of_andorinha(booking: BookingId, seats: tuple[str, ...], count: int) -> list[Command]:
    by, at = "IP", AN_OTHER
    return [
        hold(*seats, booking=booking, by=by, count=count, flight=at),
        prepare(*seats, booking=booking, by=by, count=count, flight=at),
        commit(booking, by, at),
        abort(booking, by, at),
        give_back(booking, by, at),
        Inquire(booking=booking, flight=JG_FLIGHT, coordinator="AN", asker=JG_FLIGHT, to="AN"),
        Inquire(booking=booking, flight=at, coordinator=by, asker=JG_FLIGHT, to="AN"),
        Outcome(booking=booking, flight=at, asker=at, by=by, word=Word.COMMITTED),
        Outcome(booking=booking, flight=at, asker=at, by=by, word=Word.ABORTED),
        Unanswered(booking, at),
    ]


lives: st.SearchStrategy[list[tuple[Command, Millis]]] = st.lists(
    st.tuples(asked_of_a_node(), st.sampled_from([0, 0, 0, 1, DECIDE_MS, HOLD_MS])), max_size=40
)


class Node:
    """A ledger and its log; what is thought is written at once."""

    def __init__(self) -> None:
        self.ledger = Ledger("AN", "981")
        self.log: list[Recorded] = []
        self.say(OpenSales((scheduled(AN_FLIGHT, FEW), scheduled(AN_OTHER, FEW))), NOW)

    def say(self, command: Command, now: Millis) -> object:
        if stream := self.ledger.missing(command):
            self.ledger.load(stream, [recorded for recorded in self.log if stream_of(recorded.event) == stream])
        self.ledger.tick(now)
        answer = self.ledger.handle(command, now)
        change = self.ledger.take()
        self.log += change.records
        self.ledger.forget(change.settled)
        return answer

    def rebuilt(self, start: int = 0, snapshot: bytes = b"") -> Ledger:
        ledger = Ledger("AN", "981")
        if snapshot:
            restore(ledger, snapshot)
        for recorded in self.log[start:]:
            ledger.apply(recorded)
        for stream in sorted(ledger.torn):
            ledger.load(stream, [recorded for recorded in self.log if stream_of(recorded.event) == stream])
        return ledger


@RUN
@given(lives)
def test_a_node_s_flights_have_one_owner_a_seat_whatever_it_is_asked(life: Sequence[tuple[Command, Millis]]) -> None:
    node, now = Node(), NOW
    for command, pause in life:
        now += pause
        node.say(command, now)
        for andorinha in node.ledger.flights.values():
            one_owner_a_seat(andorinha)


@RUN
@given(lives, st.integers(0, 40))
def test_the_log_and_a_snapshot_with_its_tail_both_give_the_state_that_lived(
    life: Sequence[tuple[Command, Millis]], pictured: int
) -> None:
    node, now = Node(), NOW
    start, snapshot = 0, b""
    for number, (command, pause) in enumerate(life):
        now += pause
        node.say(command, now)
        if number == pictured:
            start, snapshot = len(node.log), picture(node.ledger)
    live = facts(node.ledger)
    assert facts(node.rebuilt()) == live
    assert facts(node.rebuilt(start, snapshot)) == live


@RUN
@given(lives)
def test_whatever_a_node_is_asked_the_second_time_writes_nothing_more(life: Sequence[tuple[Command, Millis]]) -> None:
    node, now = Node(), NOW
    for command, pause in life:
        now += pause
        first = node.say(command, now)
        if isinstance(command, OpenBooking | ConfirmBooking) and first is None:
            continue  # it waits for Jangada: a later answer is another one
        length = len(node.log)
        second = node.say(command, now)
        assert len(node.log) == length
        assert second == first


@RUN
@given(lives)
def test_a_decision_is_written_once(life: Sequence[tuple[Command, Millis]]) -> None:
    node, now = Node(), NOW
    for command, pause in life:
        now += pause
        node.say(command, now)
    events = [recorded.event for recorded in node.log]
    decided = [event.booking for event in events if isinstance(event, BookingCommitted | BookingAborted)]
    assert len(set(decided)) == len(decided)
