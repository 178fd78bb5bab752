"""One node's log at work: its one writer, its readers, and every event with its position."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol, get_args

from eventsourcing.persistence import IntegrityError, Notification, StoredEvent

from airline_node.journal.database import READERS, Database
from airline_node.journal.sqlite import open_file
from airline_node.journal.stored import leaf, recorded, stored
from airline_node.journal.trouble import JournalDamaged, JournalFull, JournalTrouble, reported
from airline_node.rows import TAGS
from ledger.events import (
    AnyFlightEvent,
    BookingCancelled,
    BookingCommitted,
    Recorded,
    StreamName,
    booking_stream,
)
from ledger.terms import BookingId
from ledger.tree import Hash, leaf_hash

REPLAY_SECTION: Final = 1_000
"""Events in memory at once while the log is replayed."""
APPEND_EVENTS_MAX: Final = 20_000
LOG_EVENTS_MAX: Final = 1_000
POSITIONS: Final = "Passcom-Positions"
"""The header in which `/api/log` says of what kind its positions are."""
COUNTED, RISING = "counted", "rising"
READ_STREAMS_MAX: Final = 10_000

FLIGHT_TAGS: Sequence[str] = [TAGS[kind] for kind in get_args(AnyFlightEvent)]
DECISION_TAGS: Sequence[str] = [TAGS[BookingCommitted], TAGS[BookingCancelled]]


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
        journal = cls.begin(address)
        try:
            journal.check()
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def begin(cls, address: str) -> "Journal":
        """The same, to be read at once; `check` it before anything is written to it, or said that it has told."""
        if address.startswith(("postgresql://", "postgres://")):
            return cls(_database(address))
        return cls(open_file(Path(address).absolute()))

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recorder = database.recorder
        self._writer = ThreadPoolExecutor(1, "journal-writer")
        self._readers = ThreadPoolExecutor(READERS, "journal-reader")
        self._failed = False
        self._checked = False
        self.tree: Tree | None = None

    @property
    def positions(self) -> str:
        """`COUNTED` up by one, so that one which is not there is an event that is missing; or `RISING`, with gaps."""
        return COUNTED if self._database.gapless else RISING

    def check(self) -> None:
        """Blocks until the file is known to be whole. Raises `JournalTrouble` if it is not."""
        self._database.sound()
        self._checked = True

    async def append(self, records: Sequence[Recorded]) -> int:
        """Store 1 to `APPEND_EVENTS_MAX` events of any streams in one transaction; answers the last one's position.

        All or nothing. Raises `JournalFull`, after which it may be tried again, or `JournalTrouble`: the outcome is
        certain if it is `known`, and from then on nothing more is taken, because memory is ahead of the disk. A
        cancelled append may still be stored.
        """
        assert 0 < len(records) <= APPEND_EVENTS_MAX, len(records)
        assert self._checked, "nothing is added to a journal that may be damaged"
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
        with reported("the journal cannot be read"):
            end = self._recorder.max_notification_id() or 0
            if end < after:
                raise JournalTrouble(f"the journal ends at position {end}, before {after}", known=True)
            while rows := self._recorder.select_notifications(after, REPLAY_SECTION, inclusive_of_start=False):
                for row in rows:
                    if self._database.gapless and row.id != after + 1:
                        raise JournalDamaged(row, f"nothing lies between it and position {after}")
                    assert row.id > after
                    after = row.id
                    yield after, recorded(row)

    def leaves(self, after: int) -> Iterator[tuple[int, Hash]]:
        """Every event after a position as the log's tree has it, with its own position, in order. Blocks."""
        with reported("the journal cannot be read"):
            while rows := self._recorder.select_notifications(after, REPLAY_SECTION, inclusive_of_start=False):
                for row in rows:
                    after = row.id
                    yield after, leaf_hash(leaf(row))

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
        rows = [stored(record) for record in records]
        try:
            with reported("the journal cannot be written"):
                position = self._insert_once(rows)
            if self.tree is not None:
                self.tree.extend([leaf_hash(leaf(row)) for row in rows], position)
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
        with reported("the journal cannot be read"):
            for row in self._select(streams):
                if (records := found.get(str(row.originator_id))) is None:
                    raise JournalDamaged(row, "it is not of the streams that were asked for")
                if row.originator_version != len(records) + 1:
                    raise JournalDamaged(row, f"the event before it is version {len(records)}")
                records.append(recorded(row))
        return found

    def _log(self, after: int, limit: int, tags: Sequence[str]) -> list[tuple[int, Recorded]]:
        with reported("the journal cannot be read"):
            rows = self._recorder.select_notifications(after, limit, topics=tags, inclusive_of_start=False)
        return [(row.id, recorded(row)) for row in rows]

    def _decided(self, after: int, limit: int) -> tuple[list[BookingId], int]:
        with reported("the journal cannot be read"):
            # Asked first: what is written meanwhile is left for the next time.
            end = max(after, self._recorder.max_notification_id() or 0)
            rows = self._recorder.select_notifications(after, limit, end, DECISION_TAGS, inclusive_of_start=False)
        bookings = [str(row.originator_id).removeprefix(booking_stream("")) for row in rows]
        return bookings, rows[-1].id if len(rows) == limit else end

    def _end(self) -> int:
        with reported("the journal cannot be read"):
            return self._recorder.max_notification_id() or 0

    def _history(self, stream: StreamName) -> list[tuple[int, Recorded]]:
        with reported("the journal cannot be read"):
            return [(row.id, recorded(row)) for row in self._select([stream])]

    def _evidence(self, streams: Sequence[StreamName]) -> list[tuple[int, bytes]]:
        with reported("the journal cannot be read"):
            return [(row.id, leaf(row)) for row in self._select(streams)]

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


def _database(address: str) -> Database:
    try:
        from airline_node.journal.postgres import open_database
    except ImportError as missing:
        raise JournalTrouble(f"PostgreSQL needs the extra passcom[postgres]: {missing}", known=True) from missing
    return open_database(address)
