"""A picture holds all that a node may not forget, and with the log after it gives what the whole log gives.

The histories are Andorinha's: its own bookings and other carriers', with everything that any of them may say, in any
order and at any time.
"""

from collections.abc import Callable, Sequence, Set
from copy import deepcopy
from typing import TypeAlias

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs
from msgspec.structs import replace

from ledger.coordinator.state import HEARD, SETTLED
from ledger.events import Recorded, StreamName, stream_of
from ledger.ledger import Command, Ledger
from ledger.messages import (
    Abort,
    Acknowledged,
    CancelBooking,
    Commit,
    ConfirmBooking,
    Conflict,
    ExtendBooking,
    Held,
    Hold,
    Inquire,
    OpenSales,
    Pledged,
    Prepare,
    ReadBooking,
    Refused,
    Release,
    Return,
    Unanswered,
    Word,
)
from ledger.terms import DECIDE_MS, HOLD_MS, Millis
from snapshots.form import GradualPicture, picture, restore
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
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
    segment,
)

AN_OTHER = "AN1118/2026-12-14"
SALES = OpenSales((scheduled(AN_FLIGHT), scheduled(AN_OTHER)))
OURS = (ANA, "bia-00000000000000000000")
THEIRS = (RUI, "eva-00000000000000000000")
PATH = (segment(AN_FLIGHT), segment(JG_FLIGHT, "1A", "1B"))
BUY = open_booking(*PATH, booking=ANA, passengers=2, confirm=True)

Step: TypeAlias = tuple[Command | None, Millis]
"""What is said, and how long after the step before. None: Jangada does the first thing that it is asked for."""
Picture: TypeAlias = tuple[int, bytes]


def travellers(booking: str) -> list[Command]:
    """All that may be said of a booking that this node coordinates, of its own flight and one of Jangada's."""
    opened = [open_booking(*PATH, booking=booking, passengers=2, confirm=confirm) for confirm in (False, True)]
    of_jangada = {"booking": booking, "flight": JG_FLIGHT}
    again = Held(booking=booking, flight=JG_FLIGHT, seats=("1A", "1B"), expires_at=NOW, extension=1)
    return [
        *opened,
        ConfirmBooking(booking),
        CancelBooking(booking),
        ReadBooking(booking),
        ExtendBooking(booking),
        replace(again, extension=0),
        again,
        Pledged(**of_jangada, seats=("1A", "1B")),
        Refused(**of_jangada, reason="not-free"),
        *(Acknowledged(**of_jangada, done=done) for done in ("commit", "abort", "release", "return")),
        *(
            Conflict(booking=booking, flight=JG_FLIGHT, detail="it was released here", seen_to=seen_to)
            for seen_to in (False, True)
        ),
        Inquire(**of_jangada, coordinator="AN", asker=JG_FLIGHT, to="AN"),
    ]


def peers(booking: str) -> list[Command]:
    """All that may be said of a flight of this node's for a booking of Jangada's."""
    return [
        hold("1B", "1A", booking=booking, by="JG", flight=AN_FLIGHT),
        prepare("1B", "1A", booking=booking, by="JG", flight=AN_FLIGHT),
        replace(prepare(booking=booking, by="JG", flight=AN_FLIGHT), flight=AN_OTHER, participants=(AN_OTHER,)),
        commit(booking=booking, by="JG", flight=AN_FLIGHT),
        commit(booking=booking, by="JG", flight=AN_OTHER),
        abort(booking=booking, by="JG", flight=AN_FLIGHT),
        release(booking=booking, by="JG", flight=AN_FLIGHT),
        give_back(booking=booking, by="JG", flight=AN_FLIGHT),
        inquire(booking=booking, by="JG", about=AN_FLIGHT),
        heard(Word.COMMITTED, by="JG", booking=booking, asker=AN_FLIGHT),
        heard(Word.PLEDGED, by="IP", booking=booking, asker=AN_OTHER),
        propose(booking=booking, flight=AN_OTHER),
        agree(booking=booking, flight=AN_OTHER),
        Unanswered(booking, AN_FLIGHT),
    ]


COMMANDS = [command for booking in OURS for command in travellers(booking)]
COMMANDS += [command for booking in THEIRS for command in peers(booking)]
SAID = st.none() | st.sampled_from(COMMANDS)
PASSED = st.sampled_from([0, 0, 0, 1, DECIDE_MS, HOLD_MS])
CANCELLED: list[Step] = [(said, 0) for said in (BUY, None, None, CancelBooking(ANA), None)]
DOUBTED: list[Step] = [
    (said, 0) for said in (BUY, prepare(booking=RUI, by="JG", flight=AN_FLIGHT), Unanswered(RUI, AN_FLIGHT))
]
STEPS = st.lists(st.tuples(SAID, PASSED), min_size=20, max_size=60)


def lived(
    steps: Sequence[Step], watch: Callable[[Ledger, bytes], None] = lambda _ledger, _picture: None
) -> tuple[Ledger, list[Recorded], list[Picture]]:
    """What a node does with them one by one: its ledger, its log, and a picture after each batch, shown to `watch`."""
    ledger, log, now = Ledger("AN", "981"), list[Recorded](), NOW
    pictures: list[Picture] = []
    for said, passes in [(SALES, 0), *steps]:
        command = said or obeyed(ledger)
        now += passes
        if missing := ledger.missing(command):
            ledger.load(missing, stream(log, missing))
        ledger.tick(now)
        ledger.handle(command, now)
        change = ledger.take()
        log += change.records
        pictures.append((len(log), picture(ledger)))
        watch(ledger, pictures[-1][1])
        ledger.forget(change.settled)
    return ledger, log, pictures


def obeyed(ledger: Ledger) -> Command:
    """What Jangada answers when it does the first thing that it is asked for."""
    owed = (message for machine in (*ledger.bookings, *ledger.flights) for message in ledger.pending(machine))
    match next(owed, None):
        case Prepare() as asked:
            return Pledged(booking=asked.booking, flight=asked.flight, seats=asked.seats)
        case Hold() as asked:
            return Held(booking=asked.booking, flight=asked.flight, seats=asked.seats, expires_at=NOW)
        case Inquire() as asked:
            return heard(Word.COMMITTED, by="JG", booking=asked.booking, asker=asked.asker)
        case Commit() | Abort() | Release() | Return() as asked:
            done = str(type(asked).__struct_config__.tag)
            return Acknowledged(booking=asked.booking, flight=asked.flight, done=done)
        case None:
            return ReadBooking(ANA)


def stream(log: Sequence[Recorded], name: StreamName) -> list[Recorded]:
    return [record for record in log if stream_of(record.event) == name]


def restored(state: bytes) -> Ledger:
    ledger = Ledger("AN", "981")
    restore(ledger, state)
    return ledger


def rebuilt(ledger: Ledger, log: Sequence[Recorded], after: int = 0) -> Ledger:
    """The log's tail on top, and whole what it only continues."""
    for record in log[after:]:
        ledger.apply(record)
    for torn in sorted(ledger.torn):
        ledger.load(torn, stream(log, torn))
    ledger.forget([(booking.id, booking.version) for booking in ledger.bookings.values() if booking.phase in SETTLED])
    return ledger


def crashed(ledger: Ledger) -> Ledger:
    """What is left of it."""
    left = deepcopy(ledger)
    for flight in left.flights.values():
        flight.doubts.clear()
    for booking in left.bookings.values():
        for name in HEARD:
            getattr(booking, name).clear()
    return left


def assert_same(one: Ledger, other: Ledger) -> None:
    assert one.stock == other.stock
    assert one.flights == other.flights
    assert one.bookings == other.bookings
    assert in_order(one) == in_order(other)


def in_order(ledger: Ledger) -> dict[str, bytes]:
    """Every machine as JSON: dictionaries are equal in any order, though a party's seats are in its passengers'."""
    machines = {**ledger.flights, **ledger.bookings}
    return {name: orjson.dumps(machine, default=plain) for name, machine in machines.items()}


def plain(value: object) -> object:
    """A set has no order of its own."""
    if isinstance(value, Set):
        return sorted(value)
    assert isinstance(value, Struct), value
    return structs.asdict(value)


# ---- what was seen comes back -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(STEPS)
@example(DOUBTED)
@pytest.mark.slow
def test_a_picture_restores_all_but_what_a_crash_may_forget(steps: list[Step]) -> None:
    ledger, _, _ = lived(steps)
    assert_same(restored(picture(ledger)), crashed(ledger))


@settings(deadline=None, max_examples=200)
@given(STEPS, st.sampled_from([0, 1, 1, 2, 5]))
@pytest.mark.slow
def test_a_gradual_picture_is_of_the_moment_in_which_it_was_begun(steps: list[Step], pieces: int) -> None:
    drawing: list[tuple[GradualPicture, bytes]] = []
    complete: list[tuple[GradualPicture, bytes]] = []

    def draw(ledger: Ledger, now: bytes) -> None:
        if not drawing:
            drawing.append((GradualPicture(ledger), now))
        drawing[0][0].go_on(pieces)
        if drawing[0][0].complete:
            complete.append(drawing.pop())

    ledger, _, _ = lived(steps, draw)
    for gradual, _ in drawing:
        gradual.go_on(len(ledger.flights) + len(steps))
    assert complete + drawing
    for gradual, then in complete + drawing:
        assert orjson.loads(gradual.state()) == orjson.loads(then)


@settings(deadline=None, max_examples=200)
@given(STEPS)
@pytest.mark.slow
def test_taking_a_picture_changes_nothing(steps: list[Step]) -> None:
    ledger, _, _ = lived(steps)
    before = deepcopy(ledger)
    picture(ledger)
    assert_same(ledger, before)


@settings(deadline=None, max_examples=200)
@given(STEPS)
@example(CANCELLED[:-1])
@pytest.mark.slow
def test_at_every_cut_the_picture_and_the_log_after_it_give_what_the_whole_log_gives(steps: list[Step]) -> None:
    ledger, log, pictures = lived(steps)
    known = crashed(ledger)
    assert_same(rebuilt(Ledger("AN", "981"), log), known)
    for position, state in pictures:
        assert_same(rebuilt(restored(state), log, after=position), known)


def test_the_histories_reach_what_matters() -> None:
    """Else the rules above would hold for nothing."""
    ledger, log, _ = lived(CANCELLED)
    assert [type(record.event).__name__ for record in stream(log, f"booking:{ANA}")] == [
        *("BookingOpened", "VotingStarted", "BookingCommitted", "BookingSettled", "BookingCancelled", "BookingSettled")
    ]
    assert ledger.bookings == {}
    assert RUI in lived(DOUBTED)[0].flights[AN_FLIGHT].doubts


def test_flights_of_one_cabin_share_its_list_of_seats() -> None:
    _, _, pictures = lived([])
    assert pictures[-1][1].count(b'"2F"') == 1
    one, other = restored(pictures[-1][1]).flights.values()
    assert one.scheduled.seats is other.scheduled.seats


# ---- what is no picture -------------------------------------------------------------------------------------------

WHOLE = lived([(prepare(booking=RUI, by="JG", flight=AN_FLIGHT), 0), (BUY, 0)])[2][-1][1]


def altered(**fields: object) -> bytes:
    return orjson.dumps(orjson.loads(WHOLE) | fields)


def test_another_carriers_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="a snapshot of AN, not of JG"):
        restore(Ledger("JG", "982"), WHOLE)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="empty"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[" * 100_000, id="a hundred thousand brackets"),
        pytest.param(altered(flights=None), id="no flights"),
        pytest.param(altered(planes=[]), id="an unknown field"),
        pytest.param(altered(cabins=[0]), id="a flight without a cabin"),
        pytest.param(altered(cabins=[0, 0, 0]), id="a cabin without a flight"),
        pytest.param(altered(cabins=[0, 1]), id="a cabin that is not there"),
    ],
)
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        restore(Ledger("AN", "981"), garbage)


def test_a_picture_that_is_cut_off_anywhere_is_refused() -> None:
    for end in range(len(WHOLE)):
        with pytest.raises(ValueError, match=r".*"):
            restore(Ledger("AN", "981"), WHOLE[:end])
