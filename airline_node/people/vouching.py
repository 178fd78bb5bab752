"""An account of one airline, logged in at another: the home airline vouches, and nobody else sees a password.

It is the authorization code flow of OAuth 2.0 (RFC 6749, 4.1) with RFC 7636, where the carriers' certificates are the
clients' passwords and the addresses of all sites are configured, never taken from a request:

    browser at JG --- "log in with Andorinha" ---> JG remembers a state and a secret in the browser's session
    browser ---> AN/vouch?for=JG&state=..&challenge=SHA-256(secret) ---> log in at AN, if need be; agree
    browser ---> JG/login/back?code=..&state=..      the code is good once, for a minute, for JG
    JG ==mTLS==> AN: who is it? code, secret ---> the account's id, name and address: no password, no role
"""

import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from airline_node.desk.words import for_pages
from airline_node.people.asking import Asking
from airline_node.vault.codes import IssueCode, RedeemCode
from airline_node.vault.file import VaultFile
from airline_node.vault.travellers import EMAIL_PATTERN, NAME_PATTERN
from ledger.terms import CarrierCode, Millis
from ui.visitor import Account, AccountId

CODE_BYTES = 32
ACCOUNT_PATTERN = r"^[A-Z]{2}\.[0-9a-f]{32}$(?!\n)"
CODE_PATTERN = r"^[A-Za-z0-9_-]{43}$(?!\n)"
"""32 bytes in base64url: a code, a secret, a challenge."""

CheckedAccount = Annotated[AccountId, Meta(pattern=ACCOUNT_PATTERN)]
CheckedCode = Annotated[str, Meta(pattern=CODE_PATTERN)]


class Vouch(Struct, frozen=True, forbid_unknown_fields=True):
    """Who has come to us with this code? `secret` is what its challenge was made of."""

    code: CheckedCode
    secret: CheckedCode


class Vouched(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All null: the code is good for nobody."""

    account: CheckedAccount | None = None
    name: Annotated[str, Meta(min_length=1, max_length=80, pattern=NAME_PATTERN)] | None = None
    email: Annotated[str, Meta(max_length=254, pattern=EMAIL_PATTERN)] | None = None


class Vouching:
    """`sites` are the public addresses of the other airlines' sites, by configuration."""

    def __init__(
        self, file: VaultFile, asking: Asking, sites: Mapping[CarrierCode, str], now: Callable[[], Millis]
    ) -> None:
        self._file = file
        self._asking = asking
        self._now = now
        self._others = {carrier: site for carrier, site in sites.items() if carrier in asking.carriers}

    @property
    def others(self) -> Mapping[CarrierCode, str]:
        return self._others

    # ---- at home ----------------------------------------------------------------------------------------------------

    @for_pages
    async def vouch(self, account: AccountId, carrier: CarrierCode, challenge: str) -> str:
        """A code for one of our own accounts. `challenge` is 32 bytes in base64url."""
        code = secrets.token_urlsafe(CODE_BYTES)
        digest = urlsafe_b64decode(f"{challenge}=")
        await self._file.ask(IssueCode(code=code, account=account, carrier=carrier, challenge=digest, now=self._now()))
        return code

    async def answer(self, asked: Vouch, carrier: CarrierCode) -> Vouched:
        """What that carrier, by its certificate, is told of a code that a browser brought it."""
        found = await self._file.ask(RedeemCode(code=asked.code, carrier=carrier, secret=asked.secret, now=self._now()))
        return Vouched(account=found.id, name=found.name, email=found.email) if found else Vouched()

    # ---- away from home ---------------------------------------------------------------------------------------------

    @for_pages
    async def vouched(self, carrier: CarrierCode, code: str, secret: str) -> Account | None:
        """Who that airline says it is. An airline vouches for its own accounts alone. Raises `Silent`."""
        [told] = await self._asking.ask(carrier, "vouch", [Vouch(code, secret)], Vouched)
        if (
            told.account is None
            or told.name is None
            or told.email is None
            or not told.account.startswith(f"{carrier}.")
        ):
            return None
        return Account(id=told.account, name=told.name, email=told.email)
