"""A carrier is followed over the wire: a real server, a bad one, and one that is somebody else."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import orjson
import pytest
from aiohttp import web

from airline_node import availability, certificates, network
from airline_node.availability import Availability
from airline_node.network import Network
from tests.node.published import (
    FIRST,
    SECOND,
    THIRD,
    Clock,
    answer,
    news,
    publisher,
    schedule,
    view,
)

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Peer:
    """A real server on loopback that answers for JG, in whatever way a test wants."""

    def __init__(self, serve: Serve, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.serve, self._tls, self._port = serve, tls, port

    async def __aenter__(self) -> "Peer":
        app = web.Application()
        app.router.add_get("/{path}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        self._port = self._runner.addresses[0][1]
        self.address = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request)


def telling(published: Availability) -> Serve:
    async def serve(request: web.Request) -> web.Response:
        query = request.query
        told = await published.poll(int(query["after"]), query["lineage"], wait_ms=1000 * int(query["wait"]))
        return web.Response(body=orjson.dumps(msgspec.to_builtins(told)))

    return serve


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_500):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not come to be")


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FOLLOW_PAUSE_MS", "CATCH_UP_PAUSE_MS", "RETRY_MS_MIN", "RETRY_MS_MAX"):
        monkeypatch.setattr(network, name, 1)


@pytest.mark.usefixtures("brisk")
def test_a_peer_is_followed_through_its_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "FLIGHTS_PER_ANSWER", 1)

    async def main() -> None:
        published = publisher(FIRST, SECOND)
        async with Peer(telling(published)) as peer:
            seen = view(Clock(), JG=peer.address)
            following = asyncio.create_task(seen.run())
            await until(lambda: seen.ready)
            published.publish([(None, FIRST, "ss..")])
            await until(lambda: (seen.seats(FIRST) or ("", ""))[1] == "ss..")
            published.close()
            peer.serve = telling(restarted := publisher(SECOND, THIRD))
            await until(lambda: seen.seats(THIRD) is not None and seen.seats(FIRST) is None)
            assert len(seen.board) == 2
            restarted.close()
        following.cancel()
        await asyncio.wait([following])
        assert following.cancelled()

    asyncio.run(main())


def of(body: bytes, status: int = 200) -> Serve:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    return serve


async def lead_astray(request: web.Request) -> web.Response:
    if request.path == "/availability":
        return web.Response(status=307, headers={"Location": f"/elsewhere?{request.query_string}"})
    return web.Response(body=GOOD)


async def hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def babble(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\nBad Header\x1b[2J\x0b: 1\r\n\r\n")
    return web.Response()


GOOD = orjson.dumps(msgspec.to_builtins(answer(news(), reset=True)))


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize(
    "bad",
    [
        of(status=500, body=GOOD),
        of(status=203, body=GOOD),
        lead_astray,
        of(body=b""),
        of(body=b'{"flights": "\xff"}'),
        of(body=b'{"\xff": 1}'),
        of(body=b'{"other":' + b"[" * 100_000),
        of(body=GOOD + b" " * network.ANSWER_BYTES_MAX),
        of(body=GOOD[:-1]),
        of(body=GOOD.replace(b'"...."', b'"..x."')),
        of(body=GOOD.replace(b"43190", b"-1")),
        of(body=GOOD.replace(b"43190", b"9" * 400)),
        hang_up,
        babble,
    ],
)
def test_a_bad_answer_is_trouble_that_passes(bad: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Peer(bad) as peer:
            seen = view(Clock(), JG=peer.address)
            following = asyncio.create_task(seen.run())
            await until(lambda: "the flights of JG cannot be followed" in caplog.text)
            assert seen.seats(FIRST) is None
            assert not seen.ready
            peer.serve = of(body=GOOD)
            await until(lambda: seen.ready)
            assert seen.seats(FIRST) == (schedule(FIRST), "....")
            following.cancel()
            await asyncio.wait([following])

    asyncio.run(main())
    assert all(record.getMessage().isprintable() for record in caplog.records if record.name == network.__name__)


@pytest.mark.slow
@pytest.mark.usefixtures("brisk")
def test_only_the_carrier_itself_is_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificates.make(tmp_path, ["AN", "JG", "IP"])
    own = certificates.client_context(*certificates.files(tmp_path, "AN"))

    async def main() -> None:
        clock = Clock()
        servers = {name: certificates.server_context(*certificates.files(tmp_path, name)) for name in ("JG", "IP")}
        async with Peer(of(body=GOOD), servers["IP"]) as false, Peer(of(body=GOOD), servers["JG"]) as true:
            deceived = Network(Availability(clock), "AN", {"JG": false.address}, own, clock)
            informed = Network(Availability(clock), "AN", {"JG": true.address}, own, clock)
            following = [asyncio.create_task(seen.run()) for seen in (deceived, informed)]
            await until(lambda: informed.ready and "certificate" in caplog.text.lower())
            assert not deceived.ready
            for task in following:
                task.cancel()
            await asyncio.wait(following)

    asyncio.run(main())
