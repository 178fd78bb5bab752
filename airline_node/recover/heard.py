"""What carriers' logs would tell one another: acknowledgements are heard and not stored (docs/decisions.md).

A coordinator's own log has its decision and, at the very end, that it is settled. Which carriers have the decision on
disk meanwhile, and whether operators have seen to a pledge that was broken against it, only those carriers' logs say.
So a coordinator that is down is told here, in memory, what it would hear from the logs that were read; what it would
hear from the others is left open, and named.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from airline_node.recover.files import DECIDED, Files
from ledger import coordinator, participant
from ledger.coordinator.pending import pending
from ledger.coordinator.state import Booking
from ledger.messages import Acknowledged, ClaimMessage, Conflict
from ledger.terms import BookingId, CarrierCode, FlightId, Locator, Millis, carrier_of, locator_of


class Settling(StrEnum):
    """How far a decided booking is, as far as the logs that were read have it."""

    DECIDED = "decided"
    """Whether every carrier has it on disk, logs would have to say that were not read."""
    RECORDED = "recorded"
    """Every carrier has it on disk. Its coordinator hears that, and settles it, when it starts."""


class SeenTo(Struct, frozen=True, kw_only=True):
    """A pledge that was broken against its coordinator's decision, and what an operator has done for the traveller."""

    booking: BookingId
    locator: Locator
    coordinator: CarrierCode
    flight: FlightId
    operator: str
    note: str


def hear(files: Mapping[CarrierCode, Files], now: Millis) -> None:
    """Every decided booking hears what these carriers would answer. An answer that is not on their disk is none."""
    for one in files.values():
        for booking in one.decided():
            while _hear(booking, files, now):
                pass  # the commit first, then what is given back


def _hear(booking: Booking, files: Mapping[CarrierCode, Files], now: Millis) -> bool:
    """Whether something was heard that changes what is still owed."""
    owed = pending(booking)
    for message in owed:
        assert isinstance(message, ClaimMessage)
        other = files.get(carrier_of(message.flight))
        flight = other.ledger.flights.get(message.flight) if other else None
        if flight is None or participant.decide(flight, message, now):
            continue
        answer = participant.reply(flight, message)
        assert isinstance(answer, Acknowledged | Conflict), answer
        for fact in coordinator.decide(booking, answer, now):
            if isinstance(fact, coordinator.Heard):
                coordinator.evolve(booking, fact)
    return pending(booking) != owed


def unread(booking: Booking, files: Mapping[CarrierCode, Files]) -> tuple[CarrierCode, ...]:
    """Those of whom it is not known here whether they have the decision on disk."""
    owed = dict.fromkeys(carrier_of(message.flight) for message in pending(booking))
    return tuple(carrier for carrier in owed if carrier not in files)


def settling(booking: Booking, files: Mapping[CarrierCode, Files]) -> Settling | None:
    """None while it is undecided, or known not to be recorded everywhere."""
    if booking.phase not in DECIDED or booking.conflicts:
        return None
    owed = {carrier_of(message.flight) for message in pending(booking)}
    return Settling.RECORDED if not owed else Settling.DECIDED if owed.isdisjoint(files) else None


def seen_to(coordinators: Iterable[Files], files: Mapping[CarrierCode, Files]) -> Iterator[SeenTo]:
    """Mismatches that are over. At such a booking's coordinator nothing waits for the carrier that broke its pledge."""
    for one in coordinators:
        for booking in one.decided():
            for flight in sorted(booking.seen_to):
                event = files[carrier_of(flight)].acknowledged(flight, booking.id)
                yield SeenTo(
                    booking=booking.id,
                    locator=locator_of(booking.id),
                    coordinator=one.carrier,
                    flight=flight,
                    operator=event.operator,
                    note=event.note,
                )
