"""What can be wrong with a journal, in its own words: the event store's and the drivers' errors all become these."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import Notification

SQLITE_FULL: Final = 13
DISK_FULL: Final = "53100"
"""PostgreSQL's word for it."""


class JournalTrouble(Exception):
    """The disk or the database failed. `known` means certain: nothing of what was asked is stored."""

    def __init__(self, detail: str, *, known: bool) -> None:
        super().__init__(detail)
        self.known = known


class JournalFull(JournalTrouble):
    """There is no room. Nothing of what was asked is stored, and the very same may be asked again."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, known=True)


class JournalDamaged(Exception):
    """What lies in the journal is not what was written there. Only a person or a good copy can mend that."""

    def __init__(self, row: Notification, fault: str) -> None:
        super().__init__(
            f"position {row.id}, {row.originator_id} version {row.originator_version} ({row.topic}): {fault}"
        )


@contextmanager
def reported(what: str, *, known: bool = False) -> Iterator[None]:
    """The recorders let some of the driver's own errors through: all of them become `JournalTrouble`."""
    try:
        yield
    except (EventSourcingError, sqlite3.Error, OSError) as trouble:
        if _is_full(trouble):
            raise JournalFull(f"{what}: {trouble}") from trouble
        raise JournalTrouble(f"{what}: {trouble}", known=known) from trouble


def _is_full(trouble: BaseException) -> bool:
    """SQLite has rolled back before it says so, and PostgreSQL fails the transaction: neither leaves it in the open."""
    cause = trouble.__cause__ or trouble
    return getattr(cause, "sqlite_errorcode", None) == SQLITE_FULL or getattr(cause, "sqlstate", None) == DISK_FULL
