"""An event as the event store has it, a row with its position, and as it goes into the log's tree."""

from eventsourcing.persistence import Notification, StoredEvent

from airline_node.journal.trouble import JournalDamaged
from airline_node.rows import CHECKSUM_BYTES, BadRow, opened, sealed
from ledger.events import Recorded
from ledger.tree import leaf_of


def stored(record: Recorded) -> StoredEvent:
    stream, version, tag, state = sealed(record)
    return StoredEvent(originator_id=stream, originator_version=version, topic=tag, state=state)


def leaf(row: StoredEvent) -> bytes:
    return leaf_of(row.topic, str(row.originator_id), row.originator_version, row.state[CHECKSUM_BYTES:])


def recorded(row: Notification) -> Recorded:
    """The same event again, or `JournalDamaged`: what was checked where it was written is checked where it is read."""
    try:
        return opened(str(row.originator_id), row.originator_version, row.topic, row.state)
    except BadRow as fault:
        raise JournalDamaged(row, str(fault)) from fault
