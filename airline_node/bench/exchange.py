"""The travellers' side of HTTP/1.1: one kept connection, one request at a time, the whole answer back.

A client library costs several times as much as the server it measures, on the same two cores. This one does what a
closed loop of small requests needs and nothing else; an answer that it does not understand is trouble, never a guess.
"""

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from typing import Final, NamedTuple, Self, TypeVar, cast

from airline_node.config import Address
from ledger.terms import Millis

T = TypeVar("T")

ANSWER_BYTES_MAX: Final = 2**20
ANSWER_MS_MAX: Final[Millis] = 30_000
HEAD_END: Final = b"\r\n\r\n"
STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})[ \r]")
LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,7})[ \t]*\r\n", re.IGNORECASE)
LAST: Final = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r\n", re.IGNORECASE)
"""Nothing more is heard on this connection (RFC 9112, 9.6)."""


class Reply(NamedTuple):
    status: int
    body: bytes


class Line(asyncio.Protocol):
    """A connection to one node. Whatever goes wrong on it ends it, and the request under way is of unknown outcome."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._asker: asyncio.Future[Reply] | None = None

    @classmethod
    async def to(cls, address: Address) -> Self:
        """Raises `OSError` if nobody answers there."""
        _, line = await asyncio.get_running_loop().create_connection(cls, address.host, address.port)
        return line

    async def ask(self, request: bytes) -> Reply:
        """Send a whole request and await its answer. After any `OSError` it may have arrived all the same."""
        assert self._asker is None, "one request at a time"
        if self._transport is None:
            raise ConnectionResetError("there is no connection")
        loop = asyncio.get_running_loop()
        self._asker = loop.create_future()
        self._transport.write(request)
        alarm = loop.call_later(ANSWER_MS_MAX / 1000, self._run_out)  # at a quarter of what asyncio.timeout costs
        try:
            return await self._asker
        finally:
            alarm.cancel()
            self._asker = None

    @property
    def is_open(self) -> bool:
        """The node has not closed it, as far as is known here."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(HEAD_END)
        if end < 0:
            if len(self._received) > ANSWER_BYTES_MAX:
                self._give_up("a head without an end")
            return
        status, length = STATUS_LINE.match(self._received), LENGTH.search(self._received, 0, end + 2)
        if status is None or length is None or int(length[1]) > ANSWER_BYTES_MAX:
            self._give_up(f"not an answer of known length: {bytes(self._received[:80])!r}")
            return
        start = end + len(HEAD_END)
        stop = start + int(length[1])
        if len(self._received) >= stop:
            reply = Reply(int(status[1]), bytes(self._received[start:stop]))
            last = LAST.search(self._received, 0, end + 2) is not None
            del self._received[:stop]
            self._answer(reply)
            if last:
                self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._asker is not None and not self._asker.done():
            self._asker.set_exception(ConnectionResetError(str(exc or "the node closed the connection")))

    def _answer(self, reply: Reply) -> None:
        if self._received or self._asker is None:
            self._give_up("more was answered than asked")
        elif not self._asker.done():
            self._asker.set_result(reply)

    def _run_out(self) -> None:
        if self._asker is not None and not self._asker.done():
            self._asker.set_exception(TimeoutError())
        self.close()

    def _give_up(self, why: str) -> None:
        if self._asker is not None and not self._asker.done():
            self._asker.set_exception(ConnectionAbortedError(why))
        self.close()


def request(method: str, path: str, address: Address, body: bytes = b"") -> bytes:
    """The bytes of a request. `path` is ASCII without spaces."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {address}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode("ascii") + b"\r\n" + body


def run(main: Coroutine[None, None, T]) -> T:
    """As `asyncio.run`, on the loop that the nodes use."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
