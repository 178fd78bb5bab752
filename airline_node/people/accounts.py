"""Registering and logging in at this airline.

The rules: whoever tries hears the same, after the same work, whether the address is known or not; who tries too often
waits, by account and network address (`throttle`), and so the owner elsewhere does not.
"""

from collections.abc import Callable
from math import ceil

from airline_node.desk.words import for_pages
from airline_node.people.passwords import Passwords
from airline_node.people.sessions import Sessions
from airline_node.people.throttle import Throttle, neighbourhood
from airline_node.vault.accounts import (
    FindCredentials,
    Register,
    Rehash,
    RemoveAccount,
    address_key,
    new_account_id,
)
from airline_node.vault.file import VaultFile
from airline_node.vault.trips import ForgetTrips
from ledger.terms import CarrierCode, Millis
from ui.people import Taken, Wait, Wrong
from ui.visitor import Account, AccountId

FREE_TRIES = 5
WAIT_MS_MAX = 60_000
FREE_TRIES_OF_ADDRESS = 60
"""Of all accounts together: an office or a family has one address, and a guesser goes through many accounts."""
WAIT_OF_ADDRESS_MS_MAX = 10_000


class Accounts:
    def __init__(self, me: CarrierCode, file: VaultFile, sessions: Sessions, now: Callable[[], Millis]) -> None:
        self._me = me
        self._file = file
        self._sessions = sessions
        self._now = now
        self._passwords = Passwords()
        self._by_account = Throttle(FREE_TRIES, WAIT_MS_MAX)
        self._by_address = Throttle(FREE_TRIES_OF_ADDRESS, WAIT_OF_ADDRESS_MS_MAX)

    def close(self) -> None:
        self._passwords.close()

    @for_pages
    async def log_in(self, *, email: str, password: str, address: str) -> Account | Wrong | Wait:
        place = neighbourhood(address)
        key = (address_key(email), place)
        if wait := self._begin(key, place):
            return wait
        try:
            known = await self._file.ask(FindCredentials(email))
            fits = await self._passwords.check(known.password_hash if known else None, password)
        except BaseException:
            self._by_account.undo(key)
            self._by_address.undo(place)
            raise
        if known is None or not fits:
            return Wrong()
        self._by_account.succeeded(key)
        self._by_address.undo(place)
        if self._passwords.is_dated(known.password_hash):
            fresh = await self._passwords.hash(password)
            await self._file.ask(Rehash(known.account.id, known.password_hash, fresh))
        return known.account

    @for_pages
    async def register(self, *, name: str, email: str, password: str, address: str) -> Account | Taken | Wait:
        """Who registers twice is logged in; with another password it is a guess, and counts as one."""
        place = neighbourhood(address)
        if wait_ms := self._by_address.wait_ms(place, self._now()):
            return _wait(wait_ms)
        self._by_address.begin(place, self._now())
        account = Account(id=new_account_id(self._me), name=name, email=email)
        fresh = await self._passwords.hash(password)
        if await self._file.ask(Register(account=account, password_hash=fresh, at=self._now())):
            return account
        known = await self.log_in(email=email, password=password, address=address)
        return Taken() if isinstance(known, Wrong) else known

    @for_pages
    async def remove(self, account: AccountId) -> None:
        assert account.startswith(self._me), "another airline's account is not ours to erase"
        await self._file.ask(RemoveAccount(account))
        await self._sessions.end_all(account)
        await self._file.ask(ForgetTrips(account))

    def _begin(self, key: tuple[str, str], place: str) -> Wait | None:
        now = self._now()
        if wait_ms := max(self._by_account.wait_ms(key, now), self._by_address.wait_ms(place, now)):
            return _wait(wait_ms)
        self._by_account.begin(key, now)
        self._by_address.begin(place, now)
        return None


def _wait(wait_ms: Millis) -> Wait:
    return Wait(ceil(wait_ms / 1000))
