"""Streams of events to pages (server-sent events): bounded in number, beating, and ended at once when the node ends."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from aiohttp import web

from ui.guard import HEADERS

STREAMS_MAX = 400
"""Open at once; whoever comes then is told to look at the page again instead (503)."""
RETRY_MS = 1_000
HEADS: Mapping[str, str] = {
    **HEADERS,
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # A proxy that collects would make live late.
}


class Streams:
    """All that are open on this node."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()
        self._closed = False

    async def serve(self, request: web.Request, events: AsyncGenerator[str, None]) -> web.StreamResponse:
        """Send what `events` gives until it ends, the browser goes, or the node ends."""
        if self._closed or len(self._open) >= STREAMS_MAX:
            return web.Response(status=503, headers={**HEADERS, "Retry-After": "5"})
        response = web.StreamResponse(headers=HEADS)
        await response.prepare(request)
        sending = asyncio.create_task(_send(response, events))
        self._open.add(sending)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await sending
        finally:
            sending.cancel()
            self._open.discard(sending)
        return response

    def close(self) -> None:
        """End them all. Whoever comes later is turned away."""
        self._closed = True
        for stream in self._open:
            stream.cancel()


async def _send(response: web.StreamResponse, events: AsyncGenerator[str, None]) -> None:
    await response.write(f"retry: {RETRY_MS}\n\n".encode())
    async with aclosing(events):
        async for event in events:
            await response.write(event.encode())


def event(html: str, *, id: str = "", name: str = "") -> str:
    """One event: a piece of page to swap in, or a named one for a script to hear."""
    lines = [f"id: {id}"] if id else []
    lines += [f"event: {name}"] if name else []
    lines += [f"data: {line}" for line in html.splitlines() if line.strip()] or ["data:"]
    return "\n".join(lines) + "\n\n"


BEAT = ": still here\n\n"
"""A comment now and then, so that a browser that is gone is noticed."""

STREAMS = web.AppKey("streams", Streams)
