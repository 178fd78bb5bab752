"""What the public port takes: bookings, and whatever else is sent to it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from yarl import URL

from airline_node import door, routes
from airline_node.node import Busy, Stopped
from ledger.messages import (
    CancelBooking,
    ConfirmBooking,
    OpenBooking,
    ReadBooking,
    Refusal,
    Status,
    TravellerAnswer,
)
from tests.node.port import (
    BOOKING_PATH,
    Port,
    problem,
    served,
    told,
)
from tests.node.test_wire import BOOKING, FIRST, SECOND, order, view

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
