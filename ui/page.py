"""How a page is made: read what was sent, ask the desk, render a template.

async def trips(request: web.Request) -> web.Response:
    wanted = read_query(request)             # or await read_form(request)
    return await render(request, "trips/list.html", trips=await desk(request).trips.of(...))
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import parse_qs, urlencode

import aiohttp_jinja2
from aiohttp import web
from multidict import MultiDict

from ledger.terms import BOOKING_PATTERN, BookingId
from ui import language
from ui.desk import Desk

FORM_BYTES_MAX = 16 * 1024
FORM_MS_MAX = 10_000
FIELDS_MAX = 100
PACK_BYTES_MIN = 1_500
"""A page over this goes out packed."""

DESK = web.AppKey("desk", Desk)
ContextOf = Callable[[web.Request], Awaitable[Mapping[str, object]]]


@dataclass(frozen=True)
class Frame:
    """What rooms have put around every page: templates in its header, and what those need to know."""

    headers: Sequence[str]
    contexts: Sequence[ContextOf]


FRAME = web.AppKey("frame", Frame)


class Refused(Exception):
    """The page is not shown: an HTTP status, and a sentence for the visitor in their language."""

    def __init__(self, status: int, words: str = "") -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def desk(request: web.Request) -> Desk:
    return request.app[DESK]


async def render(
    request: web.Request, template: str, *, status: int = HTTPStatus.OK, **context: object
) -> web.Response:
    """The template within the site's layout. `context` is what it may name, beside what every template has."""
    frame = request.app[FRAME]
    for room in frame.contexts:
        context.update(await room(request))
    context.update(here=request.path_qs, headers=frame.headers, spoken=language.spoken())
    response = aiohttp_jinja2.render_template(template, request, context, status=status)
    response.headers["Content-Language"] = language.LANGUAGES[language.spoken()].replace("_", "-")
    response.headers["Vary"] = "Cookie, Accept-Language"
    if isinstance(response.body, bytes) and len(response.body) > PACK_BYTES_MIN:
        response.enable_compression()
    return response


def fragment(request: web.Request, template: str, **context: object) -> str:
    """A piece of a page, for a stream to send."""
    return aiohttp_jinja2.render_string(template, request, {"spoken": language.spoken(), **context})


def go(path: str, query: Sequence[tuple[str, str]] = ()) -> NoReturn:
    """After a form: look at another page. The browser asks for it with GET."""
    raise web.HTTPSeeOther(f"{path}?{urlencode(query)}" if query else path)


async def fault_page(request: web.Request, status: int, words: str = "") -> web.Response:
    """What went wrong, in the site's look. It asks the node for nothing."""
    return await render(request, "fault.html", status=status, code=status, words=words)


def read_query(request: web.Request) -> MultiDict[str]:
    """The address's own fields, trimmed."""
    return MultiDict((name, value.strip()) for name, value in list(request.query.items())[:FIELDS_MAX])


async def read_form(request: web.Request) -> MultiDict[str]:
    """The fields of a form, trimmed. `Refused` if it is too long, too slow or no form."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_MS_MAX / 1000):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > FORM_BYTES_MAX:
                    raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT) from None
    except (ValueError, web.RequestPayloadError, ConnectionError):
        raise Refused(HTTPStatus.BAD_REQUEST) from None
    return MultiDict((name, value.strip()) for name, values in fields.items() for value in values)


def booking_in(request: web.Request) -> BookingId:
    """The booking that the address names; 404 for what can be none."""
    booking = request.match_info["booking"]
    if not re.fullmatch(BOOKING_PATTERN, booking):
        raise Refused(HTTPStatus.NOT_FOUND)
    return booking


def own_path(path: str) -> str:
    """A path of this site, for going back; anything else becomes the start page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"
