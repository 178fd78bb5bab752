"""The other carrier of a node's peers: a real aiohttp server on loopback that says what a test tells it to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import msgspec
import orjson
import pytest
from aiohttp import web

from airline_node import certificates, lines
from airline_node.peers import Peers
from ledger.messages import (
    Abort,
    Acknowledged,
    Commit,
    Inquire,
    Outcome,
    PeerAnswer,
    PeerMessage,
    Word,
)

FLIGHT = "JG2055/2026-12-14"
NOON = 1_790_000_000_000

Items: TypeAlias = list[dict[str, str]]
Answering: TypeAlias = Callable[[str, Items], Awaitable[web.StreamResponse]]


def booking(number: int) -> str:
    return f"01JD3VBOOKING{number:013d}"


def commit(number: int) -> Commit:
    return Commit(booking=booking(number), flight=FLIGHT, coordinator="AN")


def abort(number: int) -> Abort:
    return Abort(booking=booking(number), flight=FLIGHT, coordinator="AN")


def inquire(number: int) -> Inquire:
    return Inquire(booking=booking(number), flight=FLIGHT, coordinator="JG", asker="AN1117/2026-12-14", to="JG")


def done(route: str, item: dict[str, str]) -> PeerAnswer:
    if route == "inquire":
        return Outcome(
            booking=item["booking"], flight=item["flight"], asker=item["asker"], by="JG", word=Word.COMMITTED
        )
    return Acknowledged(booking=item["booking"], flight=item["flight"], done=route)


def say(*answers: PeerAnswer) -> web.Response:
    return web.Response(body=orjson.dumps({"answers": msgspec.to_builtins(answers)}))


async def obey(route: str, items: Items) -> web.Response:
    return say(*(done(route, item) for item in items))


async def refuse_service(route: str, items: Items) -> web.StreamResponse:
    return web.Response(text="\x1b[31mtry later", status=503)


class Jangada:
    """The other carrier: does what `answering` does, and remembers what it was asked and when."""

    def __init__(self) -> None:
        self.answering: Answering = obey
        self.asked: list[tuple[str, list[str]]] = []
        self.times: list[float] = []
        self.callers: list[str | None] = []
        self.port = 0

    async def open(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{route}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        route, items = request.match_info["route"], orjson.loads(await request.read())["items"]
        self.asked.append((route, [item["booking"] for item in items]))
        self.times.append(asyncio.get_running_loop().time())
        assert request.transport is not None
        self.callers.append(certificates.carrier_of_peer(request.transport.get_extra_info("peercert")))
        return await self.answering(route, items)


class Desk:
    """Our node, as its peers see it: a claim that is answered for is owed no more, unless `settles` is unset."""

    def __init__(self, address: str, tls: ssl.SSLContext | None = None) -> None:
        self.peers = Peers("AN", {"JG": address}, tls, self.hear, self.unanswered, lambda: NOON, lambda: 0.0)
        self.heard: list[PeerAnswer] = []
        self.unreached: list[list[PeerMessage]] = []
        self.settles = True
        self.refuses: Exception | None = None

    def owe(self, *messages: PeerMessage) -> None:
        """Each as a machine of its own."""
        for message in messages:
            self.peers.owe(message.booking, [message])

    async def hear(self, carrier: str, answers: Sequence[PeerAnswer]) -> None:
        assert carrier == "JG"
        if self.refuses:
            raise self.refuses
        self.heard += answers
        if self.settles:
            for answer in answers:
                self.peers.owe(answer.booking, [])

    async def unanswered(self, messages: Sequence[PeerMessage]) -> None:
        self.unreached.append(list(messages))


async def until(what: Callable[[], object]) -> None:
    for _ in range(5_000):
        if what():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came about")


@asynccontextmanager
async def business() -> AsyncIterator[tuple[Jangada, Desk]]:
    jangada = Jangada()
    await jangada.open()
    desk = Desk(f"http://127.0.0.1:{jangada.port}")
    await desk.peers.start()
    try:
        yield jangada, desk
    finally:
        await desk.peers.close()
        await jangada.close()


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests wait a twentieth of what passengers do."""
    monkeypatch.setattr(lines, "BACKOFF_MS_MIN", 5)
    monkeypatch.setattr(lines, "BACKOFF_MS_MAX", 40)
    monkeypatch.setattr(lines, "RETRY_MS", 50)
    monkeypatch.setattr(lines, "RETRY_MS_MAX", 200)
