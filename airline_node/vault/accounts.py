"""Travellers' and staff's accounts at this airline.

The rules: an account is known to others by its id alone, which tells nothing and begins with its airline's code; a
password is here only as its argon2id hash; a role is this airline's own and is never told to another one.
"""

import secrets
import unicodedata
from collections.abc import Iterable
from typing import Any, ClassVar

from msgspec import Struct
from sqlalchemy import Column, Connection, Integer, String, Table, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from airline_node.vault.file import TABLES, SingleAsk
from ledger.terms import CarrierCode, Millis
from ui.visitor import Account, AccountId, Role

ACCOUNTS_MAX = 1_000_000
"""At one airline. Past it nobody registers; who has an account logs in as before."""


class Credentials(Struct, frozen=True):
    account: Account
    password_hash: str


def new_account_id(carrier: CarrierCode) -> AccountId:
    return f"{carrier}.{secrets.token_hex(16)}"


def address_key(email: str) -> str:
    """One address however it is typed: its letters' case and form do not tell two accounts apart."""
    return unicodedata.normalize("NFKC", email).strip().casefold()


class Register(SingleAsk[bool], frozen=True, eq=False, kw_only=True):
    """False, and nothing is changed: the address has an account already, or there is no more room."""

    account: Account
    password_hash: str
    at: Millis

    def do(self, connection: Connection) -> bool:
        if (connection.execute(select(func.max(_ACCOUNTS.c.number))).scalar_one() or 0) >= ACCOUNTS_MAX:
            return False
        row = {
            "id": self.account.id,
            "address": address_key(self.account.email),
            "email": self.account.email,
            "name": self.account.name,
            "password_hash": self.password_hash,
            "roles": "",
            "registered_at": self.at,
        }
        return connection.execute(insert(_ACCOUNTS).on_conflict_do_nothing(), row).rowcount == 1


class FindCredentials(SingleAsk[Credentials | None], frozen=True, eq=False):
    email: str

    def do(self, connection: Connection) -> Credentials | None:
        row = connection.execute(select(_ACCOUNTS).filter_by(address=address_key(self.email))).one_or_none()
        return Credentials(_account(row), row.password_hash) if row else None


class Rehash(SingleAsk[None], frozen=True, eq=False):
    """The same password under newer parameters, unless it was changed meanwhile."""

    id: AccountId
    before: str
    after: str

    def do(self, connection: Connection) -> None:
        same = (_ACCOUNTS.c.id == self.id) & (_ACCOUNTS.c.password_hash == self.before)
        connection.execute(update(_ACCOUNTS).where(same).values(password_hash=self.after))


class SetRole(SingleAsk[Account | None], frozen=True, eq=False):
    """The account as it is then; None: nobody has registered with this address."""

    email: str
    role: Role
    granted: bool

    def do(self, connection: Connection) -> Account | None:
        row = connection.execute(select(_ACCOUNTS).filter_by(address=address_key(self.email))).one_or_none()
        if row is None:
            return None
        before = _account(row).roles
        after = before | {self.role} if self.granted else before - {self.role}
        connection.execute(update(_ACCOUNTS).where(_ACCOUNTS.c.id == row.id).values(roles=_words(after)))
        return account_of(connection, row.id)


class RemoveAccount(SingleAsk[None], frozen=True, eq=False):
    """The account alone: its sessions and the list of its trips are other rooms'."""

    erases: ClassVar[bool] = True

    id: AccountId

    def do(self, connection: Connection) -> None:
        connection.execute(delete(_ACCOUNTS).where(_ACCOUNTS.c.id == self.id))


def account_of(connection: Connection, id: AccountId) -> Account | None:
    row = connection.execute(select(_ACCOUNTS).filter_by(id=id)).one_or_none()
    return _account(row) if row else None


def _account(row: Any) -> Account:
    return Account(id=row.id, email=row.email, name=row.name, roles=frozenset(map(Role, row.roles.split())))


def _words(roles: Iterable[Role]) -> str:
    return " ".join(sorted(roles))


_ACCOUNTS = Table(
    "accounts",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("address", String, nullable=False, unique=True),
    Column("email", String, nullable=False),
    Column("name", String, nullable=False),
    Column("password_hash", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("registered_at", Integer, nullable=False),
)
