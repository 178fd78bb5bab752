"""Streams are bounded in number, and end at once when the node does."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ui import streams
from ui.streams import Streams, event


async def endless() -> AsyncGenerator[str, None]:
    yield event("<p>first</p>", id="boot.1")
    await asyncio.Event().wait()


def served(opened: Streams) -> web.Application:
    async def live(request: web.Request) -> web.StreamResponse:
        return await opened.serve(request, endless())

    app = web.Application()
    app.router.add_get("/live", live)
    return app


def test_an_event_is_written_as_browsers_read_it() -> None:
    assert event("<p>\n\none</p>", id="boot.7") == "id: boot.7\ndata: <p>\ndata: one</p>\n\n"
    assert event("", name="over") == "event: over\ndata:\n\n"


def test_open_streams_end_at_once_when_the_node_does_and_no_other_begins() -> None:
    async def story() -> None:
        opened = Streams()
        async with TestClient(TestServer(served(opened))) as client, asyncio.timeout(5):
            response = await client.get("/live")
            assert b"retry" in await response.content.readuntil(b"\n\n")
            opened.close()
            assert (await response.content.read()).endswith(b"data: <p>first</p>\n\n")
            assert (await client.get("/live")).status == 503

    asyncio.run(story())


def test_whoever_comes_when_all_streams_are_taken_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)

    async def story() -> None:
        opened = Streams()
        async with TestClient(TestServer(served(opened))) as client, asyncio.timeout(5):
            first = await client.get("/live")
            assert first.status == 200
            assert (await client.get("/live")).status == 503
            opened.close()

    asyncio.run(story())
