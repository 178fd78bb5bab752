"""Every checkpoint that this node has signed or cosigned, on disk before it is spoken of.

A witness that forgot what it has cosigned could be shown another past. So what it last cosigned of each log is durable
before the cosignature leaves the node, and only ever grows. Two notes that contradict each other are evidence and stay.
Of the old ones a checkpoint an hour is kept.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from airline_node.evidence.notes import Note, Signature, parse
from airline_node.wal import TO_DISK
from ledger.terms import Millis
from snapshots.folder import keep_names

T = TypeVar("T")

FILE: Final = "checkpoints.sqlite"
RECENT: Final = 500
"""So many of a log's newest are all kept."""
THIN_EVERY: Final = 100
HOUR_MS: Final = 3_600_000
ALARMS_MAX: Final = 1_000
WAIT_S: Final = 5.0

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS checkpoints (
    origin TEXT NOT NULL, size INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY (origin, size)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarms (
    origin TEXT NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL, one TEXT NOT NULL, other TEXT NOT NULL,
    PRIMARY KEY (origin, what, one, other)) WITHOUT ROWID;
"""
SELECT: Final = "SELECT note, position, at FROM checkpoints"


class ShelfTrouble(Exception):
    """The checkpoints cannot be read or kept."""


class Kept(Struct, frozen=True):
    """A checkpoint as it lies here. `position` is the last event's in this node's own log; of other logs it is 0."""

    note: Note
    position: int
    at: Millis


class Alarm(Struct, frozen=True):
    """What a log's owner cannot explain away: `one` and `other` are notes that it has signed."""

    origin: str
    at: Millis
    what: str
    one: str
    other: str


class Shelf:
    """One node's checkpoints. Its methods block for the disk, but for `soon`, which runs one of them in a thread."""

    def __init__(self, path: Path) -> None:
        """Raises `ShelfTrouble`."""
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._kept = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=WAIT_S)
            self._database.execute("PRAGMA journal_mode=wal")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(TO_DISK).fetchall()
            self._database.executescript(SCHEMA)
            keep_names(path.parent)
        except (OSError, sqlite3.Error) as trouble:
            raise ShelfTrouble(f"{path}: {trouble}") from trouble

    async def soon(self, work: Callable[..., T], *arguments: object) -> T:
        """In this object's thread, one after another. Raises `ShelfTrouble`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work, arguments)

    def keep(self, note: Note, at: Millis, position: int = 0) -> None:
        """On disk when this returns. What lies there of the same size keeps its place and its signatures."""
        origin, size = note.checkpoint.origin, note.checkpoint.size
        row = self._database.execute(
            "SELECT note FROM checkpoints WHERE origin = ? AND size = ?", (origin, size)
        ).fetchone()
        if row is None:
            self._database.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)", (origin, size, position, at, str(note))
            )
            self._thin(origin)
        else:
            before = parse(row[0])
            assert before.checkpoint == note.checkpoint, "a witness never goes back"
            self._database.execute(
                "UPDATE checkpoints SET note = ? WHERE origin = ? AND size = ?",
                (str(before.with_signatures(note.signatures)), origin, size),
            )

    def add(self, origin: str, size: int, signature: Signature) -> None:
        """A cosignature that came for a checkpoint of ours, if that is still kept."""
        for kept in self._select(f"{SELECT} WHERE origin = ? AND size = ?", origin, size):
            self.keep(Note(kept.note.checkpoint, (signature,)), kept.at)

    def newest(self, origin: str) -> Kept | None:
        return next(iter(self._select(f"{SELECT} WHERE origin = ? ORDER BY size DESC LIMIT 1", origin)), None)

    def all(self, origin: str) -> list[Kept]:
        """Every one of this log, oldest first."""
        return self._select(f"{SELECT} WHERE origin = ? ORDER BY size", origin)

    def alarm(self, alarm: Alarm) -> None:
        """On disk when this returns; the same evidence once."""
        [count] = self._database.execute("SELECT count(*) FROM alarms").fetchone()
        if count < ALARMS_MAX:
            self._database.execute(
                "INSERT OR IGNORE INTO alarms VALUES (?, ?, ?, ?, ?)",
                (alarm.origin, alarm.at, alarm.what, alarm.one, alarm.other),
            )

    def every(self, limit: int) -> list[Kept]:
        """The newest of all logs', as many as `limit`."""
        return self._select(f"{SELECT} ORDER BY at DESC LIMIT ?", limit)

    def alarms(self) -> list[Alarm]:
        return [Alarm(*row) for row in self._database.execute("SELECT * FROM alarms ORDER BY at, origin")]

    def close(self) -> None:
        self._thread.shutdown()
        self._database.close()

    def _do(self, work: Callable[..., T], arguments: tuple[object, ...]) -> T:
        try:
            return work(*arguments)
        except (OSError, sqlite3.Error) as trouble:
            raise ShelfTrouble(str(trouble)) from trouble

    def _select(self, statement: str, *values: object) -> list[Kept]:
        rows = self._database.execute(statement, values)
        return [Kept(parse(note), position, at) for note, position, at in rows]

    def _thin(self, origin: str) -> None:
        self._kept += 1
        if self._kept % THIN_EVERY == 0:
            self._database.execute(
                "DELETE FROM checkpoints WHERE origin = :origin"
                " AND size <"
                " (SELECT size FROM checkpoints WHERE origin = :origin ORDER BY size DESC LIMIT 1 OFFSET :recent)"
                " AND size NOT IN (SELECT max(size) FROM checkpoints WHERE origin = :origin GROUP BY at / :hour)",
                {"origin": origin, "recent": RECENT, "hour": HOUR_MS},
            )


def read_shelf(path: Path) -> tuple[list[str], list[Alarm]]:
    """Every note and alarm on a node's shelf, unchecked and its files untouched. Raises `ShelfTrouble`."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)) as database:
            notes = [str(note) for [note] in database.execute("SELECT note FROM checkpoints ORDER BY origin, size")]
            alarms = [Alarm(*row) for row in database.execute("SELECT * FROM alarms ORDER BY at, origin")]
        return notes, alarms
    except (OSError, sqlite3.Error) as trouble:
        raise ShelfTrouble(f"{path}: {trouble}") from trouble
