"""An aiohttp server whose handler does nothing: what is left of a request when everything of ours is taken away."""

import asyncio
from multiprocessing.connection import Connection

from aiohttp import web

from airline_node.bench.exchange import run
from airline_node.fleet import HOST

ANSWER = b'{"status":"confirmed"}'
BACKLOG = 4_096


def empty(to: "Connection[int, None]") -> None:
    """The main function of a process: says on which port it answers, and does until it is told to end."""
    run(_serve(to))


async def _serve(to: "Connection[int, None]") -> None:
    app = web.Application()
    app.add_routes([web.put("/api/bookings/{booking}", _nothing)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, backlog=BACKLOG)
    await site.start()
    to.send(runner.addresses[0][1])
    await asyncio.to_thread(to.recv)
    await runner.cleanup()


async def _nothing(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=201, body=ANSWER, content_type="application/json")
