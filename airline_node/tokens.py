"""Who may see what operators and auditors see: whoever bears their token (RFC 6750)."""

import hmac
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from airline_node.door import NO_STORE, Fault


class Tokens(Struct, frozen=True):
    """What opens the routes of operators and of auditors; an operator may read the log too. Empty opens nothing."""

    operator: str
    auditor: str


TOKENS = web.AppKey("tokens", Tokens)


def let_in(request: web.Request, *tokens: str) -> None:
    """Only whoever bears one of these tokens, or a `Fault` of 401. An empty one is nobody's."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    # A header may hold bytes that are no text.
    shown = credentials.strip().encode(errors="surrogateescape")
    opens = [token != "" and hmac.compare_digest(shown, token.encode()) for token in tokens]
    if scheme.lower() != "bearer" or not any(opens):
        headers = {**NO_STORE, "WWW-Authenticate": "Bearer"}
        raise Fault(HTTPStatus.UNAUTHORIZED, "unauthorized", "this needs a token that opens it", headers)
