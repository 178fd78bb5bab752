"""The journal in a SQLite file: a commit is on the disk before it returns, or the file is not opened."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

import orjson
from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
)

from airline_node.journal.database import LOCK_WAIT_MS, READERS, Database
from airline_node.journal.soundness import PageCheck
from airline_node.journal.trouble import JournalTrouble, reported
from airline_node.wal import TO_DISK, promised_frames
from snapshots.folder import keep_names

PID_MAX: Final = 20
ROWS_AT_ONCE: Final = 256
"""Rows in one statement of SQLite, a power of two."""

PRAGMAS: Mapping[str, str | int] = {
    "journal_mode": "wal",  # readers never block the writer
    "synchronous": 2,  # FULL: a commit is on the disk before it returns. In WAL mode, NORMAL loses acknowledged sales
    "fullfsync": 1,  # macOS only: there, plain fsync leaves the data in the drive's cache
    "checkpoint_fullfsync": 1,
    "cell_size_check": 1,
    "trusted_schema": 0,
    "wal_autocheckpoint": 4_000,  # pages: what is changed again before then is copied into the file once
    "temp_store": 2,  # MEMORY: what undoes half a statement of many rows would else be a temporary file for each
}
"""Set on every connection, read back, and refused if they did not take."""
WRITER: Mapping[str, str | int] = {"cache_size": -32 * 1024}
"""KiB, for the connection that writes: nearly every event changes a page of the index that no other one changes."""


class OneStatement(SQLiteApplicationRecorder):
    """Inserts rows together, where the recorder steps once a row.

    Python lets its one lock go at every step of SQLite and has to wait until it gets it back: three hundred rows were
    three hundred times that, with the node's loop on the other side. The sizes are powers of two, so that a handful of
    prepared statements serve every batch.
    """

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **_: object) -> Sequence[int]:
        done = 0
        while left := len(stored_events) - done:
            size = min(1 << (left.bit_length() - 1), ROWS_AT_ONCE)
            c.execute(
                self.insert_events_statement + ",(?,?,?,?)" * (size - 1),
                [
                    value
                    for row in stored_events[done : done + size]
                    for value in (row.originator_id, row.originator_version, row.topic, row.state)
                ],
            )
            done += size
        # One writer, one transaction, positions without gaps: the last one tells the others.
        last = int(c.lastrowid)
        return range(last - done + 1, last + 1)


class DurablePool(SQLiteConnectionPool):
    """Makes no connection that would acknowledge a commit before it is on the disk."""

    more: Mapping[str, str | int] = {}
    """Set besides `PRAGMAS`."""

    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        found: dict[str, str | int] = {}
        with connection.cursor() as cursor:
            for name, wanted in (settings := {**PRAGMAS, **self.more}).items():
                cursor.execute(f"PRAGMA {name}={wanted}")
                [found[name]] = cursor.execute(f"PRAGMA {name}").fetchone()
        if found != settings:
            connection.close()
            raise JournalTrouble(f"SQLite would lose acknowledged data here: it insists on {found}", known=True)
        return connection


class OneWriter(SQLiteDatastore):
    """Writes through one connection alone: whenever another one writes, a connection forgets all pages it has read."""

    def __init__(self, db_name: str, *, lock_timeout: int) -> None:
        super().__init__(db_name, originator_id_type="text")
        self.pool = DurablePool(db_name=db_name, lock_timeout=lock_timeout)
        self._writing = DurablePool(db_name=db_name, lock_timeout=lock_timeout, pool_size=1, max_overflow=0)
        self._writing.more = WRITER

    @contextmanager
    def get_connection(self, *, commit: bool) -> Iterator[SQLiteConnection]:
        pool = self._writing if commit else self.pool
        connection = pool.get_connection(is_writer=commit)
        try:
            yield connection
        finally:
            pool.put_connection(connection)

    def connect_all(self) -> None:
        """Open every connection now: later, a crowd of clients may have left no file descriptor for one."""
        with ExitStack() as taken:
            for writing in (True, *[False] * READERS):
                taken.enter_context(self.get_connection(commit=writing))

    def close(self) -> None:
        self._writing.close()
        super().close()


def open_file(path: Path) -> Database:
    """This node's alone until it is released; its pages are still being looked at. Raises `JournalTrouble`."""
    with ExitStack() as undo, reported(f"the journal {path} cannot be opened", known=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        _lock(undo.enter_context(open(f"{path}.lock", "a+")), path)
        promised = promised_frames(path)
        datastore = OneWriter(path.as_uri(), lock_timeout=LOCK_WAIT_MS // 1000)
        undo.callback(datastore.close)
        _check_log(datastore, promised)
        pages = PageCheck(path)
        undo.callback(pages.close)
        recorder = OneStatement(datastore)
        recorder.create_table()
        datastore.connect_all()
        keep_names(path.parent)
        return Database(
            recorder=recorder,
            select_streams="SELECT rowid AS position, * FROM stored_events "
            "WHERE originator_id IN (SELECT value FROM json_each(?)) ORDER BY originator_id, originator_version",
            bind=lambda streams: orjson.dumps(list(streams)).decode(),
            gapless=True,
            sound=pages.wait,
            release=undo.pop_all().close,
        )


def _lock(file: TextIO, path: Path) -> None:
    """Raises `JournalTrouble` that names whoever has it, by the process id that it has left there."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        whose = f" (process {pid})" if (pid := file.read(PID_MAX)).isdecimal() else ""
        raise JournalTrouble(f"another node is running in {path.parent}{whose}", known=True) from None
    with suppress(OSError):  # No room for it: whoever comes is told so without it.
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()


def _check_log(datastore: SQLiteDatastore, promised: int) -> None:
    """SQLite takes a write-ahead log that is damaged for one that ends there, and forgets the rest without a word."""
    with datastore.get_connection(commit=False) as connection, connection.cursor() as cursor:
        cursor.execute(TO_DISK)
        _, found, _ = cursor.fetchone()
    if found < promised:
        raise JournalTrouble(f"the journal is damaged: {found} of {promised} pages of its log are sound", known=True)
