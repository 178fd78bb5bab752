"""Logging in here with another airline's account, and there with one of ours.

The rules: a browser is sent only to addresses that are configured. A login that comes back must have been begun in the
same browser, a few minutes ago at most: its state and its secret are in the browser's session, and good once. An
airline is told who somebody is after they have agreed to it on their own airline's page.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import urlencode

from aiohttp import web
from aiohttp_session import get_session
from msgspec import Struct
from multidict import MultiMapping

from ledger.terms import CarrierCode, Millis
from ui.accounts.forms import Login
from ui.desk import Carrier
from ui.guard import policy
from ui.language import gettext as _
from ui.page import Refused, desk, go, own_path, read_form, read_query, render
from ui.people import Silent
from ui.room import Route
from ui.sessions import log_in
from ui.visitor import login_address, visitor

BEGUN = "vouch"
"""Where a session keeps the login that was begun."""
BEGUN_MS = 10 * 60_000
TOKEN_BYTES = 32
TOKEN = re.compile("[A-Za-z0-9_-]{43}")


# ---- away from home ----------------------------------------------------------------------------------------------


async def begin(request: web.Request) -> web.Response:
    """Off to the traveller's own airline."""
    form, people = await read_form(request), desk(request).people
    carrier = request.match_info["carrier"]
    site = people.vouching.others.get(carrier)
    if site is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    state, secret = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_urlsafe(TOKEN_BYTES)
    (await get_session(request))[BEGUN] = {
        "carrier": carrier,
        "state": state,
        "secret": secret,
        "onward": own_path(form.get("next", "/"))[:1_000],
        "until": desk(request).house.now() + BEGUN_MS,
    }
    own = desk(request).house.carrier.code
    _leave(site, "/vouch", {"for": own, "state": state, "challenge": _challenge(secret)})


async def back(request: web.Request) -> web.Response:
    """Back from there, with a code that only this node can ask about, and only for this browser."""
    query, node = read_query(request), desk(request)
    session = await get_session(request)
    begun = _Begun(**session[BEGUN]) if BEGUN in session else None
    if begun is None or not hmac.compare_digest(begun.state.encode(), query.get("state", "").encode()):
        raise Refused(HTTPStatus.BAD_REQUEST, _("This login was not begun in this browser. Please begin again."))
    del session[BEGUN]
    if node.house.now() > begun.until or not TOKEN.fullmatch(query.get("code", "")):
        raise Refused(HTTPStatus.BAD_REQUEST, _("This login has taken too long. Please begin again."))
    try:
        account = await node.people.vouching.vouched(begun.carrier, query["code"], begun.secret)
    except Silent:
        name = node.house.carriers[begun.carrier].name
        words = _("{airline} does not answer at the moment, and nothing happened. Please try again.")
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, words.format(airline=name)) from None
    if account is None:
        raise Refused(HTTPStatus.BAD_REQUEST, _("This login is no longer good. Please begin again."))
    await log_in(request, account)
    go(begun.onward)


async def with_other_airlines(
    request: web.Request, template: str, *, status: int, typed: Login, onward: str, note: str
) -> web.Response:
    """The login's page: the airlines whose accounts work here have a button each, which leads to their sites."""
    node = desk(request)
    others = node.people.vouching.others
    carriers: list[Carrier] = [node.house.carriers[code] for code in others if code in node.house.carriers]
    page = await render(
        request,
        template,
        status=status,
        typed=typed,
        faults=typed.faults,
        onward=onward,
        note=note,
        others=carriers,
    )
    page.headers["Content-Security-Policy"] = policy(*others.values())
    return page


class _Begun(Struct, frozen=True):
    carrier: CarrierCode
    state: str
    secret: str
    onward: str
    until: Millis


# ---- at home -----------------------------------------------------------------------------------------------------


class _Asked(Struct, frozen=True):
    """Another airline asks who this is: which one, and what it wants back."""

    carrier: Carrier
    site: str
    state: str
    challenge: str


async def ask(request: web.Request) -> web.Response:
    """May that airline know who you are?"""
    asked = _asked(request, read_query(request))
    known = await visitor(request)
    if known.account is None:
        raise web.HTTPSeeOther(login_address(request))
    if known.account.home != desk(request).house.carrier.code:
        raise Refused(
            HTTPStatus.CONFLICT,
            _("You are here with another airline’s account. Log out first, then log in with one of ours."),
        )
    page = await render(request, "accounts/vouch.html", asked=asked, account=known.account)
    page.headers["Content-Security-Policy"] = policy(asked.site)
    return page


async def agree(request: web.Request) -> web.Response:
    form = await read_form(request)
    asked = _asked(request, form)
    known = await visitor(request)
    if known.account is None or known.account.home != desk(request).house.carrier.code:
        raise Refused(HTTPStatus.CONFLICT, _("You have been logged out meanwhile. Please begin again."))
    code = await desk(request).people.vouching.vouch(known.account.id, asked.carrier.code, asked.challenge)
    _leave(asked.site, "/login/back", {"code": code, "state": asked.state})


def _asked(request: web.Request, fields: MultiMapping[str]) -> _Asked:
    node = desk(request)
    carrier, state, challenge = (fields.get(name, "") for name in ("for", "state", "challenge"))
    site = node.people.vouching.others.get(carrier)
    if site is None or not TOKEN.fullmatch(state) or not TOKEN.fullmatch(challenge):
        raise Refused(HTTPStatus.BAD_REQUEST, _("No airline that we know has asked for this."))
    return _Asked(node.house.carriers[carrier], site, state, challenge)


def _challenge(secret: str) -> str:
    return urlsafe_b64encode(sha256(secret.encode()).digest()).decode().rstrip("=")


def _leave(site: str, path: str, query: Mapping[str, str]) -> NoReturn:
    """To another airline's site, as it is configured. The rest of the address is ours to write."""
    raise web.HTTPSeeOther(f"{site}{path}?{urlencode(query)}")


ROUTES = (
    Route("POST", "/login/with/{carrier}", begin),
    Route("GET", "/login/back", back),
    Route("GET", "/vouch", ask),
    Route("POST", "/vouch", agree),
)
