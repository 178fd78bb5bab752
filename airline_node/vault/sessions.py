"""Browsers that this airline remembers for a while, and who is at them.

The rules: a session is a row here and its browser has a token; only the token's hash is kept, so whoever reads the
file cannot be anybody. A session that was ended is over at once. One that nobody used for `IDLE_MS`, or that is older
than `AGE_MS_MAX`, is over too, whoever says what. Roles are those that the account has now, not those at the login.
"""

from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table, bindparam, delete, func, select, update

from airline_node.vault.accounts import account_of
from airline_node.vault.file import TABLES, SingleAsk
from ledger.terms import Millis
from ui.sessions import LoadedSession
from ui.visitor import Account, AccountId

IDLE_MS = 2 * 3_600_000
AGE_MS_MAX = 24 * 3_600_000
TOUCH_MS = 60_000
"""A use is written down so often at most: a page that is only looked at need not cost an fsync."""
SESSIONS_MAX = 50_000
"""Past it the guest who has been away for the longest is forgotten; after all guests, the traveller."""
SESSIONS_PER_ACCOUNT_MAX = 10
"""One more login ends the one that was unused for the longest."""


class LoadSession(SingleAsk[LoadedSession | None], frozen=True, eq=False):
    key: bytes
    now: Millis

    def do(self, connection: Connection) -> LoadedSession | None:
        row = connection.execute(select(_SESSIONS).filter_by(key=self.key)).one_or_none()
        if row is None:
            return None
        account = _who(connection, row)
        over = self.now - row.used_at > IDLE_MS or self.now - row.opened_at > AGE_MS_MAX
        if over or (row.account is not None and account is None):
            connection.execute(_DELETE, {"k": self.key})
            return None
        if self.now - row.used_at > TOUCH_MS:
            connection.execute(update(_SESSIONS).where(_SESSIONS.c.key == self.key).values(used_at=self.now))
        return LoadedSession(content=row.content, account=account)


class OpenSession(SingleAsk[None], frozen=True, eq=False):
    key: bytes
    account: AccountId | None
    who: bytes | None
    content: bytes
    now: Millis

    def do(self, connection: Connection) -> None:
        over = (_SESSIONS.c.used_at < self.now - IDLE_MS) | (_SESSIONS.c.opened_at < self.now - AGE_MS_MAX)
        connection.execute(delete(_SESSIONS).where(over))
        if self.account is not None:
            _make_room(connection, _SESSIONS.c.account == self.account, SESSIONS_PER_ACCOUNT_MAX)
        _make_room(connection, _SESSIONS.c.account.is_(None), SESSIONS_MAX // 2)
        _make_room(connection, _SESSIONS.c.account.is_not(None), SESSIONS_MAX // 2)
        row = {
            "key": self.key,
            "account": self.account,
            "who": self.who,
            "content": self.content,
            "opened_at": self.now,
            "used_at": self.now,
        }
        connection.execute(_SESSIONS.insert(), row)


class SaveSession(SingleAsk[None], frozen=True, eq=False):
    key: bytes
    content: bytes

    def do(self, connection: Connection) -> None:
        connection.execute(update(_SESSIONS).where(_SESSIONS.c.key == self.key).values(content=self.content))


class EndSession(SingleAsk[None], frozen=True, eq=False):
    key: bytes

    def do(self, connection: Connection) -> None:
        connection.execute(_DELETE, {"k": self.key})


class EndSessions(SingleAsk[None], frozen=True, eq=False):
    account: AccountId

    def do(self, connection: Connection) -> None:
        connection.execute(delete(_SESSIONS).where(_SESSIONS.c.account == self.account))


def key_of(token: str) -> bytes:
    # Not keyed and not slow: a token has 256 random bits, so nobody guesses one from its hash.
    return sha256(token.encode()).digest()


def _who(connection: Connection, row: Any) -> Account | None:
    if row.who is not None:
        return msgspec.json.decode(row.who, type=Account)
    return account_of(connection, row.account) if row.account is not None else None


def _make_room(connection: Connection, among: Any, most: int) -> None:
    """For one more, by forgetting those that were unused for the longest."""
    count = connection.execute(select(func.count()).select_from(_SESSIONS).where(among)).scalar_one()
    if count >= most:
        oldest = select(_SESSIONS.c.key).where(among).order_by(_SESSIONS.c.used_at).limit(count - most + 1)
        connection.execute(delete(_SESSIONS).where(_SESSIONS.c.key.in_(oldest)))


_SESSIONS = Table(
    "sessions",
    TABLES,
    Column("key", LargeBinary, primary_key=True),  # SHA-256 of the token.
    Column("account", String, index=True),  # NULL: a guest.
    Column("who", LargeBinary),  # `Account` as JSON, as another airline described it; NULL: one of our own.
    Column("content", LargeBinary, nullable=False),
    Column("opened_at", Integer, nullable=False),
    Column("used_at", Integer, nullable=False, index=True),
)
_DELETE = delete(_SESSIONS).where(_SESSIONS.c.key == bindparam("k"))
