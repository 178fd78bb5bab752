"""The journal: every event of one node, in one order, on disk before anybody hears of it.

It holds the rule *write, then speak*: `append` answers when the events are durable, all of them or none, and when it
fails it says whether that is certain. It is the one module that knows `eventsourcing`, whose recorders store rows of
(stream, version, topic, bytes) in SQLite or PostgreSQL. A stored topic is an event's tag and never a Python path, so
nothing that lies in the file can name code to import; what is read is checked against what was written.
"""

import asyncio
import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, get_args

import orjson
from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import IntegrityError, Notification, StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
)

from airline_node.rows import CHECKSUM_BYTES, TAGS, BadRow, opened, sealed
from airline_node.wal import promised_frames
from ledger.events import (
    AnyFlightEvent,
    BookingCancelled,
    BookingCommitted,
    Recorded,
    StreamName,
    booking_stream,
)
from ledger.terms import BookingId
from ledger.tree import Hash, leaf_hash, leaf_of

if TYPE_CHECKING:
    # The driver is an extra: a node on SQLite does without it.
    from eventsourcing.postgres import PostgresApplicationRecorder
    from psycopg import Connection as PostgresConnection

REPLAY_SECTION: Final = 1_000
"""Events in memory at once while the log is replayed."""
APPEND_EVENTS_MAX: Final = 20_000
ROWS_AT_ONCE: Final = 256
"""Rows in one statement of SQLite, a power of two."""
LOG_EVENTS_MAX: Final = 1_000
READ_STREAMS_MAX: Final = 10_000
READERS: Final = 2
"""Threads: one long answer to an auditor does not keep the node from reading a booking."""
LOCK_WAIT_MS: Final = 5_000
CONNECT_WAIT_MS: Final = 5_000

PRAGMAS: Mapping[str, str | int] = {
    "journal_mode": "wal",  # readers never block the writer
    "synchronous": 2,  # FULL: a commit is on the disk before it returns. In WAL mode, NORMAL loses acknowledged sales
    "fullfsync": 1,  # macOS only: there, plain fsync leaves the data in the drive's cache
    "checkpoint_fullfsync": 1,
    "cell_size_check": 1,
    "trusted_schema": 0,
}
"""Set on every connection, read back, and refused if they did not take."""

NODE_LOCK: Final = int.from_bytes(b"PASSCOM", "big")
"""The advisory lock of the one node that may write to a PostgreSQL database."""

SQLITE_FULL: Final = 13
DISK_FULL: Final = "53100"
"""PostgreSQL's word for it."""
FLIGHT_TAGS: Sequence[str] = [TAGS[kind] for kind in get_args(AnyFlightEvent)]
DECISION_TAGS: Sequence[str] = [TAGS[BookingCommitted], TAGS[BookingCancelled]]


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


class Tree(Protocol):
    """Told, in the writer's thread, of the events that have just become durable, and of the last one's position."""

    def extend(self, leaves: Sequence[Hash], position: int) -> None: ...


class Journal:
    """One node's log. It is this object's own as long as it is open: a second node is turned away.

    A position is an event's place in the node's total order, counted up from 1; in PostgreSQL with gaps.
    """

    @classmethod
    def open(cls, address: str) -> "Journal":
        """A file, made with its folder if need be, or a `postgresql://` address: one database a carrier.

        Raises `JournalTrouble` with a sentence for whoever runs the node: another node is at work here, the file is
        no sound database, the server does not answer, or it would acknowledge what a power cut can still take away.
        """
        if address.startswith(("postgresql://", "postgres://")):
            return cls(_postgres(address))
        return cls(_sqlite(Path(address).absolute()))

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._recorder = database.recorder
        self._writer = ThreadPoolExecutor(1, "journal-writer")
        self._readers = ThreadPoolExecutor(READERS, "journal-reader")
        self._failed = False
        self.tree: Tree | None = None

    async def append(self, records: Sequence[Recorded]) -> int:
        """Store 1 to `APPEND_EVENTS_MAX` events of any streams in one transaction; answers the last one's position.

        All or nothing. Raises `JournalFull`, after which it may be tried again, or `JournalTrouble`: the outcome is
        certain if it is `known`, and from then on nothing more is taken, because memory is ahead of the disk. A
        cancelled append may still be stored.
        """
        assert 0 < len(records) <= APPEND_EVENTS_MAX, len(records)
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._insert, records)

    async def read(self, streams: Sequence[StreamName]) -> dict[StreamName, list[Recorded]]:
        """At most `READ_STREAMS_MAX` whole streams, in one query; a stream that does not exist is empty."""
        assert len(streams) <= READ_STREAMS_MAX, len(streams)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, streams)

    async def log(self, after: int, limit: int, *, flights_only: bool = False) -> list[tuple[int, Recorded]]:
        """The events after a position, at most `limit` or `LOG_EVENTS_MAX` of them; flights' alone if so asked."""
        assert after >= 0, after
        assert limit > 0, limit
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, self._log, after, min(limit, LOG_EVENTS_MAX), FLIGHT_TAGS if flights_only else ()
        )

    async def decided(self, after: int, limit: int) -> tuple[list[BookingId], int]:
        """Own bookings committed or cancelled after a position, at most `limit`, and the position told of by that.

        It costs little to ask again and again: the rows between are passed over in the database.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._decided, after, limit)

    async def excerpt(self, after: int, limit: int, tags: Sequence[str]) -> list[tuple[int, Recorded]]:
        """The same, of events with one of these tags; of all without any."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, self._log, after, min(limit, LOG_EVENTS_MAX), tags
        )

    async def end(self) -> int:
        """The last position; 0 in an empty log."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._end)

    async def history(self, stream: StreamName) -> list[tuple[int, Recorded]]:
        """One whole stream, each event with its position."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._history, stream)

    def replay(self, after: int = 0) -> Iterator[tuple[int, Recorded]]:
        """Every event after a position with its own position, in order. Blocks: it is for the start, and for tools.

        Raises `JournalDamaged` where a row does not decode or is missing, and `JournalTrouble` if the log ends
        before `after`: it is an older copy than whoever asks has seen. The versions are for the ledger to count.
        """
        with _reported("the journal cannot be read"):
            end = self._recorder.max_notification_id() or 0
            if end < after:
                raise JournalTrouble(f"the journal ends at position {end}, before {after}", known=True)
            while rows := self._recorder.select_notifications(after, REPLAY_SECTION, inclusive_of_start=False):
                for row in rows:
                    if self._database.gapless and row.id != after + 1:
                        raise JournalDamaged(row, f"nothing lies between it and position {after}")
                    assert row.id > after
                    after = row.id
                    yield after, _recorded(row)

    def leaves(self, after: int) -> Iterator[tuple[int, Hash]]:
        """Every event after a position as the log's tree has it, with its own position, in order. Blocks."""
        with _reported("the journal cannot be read"):
            while rows := self._recorder.select_notifications(after, REPLAY_SECTION, inclusive_of_start=False):
                for row in rows:
                    after = row.id
                    yield after, leaf_hash(_leaf(row))

    async def evidence(self, streams: Sequence[StreamName]) -> list[tuple[int, bytes]]:
        """All events of these streams as the log's tree has them, each with its position."""
        assert len(streams) <= READ_STREAMS_MAX, len(streams)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._evidence, streams)

    def close(self) -> None:
        """Wait for the append under way, then leave no thread, file or lock behind."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._database.release()

    # ---- in the threads -----------------------------------------------------------------------------------------

    def _insert(self, records: Sequence[Recorded]) -> int:
        if self._failed:
            raise JournalTrouble("an earlier write failed: the node must start again", known=True)
        stored = [_stored(record) for record in records]
        try:
            with _reported("the journal cannot be written"):
                position = self._insert_once(stored)
            if self.tree is not None:
                self.tree.extend([leaf_hash(_leaf(row)) for row in stored], position)
            return position
        except JournalFull:
            raise
        except BaseException:
            self._failed = True
            raise

    def _insert_once(self, rows: Sequence[StoredEvent]) -> int:
        try:
            positions = self._recorder.insert_events(rows)
        except IntegrityError as conflict:
            # When the connection to PostgreSQL dies during a COMMIT the recorder tries again, and runs into its own
            # rows. All or nothing: if the last row is there as we wrote it, so are the others.
            last = rows[-1]
            for row in self._select([str(last.originator_id)]):
                if row.originator_version == last.originator_version and row.state == last.state:
                    return row.id
            raise JournalTrouble(f"somebody else has written to this journal: {conflict}", known=True) from conflict
        assert positions is not None
        assert len(positions) == len(rows)
        return positions[-1]

    def _read(self, streams: Sequence[StreamName]) -> dict[StreamName, list[Recorded]]:
        found: dict[StreamName, list[Recorded]] = {stream: [] for stream in streams}
        with _reported("the journal cannot be read"):
            for row in self._select(streams):
                if (records := found.get(str(row.originator_id))) is None:
                    raise JournalDamaged(row, "it is not of the streams that were asked for")
                if row.originator_version != len(records) + 1:
                    raise JournalDamaged(row, f"the event before it is version {len(records)}")
                records.append(_recorded(row))
        return found

    def _log(self, after: int, limit: int, tags: Sequence[str]) -> list[tuple[int, Recorded]]:
        with _reported("the journal cannot be read"):
            rows = self._recorder.select_notifications(after, limit, topics=tags, inclusive_of_start=False)
        return [(row.id, _recorded(row)) for row in rows]

    def _decided(self, after: int, limit: int) -> tuple[list[BookingId], int]:
        with _reported("the journal cannot be read"):
            # Asked first: what is written meanwhile is left for the next time.
            end = max(after, self._recorder.max_notification_id() or 0)
            rows = self._recorder.select_notifications(after, limit, end, DECISION_TAGS, inclusive_of_start=False)
        bookings = [str(row.originator_id).removeprefix(booking_stream("")) for row in rows]
        return bookings, rows[-1].id if len(rows) == limit else end

    def _end(self) -> int:
        with _reported("the journal cannot be read"):
            return self._recorder.max_notification_id() or 0

    def _history(self, stream: StreamName) -> list[tuple[int, Recorded]]:
        with _reported("the journal cannot be read"):
            return [(row.id, _recorded(row)) for row in self._select([stream])]

    def _evidence(self, streams: Sequence[StreamName]) -> list[tuple[int, bytes]]:
        with _reported("the journal cannot be read"):
            return [(row.id, _leaf(row)) for row in self._select(streams)]

    def _select(self, streams: Sequence[StreamName]) -> list[Notification]:
        """All rows of these streams, each stream's in order."""
        with self._recorder.datastore.transaction(commit=False) as cursor:
            cursor.execute(self._database.select_streams, (self._database.bind(streams),))
            return [
                Notification(
                    id=row["position"],
                    originator_id=row["originator_id"],
                    originator_version=row["originator_version"],
                    topic=row["topic"],
                    state=bytes(row["state"]),
                )
                for row in cursor.fetchall()
            ]


def _stored(record: Recorded) -> StoredEvent:
    stream, version, tag, state = sealed(record)
    return StoredEvent(originator_id=stream, originator_version=version, topic=tag, state=state)


def _leaf(row: StoredEvent) -> bytes:
    return leaf_of(row.topic, str(row.originator_id), row.originator_version, row.state[CHECKSUM_BYTES:])


def _recorded(row: Notification) -> Recorded:
    """The same event again, or `JournalDamaged`: what was checked where it was written is checked where it is read."""
    try:
        return opened(str(row.originator_id), row.originator_version, row.topic, row.state)
    except BadRow as fault:
        raise JournalDamaged(row, str(fault)) from fault


@contextmanager
def _reported(what: str, *, known: bool = False) -> Iterator[None]:
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


# ---- the two databases --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Database:
    """Where the two databases differ."""

    recorder: "SQLiteApplicationRecorder | PostgresApplicationRecorder"
    select_streams: str
    """The rows of many streams in one query: the recorders ask for one at a time."""
    bind: Callable[[Sequence[StreamName]], object]
    """Stream names as that query's one parameter."""
    gapless: bool
    """Positions have no gaps, so that a row which is missing shows."""
    release: Callable[[], None]


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

    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        found: dict[str, str | int] = {}
        with connection.cursor() as cursor:
            for name, wanted in PRAGMAS.items():
                cursor.execute(f"PRAGMA {name}={wanted}")
                [found[name]] = cursor.execute(f"PRAGMA {name}").fetchone()
        if found != PRAGMAS:
            connection.close()
            raise JournalTrouble(f"SQLite would lose acknowledged data here: it insists on {found}", known=True)
        return connection


def _sqlite(path: Path) -> Database:
    with ExitStack() as undo, _reported(f"the journal {path} cannot be opened", known=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = undo.enter_context(open(f"{path}.lock", "ab"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalTrouble(f"another node is running in {path.parent}", known=True) from None
        promised = promised_frames(path)
        datastore = SQLiteDatastore(path.as_uri(), originator_id_type="text")
        undo.callback(datastore.close)
        datastore.pool = DurablePool(db_name=path.as_uri(), lock_timeout=LOCK_WAIT_MS // 1000)
        _check_pages(datastore)
        _check_log(datastore, promised)
        recorder = OneStatement(datastore)
        recorder.create_table()
        _connect_all(datastore)
        return Database(
            recorder=recorder,
            select_streams="SELECT rowid AS position, * FROM stored_events "
            "WHERE originator_id IN (SELECT value FROM json_each(?)) ORDER BY originator_id, originator_version",
            bind=lambda streams: orjson.dumps(list(streams)).decode(),
            gapless=True,
            release=undo.pop_all().close,
        )


def _check_pages(datastore: SQLiteDatastore) -> None:
    """Finds a torn page, and an index that hides rows: half a second of CPU for a million events."""
    with datastore.transaction(commit=False) as cursor:
        cursor.execute("PRAGMA integrity_check(1)")
        [verdict] = cursor.fetchone()
    if verdict != "ok":
        raise JournalTrouble(f"the journal is damaged: {verdict}", known=True)


def _check_log(datastore: SQLiteDatastore, promised: int) -> None:
    """SQLite takes a write-ahead log that is damaged for one that ends there, and forgets the rest without a word."""
    with datastore.get_connection(commit=False) as connection, connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
        _, found, _ = cursor.fetchone()
    if found < promised:
        raise JournalTrouble(f"the journal is damaged: {found} of {promised} pages of its log are sound", known=True)


def _connect_all(datastore: SQLiteDatastore) -> None:
    """Open every connection now: later, a crowd of clients may have left no file descriptor for one."""
    with ExitStack() as taken:
        for _ in range(1 + READERS):
            taken.enter_context(datastore.get_connection(commit=False))


def _postgres(address: str) -> Database:
    try:
        import psycopg
        from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
        from psycopg.rows import dict_row
    except ImportError as missing:
        raise JournalTrouble(f"PostgreSQL needs the extra passcom[postgres]: {missing}", known=True) from missing

    what = "the journal in PostgreSQL cannot be opened"
    with ExitStack() as undo, _reported(what, known=True):
        try:
            guard = psycopg.connect(address, autocommit=True, connect_timeout=CONNECT_WAIT_MS // 1000)
            _guard(undo.enter_context(guard))
        except psycopg.errors.LockNotAvailable:
            raise JournalTrouble("another node is running on this PostgreSQL database", known=True) from None
        except psycopg.Error as trouble:
            raise JournalTrouble(f"{what}: {trouble}", known=True) from trouble
        datastore = PostgresDatastore(
            *("", "", "", "", ""),
            connect_timeout=CONNECT_WAIT_MS / 1000,
            lock_timeout=LOCK_WAIT_MS // 1000,
            idle_in_transaction_session_timeout=LOCK_WAIT_MS / 1000,
            pool_size=1 + READERS,
            pre_ping=True,  # after the server was restarted, our connections are stale
            originator_id_type="text",
        )
        undo.callback(datastore.close)
        # The address in place of those five parts: so its sslmode and its options count too.
        datastore.pool.conninfo, datastore.pool.kwargs = address, {"row_factory": dict_row}
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        return Database(
            recorder=recorder,
            select_streams="SELECT notification_id AS position, * FROM public.stored_events "
            "WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version",
            bind=list,
            gapless=False,
            release=undo.pop_all().close,
        )


def _guard(connection: "PostgresConnection[tuple[object, ...]]") -> None:
    """Be the only node here for as long as this connection lasts.

    Should it be lost while the node works on, the key (stream, version) still keeps two nodes from both succeeding.
    """
    unsafe = connection.execute(
        "SELECT name FROM pg_settings WHERE setting = 'off'"
        " AND name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
    ).fetchall()
    if unsafe:
        raise JournalTrouble(f"PostgreSQL is set to lose acknowledged data: {unsafe[0][0]} is off", known=True)
    # The server notices within half a minute, not two hours, that the machine of the last node is gone.
    connection.execute("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3")
    # Waited for, because the last node's session outlives its process by a moment.
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (str(LOCK_WAIT_MS),))
    connection.execute("SELECT pg_advisory_lock(%s)", (NODE_LOCK,))
