"""The judge of the kill tests is itself to be trusted: it finds each way in which three logs can disagree."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from ledger.audit import Fault
from ledger.events import (
    AbortReason,
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    HoldReleased,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.terms import BookingId, FlightId, Segment
from tests.crash.agreement import Told, findings

FIRST, SECOND = "JG2055/2026-12-14", "AN1117/2026-12-14"
ANA, RUI = "ana-0000-0000-0000-0000", "rui-0000-0000-0000-0000"
TICKETS = {ANA: "9810000000015", RUI: "9810000000026"}


def segment(flight: FlightId) -> Segment:
    return Segment(flight=flight, origin="SSA", destination="GRU", departure=10, arrival=20, fare=100)


def opened(booking: BookingId) -> list[AnyEvent]:
    segments = (segment(FIRST), segment(SECOND))
    return [
        BookingOpened(
            at=1, booking=booking, segments=segments, passengers=1, price=200, body_hash=booking, hold_until=9
        ),
        VotingStarted(at=1, booking=booking, decide_by=9, first_serial=1, tickets=(TICKETS[booking],)),
    ]


def held(flight: FlightId, booking: BookingId) -> SeatHeld:
    return SeatHeld(
        at=2,
        flight=flight,
        seat="1A",
        booking=booking,
        coordinator="AN",
        participants=(),
        expires_at=None,
        ticket=TICKETS[booking],
        coupon=1,
    )


def sold(flight: FlightId, booking: BookingId) -> SeatCommitted:
    return SeatCommitted(at=4, flight=flight, seat="1A", booking=booking, ticket=TICKETS[booking], coupon=1)


def returned(flight: FlightId, booking: BookingId) -> SeatReturned:
    return SeatReturned(at=6, flight=flight, seat="1A", booking=booking)


def released(flight: FlightId, booking: BookingId) -> HoldReleased:
    return HoldReleased(at=4, flight=flight, seat="1A", booking=booking, reason=ReleaseReason.ABORTED)


COMMITTED = BookingCommitted(at=3, booking=ANA, seats=(("1A",), ("1A",)))
ABORTED = BookingAborted(at=3, booking=ANA, reason=AbortReason.NO_ANSWER, detail="")
CANCELLED = BookingCancelled(at=5, booking=ANA)
SETTLED = BookingSettled(at=5, booking=ANA)
HELD: list[AnyEvent] = [held(FIRST, ANA), held(SECOND, ANA)]
SOLD: list[AnyEvent] = [*HELD, sold(FIRST, ANA), sold(SECOND, ANA)]
BOUGHT: list[AnyEvent] = [*opened(ANA), COMMITTED, SETTLED]
RETURNED: list[AnyEvent] = [returned(FIRST, ANA), returned(SECOND, ANA)]


def found(coordinator: Sequence[AnyEvent], flights: Sequence[AnyEvent], told: Told | None = None) -> str:
    return "; ".join(findings({"AN": coordinator, "JG": flights}, told or Told()))


@pytest.mark.parametrize(
    ("coordinator", "flights"),
    [
        (BOUGHT, SOLD),
        ([*opened(ANA), ABORTED, SETTLED], []),
        ([*opened(ANA), ABORTED, SETTLED], [*HELD, released(FIRST, ANA), released(SECOND, ANA)]),
        ([*BOUGHT, CANCELLED, SETTLED], [*SOLD, *RETURNED]),
        (
            [*BOUGHT, CANCELLED, SETTLED, *opened(RUI), *(replace(each, booking=RUI) for each in (ABORTED, SETTLED))],
            [*SOLD, *RETURNED, held(FIRST, RUI), released(FIRST, RUI)],
        ),
        ([ABORTED, SETTLED], []),
    ],
)
def test_logs_that_agree_pass(coordinator: list[AnyEvent], flights: list[AnyEvent]) -> None:
    assert found(coordinator, flights) == ""


@pytest.mark.parametrize(
    ("coordinator", "flights", "fault"),
    [
        (BOUGHT, [*HELD, sold(FIRST, ANA)], Fault.HALF_SOLD),
        (BOUGHT, [*HELD, sold(FIRST, ANA), released(SECOND, ANA)], Fault.HALF_SOLD),
        (BOUGHT[:-1], SOLD, "not settled"),
        (BOUGHT, [*SOLD, held("JG2056/2026-12-14", RUI)], Fault.UNFINISHED),
        ([*opened(ANA), SETTLED], [], "it was never decided"),
        ([*BOUGHT, ABORTED], SOLD, Fault.DECIDED_TWICE),
        ([*opened(ANA), ABORTED, SETTLED], SOLD, Fault.UNFOUNDED),
        ([SETTLED], SOLD, Fault.UNFOUNDED),
        (BOUGHT, [*SOLD, sold(FIRST, ANA)], Fault.UNFOUNDED),
        (BOUGHT, [*SOLD, held(FIRST, ANA), sold(FIRST, ANA)], Fault.SOLD_TWICE),
        (BOUGHT, [*HELD, held(FIRST, RUI), sold(FIRST, ANA), sold(SECOND, ANA)], Fault.SOLD_TWICE),
        ([*BOUGHT, CANCELLED, SETTLED], [*SOLD, RETURNED[0]], Fault.HALF_SOLD),
        (BOUGHT, [*SOLD, RETURNED[0]], Fault.UNFOUNDED),
        ([*BOUGHT, CANCELLED, SETTLED], [*SOLD, *RETURNED, RETURNED[0]], Fault.UNFOUNDED),
        ([*BOUGHT, replace(opened(RUI)[1], tickets=(TICKETS[ANA],))], SOLD, "ticket 9810000000015 belongs to"),
    ],
)
def test_logs_that_disagree_are_found_out(coordinator: list[AnyEvent], flights: list[AnyEvent], fault: str) -> None:
    assert fault in found(coordinator, flights)


def test_what_travellers_were_told_counts() -> None:
    nothing: list[AnyEvent] = [*opened(ANA), ABORTED, SETTLED]
    assert Fault.UNKEPT in found(nothing, [], Told(confirmed={ANA}))
    assert Fault.UNKEPT in found([], [], Told(confirmed={ANA}))
    assert Fault.UNKEPT in found(BOUGHT, SOLD, Told(denied={ANA}))
    assert found(BOUGHT, SOLD, Told(confirmed={ANA})) == ""
