"""The audit: what honest logs say passes, and each way in which logs can be wrong is found."""

import pytest

from ledger.audit import Audit, Fault, Finding, Promises
from ledger.events import (
    AbortReason,
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    HoldReleased,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.terms import BookingId, FlightId, SeatNo, Segment

ANA = "booking-of-ana-lima-0001"
RUI = "booking-of-rui-melo-0002"
HERE, THERE = "AN1001/2026-12-14", "JG2001/2026-12-14"


def opened(booking: BookingId = ANA) -> BookingOpened:
    segments = tuple(
        Segment(flight=flight, origin="GRU", destination="SSA", departure=1_000, arrival=2_000, fare=100)
        for flight in (HERE, THERE)
    )
    return BookingOpened(
        at=0, booking=booking, segments=segments, passengers=1, price=200, body_hash="", hold_until=900
    )


def voting(booking: BookingId = ANA) -> VotingStarted:
    return VotingStarted(at=1, booking=booking, decide_by=500, first_serial=1, tickets=(f"ticket of {booking}",))


def pledged(flight: FlightId, booking: BookingId = ANA, seat: SeatNo = "1A") -> SeatHeld:
    return SeatHeld(
        at=2,
        flight=flight,
        seat=seat,
        booking=booking,
        coordinator="AN",
        participants=(HERE, THERE),
        expires_at=None,
        decide_by=500,
        ticket=f"ticket of {booking}",
        coupon=1,
    )


def committed(booking: BookingId = ANA) -> BookingCommitted:
    return BookingCommitted(at=3, booking=booking, seats=(("1A",), ("1A",)))


def aborted(booking: BookingId = ANA) -> BookingAborted:
    return BookingAborted(at=3, booking=booking, reason=AbortReason.REFUSED, detail="")


def sold(flight: FlightId, booking: BookingId = ANA, seat: SeatNo = "1A") -> SeatCommitted:
    return SeatCommitted(at=4, flight=flight, seat=seat, booking=booking, ticket=f"ticket of {booking}", coupon=1)


def released(flight: FlightId, booking: BookingId = ANA) -> HoldReleased:
    return HoldReleased(at=4, flight=flight, seat="1A", booking=booking, reason=ReleaseReason.ABORTED)


def returned(flight: FlightId, booking: BookingId = ANA) -> SeatReturned:
    return SeatReturned(at=6, flight=flight, seat="1A", booking=booking)


SOLD_HERE = (opened(), voting(), pledged(HERE), committed(), sold(HERE))
SOLD_THERE = (pledged(THERE), sold(THERE))
CANCELLED = BookingCancelled(at=5, booking=ANA)


def found(
    here: tuple[AnyEvent, ...], there: tuple[AnyEvent, ...] = (), *, promises: Promises | None = None, rest: bool = True
) -> list[Finding]:
    audit = Audit()
    for event in here:
        audit.hear("AN", event)
    for event in there:
        audit.hear("JG", event)
    return audit.findings(promises or Promises(), at_rest=rest)


def faults(here: tuple[AnyEvent, ...], there: tuple[AnyEvent, ...] = (), *, rest: bool = True) -> list[Fault]:
    return [finding.fault for finding in found(here, there, rest=rest)]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (SOLD_HERE, SOLD_THERE),
        ((opened(), voting(), pledged(HERE), aborted(), released(HERE)), (pledged(THERE), released(THERE))),
        ((*SOLD_HERE, CANCELLED, returned(HERE)), (*SOLD_THERE, returned(THERE))),
        (
            (
                *SOLD_HERE,
                CANCELLED,
                returned(HERE),
                opened(RUI),
                voting(RUI),
                pledged(HERE, RUI),
                aborted(RUI),
                released(HERE, RUI),
            ),
            (*SOLD_THERE, returned(THERE)),
        ),
    ],
    ids=["sold", "aborted", "cancelled", "the same seat again for another booking"],
)
def test_honest_logs_have_no_findings(here: tuple[AnyEvent, ...], there: tuple[AnyEvent, ...]) -> None:
    assert found(here, there) == []


def test_a_seat_with_two_owners_is_sold_twice() -> None:
    assert Fault.SOLD_TWICE in faults((*SOLD_HERE, pledged(HERE, RUI)), SOLD_THERE)


def test_a_commit_that_one_carrier_did_not_carry_out_is_half_sold() -> None:
    assert faults(SOLD_HERE, (pledged(THERE), released(THERE))) == [Fault.HALF_SOLD]


def test_a_commit_on_its_way_is_no_finding_before_all_is_at_rest() -> None:
    assert faults(SOLD_HERE, (pledged(THERE),), rest=False) == []
    assert Fault.HALF_SOLD in faults(SOLD_HERE, (pledged(THERE),))


def test_what_a_log_that_is_not_at_hand_would_say_is_left_open() -> None:
    assert faults(SOLD_HERE, rest=False) == []
    assert faults((), SOLD_THERE, rest=False) == []


def test_a_cancellation_that_did_not_reach_a_carrier_is_half_sold() -> None:
    assert faults((*SOLD_HERE, CANCELLED, returned(HERE)), SOLD_THERE) == [Fault.HALF_SOLD]


def test_a_sale_needs_a_pledge_and_a_commit() -> None:
    assert faults((opened(), voting(), pledged(HERE), aborted(), sold(HERE)), ()) == [Fault.UNFOUNDED]
    assert Fault.UNFOUNDED in faults((opened(), voting(), committed(), sold(HERE)), SOLD_THERE)


def test_a_seat_is_sold_to_whom_it_was_pledged_and_on_the_ticket_of_the_pledge() -> None:
    assert Fault.UNFOUNDED in faults((opened(), voting(), pledged(HERE), committed(), sold(HERE, RUI)), SOLD_THERE)
    assert Fault.UNFOUNDED in faults((opened(), voting(), pledged(HERE), released(HERE, RUI), aborted()))
    other = SeatCommitted(at=4, flight=HERE, seat="1A", booking=ANA, ticket="another", coupon=1)
    assert faults((opened(), voting(), pledged(HERE), committed(), other), SOLD_THERE) == [Fault.UNFOUNDED]


def test_a_sold_seat_is_never_released() -> None:
    assert Fault.UNFOUNDED in faults((*SOLD_HERE, released(HERE)), SOLD_THERE)


def test_a_seat_is_returned_only_after_a_cancellation() -> None:
    assert faults((*SOLD_HERE, returned(HERE)), SOLD_THERE) == [Fault.UNFOUNDED]


def test_a_decision_is_written_once() -> None:
    assert faults((*SOLD_HERE, aborted()), SOLD_THERE) == [Fault.DECIDED_TWICE]


def test_one_ticket_belongs_to_one_booking() -> None:
    again = VotingStarted(at=9, booking=RUI, decide_by=500, first_serial=1, tickets=(f"ticket of {ANA}",))
    assert faults((*SOLD_HERE, opened(RUI), again, aborted(RUI)), SOLD_THERE) == [Fault.DECIDED_TWICE]


def test_a_seat_held_for_nothing_is_unfinished_when_all_is_at_rest() -> None:
    assert faults((opened(), voting(), pledged(HERE), aborted()), ()) == [Fault.UNFINISHED]
    assert faults((opened(), voting(), pledged(HERE))) == [Fault.UNFINISHED, Fault.UNFINISHED]


def test_who_heard_yes_owns_a_seat_and_who_heard_no_owns_none() -> None:
    missing = found((), promises=Promises(confirmed=frozenset({ANA})))
    assert [finding.fault for finding in missing] == [Fault.UNKEPT]
    owned = found(SOLD_HERE, SOLD_THERE, promises=Promises(denied=frozenset({ANA})))
    assert [finding.fault for finding in owned] == [Fault.UNKEPT]
    assert found(SOLD_HERE, SOLD_THERE, promises=Promises(frozenset({ANA}), frozenset({RUI}))) == []
