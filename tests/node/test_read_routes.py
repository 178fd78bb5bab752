"""What the public port tells: flights and seats, the log and what waits, and how the node is."""

import asyncio
from pathlib import Path
from unittest.mock import patch

import pytest

from airline_node.tokens import Tokens
from airline_node.vault import Travellers
from ledger.events import Recorded
from ledger.terms import BookingId
from tests.node.port import (
    AUDITOR,
    Port,
    problem,
    served,
    told,
)
from tests.node.test_wire import BOOKING, FIRST, SECOND

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


def test_an_order_is_under_way_from_before_the_vault_is_asked_until_it_is_answered(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        keep, under_way = port.vault.keep, [port.node.under_way]

        async def watched(booking: BookingId, travellers: Travellers) -> Travellers | None:
            under_way.append(port.node.under_way)
            return await keep(booking, travellers)

        with patch.object(port.vault, "keep", watched):
            await port.put()
        assert [*under_way, port.node.under_way] == [0, 1, 0]

    served(tmp_path, story)


def test_a_node_is_ready_while_it_takes_orders(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        for path in ("/health/live", "/health/ready"):
            assert await told(await port.get(path)) == {"ready": True, "network": True}

    served(tmp_path, story)
