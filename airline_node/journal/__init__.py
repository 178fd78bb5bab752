"""The journal: every event of one node, in one order, on disk before anybody hears of it.

It holds the rule *write, then speak*: `append` answers when the events are durable, all of them or none, and when it
fails it says whether that is certain. It is the one place that knows `eventsourcing`, whose recorders store rows of
(stream, version, topic, bytes) in SQLite or PostgreSQL. A stored topic is an event's tag and never a Python path, so
nothing that lies in the file can name code to import; what is read is checked against what was written.

journal.py    the journal itself: one writer, a few readers
stored.py     an event, its row, its leaf in the log's tree
sqlite.py     a file: locked, forced to the disk
soundness.py  whether all of that file is whole
postgres.py   a database: guarded, checked
database.py   where those two differ
trouble.py    what can be wrong
"""

from airline_node.journal.database import NODE_LOCK
from airline_node.journal.journal import (
    APPEND_EVENTS_MAX,
    COUNTED,
    LOG_EVENTS_MAX,
    POSITIONS,
    READ_STREAMS_MAX,
    RISING,
    Journal,
)
from airline_node.journal.trouble import JournalDamaged, JournalFull, JournalTrouble

__all__ = [
    "APPEND_EVENTS_MAX",
    "COUNTED",
    "LOG_EVENTS_MAX",
    "NODE_LOCK",
    "POSITIONS",
    "READ_STREAMS_MAX",
    "RISING",
    "Journal",
    "JournalDamaged",
    "JournalFull",
    "JournalTrouble",
]
