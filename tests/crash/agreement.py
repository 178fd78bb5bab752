"""What three carriers' logs must say together once everything has come to rest: all of a booking, or none of it.

The judge is the product's own auditor, as in the simulator and in `passcom bench`. Real carriers' logs have no order in
common, so that what the simulator's checker sees between two writes cannot be seen here: what is added is that every
coordinator has written that it is through with each booking, which an auditor elsewhere need not expect.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ledger.audit import Audit, Promises
from ledger.events import AnyEvent, BookingAborted, BookingCancelled, BookingCommitted, BookingOpened, BookingSettled
from ledger.terms import BookingId, CarrierCode


@dataclass
class Told:
    """What travellers have heard for certain: a confirmation stands, and who heard a no keeps no seat."""

    confirmed: set[BookingId] = field(default_factory=set)
    denied: set[BookingId] = field(default_factory=set)
    """Refused, run out, or cancelled after it was bought."""


def findings(logs: Mapping[CarrierCode, Iterable[AnyEvent]], told: Told) -> list[str]:
    """Everything that is wrong, a sentence each. The logs are those of all carriers, at rest."""
    audit = Audit()
    unsettled: set[tuple[CarrierCode, BookingId]] = set()
    for carrier, log in logs.items():
        for event in log:
            audit.hear(carrier, event)
            match event:
                case BookingOpened() | BookingCommitted() | BookingAborted() | BookingCancelled():
                    unsettled.add((carrier, event.booking))
                case BookingSettled():
                    unsettled.discard((carrier, event.booking))
    found = audit.findings(Promises(told.confirmed, told.denied), at_rest=True)
    return [
        *(f"{finding.stream}: {finding.fault}: {finding.detail}" for finding in found),
        *(f"{booking} of {carrier} is not settled" for carrier, booking in sorted(unsettled)),
    ]
