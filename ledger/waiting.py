"""Whatever waits, and why, in words that a person can act on: every seat that is neither free nor sold for good.

Rule 10: every seat that waits has a reason that a person can read: since when, for whom, who is unreachable, what is
safe to do. Who is unreachable only the node's shell knows; it adds that to the carriers named here.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from ledger.coordinator.pending import pending
from ledger.coordinator.state import SETTLED, Booking, Phase
from ledger.messages import ForceState, Forcing, Word
from ledger.participant import forcing
from ledger.participant.state import Broken, Claim, Doubt, Flight, HoldState
from ledger.terms import BookingId, CarrierCode, Centavos, FlightId, Locator, Millis, SeatNo, carrier_of, locator_of


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
    FORCED = "forced"
    """A pledge that operators have broken; the decision has not come to light yet."""
    MISMATCH = "mismatch"
    """A pledge that operators have broken, and that should have been sold. An alarm until it is acknowledged."""


class Said(StrEnum):
    """What a carrier has said of a booking, as far as it is known here."""

    UNHEARD = "unheard"
    SILENT = "silent"
    """It was asked and could not be reached."""
    HELD = "held"
    PLEDGED = "pledged"
    UNDECIDED = "undecided"
    RECORDED = "recorded"
    """It has the decision on disk."""
    RETURNED = "returned"
    CONFLICT = "conflict"
    SEEN_TO = "seen-to"
    """It broke its pledge by force, against the decision, and operators have seen to the traveller since."""


class Standing(Struct, frozen=True, kw_only=True):
    """One carrier's word: on its own flight, or as the coordinator that decides (`flight` is None)."""

    carrier: CarrierCode
    flight: FlightId | None
    said: Said


class Transaction(Struct, frozen=True, kw_only=True):
    """One booking that waits at this node: as its coordinator (`flight` is None) or on one of its flights.

    `at_stake` is the price of the whole booking at its coordinator, of this flight's seats elsewhere. `may_not_force`
    says why the pledge cannot be broken now; None: two operators can break it.
    """

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
    at_stake: Centavos
    standings: tuple[Standing, ...]
    forcing: Forcing | None
    may_not_force: str | None


class Transactions(Struct, frozen=True):
    transactions: tuple[Transaction, ...]


class Tally(Struct, kw_only=True):
    """How much waits, of each sort: what a gauge shows. Claims are counted, not seats."""

    holds_timed: int = 0
    holds_pledged: int = 0
    holds_in_doubt: int = 0
    pledges_broken: int = 0
    forced_mismatches: int = 0
    bookings_open: int = 0
    bookings_voting: int = 0
    bookings_unsettled: int = 0
    bookings_in_conflict: int = 0


def tally(flights: Iterable[Flight], bookings: Iterable[Booking]) -> Tally:
    """Counted without looking at what is sold: a tenth of a millisecond for a thousand flights at rest."""
    sums = Tally()
    for flight in flights:
        for booking in flight.waiting:
            timed = flight.claims[booking].state is HoldState.TIMED
            sums.holds_timed += timed
            sums.holds_pledged += not timed
        sums.holds_in_doubt += len(flight.doubts)
        for broken in flight.broken.values():
            sums.pledges_broken += broken.state is ForceState.BROKEN
            sums.forced_mismatches += broken.state is ForceState.MISMATCH
    for one in bookings:
        if _waits(one):
            sums.bookings_in_conflict += bool(one.conflicts)
            sums.bookings_open += one.phase is Phase.OPEN
            sums.bookings_voting += one.phase is Phase.VOTING
            sums.bookings_unsettled += one.phase not in (Phase.OPEN, Phase.VOTING)
    return sums


def transactions(flights: Iterable[Flight], bookings: Iterable[Booking]) -> Transactions:
    """Everything that waits at this node, oldest first."""
    waiting = [w for flight in flights for w in (*_claims(flight), *_broken(flight))]
    waiting += [_booking(booking) for booking in bookings if _waits(booking)]
    return Transactions(tuple(sorted(waiting, key=lambda w: (w.since, w.booking, w.flight or ""))))


# ---- a claim on a flight of this carrier ----------------------------------------------------------------------------


def _claims(flight: Flight) -> Iterator[Transaction]:
    for booking in flight.waiting:
        claim = flight.claims[booking]
        state, reason, safe = _claim_words(flight, booking, claim)
        no, proposed = forcing.refusal(flight, booking), flight.broken.get(booking)
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
            at_stake=flight.scheduled.fare * len(claim.seats),
            standings=tuple(_claim_standings(flight, booking, claim)),
            forcing=forcing.view(flight, booking, proposed) if proposed else None,
            may_not_force=no.detail if no else None,
        )


def _claim_words(flight: Flight, booking: BookingId, claim: Claim) -> tuple[WaitState, str, str]:
    if claim.state is HoldState.TIMED:
        return WaitState.HELD, "held while its traveller makes up their mind", "wait: it ends by itself"
    doubt = flight.doubts.get(booking)
    if doubt is None:
        return WaitState.PLEDGED, f"pledged; {claim.coordinator} is collecting the votes", "wait"
    silence = " and cannot be reached" if claim.coordinator in doubt.silent else ""
    heard = "".join(f"; {carrier} says {word}" for carrier, word in sorted(doubt.words.items()))
    reason = f"pledged; {claim.coordinator} has the decision{silence}{heard}"
    return WaitState.IN_DOUBT, reason, f"wait, and bring {claim.coordinator} back: the pledge keeps the seat safe"


def _claim_standings(flight: Flight, booking: BookingId, claim: Claim) -> Iterator[Standing]:
    me, doubt = carrier_of(flight.id), flight.doubts.get(booking, Doubt())
    yield Standing(carrier=claim.coordinator, flight=None, said=_said(doubt, claim.coordinator))
    for other in claim.participants:
        mine = Said.HELD if claim.state is HoldState.TIMED else Said.PLEDGED
        carrier = carrier_of(other)
        said = mine if other == flight.id else Said.UNHEARD if carrier == me else _said(doubt, carrier)
        yield Standing(carrier=carrier, flight=other, said=said)


def _said(doubt: Doubt, carrier: CarrierCode) -> Said:
    if carrier in doubt.silent:
        return Said.SILENT
    word = doubt.words.get(carrier)
    return Said.UNHEARD if word is None else Said.PLEDGED if word is Word.PLEDGED else Said.UNDECIDED


# ---- a pledge that was broken by force ------------------------------------------------------------------------------


def _broken(flight: Flight) -> Iterator[Transaction]:
    for booking, broken in flight.broken.items():
        if broken.waits:
            state, reason, safe = _broken_words(broken)
            yield Transaction(
                booking=booking,
                locator=locator_of(booking),
                coordinator=broken.coordinator,
                flight=flight.id,
                seats=broken.seats,
                state=state,
                since=broken.since,
                waits_for=(broken.coordinator,) if state is WaitState.FORCED else (),
                reason=reason,
                safe=safe,
                at_stake=flight.scheduled.fare * len(broken.seats),
                standings=(),
                forcing=forcing.view(flight, booking, broken),
                may_not_force="its pledge is broken already",
            )


def _broken_words(broken: Broken) -> tuple[WaitState, str, str]:
    by = " and ".join(dict.fromkeys(name for name in (broken.operator, broken.confirmed_by) if name))
    if broken.state is ForceState.BROKEN:
        reason = f"{by} broke the pledge ({broken.why}); what {broken.coordinator} decided is not known yet"
        return WaitState.FORCED, reason, f"wait: {broken.coordinator} is asked until it answers"
    reason = f"{by} broke the pledge ({broken.why}), and {broken.coordinator} had sold it: a ticket without a seat"
    return WaitState.MISMATCH, reason, "see to the traveller, then acknowledge it with a note of what was done"


# ---- a booking that this carrier coordinates ------------------------------------------------------------------------


def _waits(booking: Booking) -> bool:
    """Not when all is settled, or else seen to: such a booking stays in memory, and nobody needs to act on it."""
    return booking.phase not in SETTLED and not (booking.seen_to and not pending(booking))


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
        at_stake=booking.price,
        standings=tuple(
            Standing(carrier=carrier_of(flight), flight=flight, said=_booking_said(booking, flight))
            for flight in booking.flights
        ),
        forcing=None,
        may_not_force="only a carrier's pledge can be broken, and this is the coordinator's own booking",
    )


def _booking_said(booking: Booking, flight: FlightId) -> Said:
    if flight in booking.conflicts:
        return Said.CONFLICT
    if flight in booking.seen_to:
        return Said.SEEN_TO
    match booking.phase:
        case Phase.OPEN:
            return Said.HELD if flight in booking.granted else Said.UNHEARD
        case Phase.VOTING:
            return Said.PLEDGED if flight in booking.votes else Said.UNHEARD
        case Phase.CANCELLED if flight in booking.returned:
            return Said.RETURNED
        case _:
            return Said.RECORDED if flight in booking.recorded else Said.UNHEARD


def _booking_words(booking: Booking) -> tuple[WaitState, str, str]:
    if booking.conflicts:
        told = "; ".join(f"{carrier_of(flight)}: {detail}" for flight, detail in sorted(booking.conflicts.items()))
        return WaitState.CONFLICT, f"{booking.phase}, but {told}", "compare both logs before anything else"
    if booking.phase is Phase.OPEN:
        return WaitState.OPEN, "held while its traveller makes up their mind", "wait: it ends by itself"
    if booking.phase is Phase.VOTING:
        return WaitState.VOTING, "collecting the carriers' votes", "wait: it is decided in its time"
    return WaitState.UNSETTLED, f"{booking.phase}; not every carrier has acknowledged it", "wait: it is sent until then"
