"""One-time codes by which another airline learns who one of our travellers is (`airline_node.vouching`).

The rules: a code is good once, for a minute, for the airline it was made for, and only together with the secret that
the traveller's browser began with there (RFC 7636). Only its hash is kept.
"""

from hashlib import sha256

from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table, delete, select

from airline_node.vault.accounts import account_of
from airline_node.vault.file import TABLES, SingleAsk
from ledger.terms import CarrierCode, Millis
from ui.visitor import Account, AccountId

CODE_MS = 60_000
CODES_PER_ACCOUNT_MAX = 8
"""Of one account, not used yet; one more and the oldest is void."""


class IssueCode(SingleAsk[None], frozen=True, eq=False, kw_only=True):
    """`challenge` is the SHA-256 of the browser's secret, as the other airline sent it with the traveller."""

    code: str
    account: AccountId
    carrier: CarrierCode
    challenge: bytes
    now: Millis

    def do(self, connection: Connection) -> None:
        connection.execute(delete(_CODES).where(_CODES.c.good_until < self.now))
        mine = _CODES.c.account == self.account
        newest = select(_CODES.c.key).where(mine).order_by(_CODES.c.good_until.desc()).limit(CODES_PER_ACCOUNT_MAX - 1)
        connection.execute(delete(_CODES).where(mine & _CODES.c.key.not_in(newest)))
        row = {
            "key": _hash(self.code),
            "account": self.account,
            "carrier": self.carrier,
            "challenge": self.challenge,
            "good_until": self.now + CODE_MS,
        }
        connection.execute(_CODES.insert(), row)


class RedeemCode(SingleAsk[Account | None], frozen=True, eq=False, kw_only=True):
    """The account, without its roles, if all of it fits. A code that was tried is used up, whatever became of it."""

    code: str
    carrier: CarrierCode
    secret: str
    now: Millis

    def do(self, connection: Connection) -> Account | None:
        row = connection.execute(select(_CODES).filter_by(key=_hash(self.code))).one_or_none()
        if row is None:
            return None
        connection.execute(delete(_CODES).where(_CODES.c.key == row.key))
        fits = (row.carrier, row.challenge) == (self.carrier, _hash(self.secret)) and self.now <= row.good_until
        account = account_of(connection, row.account) if fits else None
        return Account(id=account.id, name=account.name, email=account.email) if account else None


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()


_CODES = Table(
    "codes",
    TABLES,
    Column("key", LargeBinary, primary_key=True),
    Column("account", String, nullable=False, index=True),
    Column("carrier", String, nullable=False),
    Column("challenge", LargeBinary, nullable=False),
    Column("good_until", Integer, nullable=False),
)
