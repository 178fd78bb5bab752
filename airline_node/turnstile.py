"""Turns orders away in front of the HTTP server, while more of them come than can be decided.

A node that is asked for three times what it can sell answers two orders of three with 503, and what that costs is taken
from the third: through the server one such answer takes as long as ten of them here (docs/performance.md). So an order
that the server would turn away is turned away here, if there is no doubt where it begins and ends: everything that ever
came on its connection came as one whole request a piece, and all of that is answered. Whatever looks in any way
different is left to the server.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, cast

from aiohttp.web_protocol import RequestHandler

from airline_node.door import LATER, problem
from airline_node.node import BUSY
from ledger.terms import Millis

HEARD_MS_MAX: Millis = 5_000
"""The server closes a connection that it hears nothing from: after so long the next order is left to it."""
REQUEST: Final = re.compile(
    rb"(?:(?P<order>PUT /api/bookings/[\w-]{1,64})|[A-Z]{3,7} /[^\s\0]{0,2048}) HTTP/1\.1\r\n"
    rb"(?P<head>(?:[\w-]{1,64}:[^\r\n\0]{0,512}\r\n){1,32})\r\n"
)
LENGTH: Final = re.compile(rb"^content-length:(.*)\r$", re.I | re.M)
STRANGE: Final = re.compile(
    rb"^(?:transfer-encoding|content-encoding|expect|upgrade|connection(?!: ?keep-alive\r)):", re.I | re.M
)
"""What may mean that a request does not end where it seems to, that its connection does, or that it is no order."""


def _response() -> bytes:
    status, body, headers = problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", BUSY, headers=LATER)
    head = {**headers, "Content-Type": "application/json", "Content-Length": len(body)}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


RESPONSE: Final = _response()
"""The server's own, but for its date and name."""


def is_whole(data: bytes, request: re.Match[bytes]) -> bool:
    """This one request and nothing else."""
    lengths = LENGTH.findall(request["head"])
    length = lengths[0].strip() if lengths else b"0"
    return (
        len(lengths) < 2
        and length.isdigit()
        and request.end() + int(length) == len(data)
        and STRANGE.search(request["head"]) is None
    )


class Coming:
    """How many orders have passed all turnstiles at this turn of the loop: the node has yet to hear of them."""

    def __init__(self, crowded: Callable[[int], bool], turn_away: Callable[[], None]) -> None:
        """`crowded` says whether there is no room for one more, beside so many that are coming; `turn_away` is told of
        each that hears so here.
        """
        self.turn_away = turn_away
        self._crowded = crowded
        self._count = 0

    def may_pass(self) -> bool:
        if self._crowded(self._count):
            return False
        if not self._count:
            asyncio.get_running_loop().call_soon(self._have_come)  # The loop reads from all its sockets before that.
        self._count += 1
        return True

    def _have_come(self) -> None:
        self._count = 0


class Turnstile(asyncio.Protocol):
    """One connection's. The server's handler is behind it."""

    def __init__(self, handler: RequestHandler, coming: Coming) -> None:
        self._handler = handler
        self._coming = coming
        self._transport: asyncio.Transport | None = None
        self._no_doubt = True
        self._now = asyncio.get_running_loop().time
        self._heard = False
        self._heard_s = self._now()

    def data_received(self, data: bytes) -> None:
        request = REQUEST.match(data) if self._no_doubt else None
        self._no_doubt = request is not None and is_whole(data, request)
        if self._no_doubt and request and request["order"] and not self._coming.may_pass() and self._waits:
            assert self._transport
            self._transport.write(RESPONSE)
            self._coming.turn_away()
        else:
            self._heard, self._heard_s = True, self._now()
            self._handler.data_received(data)

    @property
    def _waits(self) -> bool:
        """The client has every answer to what it sent, and the handler will not take it for silent yet."""
        waiter = self._handler._waiter
        answered = not self._heard or (waiter is not None and not waiter.done())
        taken = self._transport is not None and not self._transport.get_write_buffer_size()
        return answered and taken and self._now() - self._heard_s < HEARD_MS_MAX / 1000

    # ---- what is the handler's alone ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._handler.connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._handler.connection_lost(error)

    def eof_received(self) -> None:
        self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()
