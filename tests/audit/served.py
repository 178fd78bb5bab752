"""A node that tells an auditor its log, its seats, its checkpoints and its leaves, and may lie about each; no more."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TypeAlias

from aiohttp import web

from airline_node import routes
from airline_node.audit.live import Compared
from airline_node.audit.page import Audited
from airline_node.audit.run import audit
from airline_node.audit.sources import open_sources
from airline_node.availability import Availability
from airline_node.config import LEDGER
from airline_node.door import JOURNAL, in_one_shape
from airline_node.evidence.routes import OFFICE
from airline_node.journal import Journal
from airline_node.network import Network
from airline_node.seatmaps import SeatMaps
from airline_node.tokens import TOKENS, Tokens
from ledger.terms import CarrierCode
from tests.audit.pages import office
from tests.evidence.given import NOW, PUBLIC

TOKEN = "auditor-of-all-the-carriers"
TOLD = ("/api/taken", "/api/log", "/api/leaves", "/api/checkpoints", "/api/checkpoint")


Lie: TypeAlias = Callable[[web.Application], object]


def no_change(_app: web.Application) -> None: ...


@contextmanager
def serving(folder: Path, carrier: CarrierCode, lie: Lie = no_change, journal_at: str = "") -> Iterator[str]:
    """At this address, until left. `lie` may put another route in front of a true one."""
    opened, stop, undo = Event(), asyncio.Event(), ExitStack()
    journal = Journal.open(journal_at or str(folder / carrier / LEDGER))
    undo.callback(journal.close)
    seats = Network(Availability(lambda: NOW), carrier, {}, None, lambda: NOW)
    seats.publish(SeatMaps().fold([recorded for _, recorded in journal.replay()]))
    kept, address, loop = office(folder / carrier, carrier, journal, undo), "", asyncio.new_event_loop()

    async def serve() -> None:
        nonlocal address
        app = web.Application(middlewares=[in_one_shape])
        app[JOURNAL], app[TOKENS], app[OFFICE] = journal, Tokens("", TOKEN), kept
        app[routes.NETWORK] = seats
        lie(app)
        for route in routes.ROUTES:
            with suppress(RuntimeError):  # it lies about this one
                if route.path in TOLD:
                    app.router.add_route(route.method, route.path, route.serve)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        opened.set()
        await stop.wait()
        await runner.cleanup()
        await asyncio.sleep(0.01)  # what was closed lets go of its sockets at the loop's next turns

    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    with undo:
        thread.start()
        opened.wait()
        try:
            yield address
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


def audited_at(*places: str, compared: Compared = lambda _carrier, _done, _all: None) -> Audited:
    """Verified, of nodes and of files."""
    sources = open_sources(places, TOKEN)
    try:
        return audit(sources, PUBLIC, lambda _carrier, _count: None, compared=compared)
    finally:
        for source in sources:
            source.close()
