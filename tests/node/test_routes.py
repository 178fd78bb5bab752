"""The public port over real sockets: real vault, journal and network, and a node that says what it is told to."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
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
from airline_node.node import Busy, Node, Stopped
from airline_node.peers import Peers
from airline_node.routes import CLOSED, NETWORK, NOW, TIMETABLE, VAULT
from airline_node.tokens import TOKENS, Tokens
from airline_node.vault import Vault
from ledger.events import Recorded
from ledger.messages import (
    CancelBooking,
    ConfirmBooking,
    ForceMessage,
    Forcing,
    OpenBooking,
    ReadBooking,
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
        self.heard: list[TravellerCommand] = []
        self.ordered: list[ForceMessage] = []
        self.rules: Forcing | Refusal = Refusal(
            "decision-can-be-learned", "JG still has time to decide: ask again first"
        )
        self.says: TravellerAnswer | Exception = view(Status.CONFIRMED)
        self.speaks = asyncio.Event()
        self.speaks.set()

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


# ---- bookings ----------------------------------------------------------------------------------------------------


def test_a_booking_is_put_and_shown(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        response = await port.put(order(confirm=True))
        assert response.status == 201
        assert response.headers["Location"] == f"/api/bookings/{BOOKING}"
        assert response.headers["Cache-Control"] == "no-store"
        assert (await told(response))["status"] == "confirmed"
        [command] = port.node.heard
        assert isinstance(command, OpenBooking)
        assert command.confirm
        assert [segment.flight for segment in command.segments] == [FIRST.flight, SECOND.flight]

    served(tmp_path, story)


def test_the_node_hears_of_a_booking_after_the_vault_knows_its_travellers(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.node.says = Busy("4000 orders are waiting already")
        assert await problem(await port.put()) == (503, "busy", True)
        known = await port.vault.travellers(BOOKING)
        assert known is not None
        assert [passenger.name for passenger in known.passengers] == ["Ana Lima"]

    served(tmp_path, story)


def test_nobody_is_remembered_for_an_order_that_is_objected_to(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.node.says = Refusal("no-such-flight", "JG2055/2026-12-14 is not on sale")
        answer = await port.put(order(segments=[{"flight": "JG2055/2026-12-14"}]))
        assert await problem(answer) == (422, "no-such-flight", True)
        assert len(port.node.heard) == 1, "the node decides, for it may know this booking"
        assert await port.vault.travellers(BOOKING) is None

    served(tmp_path, story)


def test_nobody_travels_in_the_name_of_who_came_first(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.node.says = Busy("the inbox is full")
        await port.put()
        port.node.says = view(Status.CONFIRMED)
        answer = await port.put(order(passengers=[{"name": "Rui Paz"}]))
        assert await problem(answer) == (422, "booking-id-reused", True)
        assert len(port.node.heard) == 1
        assert (await port.put()).status == 201, "whoever came first may go on"

    served(tmp_path, story)


def test_who_reads_a_booking_sees_its_passengers_until_they_are_erased(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        assert "passengers" not in await told(await port.put())
        response = await port.get(BOOKING_PATH)
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert (await told(response))["passengers"] == [{"name": "Ana Lima"}]
        await port.vault.erase(BOOKING)
        assert "passengers" not in await told(await port.get(BOOKING_PATH))

    served(tmp_path, story)


def test_confirming_and_cancelling_are_orders_of_their_own(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        assert (await port.client.post(f"{BOOKING_PATH}/confirm")).status == 200
        assert (await port.client.post(f"{BOOKING_PATH}/cancel")).status == 200
        assert port.node.heard == [ConfirmBooking(BOOKING), CancelBooking(BOOKING)]

    served(tmp_path, story)


def test_an_outcome_that_is_not_known_yet_says_where_to_look_and_when(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.node.says = view(Status.CONFIRMING)
        for response in (await port.put(), await port.get(BOOKING_PATH)):
            assert response.status == 202
            assert response.headers["Location"] == BOOKING_PATH
            assert int(response.headers["Retry-After"]) > 0

    served(tmp_path, story)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (Busy("full"), (503, "busy", True)),
        (Stopped("the disk is full"), (503, "stopped", False)),
        (Refusal("no-such-booking", "not known here"), (404, "no-such-booking", True)),
    ],
)
def test_trouble_says_whether_the_outcome_is_known(
    tmp_path: Path, says: TravellerAnswer | Exception, expected: tuple[int, str, bool]
) -> None:
    async def story(port: Port) -> None:
        port.node.says = says
        assert await problem(await port.put()) == expected
        assert await problem(await port.get(BOOKING_PATH)) == expected

    served(tmp_path, story)


def test_a_fault_of_ours_leaves_the_outcome_open_and_tells_nothing_of_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(port: Port) -> None:
        port.node.says = KeyError("row of a table")
        response = await port.put()
        assert b"row" not in await response.read()
        assert await problem(response) == (500, "internal", False)

    served(tmp_path, story)
    assert "row of a table" in caplog.text


def test_a_vault_that_fails_stops_the_order_before_the_node_hears_of_it(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.vault.close()
        assert await problem(await port.put()) == (503, "storage", True)
        assert port.node.heard == []

    served(tmp_path, story)


def test_a_node_that_drains_takes_no_orders_and_still_shows_bookings(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.closed = "this node is about to stop"
        assert await problem(await port.put()) == (503, "closed", True)
        assert await problem(await port.client.post(f"{BOOKING_PATH}/cancel")) == (503, "closed", True)
        assert await problem(await port.get("/health/ready")) == (503, "closed", True)
        assert (await port.get("/health/live")).status == 200
        assert (await port.get(BOOKING_PATH)).status == 200
        assert port.node.heard == [ReadBooking(BOOKING)]

    served(tmp_path, story)


def test_a_client_that_goes_away_changes_nothing(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.node.speaks.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await port.put()
        assert len(port.node.heard) == 1
        port.node.speaks.set()
        assert (await port.put()).status == 201

    served(tmp_path, story)


# ---- whatever is sent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("booking", ["short", "0" * 37, "0" * 26 + "%0A", "0" * 20 + "%2F" + "0" * 6])
def test_what_cannot_be_a_booking_id_is_refused(tmp_path: Path, booking: str) -> None:
    async def story(port: Port) -> None:
        path = URL(f"/api/bookings/{booking}", encoded=True)
        assert await problem(await port.client.put(path, data=orjson.dumps(order()))) == (422, "invalid", True)
        assert await problem(await port.client.get(path)) == (422, "invalid", True)
        assert port.node.heard == []

    served(tmp_path, story)


def test_a_body_is_read_to_its_limit_and_no_further(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        fits = orjson.dumps(order()).ljust(routes.BODY_BYTES_MAX)
        assert (await port.client.put(BOOKING_PATH, data=fits)).status == 201
        too_large = await port.client.put(BOOKING_PATH, data=fits + b" ")
        assert await problem(too_large) == (413, "too-large", True)

    served(tmp_path, story)


def test_a_small_body_that_unpacks_to_a_large_one_is_cut_off(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        bomb = gzip.compress(bytes(50 * routes.BODY_BYTES_MAX))
        assert len(bomb) < routes.BODY_BYTES_MAX
        sent = await port.client.put(BOOKING_PATH, data=bomb, headers={"Content-Encoding": "gzip"})
        assert await problem(sent) == (413, "too-large", True)

    served(tmp_path, story)


def test_a_body_that_is_not_what_it_says_it_is_is_malformed(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        sent = await port.client.put(BOOKING_PATH, data=b"no gzip", headers={"Content-Encoding": "gzip"})
        assert await problem(sent) == (400, "malformed", True)

    served(tmp_path, story)


def test_a_body_that_stalls_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(port: Port) -> None:
        async def stalling() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.sleep(1)

        assert await problem(await port.client.put(BOOKING_PATH, data=stalling())) == (408, "too-slow", True)

    monkeypatch.setattr(door, "BODY_MS_MAX", 50)
    served(tmp_path, story)


def test_what_aiohttp_refuses_has_the_same_shape(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        assert await problem(await port.get("/nowhere")) == (404, "not-found", True)
        wrong_method = await port.client.delete(BOOKING_PATH)
        assert await problem(wrong_method) == (405, "method-not-allowed", True)
        assert wrong_method.headers["Allow"] == "GET,HEAD,PUT"

    served(tmp_path, story)


# ---- what is on sale -----------------------------------------------------------------------------------------------


def test_itineraries_are_found_and_priced_for_everybody(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        query = "origin=FEC&destination=CGB&date=2026-12-11&passengers=2"
        answer = await told(await port.get(f"/api/itineraries?{query}"))
        [itinerary] = answer["itineraries"]
        assert answer["stale"] == {}
        assert [segment["flight"] for segment in itinerary["segments"]] == [FIRST.flight, SECOND.flight]
        assert (itinerary["price"], itinerary["currency"]) == (2 * (FIRST.fare + SECOND.fare), "BRL")
        assert (itinerary["minutes"], itinerary["carriers"]) == (7 * 60, ["AN"])
        assert itinerary["segments"][0] == {
            "flight": FIRST.flight,
            "carrier": "AN",
            "origin": "FEC",
            "destination": "SSA",
            "departure": "2026-12-12T00:40:00Z",
            "arrival": "2026-12-12T02:40:00Z",
            "fare": FIRST.fare,
            "free": 3,
        }
        four = await told(await port.get(f"/api/itineraries?{query[:-1]}4"))
        assert four["itineraries"] == [], "three seats are free"

    served(tmp_path, story)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("destination=CGB&date=2026-12-11", "`origin`"),
        ("origin=FEC&destination=CGB&date=tomorrow", "`$.date`"),
        ("origin=FEC&destination=CGB&date=2026-02-30", "`$.date`"),
        ("origin=FEC&destination=CGB&date=9999-12-31", "`$.date`"),
        ("origin=FEC&destination=FEC&date=2026-12-11", "`$.destination`"),
        ("origin=FEX&destination=CGB&date=2026-12-11", "FEC"),
        ("origin=fec&destination=CGB&date=2026-12-11", "`$.origin`"),
        ("origin=FEC&destination=CGB&date=2026-12-11&passengers=0", "`$.passengers`"),
        ("origin=FEC&destination=CGB&date=2026-12-11&passengers=10", "`$.passengers`"),
        ("origin=FEC&destination=CGB&date=2026-12-11&class=first", "`class`"),
        ("origin=FEC&origin=SSA&destination=CGB&date=2026-12-11", "twice"),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused_with_a_hint(tmp_path: Path, query: str, hint: str) -> None:
    async def story(port: Port) -> None:
        response = await port.get(f"/api/itineraries?{query}")
        assert await problem(response) == (422, "invalid", True)
        assert hint in (await told(response))["detail"]

    served(tmp_path, story)


def test_the_seats_of_a_flight_are_shown(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        answer = await told(await port.get(f"/api/flights/{FIRST.flight.replace('/', '%2F')}/seats"))
        assert (answer["flight"], answer["free"]) == (FIRST.flight, 3)
        assert answer["seats"][1] == {"seat": "1B", "state": "held", "kind": "middle", "exit": False}
        unknown = await port.get("/api/flights/AN9999%2F2026-12-14/seats")
        assert await problem(unknown) == (404, "no-such-flight", True)

    served(tmp_path, story)


# ---- operators and auditors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "transactions", "log"),
    [
        ("Bearer operator-of-andorinha", 200, 200),
        ("bearer  operator-of-andorinha", 200, 200),
        ("Bearer auditor-of-andorinha", 401, 200),
        ("Bearer operator-of-andorinh", 401, 401),
        ("Basic operator-of-andorinha", 401, 401),
        ("Bearer ", 401, 401),
        ("Bearer operação", 401, 401),
        ("", 401, 401),
    ],
)
def test_each_token_opens_its_own_routes(tmp_path: Path, authorization: str, transactions: int, log: int) -> None:
    async def story(port: Port) -> None:
        for path, status in (("/api/transactions", transactions), ("/api/log", log)):
            response = await port.get(path, Authorization=authorization)
            assert response.status == status
            if status == 401:
                assert await problem(response) == (401, "unauthorized", True)
                assert response.headers["WWW-Authenticate"] == "Bearer"

    served(tmp_path, story)


def test_a_token_that_is_no_text_opens_nothing(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        reader, writer = await asyncio.open_connection(port.client.host, port.client.port)
        writer.write(b"GET /api/log HTTP/1.1\r\nHost: an\r\nAuthorization: Bearer \xff\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"401"
        writer.close()

    served(tmp_path, story)


def test_an_empty_token_opens_nothing(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        for authorization in ("Bearer ", "Bearer", ""):
            assert (await port.get("/api/transactions", Authorization=authorization)).status == 401
            assert (await port.get("/api/log", Authorization=authorization)).status == 401

    served(tmp_path, story, tokens=Tokens("", ""))


def test_an_auditor_reads_the_log_on_from_where_they_are(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        await port.journal.append([Recorded(1, FIRST), Recorded(1, SECOND)])
        both = await told(await port.get("/api/log", Authorization=AUDITOR))
        assert [one["position"] for one in both] == [1, 2]
        assert (both[0]["stream"], both[0]["version"]) == (f"flight:{FIRST.flight}", 1)
        assert both[0]["event"]["event"] == "flight-scheduled"
        assert both[1:] == await told(await port.get("/api/log?after=1", Authorization=AUDITOR))
        assert both[:1] == await told(await port.get("/api/log?limit=1", Authorization=AUDITOR))
        for query in ("after=-1", "limit=0", "limit=1001", f"after={2**64}", "after=x"):
            assert (await port.get(f"/api/log?{query}", Authorization=AUDITOR)).status == 422

    served(tmp_path, story)


# ---- whoever runs the node -------------------------------------------------------------------------------------------


def test_figures_are_told_with_their_units(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        response = await port.get("/metrics")
        text = await response.text()
        assert response.content_type == "text/plain"
        assert "passcom_events_total 7.0" in text
        assert "# TYPE passcom_events_total counter" in text
        assert "# TYPE passcom_inbox_commands gauge" in text

    served(tmp_path, story)


def test_a_crowd_is_turned_away_before_anything_is_kept_for_it(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.node.crowded = True
        sent = await port.put()
        assert (await problem(sent), sent.headers["Retry-After"]) == ((503, "busy", True), "1")
        assert port.node.heard == []
        assert await port.vault.travellers(BOOKING) is None

    served(tmp_path, story)


def test_a_node_is_ready_while_it_takes_orders(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        for path in ("/health/live", "/health/ready"):
            assert await told(await port.get(path)) == {"ready": True, "network": True}

    served(tmp_path, story)
