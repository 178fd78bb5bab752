"""Where an auditor reads a log: a SQLite file, a PostgreSQL database, or a running node's `/api/log`.

Reading disturbs nobody: files and databases are opened read-only, in sections, so that no long read holds a live node's
write-ahead log back; no lock is taken that a node would want.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeAlias
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta, Raw, Struct

from airline_node.config import LEDGER
from airline_node.evidence.notary import TREE_FILE
from airline_node.evidence.shelf import FILE as SHELF_FILE
from airline_node.journal import LOG_EVENTS_MAX, NODE_LOCK, POSITIONS, RISING
from airline_node.rows import checksum
from ledger.terms import CARRIER_PATTERN, CarrierCode, carrier_of

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

SECTION: Final = 5_000
WAIT_S: Final = 5.0
ANSWER_S: Final = 15.0
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024


class SourceTrouble(Exception):
    """It cannot be read; the message says what and why."""


Row: TypeAlias = tuple[int, str, int, str, bytes]
"""Position, stream, version, tag and state, as they are stored, and not checked yet. A million of them are read
in a second or two, so they are plain tuples.
"""


class Source(Protocol):
    """One carrier's log. Its methods block, and raise `SourceTrouble`."""

    carrier: CarrierCode
    name: str
    gapless: bool
    """Positions count up by one, so that a row that is missing shows."""
    folder: Path | None
    """The node's data folder, where there is one: its checkpoints, its tree and its snapshots are beside the log."""

    def count(self) -> int: ...
    def sections(self, after: int = 0) -> Iterator[Sequence[Row]]: ...
    def stream(self, stream: str) -> Sequence[Row]: ...
    def close(self) -> None: ...


def open_sources(places: Sequence[str], token: str) -> list[Source]:
    """All logs at these places, in the order of their carriers. `SourceTrouble` leaves nothing open."""
    with ExitStack() as undo:
        found: list[Source] = []
        for place in places:
            for source in _open(place, token):
                undo.callback(source.close)
                found.append(source)
        carriers = [source.carrier for source in found]
        if twice := next((carrier for carrier in carriers if carriers.count(carrier) > 1), None):
            raise SourceTrouble(f"two logs of {twice} were named")
        undo.pop_all()
    return sorted(found, key=lambda source: source.carrier)


def _open(place: str, token: str) -> Iterator[Source]:
    if place.startswith(("postgresql://", "postgres://")):
        yield PostgresSource(place)
    elif is_node(place):
        yield HttpSource(place, token)
    elif (path := Path(place)).is_dir():
        folders = [path] if (path / LEDGER).exists() else sorted(f for f in path.iterdir() if (f / LEDGER).exists())
        if not folders:
            raise SourceTrouble(f"{place}: no {LEDGER} in it, nor in a folder of it")
        for folder in folders:
            yield SqliteSource(folder / LEDGER)
    else:
        yield SqliteSource(path)


def is_node(place: str) -> bool:
    """One that runs, by its address."""
    return place.startswith(("http://", "https://"))


def _carrier_in(stream: str | None, name: str, hint: str = "") -> CarrierCode:
    """A log tells whose it is by the flights in it."""
    if stream:
        return carrier_of(stream.removeprefix("flight:"))
    if re.fullmatch(CARRIER_PATTERN, hint):
        return hint
    raise SourceTrouble(f"{name}: no flight in it tells whose log this is")


# ---- a file ------------------------------------------------------------------------------------------------------


class SqliteSource:
    """A node's own file, whether the node runs or not."""

    gapless = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.folder: Path | None = path.parent if _is_data_folder(path.parent) else None
        if not path.is_file():
            raise SourceTrouble(f"{path}: no such file")
        try:
            self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)
            self._database.execute("PRAGMA query_only=1")
        except sqlite3.Error as trouble:
            raise SourceTrouble(f"{path}: {trouble}") from trouble
        first = self._rows("SELECT originator_id FROM stored_events WHERE originator_id >= 'flight:' LIMIT 1")
        self.carrier = _carrier_in(first[0][0] if first else None, self.name, path.parent.name)

    def count(self) -> int:
        [[count]] = self._rows("SELECT coalesce(max(rowid), 0) FROM stored_events")
        return int(count)

    def sections(self, after: int = 0) -> Iterator[Sequence[Row]]:
        while rows := self._rows(
            "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events"
            " WHERE rowid > ? ORDER BY rowid LIMIT ?",
            *(after, SECTION),
        ):
            after = rows[-1][0]
            yield rows

    def stream(self, stream: str) -> Sequence[Row]:
        return self._rows(
            "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events"
            " WHERE originator_id = ? ORDER BY originator_version",
            stream,
        )

    def close(self) -> None:
        self._database.close()

    def _rows(self, statement: str, *values: object) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as trouble:
            raise SourceTrouble(f"{self.name}: {trouble}") from trouble


def _is_data_folder(folder: Path) -> bool:
    return any((folder / name).exists() for name in (TREE_FILE, SHELF_FILE, "snapshots"))


# ---- a database ----------------------------------------------------------------------------------------------------


class PostgresSource:
    """A carrier's database. Its address may hold a password, so its name leaves that out.

    `at_once`: all that is read is of one instant, whoever writes meanwhile.
    """

    gapless = False
    folder: Path | None = None

    def __init__(self, address: str, *, at_once: bool = False) -> None:
        parts = urlsplit(address)
        self.name = f"postgresql://{parts.hostname or ''}{parts.path}"
        try:
            import psycopg
        except ImportError as missing:
            raise SourceTrouble(f"PostgreSQL needs the extra passcom[postgres]: {missing}") from missing
        self._trouble = psycopg.Error
        try:
            self._connection: Connection[TupleRow] = psycopg.connect(address, autocommit=True, connect_timeout=5)
            self._connection.execute("SET default_transaction_read_only = on")
            if at_once:
                self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        except psycopg.Error as trouble:
            raise SourceTrouble(f"{self.name}: {trouble}") from trouble
        first = self._rows("SELECT originator_id FROM stored_events WHERE originator_id LIKE 'flight:%%' LIMIT 1")
        self.carrier = _carrier_in(first[0][0] if first else None, self.name)

    def is_at_work(self) -> bool:
        """Whether a node holds this database."""
        [[held]] = self._rows(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database() AND granted"
            " AND classid::bigint = %s AND objid::bigint = %s",
            *divmod(NODE_LOCK, 2**32),
        )
        return bool(held)

    def count(self) -> int:
        [[count]] = self._rows("SELECT count(*) FROM stored_events")
        return int(count)

    def sections(self, after: int = 0) -> Iterator[Sequence[Row]]:
        while rows := self._rows(
            "SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events"
            " WHERE notification_id > %s ORDER BY notification_id LIMIT %s",
            *(after, SECTION),
        ):
            after = rows[-1][0]
            yield rows

    def stream(self, stream: str) -> Sequence[Row]:
        return self._rows(
            "SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events"
            " WHERE originator_id = %s ORDER BY originator_version",
            stream,
        )

    def close(self) -> None:
        self._connection.close()

    def _rows(self, statement: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(statement.encode(), values).fetchall()
        except self._trouble as trouble:
            raise SourceTrouble(f"{self.name}: {trouble}") from trouble


# ---- a running node -------------------------------------------------------------------------------------------------


class Told(Struct, frozen=True):
    """An event as `/api/log` tells it; the event itself as the very bytes that are stored."""

    position: Annotated[int, Meta(gt=0)]
    stream: str
    version: int
    event: Raw


class _Tagged(Struct, frozen=True):
    event: str


_TOLD = msgspec.json.Decoder(tuple[Told, ...])
_TAGGED = msgspec.json.Decoder(_Tagged)


class HttpSource:
    """A node that runs. It answers no more than `LOG_EVENTS_MAX` events at a time."""

    folder: Path | None = None

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        self.name = f"{parts.scheme}://{parts.netloc}"
        self._token = token
        if not parts.hostname:
            raise SourceTrouble(f"{address}: not http://host:port")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=ANSWER_S)
        self.gapless = True
        try:
            self.carrier = self._whose()
        except SourceTrouble:
            self.close()
            raise

    def count(self) -> int:
        """How many there are is not told; the last checkpoint says how many were signed."""
        note = self.get("/api/checkpoint", missing_ok=True)
        return int(note.split(b"\n")[1]) if note else 0

    def sections(self, after: int = 0) -> Iterator[Sequence[Row]]:
        while rows := self._told(f"/api/log?after={after}&limit={LOG_EVENTS_MAX}"):
            after = rows[-1][0]
            yield rows

    def stream(self, stream: str) -> Sequence[Row]:
        rows: list[Row] = []
        while more := self._told(
            f"/api/log?after={rows[-1][0] if rows else 0}&limit={LOG_EVENTS_MAX}&stream={quote(stream, safe='')}"
        ):
            rows += more
        return rows

    def get(self, path: str, *, missing_ok: bool = False) -> bytes:
        """What the node answers. With `missing_ok`, nothing for what is not there."""
        try:
            self._connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
            answer = self._connection.getresponse()
            body = answer.read(ANSWER_BYTES_MAX)
            # A node that hides an event behind a gap of its own making is found by the tree of what it has signed.
            self.gapless &= answer.headers.get(POSITIONS) != RISING
        except (OSError, HTTPException) as trouble:
            self._connection.close()
            raise SourceTrouble(f"{self.name}: {trouble!r}") from trouble
        if answer.status == 404 and missing_ok:
            return b""
        if answer.status == 401:
            raise SourceTrouble(f"{self.name}: the token does not open its log (--token, or PASSCOM_AUDITOR_TOKEN)")
        if answer.status != 200:
            raise SourceTrouble(f"{self.name}{path}: HTTP {answer.status} {body[:200].decode(errors='replace')}")
        return body

    def close(self) -> None:
        self._connection.close()

    def _whose(self) -> CarrierCode:
        for rows in self.sections():
            for _, stream, *_ in rows:
                if stream.startswith("flight:"):
                    return _carrier_in(stream, self.name)
        return _carrier_in(None, self.name)

    def _told(self, path: str) -> list[Row]:
        try:
            told = _TOLD.decode(self.get(path))
            return [_row(one) for one in told]
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise SourceTrouble(f"{self.name}: an answer that cannot be read: {wrong}") from wrong


def _row(told: Told) -> Row:
    """With the checksum that it has on the disk: what is told is checked in the same way."""
    body = bytes(told.event)
    tag = _TAGGED.decode(body).event
    return told.position, told.stream, told.version, tag, checksum(told.stream, told.version, body) + body
