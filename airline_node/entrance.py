"""The travellers' door: at every turn of the loop it lets in all who wait.

uvloop accepts one connection a turn from a listening socket, and a turn of a busy node takes a tenth of a second: a
crowd that came at once waited for seconds in the kernel's queue, where nobody could tell them to come again later
(docs/performance.md).
"""

import asyncio
import logging
import socket
from collections.abc import Callable

from aiohttp import web

from airline_node.config import Address
from ledger.terms import Millis

BACKLOG = 4_096
"""Connections in the kernel's queue; more are not answered, and their clients try again by themselves."""
LET_IN_MAX = 256
"""At one turn, so that those who are in already are served too."""
SHUT_MS: Millis = 1_000

log = logging.getLogger(__name__)


class Entrance(web.BaseSite):
    """One of a runner's sites, without TLS, at all addresses that a host's name has.

    `protocol` makes what a new connection speaks to.
    """

    def __init__(self, runner: web.BaseRunner, address: Address, protocol: Callable[[], asyncio.Protocol]) -> None:
        super().__init__(runner)
        self._address = address
        self._protocol = protocol
        self._listening: list[socket.socket] = []
        self._coming: set[asyncio.Task[object]] = set()

    @property
    def name(self) -> str:
        return f"http://{self._address}"

    async def start(self) -> None:
        """Raises `OSError` if the address cannot be had."""
        await super().start()
        loop, (host, port) = asyncio.get_running_loop(), self._address
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, where in found:
            listening = socket.create_server(where, family=family, backlog=BACKLOG)
            self._listening.append(listening)
            listening.setblocking(False)
            self._open(listening)

    async def stop(self) -> None:
        for listening in self._listening:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        self._listening.clear()
        await asyncio.gather(*self._coming, return_exceptions=True)
        await super().stop()

    def _open(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening, self._let_in, listening)

    def _let_in(self, listening: socket.socket) -> None:
        for _ in range(LET_IN_MAX):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as trouble:  # There are no more file descriptors, or no more memory for one.
                log.warning("nobody is let in for %d ms: %s", SHUT_MS, trouble)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(SHUT_MS / 1000, self._open, listening)
                return
            connection.setblocking(False)
            coming = asyncio.create_task(self._welcome(connection))
            self._coming.add(coming)
            coming.add_done_callback(self._coming.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:  # They have gone already.
            connection.close()
