"""The one file of a vault: what is asked of it waits in a queue, and one thread does it.

The rules: what is answered is on the disk; what is erased is gone from the file, not only from the table. Whatever is
asked while the file is being written is done together in the next transaction, so that one fsync serves all that wait.
"""

import asyncio
import os
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from msgspec import Struct, StructMeta
from sqlalchemy import URL, Connection, MetaData, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from airline_node.wal import TO_DISK
from snapshots.folder import keep_names

T = TypeVar("T")

QUEUE_MAX = 5_000
"""Requests that wait. Past it a request is refused; nothing was done then."""
BATCH_MAX = 500
"""Requests in one transaction; some of them may ask for several things."""
SQLITE_FULL = 13

PRAGMAS: Mapping[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is on the disk before it returns. In WAL mode, NORMAL can lose it.
    "fullfsync": 1,  # macOS only: there, plain fsync leaves the data in the drive's cache.
    "checkpoint_fullfsync": 1,
    "secure_delete": 1,  # What is erased is overwritten.
    "cache_size": -32 * 1024,  # KiB: names come in the order of neither of their indexes
    "wal_autocheckpoint": 4_000,  # pages: what is changed again before then is copied into the file once
    "temp_store": 2,  # MEMORY: no name reaches a temporary file, and half a statement is undone without one.
}
"""Set when the file is opened, read back, and refused if they did not take."""

TABLES = MetaData()
"""Every room's tables. A new one is made when an older file is opened; one that is there is never changed."""


class VaultTrouble(Exception):
    """The vault did not do it. Unless `known`, it may have: every request here can simply be made again."""

    def __init__(self, words: str, *, known: bool) -> None:
        super().__init__(words)
        self.known = known


class AbstractStruct(StructMeta, ABCMeta):
    """The class of a Struct that is not whole without what its kinds add."""


class Ask(Struct, Generic[T], metaclass=AbstractStruct, frozen=True, eq=False):
    """One thing asked of the file. A refusal is an answer: what raises fails its whole batch."""

    erases: ClassVar[bool] = False
    """What it removes must not stay readable in the write-ahead log either."""

    @classmethod
    @abstractmethod
    def together(cls, connection: Connection, asks: Sequence[Any]) -> Sequence[T]:
        """All of this kind in one batch, answered in their order. Nobody in a batch has heard from the others."""


class SingleAsk(Ask[T], Generic[T], frozen=True, eq=False):
    """One that is done by itself, whatever else is in its batch."""

    @abstractmethod
    def do(self, connection: Connection) -> T: ...

    @classmethod
    def together(cls, connection: Connection, asks: Sequence[Any]) -> Sequence[T]:
        return [ask.do(connection) for ask in asks]


class _Waiting(NamedTuple):
    asks: Sequence[Ask[Any]]
    future: "asyncio.Future[Sequence[Any]]"


class VaultFile:
    """Open it once, close it once; everything between may be asked at the same time."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """A file that only its owner can read, made with its folder if need be.

        Raises VaultTrouble if it cannot be used, or would acknowledge what a power cut can still take away.
        """
        with _usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _make(path)
            # SQLite gives the files that it puts beside this one the same mode.
            path.chmod(0o600)
            connection = _prepared(path)
            try:
                keep_names(path.parent)
            except BaseException:
                connection.close()
                raise
            return cls(connection)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        """Its thread's own, from the first question to the end."""
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        # A daemon: a node that dies without `close` must not hang on it. Whatever is acknowledged is on the disk.
        self._thread = Thread(target=self._work, name="vault", daemon=True)
        self._closed = False
        self._thread.start()

    async def ask(self, ask: Ask[T]) -> T:
        """Done and on the disk when this returns. Raises VaultTrouble."""
        [answer] = await self.ask_all([ask])
        return answer

    async def ask_all(self, asks: Sequence[Ask[T]]) -> Sequence[T]:
        """All of them in one transaction, answered in their order. Raises VaultTrouble."""
        if self._closed or self._waiting.qsize() >= QUEUE_MAX:
            raise VaultTrouble("the vault is closed" if self._closed else "too many requests wait", known=True)
        future: asyncio.Future[Sequence[T]] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(asks, future))
        return await future

    def first(self, do: Callable[[Connection], T]) -> T:
        """At once and here, before anything is asked. A file that fails at this is closed. Raises VaultTrouble."""
        try:
            with _usable(Path(str(self.connection.engine.url.database))):
                return do(self.connection)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Finish what was asked, then leave no thread and no open file."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        self.connection.close()

    def _work(self) -> None:
        """The vault's thread: everything that waits, in one transaction, then whatever came meanwhile."""
        while first := self._waiting.get():
            batch = [first, *self._more()]
            answers: Sequence[object] | VaultTrouble
            try:
                answers = self._transact([ask for waiting in batch for ask in waiting.asks])
            except Exception as error:  # Whatever it is, somebody waits for an answer, and others will ask.
                full = getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == SQLITE_FULL
                words = "there is no room on the disk" if full else f"the vault failed: {_words(error)}"
                answers = VaultTrouble(words, known=full)
                answers.__cause__ = error
            # The loop is closed if those who asked are gone with it.
            with suppress(RuntimeError):
                first.future.get_loop().call_soon_threadsafe(_answer, batch, answers)

    def _more(self) -> list[_Waiting]:
        more: list[_Waiting] = []
        with suppress(Empty):
            while len(more) < BATCH_MAX - 1:
                waiting = self._waiting.get_nowait()
                if waiting is None:
                    self._waiting.put(None)  # The end comes after this batch.
                    break
                more.append(waiting)
        return more

    def _transact(self, batch: Sequence[Ask[Any]]) -> Sequence[Any]:
        with self.connection.begin():
            answers = self._do(batch)
        if any(ask.erases for ask in batch):
            self._empty_log()
        return answers

    def _do(self, batch: Sequence[Ask[Any]]) -> Sequence[Any]:
        """All of it, kind by kind; answers in the batch's order."""
        kinds: dict[type[Ask[Any]], list[int]] = {}
        for place, ask in enumerate(batch):
            kinds.setdefault(type(ask), []).append(place)
        answers: list[Any] = [None] * len(batch)
        for kind, places in kinds.items():
            told = kind.together(self.connection, [batch[place] for place in places])
            for place, answer in zip(places, told, strict=True):
                answers[place] = answer
        return answers

    def _empty_log(self) -> None:
        """The write-ahead log still holds the pages from before: move them into the file, and cut it to nothing."""
        with self.connection.begin():
            busy = self.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
        if busy:
            raise VaultTrouble("another program is reading the file", known=False)


def _answer(batch: Sequence[_Waiting], answers: Sequence[object] | VaultTrouble) -> None:
    place = 0
    for waiting in batch:
        first, place = place, place + len(waiting.asks)
        if waiting.future.done():
            continue  # Whoever asked has gone.
        if isinstance(answers, VaultTrouble):
            waiting.future.set_exception(answers)
        else:
            waiting.future.set_result(answers[first:place])


def _make(path: Path) -> None:
    """A new file is there with all its tables or not at all.

    An fsync that fails while the tables are made, and then a power cut, can leave a file that nobody can open any more.
    """
    new = path.with_name(f"{path.name}.new")
    log = new.with_name(f"{new.name}-wal")
    for left in (new, log, new.with_name(f"{new.name}-shm")):
        left.unlink(missing_ok=True)
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    _prepared(new).close()
    if log.exists():  # SQLite removes it when all of it is in the file, and says nothing when it could not.
        raise VaultTrouble(f"{path} cannot be made: its first tables did not get to the disk", known=True)
    with new.open("rb") as made:
        os.fsync(made.fileno())
    new.replace(path)
    keep_names(path.parent)


def _prepared(path: Path) -> Connection:
    """The one connection, for the one thread. No error of it ever shows the values of a statement."""
    connection = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False},
        poolclass=NullPool,
        hide_parameters=True,
    ).connect()
    try:
        for pragma, value in PRAGMAS.items():
            # Unless the answer is read to its end, a switch to WAL that fails at its commit fails unseen.
            with connection.exec_driver_sql(f"PRAGMA {pragma}={value}") as answer:
                if answer.returns_rows:
                    answer.all()
            if (found := connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()) != value:
                raise VaultTrouble(f"{path} cannot be used: {pragma} stays {found}", known=True)
        connection.exec_driver_sql(TO_DISK).all()
        TABLES.create_all(connection)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        raise VaultTrouble(f"{path} cannot be used: {_words(error)}", known=True) from error


def _words(error: Exception) -> str:
    """What went wrong, as SQLite says it: SQLAlchemy adds the statement and a link."""
    return str(error.orig if isinstance(error, DBAPIError) else error)
