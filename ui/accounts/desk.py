"""What the pages about accounts need of the node."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from ledger.terms import CarrierCode
from ui.visitor import Account, AccountId


class Wait(Struct, frozen=True):
    """Too many tries from there: nothing was looked at. May be tried again in so many seconds."""

    seconds: int


class Wrong(Struct, frozen=True):
    """The address and the password do not belong together; which of the two is wrong is told to nobody."""


class Taken(Struct, frozen=True):
    """This address has an account already, under another password."""


class Crowded(Exception):
    """Too many passwords are being checked. Nothing happened: try again in a moment."""


class Silent(Exception):
    """The other airline does not answer. Nothing happened."""


class Accounts(Protocol):
    """`address` is the browser's network address: who tries too often waits. Passwords come as they were typed.

    Whatever checks one raises `Crowded`.
    """

    async def register(self, *, name: str, email: str, password: str, address: str) -> Account | Taken | Wait:
        """A new account. The very same address and password again are a login."""

    async def log_in(self, *, email: str, password: str, address: str) -> Account | Wrong | Wait: ...

    async def remove(self, account: AccountId) -> None:
        """The account, its sessions and its list of trips are erased; tickets stay good."""


class Vouching(Protocol):
    """An account of one airline, logged in at another."""

    @property
    def others(self) -> Mapping[CarrierCode, str]:
        """The public sites of the other airlines whose accounts are welcome here, by configuration."""

    async def vouch(self, account: AccountId, carrier: CarrierCode, challenge: str) -> str:
        """A code by which that airline, and only it, learns once and soon who this is."""

    async def vouched(self, carrier: CarrierCode, code: str, secret: str) -> Account | None:
        """Who that airline says has come from there; None: nobody. Raises `Silent`."""
