"""Sessions of the pages: a token in a cookie, a row behind it that can be ended.

The rules: a token is random, made here, and never taken from a request; whoever logs in or out gets another one. A
session is read on pages only, and a guest of whom nothing must be remembered has none: no cookie, no row. Over https
the cookie is `__Host-`: no other host can set it. On plain http its name says so.
"""

import secrets
import warnings
from collections.abc import Awaitable, Callable
from typing import Protocol

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp_session import AbstractStorage, Session, SessionData, get_session, new_session, session_middleware
from msgspec import Struct

from ledger.terms import CarrierCode, Millis
from ui.visitor import VISITOR, Account, Visitor

# aiohttp_session keeps its own things in a request under plain names, and aiohttp would say so in the node's log.
warnings.filterwarnings("ignore", category=web.NotAppKeyWarning)

TOKEN_BYTES = 32
CONTENT_BYTES_MAX = 4_096
"""What one session may remember."""


class LoadedSession(Struct, frozen=True):
    """`account` is None for a guest; its roles are those that it has now."""

    content: bytes
    account: Account | None = None


class SessionRows(Protocol):
    """Where sessions are kept: nothing of a token can be read back from there."""

    async def load(self, token: str, now: Millis) -> LoadedSession | None:
        """None for a token that was never given, or whose session is over."""

    async def open(self, token: str, account: Account | None, content: bytes, now: Millis) -> None: ...

    async def save(self, token: str, content: bytes) -> None:
        """Nothing happens to a session that is over."""

    async def end(self, token: str) -> None: ...


class SessionStorage(AbstractStorage):
    """What `aiohttp_session` reads and writes."""

    def __init__(self, rows: SessionRows, carrier: CarrierCode, now: Callable[[], Millis], *, secure: bool) -> None:
        """`secure` if travellers come over https."""
        # Cookies know no ports: the airlines of one machine would else take one another's.
        name = f"__Host-passcom-{carrier}" if secure else f"passcom-{carrier}-plain-http"
        super().__init__(cookie_name=name, path="/", secure=secure, httponly=True, samesite="Lax")
        self._rows = rows
        self._now = now

    async def load_session(self, request: web.Request) -> Session:
        token = self.load_cookie(request)
        loaded = await self._rows.load(token, self._now()) if token else None
        if loaded is None:
            request[VISITOR] = Visitor()
            return Session(None, data=None, new=True)
        request[VISITOR] = Visitor(loaded.account)
        return Session(token, data=SessionData(session=orjson.loads(loaded.content)), new=False)

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        account, token = request[VISITOR].account, session.identity
        content = orjson.dumps(dict(session))
        assert len(content) <= CONTENT_BYTES_MAX, "a session remembers little"
        if session.empty and account is None:
            if token is not None:
                await self._rows.end(token)
            self._cookie(response, "", max_age=0)
        elif token is None:
            token = secrets.token_urlsafe(TOKEN_BYTES)
            await self._rows.open(token, account, content, self._now())
            self._cookie(response, token)
        else:
            await self._rows.save(token, content)

    async def end(self, token: str) -> None:
        await self._rows.end(token)

    def _cookie(self, response: web.StreamResponse, token: str, max_age: int | None = None) -> None:
        """No age of its own: it goes with the browser's window, and earlier when its row is over."""
        parameters = self.cookie_params.copy()
        if max_age is not None:
            parameters["max_age"] = max_age
        response.set_cookie(self.cookie_name, token, **parameters)


STORAGE = web.AppKey("session_storage", SessionStorage)
_MIDDLEWARE: web.AppKey[Middleware] = web.AppKey("session_middleware")


def add_sessions(app: web.Application, storage: SessionStorage) -> None:
    """For the pages of this application that are `remembered`."""
    app[STORAGE] = storage
    app[_MIDDLEWARE] = session_middleware(storage)


def remembered(
    page: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The page with the visitor's session, which is read when it is first asked for and kept if it has changed.

    It stands around a page and not, as a middleware would, around everything: the API never pays for it.
    """

    async def served(request: web.Request) -> web.StreamResponse:
        return await request.app[_MIDDLEWARE](request, page)

    return served


async def log_in(request: web.Request, account: Account) -> None:
    """From now on this browser is at that account, under a new token. What it had before is over and forgotten."""
    await _forget(request)
    session = await new_session(request)
    session.changed()
    request[VISITOR] = Visitor(account)


async def log_out(request: web.Request) -> None:
    """This browser is a guest's again, and the old token opens nothing."""
    await _forget(request)
    session = await new_session(request)
    session.invalidate()
    request[VISITOR] = Visitor()


async def _forget(request: web.Request) -> None:
    session = await get_session(request)
    if session.identity is not None:
        await request.config_dict[STORAGE].end(session.identity)
