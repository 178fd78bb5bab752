"""Who is turned away in front of the HTTP server, while the node is crowded: orders beyond any doubt."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from unittest.mock import patch

import pytest
from aiohttp import web

from airline_node import turnstile
from airline_node.turnstile import REQUEST, RESPONSE, Coming, Turnstile, is_whole
from tests.doors.test_sockets import MALFORMED, UNUSUAL

PUT = b"PUT /api/bookings/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\nHost: an\r\n"
ORDER = PUT + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
QUESTION = b"GET /health/live HTTP/1.1\r\nHost: an\r\n\r\n"
NOT_AT_ONCE_S = 0.05


class Door:
    """An HTTP server behind turnstiles. It says what it has heard."""

    def __init__(self) -> None:
        self.crowded = False
        self.turned_away = 0
        self.heard: list[str] = []
        self.speaks = asyncio.Event()
        self.speaks.set()

    def turn_away(self) -> None:
        self.turned_away += 1

    async def serve(self, request: web.BaseRequest) -> web.Response:
        self.heard.append(request.method)
        await request.read()
        await self.speaks.wait()
        return web.Response(text=request.method)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """The other end has seen it, and no more than it."""
        self.writer.write(data)
        await asyncio.sleep(NOT_AT_ONCE_S)

    async def says(self) -> bytes:
        """The next answer's body."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        [length] = [int(line[15:]) for line in head.splitlines() if line.startswith(b"Content-Length:")]
        return await self._reader.readexactly(length)


REFUSED = RESPONSE.partition(b"\r\n\r\n")[2]


def at_the_door(story: Callable[[Door, Client], Awaitable[None]]) -> None:
    async def main() -> None:
        door = Door()
        server = web.Server(door.serve)
        coming = Coming(lambda _: door.crowded, door.turn_away)
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: Turnstile(server(), coming), "127.0.0.1", 0)
        client = Client(*await asyncio.open_connection(*listening.sockets[0].getsockname()))
        try:
            async with asyncio.timeout(10):
                await story(door, client)
        finally:
            client.writer.close()
            listening.close()
            await server.shutdown()

    asyncio.run(main())


def test_an_order_is_turned_away_while_the_node_is_crowded_and_heard_before_and_after() -> None:
    async def story(door: Door, client: Client) -> None:
        said = []
        for door.crowded in (True, True, False, True, False):
            await client.send(ORDER)
            said.append(await client.says())
        assert said == [REFUSED, REFUSED, b"PUT", REFUSED, b"PUT"]
        assert door.heard == ["PUT", "PUT"]
        assert door.turned_away == 3, "each is counted, and none that the server heard"

    at_the_door(story)


def test_it_is_told_that_nothing_has_happened_and_when_to_come_again() -> None:
    head, _, body = RESPONSE.partition(b"\r\n\r\n")
    assert head.splitlines()[0].split()[1] == b"%d" % HTTPStatus.SERVICE_UNAVAILABLE
    assert b"Retry-After: 1" in head.splitlines()
    assert b'"known":true' in body


def test_a_question_is_always_heard() -> None:
    async def story(door: Door, client: Client) -> None:
        door.crowded = True
        await client.send(QUESTION)
        assert await client.says() == b"GET"

    at_the_door(story)


def test_an_order_behind_a_request_that_is_not_answered_waits_for_its_turn() -> None:
    async def story(door: Door, client: Client) -> None:
        door.speaks.clear()
        await client.send(QUESTION)
        door.crowded = True
        await client.send(ORDER)
        door.speaks.set()
        assert [await client.says(), await client.says()] == [b"GET", b"PUT"]

    at_the_door(story)


@pytest.mark.parametrize("cut", [1, len(PUT), len(ORDER) - 1])
def test_what_came_in_pieces_and_all_that_follows_is_left_to_the_server(cut: int) -> None:
    async def story(door: Door, client: Client) -> None:
        door.crowded = True
        said = []
        for pieces in ((ORDER[:cut], ORDER[cut:]), (ORDER,)):
            for piece in pieces:
                await client.send(piece)
            said.append(await client.says())
        assert said == [b"PUT", b"PUT"]

    at_the_door(story)


def test_a_body_that_looks_like_an_order_is_none() -> None:
    async def story(door: Door, client: Client) -> None:
        door.crowded = True
        await client.send(b"POST / HTTP/1.1\r\nHost: an\r\nContent-Length: %d\r\n\r\n" % len(ORDER))
        await client.send(ORDER)
        assert await client.says() == b"POST"

    at_the_door(story)


class Clogged(asyncio.Transport):
    """One whose other end reads nothing: what is written stays here."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


def test_answers_that_nobody_takes_do_not_pile_up() -> None:
    """The server waits until its answers are taken."""

    async def main() -> None:
        door, clogged = Door(), Clogged()
        door.speaks.clear()
        server = web.Server(door.serve)
        handler = Turnstile(server(), Coming(lambda _: True, door.turn_away))
        handler.connection_made(clogged)
        for _ in range(3):
            handler.data_received(ORDER)
        await asyncio.sleep(NOT_AT_ONCE_S)
        assert clogged.written == [RESPONSE]
        assert door.turned_away == 1, "what is left to the server is not counted here"
        assert door.heard == ["PUT"]
        door.speaks.set()
        await asyncio.sleep(0)
        handler.connection_lost(None)
        await server.shutdown(1)

    asyncio.run(main())


def test_a_connection_is_not_kept_from_the_server_until_it_takes_it_for_silent() -> None:
    async def story(door: Door, client: Client) -> None:
        door.crowded = True
        await client.send(ORDER)
        with patch.object(turnstile, "HEARD_MS_MAX", 0):
            await client.send(ORDER)
        assert [await client.says(), await client.says()] == [REFUSED, b"PUT"]

    at_the_door(story)


DOUBTFUL: Mapping[str, bytes] = {
    **{what: request for what, request in {**MALFORMED, **UNUSUAL}.items() if request.startswith(b"PUT")},
    "two orders": ORDER + ORDER,
    "half an order": ORDER[:-1],
    "an older version": ORDER.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "another path": ORDER.replace(b"/api/bookings/", b"/api/bookings/x/"),
    "a wish to close": ORDER.replace(b"Host: an\r\n", b"Host: an\r\nConnection: close\r\n"),
    "a wish to be asked": ORDER.replace(b"Host: an\r\n", b"Host: an\r\nConnection: keep-alive, upgrade\r\n"),
    "bare line feeds": ORDER.replace(b"\r\n", b"\n"),
}


@pytest.mark.parametrize("data", DOUBTFUL.values(), ids=DOUBTFUL)
def test_whatever_is_in_doubt_is_left_to_the_server(data: bytes) -> None:
    request = REQUEST.match(data)
    assert not (request and request["order"] and is_whole(data, request))


@pytest.mark.parametrize("more", [b"", b"Connection: keep-alive\r\n", b"Accept: */*\r\nUser-Agent: x/1 (y; z)\r\n"])
def test_an_order_beyond_doubt_is_known_as_one(more: bytes) -> None:
    order = ORDER.replace(b"Host: an\r\n", b"Host: an\r\n" + more)
    request = REQUEST.match(order)
    assert request
    assert request["order"]
    assert is_whole(order, request)


def test_those_who_passed_at_this_turn_of_the_loop_count_for_the_next() -> None:
    asked: list[int] = []

    def crowded(coming: int) -> bool:
        asked.append(coming)
        return coming == 2

    async def main() -> None:
        coming = Coming(crowded, lambda: None)
        assert [coming.may_pass() for _ in range(4)] == [True, True, False, False]
        await asyncio.sleep(0)
        assert coming.may_pass()

    asyncio.run(main())
    assert asked == [0, 1, 2, 2, 0]
