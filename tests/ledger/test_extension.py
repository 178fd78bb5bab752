"""A hold is extended: by a press, on every carrier, up to a limit that each of them keeps by itself."""

from msgspec.structs import replace

from ledger import coordinator, participant
from ledger.coordinator.state import Booking, GrantHeard
from ledger.events import AbortReason, HoldExtended, SeatHeld
from ledger.messages import ExtendBooking, Held, Hold, Status, Tick
from ledger.participant.state import HoldState
from ledger.terms import EXTENDED_MS_MIN, HOLD_MS, HOLDS_MS_MAX, Millis
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    EXPIRES_AT,
    JG_FLIGHT,
    NOW,
    READ,
    ask,
    ask_booking,
    booking,
    extended,
    flight,
    hold,
    holds,
    opened,
    prepare,
    seen,
    timed,
)

LATER = NOW + HOLD_MS // 2
EXTEND = ExtendBooking(ANA)


def held() -> Booking:
    return booking(opened(), GrantHeard(AN_FLIGHT, ("2B",)), GrantHeard(JG_FLIGHT, ("1A",)))


def grant(ana: Booking, now: Millis) -> None:
    """Both carriers grant the last extension."""
    ask_booking(ana, holds(AN_FLIGHT, "2B", extension=ana.extension), now)
    ask_booking(ana, holds(JG_FLIGHT, "1A", extension=ana.extension), now)


def again(extension: int = 1) -> Hold:
    return replace(hold("1A"), extension=extension)


# ---- at the coordinator ---------------------------------------------------------------------------------------------


def test_more_time_is_asked_of_every_carrier_and_promised_when_all_have_granted_it() -> None:
    ana = held()
    ask_booking(ana, EXTEND, LATER)
    asked = coordinator.pending(ana)
    assert [(m.flight, m.extension) for m in asked if isinstance(m, Hold)] == [(AN_FLIGHT, 1), (JG_FLIGHT, 1)]
    ask_booking(ana, holds(AN_FLIGHT, "2B", extension=1), LATER)
    assert seen(ask_booking(ana, READ, LATER)).hold_until == EXPIRES_AT, "Jangada has not granted it yet"
    ask_booking(ana, holds(JG_FLIGHT, "1A", extension=1), LATER)
    assert seen(ask_booking(ana, READ, LATER)).hold_until == LATER + HOLD_MS
    assert coordinator.pending(ana) == []


def test_what_waits_for_an_extension_is_still_held() -> None:
    ana = held()
    assert seen(ask_booking(ana, EXTEND, LATER)).status is Status.HELD


def test_an_answer_to_the_first_hold_grants_no_extension() -> None:
    ana = held()
    ask_booking(ana, EXTEND, LATER)
    ask_booking(ana, holds(JG_FLIGHT, "1A"), LATER)
    assert len(coordinator.pending(ana)) == 2


def test_a_press_that_comes_twice_is_one_extension() -> None:
    ana = held()
    ask_booking(ana, EXTEND, LATER)
    assert coordinator.decide(ana, EXTEND, LATER + EXTENDED_MS_MIN) == [], "not all carriers have granted the first"
    grant(ana, LATER)
    assert coordinator.decide(ana, EXTEND, LATER + EXTENDED_MS_MIN - 1) == []
    assert len(coordinator.decide(ana, EXTEND, LATER + EXTENDED_MS_MIN)) == 1


def test_no_extension_goes_beyond_the_limit_that_was_stated_at_the_start() -> None:
    ana = held()
    limit = seen(ask_booking(ana, READ)).extensible_until
    assert limit == NOW + HOLDS_MS_MAX
    now: Millis = NOW
    while (now := now + HOLD_MS - 1) < limit:
        ask_booking(ana, EXTEND, now)
        grant(ana, now)
        assert ana.hold_until <= limit
    assert limit - ana.hold_until < EXTENDED_MS_MIN
    ask_booking(ana, Tick(ANA), limit)
    assert seen(ask_booking(ana, READ, limit)).status is Status.EXPIRED


def test_an_extended_hold_does_not_run_out_at_its_first_end() -> None:
    ana = held()
    ask_booking(ana, EXTEND, LATER)
    ask_booking(ana, Tick(ANA), EXPIRES_AT)
    assert seen(ask_booking(ana, READ, EXPIRES_AT)).status is Status.HELD
    ask_booking(ana, Tick(ANA), LATER + HOLD_MS)
    assert seen(ask_booking(ana, READ, LATER + HOLD_MS)).reason is AbortReason.EXPIRED


def test_what_has_run_out_is_not_extended() -> None:
    ana = held()
    ask_booking(ana, EXTEND, EXPIRES_AT)
    assert seen(ask_booking(ana, READ, EXPIRES_AT)).status is Status.EXPIRED


def test_what_no_carrier_has_granted_yet_cannot_be_extended() -> None:
    assert coordinator.decide(booking(opened()), EXTEND, LATER) == []


def test_after_a_restart_the_extension_is_asked_for_again() -> None:
    ana = booking(opened(), extended())
    assert [m.extension for m in coordinator.pending(ana) if isinstance(m, Hold)] == [1, 1]


# ---- at the carrier -------------------------------------------------------------------------------------------------


def test_a_carrier_lets_the_hold_last_longer_by_its_own_clock() -> None:
    jangada = flight(timed("1A"))
    answer = ask(jangada, again(), LATER)
    assert isinstance(answer, Held)
    assert (answer.expires_at, answer.extension) == (LATER + HOLD_MS, 1)
    ask(jangada, Tick(ANA, JG_FLIGHT), EXPIRES_AT)
    assert jangada.state_of(ANA) is HoldState.TIMED


def test_the_same_extension_comes_twice_and_counts_once() -> None:
    jangada = flight(timed("1A"))
    ask(jangada, again(), LATER)
    assert participant.decide(jangada, again(), LATER + 1_000) == []
    assert participant.decide(jangada, hold("1A"), LATER + 1_000) == [], "nor does the first hold, come late"


def test_a_carrier_keeps_the_limit_whatever_it_is_asked() -> None:
    jangada = flight(timed("1A"))
    for extension in range(1, 12):
        ask(jangada, again(extension), NOW + extension * (HOLD_MS - 1))
    assert jangada.claims[ANA].expires_at == NOW + HOLDS_MS_MAX


def test_an_extended_hold_is_pledged_like_any_other() -> None:
    jangada = flight(timed("1A"))
    ask(jangada, again(), LATER)
    ask(jangada, prepare("1A"), LATER)
    assert jangada.state_of(ANA) is HoldState.PLEDGED


def test_an_extension_is_written_before_it_is_spoken_of() -> None:
    [event] = participant.decide(flight(timed("1A")), again(), LATER)
    assert isinstance(event, SeatHeld)
    [decided] = coordinator.decide(held(), EXTEND, LATER)
    assert decided == HoldExtended(at=LATER, booking=ANA, extension=1, hold_until=LATER + HOLD_MS)
