"""Private data that can be erased: who travels, and how to reach them, keyed by booking id.

The ledger keeps everything for ever, so no name ever enters it; names are here, in a file of their own. The rules:
what was kept first stays, however often a request is repeated; what was erased is gone from the file, not only
from the table, and stays gone.

One thread owns the file. Whatever is asked while it writes is done together in the next transaction, so that one
fsync serves all that wait.
"""

import asyncio
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Annotated, Self

import msgspec
import orjson
from msgspec import Meta, Struct
from sqlalchemy import URL, Column, Connection, LargeBinary, MetaData, String, Table, bindparam, create_engine, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ledger.terms import PASSENGERS_MAX, BookingId

QUEUE_MAX = 5_000
"""Requests that wait. Past it a request is refused; nothing was done then."""
BATCH_MAX = 500
"""Requests in one transaction."""
SECRET_BYTES = 32
SQLITE_FULL = 13

PRAGMAS: Mapping[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is on the disk before it returns. In WAL mode, NORMAL can lose it.
    "fullfsync": 1,  # macOS only: there, plain fsync leaves the data in the drive's cache.
    "checkpoint_fullfsync": 1,
    "secure_delete": 1,  # What is erased is overwritten.
}
"""Set when the file is opened, read back, and refused if they did not take."""

# No control characters, none that turn or hide text, and something to see. `$` alone would let a line feed follow.
HIDDEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
NAME_PATTERN = rf"^(?=.*\S)[^{HIDDEN}]+$(?!\n)"
EMAIL_PATTERN = rf"^[^@\s{HIDDEN}]+@[^@\s{HIDDEN}]+$(?!\n)"


class Passenger(Struct, frozen=True, forbid_unknown_fields=True):
    """`name` as it will stand on the ticket."""

    name: Annotated[str, Meta(min_length=1, max_length=80, pattern=NAME_PATTERN)]


class Contact(Struct, frozen=True, forbid_unknown_fields=True):
    email: Annotated[str, Meta(max_length=254, pattern=EMAIL_PATTERN)]


class Travellers(Struct, frozen=True):
    """A booking's passengers, in the order of its seats, and whom to write to."""

    passengers: Annotated[tuple[Passenger, ...], Meta(min_length=1, max_length=PASSENGERS_MAX)]
    contact: Contact


class VaultTrouble(Exception):
    """The vault did not do it. Unless `known`, it may have: every request here can simply be made again."""

    def __init__(self, words: str, *, known: bool) -> None:
        super().__init__(words)
        self.known = known


class Vault:
    """One node's private data. Open it once, close it once; everything between may be asked at the same time."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """A file that only its owner can read, made with its folder if need be.

        Raises VaultTrouble if it cannot be used, or would acknowledge what a power cut can still take away.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives the files that it puts beside this one the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
            return cls(_prepared(path))
        except (OSError, SQLAlchemyError) as error:
            raise VaultTrouble(f"{path} cannot be used: {_words(error)}", known=True) from error

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._secret = _secret(connection)
        self._waiting: SimpleQueue[_Request | None] = SimpleQueue()
        # A daemon: a node that dies without `close` must not hang on it. Whatever is acknowledged is on the disk.
        self._thread = Thread(target=self._work, name="vault", daemon=True)
        self._thread.start()
        self._closed = False

    async def keep(self, booking: BookingId, travellers: Travellers) -> Travellers | None:
        """On disk when this returns. What is already kept for this booking, or was erased, is left as it is.

        Answers who is kept: these, or who came first; None if they are erased.
        """
        return await self._ask(_Keep(booking, asyncio.get_running_loop().create_future(), travellers))

    async def travellers(self, booking: BookingId) -> Travellers | None:
        """Who was kept first for this booking; None if nobody was, or they are erased."""
        return await self._ask(_Read(booking, asyncio.get_running_loop().create_future()))

    async def erase(self, booking: BookingId) -> None:
        """Gone from table, file and write-ahead log when this returns. A later `keep` does not bring it back."""
        await self._ask(_Erase(booking, asyncio.get_running_loop().create_future()))

    def fingerprint(self, body: bytes) -> str:
        """A keyed hash: two requests can be compared by it, and no name be guessed from it without this vault."""
        return hmac.digest(self._secret, body, sha256).hex()

    def close(self) -> None:
        """Finish what was asked, then leave no thread and no open file."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        self._connection.close()

    async def _ask(self, request: "_Request") -> Travellers | None:
        if self._closed or self._waiting.qsize() >= QUEUE_MAX:
            raise VaultTrouble("the vault is closed" if self._closed else "too many requests wait", known=True)
        self._waiting.put(request)
        return await request.future

    def _work(self) -> None:
        """The vault's thread: everything that waits, in one transaction, then whatever came meanwhile."""
        while first := self._waiting.get():
            batch = [first, *self._more()]
            answers: Mapping[BookingId, Travellers | None] | VaultTrouble
            try:
                answers = self._transact(batch)
            except Exception as error:  # Whatever it is, somebody waits for an answer, and others will ask.
                full = getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == SQLITE_FULL
                words = "there is no room on the disk" if full else f"the vault failed: {_words(error)}"
                answers = VaultTrouble(words, known=full)
                answers.__cause__ = error
            # The loop is closed if those who asked are gone with it.
            with suppress(RuntimeError):
                first.future.get_loop().call_soon_threadsafe(_answer, batch, answers)

    def _more(self) -> list["_Request"]:
        more: list[_Request] = []
        with suppress(Empty):
            while len(more) < BATCH_MAX - 1:
                request = self._waiting.get_nowait()
                if request is None:
                    self._waiting.put(None)  # The end comes after this batch.
                    break
                more.append(request)
        return more

    def _transact(self, batch: Sequence["_Request"]) -> Mapping[BookingId, Travellers | None]:
        """Do all of it, in whatever order: nobody in a batch has heard from the others. Answers what is read."""
        kept = {keep.booking: keep.travellers for keep in reversed(batch) if isinstance(keep, _Keep)}  # the first stays
        erased = [{"booking": erase.booking} for erase in batch if isinstance(erase, _Erase)]
        read = [read.booking for read in batch if isinstance(read, _Read)]
        with self._connection.begin():
            if kept and self._insert(kept) < len(kept):
                read += kept  # Some were there before: whoever came first is told.
            if erased:
                self._connection.execute(_ERASE, erased)
            rows = self._connection.execute(_READ, {"bookings": read}).all() if read else []
        if erased:
            self._empty_log()
        found = {booking: _BODY.decode(body) if body is not None else None for booking, body in rows}
        return kept | found

    def _insert(self, kept: Mapping[BookingId, Travellers]) -> int:
        """How many were new."""
        rows = [{"booking": booking, "body": orjson.dumps(msgspec.to_builtins(who))} for booking, who in kept.items()]
        return self._connection.execute(_KEEP, rows).rowcount

    def _empty_log(self) -> None:
        """The write-ahead log still holds the pages from before: move them into the file, and cut it to nothing."""
        with self._connection.begin():
            busy = self._connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
        if busy:
            raise VaultTrouble("another program is reading the file", known=False)


class _Request(Struct, eq=False):
    booking: BookingId
    future: "asyncio.Future[Travellers | None]"


class _Keep(_Request, eq=False):
    travellers: Travellers


class _Read(_Request, eq=False):
    pass


class _Erase(_Request, eq=False):
    pass


def _answer(batch: Sequence[_Request], answers: Mapping[BookingId, Travellers | None] | VaultTrouble) -> None:
    for request in batch:
        if request.future.done():
            continue  # Whoever asked has gone.
        if isinstance(answers, VaultTrouble):
            request.future.set_exception(answers)
        else:
            request.future.set_result(answers.get(request.booking))


# ---- the file ---------------------------------------------------------------------------------------------------

_TABLES = MetaData()
_TRAVELLERS = Table(
    "travellers",
    _TABLES,
    Column("booking", String, primary_key=True),
    Column("body", LargeBinary),  # `Travellers` as JSON. NULL once erased, so that a late repeat finds its place taken.
)
_SECRETS = Table(
    "secrets",
    _TABLES,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
_KEEP = insert(_TRAVELLERS).on_conflict_do_nothing()
_ERASE = insert(_TRAVELLERS).values(body=None).on_conflict_do_update(index_elements=["booking"], set_={"body": None})
_READ = select(_TRAVELLERS).where(_TRAVELLERS.c.booking.in_(bindparam("bookings", expanding=True)))
_BODY = msgspec.json.Decoder(Travellers)


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
        _TABLES.create_all(connection)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _secret(connection: Connection) -> bytes:
    """The key of the fingerprints, made once in the life of the file."""
    with connection.begin():
        fresh = {"name": "fingerprint", "value": secrets.token_bytes(SECRET_BYTES)}
        connection.execute(insert(_SECRETS).on_conflict_do_nothing(), fresh)
        return bytes(connection.execute(select(_SECRETS.c.value).filter_by(name="fingerprint")).scalar_one())


def _words(error: Exception) -> str:
    """What went wrong, as SQLite says it: SQLAlchemy adds the statement and a link."""
    return str(error.orig if isinstance(error, DBAPIError) else error)
