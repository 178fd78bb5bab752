"""Who is visiting: a guest, or an account with its roles.

Every page may ask `await visitor(request)`; a page for staff begins with `await require(request, Role.OPERATOR)`. The
rule: what an account may do here is asked of this airline's own list at each request, so that a role which is taken
away is gone at once. An account of another airline is a traveller here and nothing more.
"""

from enum import StrEnum
from typing import TypeAlias
from urllib.parse import urlencode

from aiohttp import web
from aiohttp_session import STORAGE_KEY, get_session
from msgspec import Struct

from ledger.terms import CarrierCode

AccountId: TypeAlias = str
"""The code of the airline whose account it is, and what nobody can guess: `AN.5f1c...`."""

LOGIN_PATH = "/login"


class Role(StrEnum):
    TRAVELLER = "traveller"
    """Every account."""
    OPERATOR = "operator"
    """Runs this airline's node; may see whatever an auditor sees."""
    AUDITOR = "auditor"


class Account(Struct, frozen=True, kw_only=True):
    """`roles` are those at this airline, beside being a traveller."""

    id: AccountId
    name: str
    email: str
    roles: frozenset[Role] = frozenset()

    @property
    def home(self) -> CarrierCode:
        """The airline that knows its password."""
        return self.id[:2]


class Visitor(Struct, frozen=True):
    """`account` is None for a guest."""

    account: Account | None = None

    @property
    def name(self) -> str:
        """How to address them; empty for a guest."""
        return self.account.name if self.account else ""

    @property
    def roles(self) -> frozenset[Role]:
        return self.account.roles | {Role.TRAVELLER} if self.account else frozenset()

    def may(self, role: Role) -> bool:
        return role in self.roles or (role is Role.AUDITOR and Role.OPERATOR in self.roles)


VISITOR: web.RequestKey[Visitor] = web.RequestKey("visitor", Visitor)
"""Who it is, as soon as that was asked: `ui.sessions` puts it here with the session."""


async def visitor(request: web.Request) -> Visitor:
    """Read once a request. A guest is not remembered, and no cookie is set, by asking.

    On a page that could not even be begun (it was sent from another site) everybody is a guest.
    """
    if STORAGE_KEY not in request:
        return Visitor()
    await get_session(request)
    return request[VISITOR]


async def require(request: web.Request, role: Role) -> Visitor:
    """The visitor, if that is their role. Raises a way to the login for a guest, and 403 for anybody else."""
    known = await visitor(request)
    if known.account is None:
        raise web.HTTPSeeOther(login_address(request))
    if not known.may(role):
        raise web.HTTPForbidden
    return known


def login_address(request: web.Request) -> str:
    """The way to the login and back to this page; to the front page from whatever is not merely looked at."""
    back = request.path_qs if request.method == "GET" else "/"
    return f"{LOGIN_PATH}?{urlencode({'next': back})}"
