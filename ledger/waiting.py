"""Whatever waits, and why, in words that a person can act on: every seat that is neither free nor sold for good.

Rule 10: every seat that waits has a reason that a person can read: since when, for whom, who is unreachable, what is
safe to do. Who is unreachable only the node's shell knows; it adds that to the carriers named here.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from ledger.coordinator.pending import pending
from ledger.coordinator.state import SETTLED, Booking, Phase
from ledger.participant.state import Claim, Flight, HoldState
from ledger.terms import BookingId, CarrierCode, FlightId, Locator, Millis, SeatNo, carrier_of, locator_of


class WaitState(StrEnum):
    HELD = "held"
    """A traveller's timed hold."""
    PLEDGED = "pledged"
    """A yes vote within its time."""
    IN_DOUBT = "in-doubt"
    """A pledge whose decision should be known by now and is not known here."""
    OPEN = "open"
    VOTING = "voting"
    UNSETTLED = "unsettled"
    """Decided here; some carrier has not acknowledged it yet."""
    CONFLICT = "conflict"
    """Decided here; some carrier's log says otherwise. An alarm."""


class Transaction(Struct, frozen=True, kw_only=True):
    """One booking that waits at this node: as its coordinator (`flight` is None) or on one of its flights."""

    booking: BookingId
    locator: Locator
    coordinator: CarrierCode
    flight: FlightId | None
    seats: tuple[SeatNo, ...]
    state: WaitState
    since: Millis
    waits_for: tuple[CarrierCode, ...]
    reason: str
    safe: str


class Transactions(Struct, frozen=True):
    transactions: tuple[Transaction, ...]


def transactions(flights: Iterable[Flight], bookings: Iterable[Booking]) -> Transactions:
    """Everything that waits at this node, oldest first."""
    waiting = [w for flight in flights for w in _claims(flight)]
    waiting += [_booking(booking) for booking in bookings if booking.phase not in SETTLED]
    return Transactions(tuple(sorted(waiting, key=lambda w: (w.since, w.booking, w.flight or ""))))


def _claims(flight: Flight) -> Iterator[Transaction]:
    for booking, claim in flight.claims.items():
        if claim.state in (HoldState.TIMED, HoldState.PLEDGED):
            state, reason, safe = _claim_words(flight, booking, claim)
            yield Transaction(
                booking=booking,
                locator=locator_of(booking),
                coordinator=claim.coordinator,
                flight=flight.id,
                seats=claim.seats,
                state=state,
                since=claim.since,
                waits_for=() if state is WaitState.HELD else (claim.coordinator,),
                reason=reason,
                safe=safe,
            )


def _claim_words(flight: Flight, booking: BookingId, claim: Claim) -> tuple[WaitState, str, str]:
    if claim.state is HoldState.TIMED:
        return WaitState.HELD, "held while its traveller makes up their mind", "wait: it ends by itself"
    doubt = flight.doubts.get(booking)
    if doubt is None:
        return WaitState.PLEDGED, f"pledged; {claim.coordinator} is collecting the votes", "wait"
    silence = " and cannot be reached" if doubt.coordinator_silent else ""
    heard = "".join(f"; {carrier} says {word}" for carrier, word in sorted(doubt.words.items()))
    reason = f"pledged; {claim.coordinator} has the decision{silence}{heard}"
    return WaitState.IN_DOUBT, reason, f"wait, and bring {claim.coordinator} back: the pledge keeps the seat safe"


def _booking(booking: Booking) -> Transaction:
    state, reason, safe = _booking_words(booking)
    return Transaction(
        booking=booking.id,
        locator=locator_of(booking.id),
        coordinator=booking.coordinator,
        flight=None,
        seats=(),
        state=state,
        since=booking.since,
        waits_for=tuple(dict.fromkeys(carrier_of(message.flight) for message in pending(booking))),
        reason=reason,
        safe=safe,
    )


def _booking_words(booking: Booking) -> tuple[WaitState, str, str]:
    if booking.conflicts:
        told = "; ".join(f"{carrier_of(flight)}: {detail}" for flight, detail in sorted(booking.conflicts.items()))
        return WaitState.CONFLICT, f"{booking.phase}, but {told}", "compare both logs before anything else"
    if booking.phase is Phase.OPEN:
        return WaitState.OPEN, "held while its traveller makes up their mind", "wait: it ends by itself"
    if booking.phase is Phase.VOTING:
        return WaitState.VOTING, "collecting the carriers' votes", "wait: it is decided in its time"
    return WaitState.UNSETTLED, f"{booking.phase}; not every carrier has acknowledged it", "wait: it is sent until then"
