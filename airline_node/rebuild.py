"""From the disk to memory: the newest sound snapshot, the log after it, and whole what that only continues."""

import logging
import time

from msgspec import Struct

from airline_node.journal import READ_STREAMS_MAX, Journal
from ledger.ledger import Ledger
from ledger.terms import CarrierCode
from snapshots import form
from snapshots.store import SnapshotStore

log = logging.getLogger(__name__)


class Rebuilt(Struct, frozen=True):
    """A ledger as its log left it. `position` is the log's end, `replayed` the events that no snapshot spared."""

    ledger: Ledger
    position: int
    replayed: int


async def rebuild(carrier: CarrierCode, ticket_prefix: str, journal: Journal, store: SnapshotStore) -> Rebuilt:
    """Read back all that a node knows. Blocks the loop: nothing is served yet.

    Raises `JournalDamaged` or `LogBroken` for a log that no node can have written, `JournalTrouble` for one that cannot
    be read or ends before the snapshot: a node must not start on any of them.
    """
    begun = time.perf_counter()
    ledger, start = _from_snapshot(carrier, ticket_prefix, store)
    position, replayed = start, 0
    for at, recorded in journal.replay(start):
        ledger.apply(recorded)
        position, replayed = at, replayed + 1
    torn = sorted(ledger.torn)
    for first in range(0, len(torn), READ_STREAMS_MAX):
        for stream, records in (await journal.read(torn[first : first + READ_STREAMS_MAX])).items():
            ledger.load(stream, records)
    log.info(
        "%s: snapshot at %d (%d flights, %d bookings in memory), %d events replayed, %d streams read whole, in %.2f s",
        *(carrier, start, len(ledger.flights), len(ledger.bookings), replayed, len(torn)),
        time.perf_counter() - begun,
    )
    return Rebuilt(ledger, position, replayed)


def _from_snapshot(carrier: CarrierCode, ticket_prefix: str, store: SnapshotStore) -> tuple[Ledger, int]:
    if newest := store.newest():
        position, state = newest
        ledger = Ledger(carrier, ticket_prefix)
        try:
            form.restore(ledger, state)
            return ledger, position
        except ValueError as fault:
            log.warning("the snapshot at %d is passed over, the whole log is replayed: %s", position, fault)
    return Ledger(carrier, ticket_prefix), 0
