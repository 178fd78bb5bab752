"""The door of both ports: bytes in, checked; bytes out; and the one shape of everything that goes wrong.

Rule: whatever is not the answer to what was asked leaves as a `Problem`, which says whether the outcome is known.
What aiohttp refuses by itself (no such route, a wrong method) leaves in the same shape.
"""

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, NamedTuple, TypeVar

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Meta, Struct

from airline_node.journal import Journal, JournalTrouble
from airline_node.node import Busy, Node, Stopped
from airline_node.vault import VaultTrouble

T = TypeVar("T")

BODY_MS_MAX = 10_000
"""How long a client may take to send its body."""
DETAIL_MAX = 300
"""Characters of a problem's sentence; some of them may be the client's own."""
RETRY_AFTER_S = 1
NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}
LATER: Mapping[str, str] = {**NO_STORE, "Retry-After": str(RETRY_AFTER_S)}

NODE = web.AppKey("node", Node)
JOURNAL = web.AppKey("journal", Journal)

log = logging.getLogger(__name__)


class Problem(Struct, frozen=True, kw_only=True):
    """Why not. `error` is a word for programs, `detail` a sentence for people."""

    error: str
    detail: Annotated[str, Meta(max_length=DETAIL_MAX)]
    known: Annotated[bool, Meta(description="False: the outcome is not known yet. Ask again under the same id.")]


class Answer(NamedTuple):
    """What leaves by HTTP. Nothing may be kept on its way: all of it changes."""

    status: int
    body: bytes
    headers: Mapping[str, str] = NO_STORE


class Fault(Exception):
    """The request stops at the door, with this answer: nothing happened."""

    def __init__(self, status: int, error: str, detail: str, headers: Mapping[str, str] = NO_STORE) -> None:
        super().__init__(detail)
        self.answer = problem(status, error, detail, headers=headers)


def invalid(detail: str) -> Fault:
    """Well-formed, and yet it cannot be meant; `detail` names the field."""
    return Fault(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail)


# ---- in --------------------------------------------------------------------------------------------------------


async def body(request: web.Request, bytes_max: int) -> bytes:
    """All of it. `Fault` of 413 over `bytes_max`, 408 if it takes longer than `BODY_MS_MAX`, 400 if it is garbled."""
    content, received = request.content, bytearray()
    try:
        if content.is_eof() and content.exception() is None:
            received += content.read_nowait()  # It came with its head, as most do: there is nothing to wait for.
            _bound(received, bytes_max)
            return bytes(received)
        async with asyncio.timeout(BODY_MS_MAX / 1000):
            while chunk := await content.readany():
                received += chunk
                _bound(received, bytes_max)
    except TimeoutError:
        raise Fault(HTTPStatus.REQUEST_TIMEOUT, "too-slow", f"a body may take {BODY_MS_MAX} ms") from None
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Fault(HTTPStatus.BAD_REQUEST, "malformed", "the body broke off or is wrongly encoded") from error
    return bytes(received)


def _bound(received: bytearray, bytes_max: int) -> None:
    if len(received) > bytes_max:
        raise Fault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"at most {bytes_max} bytes are read here")


def decoded(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    """What the body says. `Fault` of 400 for malformed JSON, of 422 for wrong content, naming the field."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Fault(HTTPStatus.BAD_REQUEST, "malformed", str(error)) from None


def query(request: web.Request, wanted: type[T]) -> T:
    """What the query string says. `Fault` of 422 that names the parameter; each may be given once."""
    if len(set(request.query)) < len(request.query):
        raise invalid("a parameter is given twice")
    try:
        return msgspec.convert(dict(request.query), wanted, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


# ---- out -------------------------------------------------------------------------------------------------------


def encoded(value: object) -> bytes:
    """A Struct, or a container of them, as JSON."""
    return orjson.dumps(msgspec.to_builtins(value))


def problem(
    status: int, error: str, detail: str, *, known: bool = True, headers: Mapping[str, str] = NO_STORE
) -> Answer:
    return Answer(status, encoded(Problem(error=error, detail=detail[:DETAIL_MAX], known=known)), headers)


def respond(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers, content_type="application/json")


def respond_with(value: object) -> web.Response:
    """200, and the value as JSON."""
    return respond(Answer(HTTPStatus.OK, encoded(value)))


@web.middleware
async def in_one_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The only middleware: each one costs a tenth of what a small request costs."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        if refused.status < HTTPStatus.BAD_REQUEST:
            raise
        return respond(_refused(refused))
    except Exception as error:
        return respond(_problem(error))


def _refused(refused: web.HTTPException) -> Answer:
    """aiohttp's own no, with the methods that a 405 has to name."""
    allow = {"Allow": refused.headers["Allow"]} if "Allow" in refused.headers else {}
    word = HTTPStatus(refused.status).phrase.lower()
    return problem(refused.status, word.replace(" ", "-"), f"{word} here", headers={**NO_STORE, **allow})


def _problem(error: Exception) -> Answer:
    match error:
        case Fault():
            return error.answer
        case Busy():
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", str(error), headers=LATER)
        case Stopped():
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "stopped", str(error), known=False, headers=LATER)
        case VaultTrouble() | JournalTrouble():
            # Both are asked before the node is, or only read: nothing was ordered yet.
            log.error("a request could not be served: %s", error)
            words = str(error) if error.known else "storage does not answer"
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "storage", words, headers=LATER)
        case _:
            log.error("a request failed", exc_info=error)
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "this node has a fault", known=False)
