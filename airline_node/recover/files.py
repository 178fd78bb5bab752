"""The journal of a node that cannot start, or does not have to: read as it lies there, and left exactly as it is.

Nothing is written, not even what SQLite would write to recover its own log: the shared memory beside it bears witness
of how much was on disk (`airline_node.wal`), and a later start needs that witness. A node that is at work in the same
folder is not disturbed; the reader sees what it has written so far. A journal in PostgreSQL is read in a transaction of
its own, read-only.
"""

import fcntl
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

from airline_node.audit.sources import PostgresSource, Row, SourceTrouble
from airline_node.config import LEDGER
from airline_node.rows import BadRow, opened
from airline_node.timetable import load
from airline_node.wal import promised_frames, sound_frames
from ledger import participant
from ledger.coordinator.state import Booking, Phase
from ledger.events import FlightEvent, MismatchAcknowledged, Recorded, StreamName, booking_stream, flight_stream
from ledger.ledger import Ledger, LogBroken
from ledger.participant.state import Doubted, HoldState
from ledger.terms import BookingId, CarrierCode, FlightId, Millis
from ledger.waiting import Transaction, transactions

ROWS_AT_ONCE: Final = 1_000
BUSY_MS: Final = 5_000
SELECT: Final = "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events"

DECIDED: Final = (Phase.COMMITTED, Phase.ABORTED, Phase.CANCELLED)

Progress: TypeAlias = Callable[[int, int], None]


class FilesTrouble(Exception):
    """The files do not tell what the node knew. The text is a sentence, and says where they break off."""


class Verdict(StrEnum):
    """What a coordinator's own log says of a booking."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    PRESUMED_ABORTED = "presumed aborted"
    """No decision is on disk, and only this one can be taken still: at the start, or when somebody asks."""
    OPEN = "not decided yet"
    """No decision is on disk, and its time is not up: a node that starts soon can still commit it."""


class Rows(Protocol):
    """A journal's rows as they are stored, in sections or one stream's. `gapless`: positions count up by one."""

    gapless: bool

    def count(self) -> int: ...
    def sections(self) -> Iterator[Sequence[Row]]: ...
    def stream(self, stream: StreamName) -> Sequence[Row]: ...


class Files(Struct, frozen=True):
    """What one carrier's journal holds, read up to `position`. `at_work` is whether a node is running on it.

    `again` opens the journal once more, to look up what the ledger has forgotten.
    """

    place: str
    carrier: CarrierCode
    position: int
    at_work: bool
    ledger: Ledger
    again: Callable[[], AbstractContextManager[Rows]]

    def waiting(self) -> tuple[Transaction, ...]:
        """As the node would tell it, were it up: here nobody collects votes any more, so every pledge is in doubt."""
        return transactions(self.ledger.flights.values(), self.ledger.bookings.values()).transactions

    def decided(self) -> list[Booking]:
        """Its bookings that are decided and not settled."""
        return [booking for booking in self.ledger.bookings.values() if booking.phase in DECIDED]

    def verdict(self, booking: BookingId, now: Millis) -> Verdict:
        """What became of a booking that this carrier coordinates. Of one that it never heard of, it says abort."""
        if known := self.ledger.bookings.get(booking):
            return verdict(known, now)
        stream, ledger = booking_stream(booking), Ledger(self.carrier, self.ledger.stock.prefix)
        with self.again() as rows:
            ledger.load(stream, [recorded for _, recorded in _opened(rows.stream(stream))])
        return verdict(ledger.bookings[booking], now) if booking in ledger.bookings else Verdict.PRESUMED_ABORTED

    def acknowledged(self, flight: FlightId, booking: BookingId) -> MismatchAcknowledged:
        """What an operator has written about a broken pledge of this carrier, which is known to be seen to."""
        with self.again() as rows:
            events = [recorded.event for _, recorded in _opened(rows.stream(flight_stream(flight)))]
        return next(one for one in events if isinstance(one, MismatchAcknowledged) and one.booking == booking)


def verdict(booking: Booking, now: Millis) -> Verdict:
    match booking.phase:
        case Phase.COMMITTED | Phase.COMMITTED_SETTLED | Phase.CANCELLED | Phase.CANCELLED_SETTLED:
            return Verdict.COMMITTED
        case Phase.ABORTED | Phase.ABORTED_SETTLED:
            return Verdict.ABORTED
        case Phase.OPEN | Phase.VOTING | Phase.UNKNOWN:
            ends = booking.hold_until if booking.phase is Phase.OPEN else booking.decide_by
            return Verdict.OPEN if now < ends else Verdict.PRESUMED_ABORTED


def read_files(folder: Path, progress: Progress = lambda _done, _all: None) -> Files:
    """The whole log in this folder, folded. `progress` hears how many events of how many. Raises `FilesTrouble`."""
    path = folder / LEDGER
    if not path.exists():
        hint = "a journal in PostgreSQL is read with --journal, or PASSCOM_JOURNAL, as its node has it"
        raise FilesTrouble(f"there is no {LEDGER} in {folder}; {hint}")
    at_work = _at_work(path)
    if not at_work and (promised := promised_frames(path)) > (sound := sound_frames(path)):
        raise FilesTrouble(f"the journal is damaged: {sound} of {promised} pages of its write-ahead log are sound")
    return _read(partial(_file, path), str(folder), folder.name, progress, at_work=at_work)


def read_database(address: str, progress: Progress = lambda _done, _all: None) -> Files:
    """The same of a journal in PostgreSQL. What is told of it leaves the address's password out."""
    with _database(address) as rows:
        name, carrier, at_work = rows.name, rows.carrier, rows.is_at_work()
    return _read(partial(_database, address), name, carrier, progress, at_work=at_work)


def _read(
    again: Callable[[], AbstractContextManager[Rows]], place: str, named: str, progress: Progress, *, at_work: bool
) -> Files:
    try:
        with again() as rows:
            ledger, position = _folded(rows, named, progress)
            for stream in sorted(ledger.torn):
                ledger.load(stream, [recorded for _, recorded in _opened(rows.stream(stream))])
    except LogBroken as fault:
        raise FilesTrouble(f"{place} cannot be read: {fault}") from fault
    _doubt(ledger)
    return Files(place, ledger.carrier, position, at_work, ledger, again)


def _folded(rows: Rows, named: str, progress: Progress) -> tuple[Ledger, int]:
    ledger, position, total = _ledger(named), 0, rows.count()
    for number, (position, recorded) in enumerate(_opened(chain.from_iterable(rows.sections())), 1):
        if rows.gapless and position != number:
            raise FilesTrouble(f"position {number} is missing: the next one is {position}")
        if number == 1 and isinstance(recorded.event, FlightEvent):
            ledger = _ledger(recorded.event.flight[:2])  # a node puts its flights on sale before anything else
        ledger.apply(recorded)
        if number % ROWS_AT_ONCE == 0:
            progress(number, total)
    progress(total, total)
    return ledger, position


def _ledger(carrier: CarrierCode) -> Ledger:
    known = load().carriers.get(carrier)
    return Ledger(carrier, known.prefix if known else "")


def _doubt(ledger: Ledger) -> None:
    for flight in ledger.flights.values():
        for booking in [b for b, claim in flight.claims.items() if claim.state is HoldState.PLEDGED]:
            participant.evolve(flight, Doubted(booking))


def _opened(rows: Iterable[Row]) -> Iterator[tuple[int, Recorded]]:
    for row, stream, version, tag, state in rows:
        try:
            if not isinstance(state, bytes):  # SQLite keeps whatever it is given
                raise BadRow("it is no row of bytes")
            recorded = opened(stream, version, tag, state)
        except BadRow as fault:
            raise FilesTrouble(f"position {row}, {stream} version {version} is damaged: {fault}") from fault
        yield row, recorded


# ---- PostgreSQL -----------------------------------------------------------------------------------------------------


@contextmanager
def _database(address: str) -> Iterator[PostgresSource]:
    try:
        with closing(PostgresSource(address, at_once=True)) as source:
            yield source
    except SourceTrouble as trouble:
        raise FilesTrouble(str(trouble)) from trouble


# ---- SQLite ---------------------------------------------------------------------------------------------------------


class _File:
    """One instant of a file, whoever writes to it meanwhile."""

    gapless = True

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("BEGIN")

    def count(self) -> int:
        [(total,)] = self._database.execute("SELECT coalesce(max(rowid), 0) FROM stored_events")
        return int(total)

    def sections(self) -> Iterator[Sequence[Row]]:
        rows = self._database.execute(f"{SELECT} ORDER BY rowid")
        while some := rows.fetchmany(ROWS_AT_ONCE):
            yield some

    def stream(self, stream: StreamName) -> Sequence[Row]:
        rows = self._database.execute(f"{SELECT} WHERE originator_id = ? ORDER BY originator_version", (stream,))
        return rows.fetchall()


@contextmanager
def _file(path: Path) -> Iterator[_File]:
    try:
        with closing(_connect(path)) as database:
            yield _File(database)
    except sqlite3.Error as fault:
        raise FilesTrouble(f"{path} cannot be read: {fault}") from fault


def _connect(path: Path) -> sqlite3.Connection:
    """Read-only, and the shared memory too: to recover its log, SQLite makes a copy of its own in memory."""
    beside = Path(f"{path}-wal"), Path(f"{path}-shm")
    if all(file.exists() for file in beside):
        how = "mode=ro&readonly_shm=1"
    elif beside[0].exists():
        how = "mode=ro"  # There is no witness that could be overwritten.
    else:
        how = "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=BUSY_MS / 1000)


def _at_work(path: Path) -> bool:
    """Whether a node holds this journal. Its lock is shared for a moment only, or never if it is held."""
    lock = Path(f"{path}.lock")
    if not lock.exists():
        return False
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
