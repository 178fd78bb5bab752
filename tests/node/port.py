"""The public port over real sockets: real vault, journal and network, and a node that says what it is told to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import orjson
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace
from yarl import URL

from airline_node import door, routes, timetable
from airline_node.control import Control
from airline_node.control_routes import CONTROL
from airline_node.door import JOURNAL, NODE
from airline_node.figures import Timings
from airline_node.journal import Journal
from airline_node.lines import Reach
from airline_node.node import BUSY, Busy, Node
from airline_node.peers import Peers
from airline_node.routes import CLOSED, NETWORK, NOW, TIMETABLE, VAULT
from airline_node.tokens import TOKENS, Tokens
from airline_node.vault import Vault
from ledger.messages import (
    ForceMessage,
    Forcing,
    Refusal,
    Status,
    TravellerAnswer,
    TravellerCommand,
)
from ledger.terms import Millis
from ledger.waiting import Said, Standing, Transaction, Transactions, WaitState
from tests.node import test_wire
from tests.node.test_wire import BOOKING, FIRST, SECOND, network, order, view

NOON = test_wire.NOW
BOOKING_PATH = f"/api/bookings/{BOOKING}"
OPERATOR = "Bearer operator-of-andorinha"
AUDITOR = "Bearer auditor-of-andorinha"
IN_DOUBT = Transaction(
    booking=BOOKING,
    locator="K7QX2M",
    coordinator="JG",
    flight=FIRST.flight,
    seats=("1A",),
    state=WaitState.IN_DOUBT,
    since=NOON,
    waits_for=("JG",),
    reason="pledged; JG has the decision",
    safe="wait",
    at_stake=41_000,
    standings=(Standing(carrier="JG", flight=None, said=Said.SILENT),),
    forcing=None,
    may_not_force="IP may know the decision and has not answered yet: wait for that",
)


class ScriptedNode:
    """Hears commands and says what it is told to say."""

    def __init__(self) -> None:
        self.crowded = False
        self.under_way = 0
        self.heard: list[TravellerCommand] = []
        self.ordered: list[ForceMessage] = []
        self.rules: Forcing | Refusal = Refusal(
            "decision-can-be-learned", "JG still has time to decide: ask again first"
        )
        self.says: TravellerAnswer | Exception = view(Status.CONFIRMED)
        self.speaks = asyncio.Event()
        self.speaks.set()

    def turn(self) -> AbstractContextManager[None]:
        if self.crowded:
            raise Busy(BUSY)
        return self._taken()

    @contextmanager
    def _taken(self) -> Iterator[None]:
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def handle(self, command: TravellerCommand) -> TravellerAnswer:
        self.heard.append(command)
        await self.speaks.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def transactions(self) -> Transactions:
        held = replace(IN_DOUBT, state=WaitState.HELD, waits_for=())
        return Transactions((IN_DOUBT, held))

    async def resume(self) -> Transactions:
        return await self.transactions()

    async def operate(self, command: ForceMessage) -> Forcing | Refusal:
        self.ordered.append(command)
        return self.rules

    def figures(self) -> dict[str, float]:
        return {"events_total": 7, "inbox_commands": 2}

    orders, writes = Timings(), Timings()


class ScriptedPeers:
    """Jangada is silent and is asked again at a quarter past."""

    def __init__(self) -> None:
        self.woken = 0
        self.requests = {"JG": Timings(), "IP": Timings()}

    def reach(self) -> dict[str, Reach]:
        silent = Reach(silent_since=NOON, error="inquire: no answer", next_try=None, waiting=1, rejected=0)
        return {"JG": silent, "IP": replace(silent, silent_since=None, error=None, waiting=0)}

    def next_try(self, machine: str) -> Millis | None:
        return NOON + 15 * 60_000 if machine == FIRST.flight else None

    def wake(self) -> None:
        self.woken += 1


class Port:
    """What stands behind one public port, and a client before it."""

    def __init__(self, folder: Path, tokens: Tokens) -> None:
        self.node, self.peers = ScriptedNode(), ScriptedPeers()
        self.vault = Vault.open(folder / "vault.sqlite")
        self.journal = Journal.open(str(folder / "ledger.sqlite"))
        self.closed: str | None = None
        app = web.Application()
        app[NODE] = cast(Node, self.node)
        app[JOURNAL] = self.journal
        app[NETWORK] = network(FIRST, SECOND)
        app[VAULT] = self.vault
        app[TIMETABLE] = timetable.load()
        app[TOKENS] = tokens
        app[NOW] = lambda: NOON
        app[CONTROL] = Control("AN", cast(Node, self.node), cast(Peers, self.peers), app[NETWORK], app[NOW])
        app[CLOSED] = lambda: self.closed
        routes.add_public_routes(app)
        self.client = TestClient(TestServer(app))

    async def put(self, body: object = None, booking: str = BOOKING) -> ClientResponse:
        return await self.client.put(f"/api/bookings/{booking}", data=orjson.dumps(body or order()))

    async def post(self, path: str, body: object = None, **headers: str) -> ClientResponse:
        return await self.client.post(path, data=orjson.dumps(body), headers=headers)

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self.client.get(URL(path, encoded=True), headers=headers)


def served(folder: Path, story: Callable[[Port], Awaitable[None]], tokens: Tokens | None = None) -> None:
    """Tell the story to a port that is open, and leave nothing open."""

    async def main() -> None:
        port = Port(folder, tokens or Tokens("operator-of-andorinha", "auditor-of-andorinha"))
        try:
            async with port.client:
                await story(port)
        finally:
            port.vault.close()
            port.journal.close()

    asyncio.run(main())


async def told(response: ClientResponse) -> Any:
    return orjson.loads(await response.read())


async def problem(response: ClientResponse) -> tuple[int, str, bool]:
    """Status, error, known: after seeing that it has the one shape, and that nobody keeps it."""
    body = await told(response)
    assert set(body) == {"error", "detail", "known"}
    assert len(body["detail"]) <= door.DETAIL_MAX
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    return response.status, body["error"], body["known"]
