"""The peer port over TLS with real certificates, and a node that writes down what it hears."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from aiohttp import ClientResponse, ClientSession, TCPConnector, web
from aiohttp.test_utils import TestServer
from msgspec import to_builtins
from msgspec.structs import replace

from airline_node import certificates, peer_routes
from airline_node.availability import Availability
from airline_node.door import JOURNAL, NODE
from airline_node.journal import Journal
from airline_node.lines import BATCH_MAX
from airline_node.node import Busy, Node, Stopped
from airline_node.peer_routes import AVAILABILITY, ME, PEERS
from ledger.events import BookingSettled, Recorded
from ledger.messages import (
    Abort,
    Acknowledged,
    Commit,
    Hold,
    Inquire,
    PeerAnswer,
    PeerMessage,
    Prepare,
    Release,
    Return,
)
from tests.node.port import problem, told
from tests.node.test_wire import BOOKING, FIRST, NOW

CLAIM: dict[str, Any] = {"booking": BOOKING, "flight": FIRST.flight, "coordinator": "JG"}
WANTED: dict[str, Any] = {**CLAIM, "participants": (FIRST.flight,), "seats": ("1A",), "count": 1, "fare": 10_000}
COMMIT = Commit(**CLAIM)
INQUIRE = Inquire(**CLAIM, asker="IP4001/2026-12-14", to="AN")
MESSAGES: dict[str, PeerMessage] = {
    "hold": Hold(**WANTED, lasting=60_000),
    "prepare": Prepare(**WANTED, decide_by=NOW, tickets=("9820000000017",), coupon=1),
    "commit": COMMIT,
    "abort": Abort(**CLAIM),
    "release": Release(**CLAIM),
    "return": Return(**CLAIM),
}


class ListeningNode:
    """Acknowledges whatever it hears, or fails as it is told to."""

    def __init__(self) -> None:
        self.heard: list[PeerMessage] = []
        self.fails: Exception | None = None

    async def hear(self, messages: Sequence[PeerMessage]) -> list[PeerAnswer]:
        if self.fails:
            raise self.fails
        self.heard += messages
        return [Acknowledged(booking=message.booking, flight=message.flight, done="commit") for message in messages]


class Port:
    """Andorinha's peer port, which knows Jangada and Ipê, and who comes to it."""

    def __init__(self, folder: Path) -> None:
        certificates.make(folder, ["AN", "JG", "IP", "XX"])
        self.folder = folder
        self.sessions: dict[str, ClientSession] = {}
        self.node = ListeningNode()
        self.journal = Journal.open(str(folder / "ledger.sqlite"))
        self.availability = Availability(lambda: NOW)
        app = web.Application()
        app[NODE] = cast(Node, self.node)
        app[JOURNAL] = self.journal
        app[AVAILABILITY] = self.availability
        app[ME] = "AN"
        app[PEERS] = frozenset({"JG", "IP"})
        peer_routes.add_peer_routes(app)
        self.server = TestServer(app, scheme="https")
        self.context: ssl.SSLContext | None = certificates.server_context(*certificates.files(folder, "AN"))

    async def ask(self, method: str, path: str, who: str = "JG", data: bytes | None = None) -> ClientResponse:
        """Under that carrier's certificate."""
        if who not in self.sessions:
            context = certificates.client_context(*certificates.files(self.folder, who)) if self.context else True
            self.sessions[who] = ClientSession(connector=TCPConnector(ssl=context))
        name = certificates.peer_host_name("AN") if self.context else None
        url = f"{self.server.make_url('/')}{path}"
        return await self.sessions[who].request(method, url, data=data and BytesIO(data), server_hostname=name)

    async def post(self, route: str, *items: PeerMessage, who: str = "JG") -> ClientResponse:
        return await self.ask("POST", route, who, orjson.dumps({"items": to_builtins(items)}))


def served(folder: Path, story: Callable[[Port], Awaitable[None]], *, tls: bool = True) -> None:
    async def main() -> None:
        port = Port(folder)
        if not tls:
            port.context, port.server = None, TestServer(port.server.app, scheme="http")
        try:
            await port.server.start_server(ssl=port.context)
            await story(port)
        finally:
            for session in port.sessions.values():
                await session.close()
            await port.server.close()
            port.journal.close()

    asyncio.run(main())


# ---- what is asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", MESSAGES)
def test_each_kind_of_message_has_its_route(tmp_path: Path, route: str) -> None:
    async def story(port: Port) -> None:
        response = await port.post(route, MESSAGES[route])
        assert response.status == 200
        assert port.node.heard == [MESSAGES[route]]

    served(tmp_path, story)


def test_answers_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        items = [replace(COMMIT, booking=f"{number:026d}") for number in range(BATCH_MAX)]
        answers = (await told(await port.post("commit", *items)))["answers"]
        assert [answer["booking"] for answer in answers] == [item.booking for item in items]
        assert answers[0] == {
            "answer": "acknowledged",
            "booking": items[0].booking,
            "flight": FIRST.flight,
            "done": "commit",
        }

    served(tmp_path, story)


def test_a_participant_inquires_of_another_one_and_of_the_coordinator(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        of_participant = INQUIRE
        of_coordinator = replace(INQUIRE, flight="IP4001/2026-12-14", coordinator="AN")
        assert (await port.post("inquire", of_participant, of_coordinator, who="IP")).status == 200
        assert port.node.heard == [of_participant, of_coordinator]

    served(tmp_path, story)


# ---- what nobody may ask -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "item", "who"),
    [
        ("commit", COMMIT, "IP"),
        ("commit", replace(COMMIT, coordinator="AN"), "JG"),
        ("commit", replace(COMMIT, flight="JG2055/2026-12-14"), "JG"),
        ("inquire", INQUIRE, "JG"),
        ("inquire", replace(INQUIRE, to="JG"), "IP"),
        ("inquire", replace(INQUIRE, flight="JG2055/2026-12-14"), "IP"),
        ("commit", replace(COMMIT, coordinator="XX"), "XX"),
    ],
)
def test_a_carrier_speaks_for_itself_alone_and_of_our_flights_alone(
    tmp_path: Path, route: str, item: PeerMessage, who: str
) -> None:
    async def story(port: Port) -> None:
        good = INQUIRE if route == "inquire" else COMMIT
        response = await port.post(route, *([good] if who == good.coordinator else []), item, who=who)
        assert await problem(response) == (403, "forbidden", True)
        assert port.node.heard == [], "one bad item refuses its batch"

    served(tmp_path, story)


def test_the_first_item_that_goes_too_far_is_named(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        response = await port.post("commit", COMMIT, replace(COMMIT, flight="JG2055/2026-12-14"))
        assert (await told(response))["detail"] == "AN does not fly JG2055/2026-12-14 - at `$.items[1]`"

    served(tmp_path, story)


def test_nobody_is_let_in_without_a_certificate(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        assert await problem(await port.post("commit", COMMIT)) == (403, "forbidden", True)
        assert await problem(await port.ask("GET", "availability")) == (403, "forbidden", True)
        assert await problem(await port.ask("GET", "log")) == (403, "forbidden", True)
        assert port.node.heard == []

    served(tmp_path, story, tls=False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", (400, "malformed", True)),
        (b'{"items": [', (400, "malformed", True)),
        (orjson.dumps({"items": [to_builtins(MESSAGES["abort"])]}), (422, "invalid", True)),
        (orjson.dumps({"items": [{**to_builtins(COMMIT), "why": "?"}]}), (422, "invalid", True)),
        (orjson.dumps({"items": [to_builtins(COMMIT)] * (BATCH_MAX + 1)}), (413, "too-large", True)),
        (b" " * (peer_routes.BODY_BYTES_MAX + 1), (413, "too-large", True)),
    ],
)
def test_a_batch_that_cannot_be_meant_is_refused(tmp_path: Path, data: bytes, expected: tuple[int, str, bool]) -> None:
    async def story(port: Port) -> None:
        assert await problem(await port.ask("POST", "commit", data=data)) == expected
        assert port.node.heard == []

    served(tmp_path, story)


@pytest.mark.parametrize(
    ("fails", "expected"), [(Busy("full"), (503, "busy", True)), (Stopped("disk"), (503, "stopped", False))]
)
def test_a_peer_hears_whether_anything_happened(
    tmp_path: Path, fails: Exception, expected: tuple[int, str, bool]
) -> None:
    async def story(port: Port) -> None:
        port.node.fails = fails
        assert await problem(await port.post("commit", COMMIT)) == expected

    served(tmp_path, story)


# ---- what is published -------------------------------------------------------------------------------------------


def test_availability_is_told_from_where_the_follower_is(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.availability.publish([(FIRST, FIRST.flight, "....")])
        whole = await told(await port.ask("GET", "availability"))
        assert (whole["reset"], len(whole["flights"])) == (True, 1)
        onward = f"availability?after={whole['position']}&lineage={whole['lineage']}"
        assert (await told(await port.ask("GET", f"{onward}&wait=0.01")))["flights"] == []
        waiting = asyncio.create_task(port.ask("GET", f"{onward}&wait=5"))
        await asyncio.sleep(0.05)
        port.availability.publish([(None, FIRST.flight, "h...")])
        assert [news["seats"] for news in (await told(await waiting))["flights"]] == ["h..."]

    served(tmp_path, story)


@pytest.mark.parametrize("query", ["after=-1", "wait=-1", "wait=3600", "wait=nan", "lineage=" + "x" * 65, "since=1"])
def test_a_follower_asks_within_bounds(tmp_path: Path, query: str) -> None:
    async def story(port: Port) -> None:
        assert await problem(await port.ask("GET", f"availability?{query}")) == (422, "invalid", True)

    served(tmp_path, story)


def test_peers_read_the_events_of_flights_and_none_of_bookings(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        await port.journal.append([Recorded(1, BookingSettled(at=NOW, booking=BOOKING)), Recorded(1, FIRST)])
        [flight] = await told(await port.ask("GET", "log?after=0"))
        assert (flight["position"], flight["stream"], flight["version"]) == (2, f"flight:{FIRST.flight}", 1)
        assert flight["event"]["event"] == "flight-scheduled"
        assert await told(await port.ask("GET", "log?after=2")) == []

    served(tmp_path, story)
