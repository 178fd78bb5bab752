"""What a journal needs of its database, and where the two of them differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eventsourcing.sqlite import SQLiteApplicationRecorder

from ledger.events import StreamName

if TYPE_CHECKING:
    # The driver is an extra: a node on SQLite does without it.
    from eventsourcing.postgres import PostgresApplicationRecorder

NODE_LOCK: Final = int.from_bytes(b"PASSCOM", "big")
"""The advisory lock of the one node that may write to a PostgreSQL database."""
READERS: Final = 2
"""Threads: one long answer to an auditor does not keep the node from reading a booking."""
LOCK_WAIT_MS: Final = 5_000


@dataclass(frozen=True)
class Database:
    recorder: "SQLiteApplicationRecorder | PostgresApplicationRecorder"
    select_streams: str
    """The rows of many streams in one query: the recorders ask for one at a time."""
    bind: Callable[[Sequence[StreamName]], object]
    """Stream names as that query's one parameter."""
    gapless: bool
    """Positions have no gaps, so that a row which is missing shows."""
    sound: Callable[[], None]
    """Blocks until it is known that what lies there is whole. Raises `JournalTrouble` if it is not."""
    release: Callable[[], None]
