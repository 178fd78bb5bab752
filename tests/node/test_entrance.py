"""The travellers' door lets in a crowd at one turn of the loop, and outlives a want of files."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from unittest.mock import patch

import pytest
import uvloop
from aiohttp import web

from airline_node import entrance
from airline_node.config import Address
from airline_node.entrance import Entrance

CROWD = 100
SHUT_MS = 200


class Guest(asyncio.Protocol):
    """One of those who have come in."""

    def __init__(self, came: list[asyncio.BaseTransport]) -> None:
        self._came = came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._came.append(transport)


def opened(host: str, story: Callable[[list[asyncio.BaseTransport], Address], Awaitable[None]]) -> None:
    async def main() -> None:
        came: list[asyncio.BaseTransport] = []
        runner = web.AppRunner(web.Application())
        await runner.setup()
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            address = Address(host, taken.getsockname()[1])
        site = Entrance(runner, address, lambda: Guest(came))
        await site.start()
        try:
            async with asyncio.timeout(10):
                await story(came, address)
        finally:
            for transport in came:
                transport.close()
            await runner.cleanup()
        with pytest.raises(ConnectionRefusedError), closing(socket.create_connection(("127.0.0.1", address.port))):
            pass

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_crowd_is_let_in_at_once(host: str) -> None:
    async def story(came: list[asyncio.BaseTransport], address: Address) -> None:
        with ExitStack() as crowd:
            for _ in range(CROWD):
                crowd.enter_context(closing(socket.create_connection(("127.0.0.1", address.port))))
            for _ in range(5):  # at one turn they are accepted, at another one welcomed
                await asyncio.sleep(0)
            assert len(came) == CROWD

    opened(host, story)


def test_when_there_are_no_more_files_whoever_waits_is_let_in_later(caplog: pytest.LogCaptureFixture) -> None:
    async def story(came: list[asyncio.BaseTransport], address: Address) -> None:
        full = OSError(errno.EMFILE, "Too many open files")
        with closing(socket.create_connection(("127.0.0.1", address.port))):
            with patch.object(socket.socket, "accept", side_effect=full) as accept:
                await asyncio.sleep(SHUT_MS / 2000)
            assert not came
            await asyncio.sleep(SHUT_MS / 500)
            assert len(came) == accept.call_count == 1

    with patch.object(entrance, "SHUT_MS", SHUT_MS):
        opened("127.0.0.1", story)
    assert "nobody is let in for 200 ms" in caplog.text
