"""One carrier's coordinator over three PostgreSQL databases: two-phase commit with PREPARE TRANSACTION.

Presumed abort, all prepares at once, the coordinator's own seats committed together with the decision (the last agent
of the literature), and the traveller is answered when the decision is on disk, as ours is. All databases are in one
server, so that they share its fsyncs; durability is as it comes: fsync and synchronous_commit on.

    python -m tests.baselines.postgres CARRIER PORT CARRIER=ADDRESS ...
"""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence

import asyncpg
import msgspec
from aiohttp import web
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from airline_node.bench.exchange import run
from airline_node.fleet import HOST

CONNECTIONS = 24
"""To each database, from each coordinator."""
TABLES = """
    CREATE TABLE seats (flight text, seat text, booking text, PRIMARY KEY (flight, seat)) WITH (fillfactor = 50);
    CREATE INDEX free ON seats (flight) WHERE booking IS NULL;
    CREATE TABLE decisions (booking text PRIMARY KEY);
"""
TAKE = """
    UPDATE seats SET booking = $1 WHERE (flight, seat) = (
        SELECT flight, seat FROM seats WHERE flight = $2 AND booking IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED
    )
"""
DECIDE = "INSERT INTO decisions VALUES ($1)"
TAKEN = "UPDATE 1"


class Segment(Struct):
    flight: str


class Body(Struct):
    segments: tuple[Segment, ...]


class SoldOut(Exception):
    """A flight has no seat left: the booking is to be aborted."""


class Coordinator:
    """Sells over all databases; its decisions lie in its own carrier's."""

    def __init__(self, carrier: str, pools: Mapping[str, "asyncpg.Pool[asyncpg.Record]"]) -> None:
        self._pools = pools
        self._carrier = carrier
        self._finishing: set[asyncio.Task[None]] = set()

    async def book(self, booking: str, flights: Sequence[str]) -> bool:
        """True when the decision to sell is on disk."""
        elsewhere = [flight for flight in flights if flight[:2] != self._carrier]
        votes = await asyncio.gather(*(self._prepare(booking, flight) for flight in elsewhere), return_exceptions=True)
        for vote in votes:
            if isinstance(vote, BaseException) and not isinstance(vote, SoldOut):
                raise vote
        sold = not any(votes)
        if sold:
            sold = await self._decide(booking, [flight for flight in flights if flight[:2] == self._carrier])
        prepared = [flight for flight, vote in zip(elsewhere, votes, strict=True) if vote is None]
        finishing = asyncio.create_task(self._finish(booking, prepared, "COMMIT" if sold else "ROLLBACK"))
        self._finishing.add(finishing)
        finishing.add_done_callback(self._finishing.discard)
        return sold

    async def rest(self) -> None:
        while self._finishing:
            await asyncio.wait(self._finishing)

    async def _prepare(self, booking: str, flight: str) -> None:
        async with self._pools[flight[:2]].acquire() as database:
            await database.execute("BEGIN")
            try:
                await _take(database, booking, flight)
            except SoldOut:
                await database.execute("ROLLBACK")
                raise
            await database.execute(f"PREPARE TRANSACTION '{_branch(booking, flight)}'")

    async def _decide(self, booking: str, own: Sequence[str]) -> bool:
        async with self._pools[self._carrier].acquire() as database:
            try:
                async with database.transaction():
                    for flight in own:
                        await _take(database, booking, flight)
                    await database.execute(DECIDE, booking)
            except SoldOut:
                return False
            return True

    async def _finish(self, booking: str, prepared: Sequence[str], word: str) -> None:
        await asyncio.gather(
            *(self._pools[flight[:2]].execute(f"{word} PREPARED '{_branch(booking, flight)}'") for flight in prepared)
        )


async def _take(database: "PoolConnectionProxy[asyncpg.Record]", booking: str, flight: str) -> None:
    if await database.execute(TAKE, booking, flight) != TAKEN:
        raise SoldOut(flight)


def _branch(booking: str, flight: str) -> str:
    assert "'" not in booking
    assert "'" not in flight
    return f"{booking} {flight}"


BODY = msgspec.json.Decoder(Body)
COORDINATOR = web.AppKey("coordinator", Coordinator)


async def _book(request: web.Request) -> web.Response:
    wanted = BODY.decode(await request.read())
    flights = [segment.flight for segment in wanted.segments]
    if await request.app[COORDINATOR].book(request.match_info["booking"], flights):
        return web.Response(status=201, body=b'{"status":"confirmed"}', content_type="application/json")
    return web.Response(status=409, body=b'{"error":"seat-taken"}', content_type="application/json")


async def _serve(carrier: str, port: int, addresses: Mapping[str, str]) -> None:
    pools = {
        name: await asyncpg.create_pool(address, min_size=CONNECTIONS, max_size=CONNECTIONS)
        for name, address in addresses.items()
    }
    app = web.Application()
    app[COORDINATOR] = Coordinator(carrier, pools)
    app.add_routes([web.put("/api/bookings/{booking}", _book)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=4_096).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()
    await app[COORDINATOR].rest()
    for pool in pools.values():
        await pool.close()


if __name__ == "__main__":
    me, at, *databases = sys.argv[1:]
    run(_serve(me, int(at), dict(database.split("=", 1) for database in databases)))
