"""The sessions of this airline's site, in its vault."""

import msgspec
import orjson

from airline_node.desk.words import for_pages
from airline_node.vault.file import VaultFile
from airline_node.vault.sessions import EndSession, EndSessions, LoadSession, OpenSession, SaveSession, key_of
from ledger.terms import CarrierCode, Millis
from ui.sessions import LoadedSession
from ui.visitor import Account, AccountId


class Sessions:
    """What `ui.sessions` keeps its sessions in."""

    def __init__(self, file: VaultFile, me: CarrierCode) -> None:
        self._file = file
        self._me = me

    @for_pages
    async def load(self, token: str, now: Millis) -> LoadedSession | None:
        """None for a token that was never given, or whose session is over."""
        return await self._file.ask(LoadSession(key_of(token), now))

    @for_pages
    async def open(self, token: str, account: Account | None, content: bytes, now: Millis) -> None:
        """Another airline's account is kept as that airline described it. It has no role here."""
        who = None
        if account is not None and account.home != self._me:
            assert not account.roles, "roles are not vouched for"
            who = orjson.dumps(msgspec.to_builtins(account))
        await self._file.ask(OpenSession(key_of(token), account.id if account else None, who, content, now))

    @for_pages
    async def save(self, token: str, content: bytes) -> None:
        """Nothing happens to a session that is over."""
        await self._file.ask(SaveSession(key_of(token), content))

    @for_pages
    async def end(self, token: str) -> None:
        await self._file.ask(EndSession(key_of(token)))

    async def end_all(self, account: AccountId) -> None:
        await self._file.ask(EndSessions(account))
