"""Whole nodes for a test: real sockets, real TLS, real disks, one process; and who talks to them from outside.

The journey from Feira de Santana to Cuiabá needs all three carriers.
"""

import asyncio
import gc
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import orjson
import uvloop
from aiohttp import ClientSession, TCPConnector
from msgspec import structs

from airline_node import certificates
from airline_node.app import now, running
from airline_node.config import Config
from airline_node.timetable import Timetable, load
from ledger.terms import BookingId, CarrierCode, FlightId, ticket_number

CARRIERS = ("AN", "JG", "IP")
BOOKING: BookingId = "01JD3VGJ5Q8T6N0ZK4W2XRA7MC"
PATH = ("IP4001", "JG2055", "AN1117")
TOTAL = 10_890 + 35_190 + 30_890
TICKET = ticket_number("983", 1)
TOKEN = "the-auditors-own-token"
TRIES = 500

Json: TypeAlias = dict[str, Any]
Configs: TypeAlias = Mapping[CarrierCode, Config]


def timetable() -> Timetable:
    """Ana's three flights and no others, so that a start is quick."""
    whole = load()
    return structs.replace(whole, week=tuple(weekly for weekly in whole.week if weekly.number in PATH))


def travel_day() -> date:
    """A day soon on which all three fly."""
    soon = timetable().today(now()) + timedelta(days=2)
    days = [soon + timedelta(days=n) for n in range(7)]
    return next(day for day in days if all(weekly.flies_on(day) for weekly in timetable().week))


def journey() -> list[FlightId]:
    return [f"{number}/{travel_day()}" for number in PATH]


def order(*flights: FlightId, name: str = "Ana Lima", seat: str = "4A") -> Json:
    """A named seat on the first flight, and whichever the carriers choose on the others."""
    first, *others = flights
    segments: list[Json] = [{"flight": first, "seats": [seat]}, *({"flight": flight, "seats": 1} for flight in others)]
    contact = {"email": "ana@example.com"}
    return {"segments": segments, "passengers": [{"name": name}], "contact": contact, "confirm": True}


class Answer(NamedTuple):
    status: int
    body: Json


class Client:
    """Whoever talks to the nodes from outside."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, config: Config, path: str, body: object = None) -> Answer:
        return await self._ask(method, f"http://{config.listen}{path}", body, None, None)

    async def ask_as_peer(self, method: str, config: Config, path: str, body: object, tls: ssl.SSLContext) -> Answer:
        host = certificates.peer_host_name(config.carrier)
        return await self._ask(method, f"https://{config.peer_listen}{path}", body, tls, host)

    async def log(self, config: Config) -> list[Json]:
        """The events of one carrier, in its order."""
        answer = await self.ask("GET", config, "/api/log?limit=1000")
        assert answer.status == 200, answer
        return [logged["event"] for logged in answer.body["events"]]

    async def _ask(self, method: str, url: str, body: object, tls: ssl.SSLContext | None, host: str | None) -> Answer:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        data = None if body is None else orjson.dumps(body)
        async with self._session.request(
            method, url, data=data, headers=headers, ssl=tls or True, server_hostname=host
        ) as response:
            told = orjson.loads(await response.read())
            return Answer(response.status, told if isinstance(told, dict) else {"events": told})


@asynccontextmanager
async def open_for_business(*configs: Config) -> AsyncIterator[Client]:
    """These nodes, and each has heard of what the others sell."""
    async with AsyncExitStack() as opened:
        for config in configs:
            await opened.enter_async_context(running(config, timetable()))
        client = Client(await opened.enter_async_context(ClientSession(connector=TCPConnector(force_close=True))))
        if len(configs) == len(CARRIERS):
            for config in configs:
                await eventually(partial(client.ask, "GET", config, "/health/ready"), lambda a: a.body["network"])
        yield client


async def eventually(ask: Callable[[], Awaitable[Answer]], what: Callable[[Answer], object]) -> Answer:
    for _ in range(TRIES):
        if what(answer := await ask()):
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"it never came about: {answer}")


def lived(story: Callable[[], Coroutine[None, None, None]]) -> None:
    """On the loop that nodes run on. Afterwards no task, no thread and no error of theirs is left."""
    unheard: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: unheard.append(str(fault)))
        await story()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    finally:
        # A node takes what it begins with out of the collector's sight, for its whole life.
        gc.unfreeze()
        gc.collect()
    assert unheard == []
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(("journal", "vault"))] == []


async def settles(client: Client, seller: Config, state: str) -> Answer:
    """Until every carrier has recorded it."""
    answer = await eventually(
        partial(client.ask, "GET", seller, f"/api/bookings/{BOOKING}"), lambda answer: answer.body["pending"] == []
    )
    assert [segment["state"] for segment in answer.body["segments"]] == [state] * 3
    return answer
