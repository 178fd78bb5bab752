"""A whole node, and three of them: real sockets, real TLS, real disks, one process.

The journey from Feira de Santana to Cuiabá needs all three carriers; Ana buys it at Ipê's.
"""

import asyncio
import ssl
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trustme
from aiohttp import ClientError, ClientSession

from airline_node import certificates
from airline_node.config import Config
from airline_node.journal import Journal
from airline_node.timetable import SALE_DAYS
from ledger.messages import Commit, Inquire, PeerMessage
from ledger.terms import CarrierCode, FlightId, Millis, SeatNo, locator_of, ticket_number
from snapshots.store import SnapshotStore
from tests.node.business import (
    BOOKING,
    PATH,
    TICKET,
    TOTAL,
    Answer,
    Client,
    Configs,
    Json,
    eventually,
    journey,
    lived,
    open_for_business,
    order,
    settles,
    timetable,
    travel_day,
)

pytestmark = pytest.mark.slow

# ---- three of them ------------------------------------------------------------------------------------------------


def test_three_carriers_sell_one_journey_and_take_it_back(configs: Configs) -> None:
    seller = configs["IP"]
    one = f"/api/bookings/{BOOKING}"

    async def day_one() -> None:
        async with open_for_business(*configs.values()) as client:
            await found(client, seller)
            bought = await client.ask("PUT", seller, one, order(*journey()))
            assert bought.status == 201
            assert without_progress(bought.body) == confirmation()
            settled = await settles(client, seller, "committed")
            assert settled.body == confirmation(pending=[], passengers=[{"name": "Ana Lima"}], state="committed")
            await every_log_agrees(client, configs)

            again = await client.ask("PUT", seller, one, order(*journey()))
            assert again == Answer(201, confirmation(pending=[], state="committed"))
            for other in (order(*journey(), seat="5A"), order(*journey(), name="Rui Sá")):
                refused = await client.ask("PUT", seller, one, other)
                assert (refused.status, refused.body["error"], refused.body["known"]) == (
                    422,
                    "booking-id-reused",
                    True,
                )
            await everybody_sees_it_sold(client, configs)

            given_back = await client.ask("POST", seller, f"{one}/cancel")
            assert (given_back.status, given_back.body["status"]) == (200, "cancelled")
            await settles(client, seller, "returned")
            for number, carrier in enumerate(("IP", "JG", "AN")):
                events = await client.log(configs[carrier])
                assert events[-1]["event"] in ("seat-returned", "booking-settled")
                assert [e["flight"] for e in events if e["event"] == "seat-returned"] == [journey()[number]]

    async def day_two() -> None:
        async with open_for_business(*configs.values()) as client:
            remembered = await client.ask("GET", seller, one)
            assert (remembered.status, remembered.body["status"]) == (200, "cancelled")
            late = await client.ask("PUT", seller, one, order(*journey()))
            assert (late.status, late.body["error"], late.body["known"]) == (409, "cancelled", True)
            resold = await client.ask("PUT", configs["JG"], f"/api/bookings/{BOOKING[::-1]}", order(*journey()))
            assert (resold.status, resold.body["segments"][0]["seats"]) == (201, ["4A"])
            assert resold.body["tickets"] == [ticket_number("982", 1)]

    lived(day_one)
    lived(day_two)


async def found(client: Client, seller: Config) -> None:
    search = f"/api/itineraries?origin=FEC&destination=CGB&date={travel_day()}"
    [itinerary] = (await client.ask("GET", seller, search)).body["itineraries"]
    assert (itinerary["carriers"], itinerary["price"]) == (["IP", "JG", "AN"], TOTAL)
    assert [segment["flight"] for segment in itinerary["segments"]] == journey()


async def every_log_agrees(client: Client, configs: Configs) -> None:
    """Each carrier has sold its own seat, on the one ticket, and the seller alone has the decision."""
    for coupon, (carrier, seat) in enumerate((("IP", "4A"), ("JG", "1A"), ("AN", "1A")), 1):
        events = [event for event in await client.log(configs[carrier]) if event.get("booking") == BOOKING]
        [sold] = [event for event in events if event["event"] == "seat-committed"]
        assert (sold["flight"], sold["seat"]) == (journey()[coupon - 1], seat)
        assert (sold["ticket"], sold["coupon"]) == (TICKET, coupon)
        decisions = [event["event"] for event in events if event["event"].startswith("booking-c")]
        assert decisions == (["booking-committed"] if carrier == "IP" else [])


async def everybody_sees_it_sold(client: Client, configs: Configs) -> None:
    for config in configs.values():
        for flight, seat in zip(journey(), ("4A", "1A", "1A"), strict=True):
            path = f"/api/flights/{flight.replace('/', '%2F')}/seats"
            await eventually(partial(client.ask, "GET", config, path), partial(is_sold, seat))


def is_sold(seat: SeatNo, answer: Answer) -> bool:
    [state] = [known["state"] for known in answer.body["seats"] if known["seat"] == seat]
    return bool(state == "sold")


def confirmation(state: str | None = None, **more: object) -> Json:
    """What Ana is told, but for what the carriers may or may not have recorded by then."""
    segments = []
    for number, seat in zip(PATH, ("4A", "1A", "1A"), strict=True):
        [weekly] = [weekly for weekly in timetable().week if weekly.number == number]
        departure, arrival = timetable().times(weekly, travel_day())
        segment: Json = {
            "flight": f"{number}/{travel_day()}",
            "carrier": number[:2],
            "origin": weekly.origin,
            "destination": weekly.destination,
            "departure": instant(departure),
            "arrival": instant(arrival),
            "seats": [seat],
        }
        segments.append(segment if state is None else {**segment, "state": state})
    return {
        "booking": BOOKING,
        "locator": locator_of(BOOKING),
        "status": "confirmed",
        "total": TOTAL,
        "currency": "BRL",
        "hold_until": None,
        "extensible_until": None,
        "reason": None,
        "detail": None,
        "tickets": [TICKET],
        "segments": segments,
        **more,
    }


def instant(at: Millis) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def without_progress(body: Json) -> Json:
    """Whoever hears of a commit first need not hear that all carriers have recorded it."""
    assert set(body.pop("pending")) <= {"JG", "AN"}
    for segment in body["segments"]:
        assert segment.pop("state") in ("held", "committed")
    return body


# ---- one of them --------------------------------------------------------------------------------------------------


def test_a_node_is_ready_by_itself_and_closes_in_good_order(configs: Configs) -> None:
    config = configs["AN"]

    async def story() -> None:
        async with open_for_business(config) as client:
            assert await client.ask("GET", config, "/health/ready") == Answer(200, {"ready": True, "network": False})
        with pytest.raises(ClientError):
            async with ClientSession() as session:
                await session.get(f"http://{config.listen}/health/live")

    lived(story)
    newest = SnapshotStore(config.data / "snapshots").newest()
    with closing(Journal.open(config.journal)) as journal:
        events = [position for position, _ in journal.replay()]
    assert newest is not None
    # What leaves today may have left.
    assert newest[0] == events[-1] in (SALE_DAYS - 1, SALE_DAYS)


def test_who_waits_for_news_of_our_flights_is_answered_when_we_close(configs: Configs, authority: Path) -> None:
    config = configs["AN"]
    jangada = certificates.client_context(*certificates.files(authority, "JG"))

    async def story() -> None:
        async with ClientSession() as session:
            follower = Client(session)
            async with open_for_business(config):
                told = await follower.ask_as_peer("GET", config, "/availability", None, jangada)
                news = "/availability?after={position}&lineage={lineage}&wait=20".format(**told.body)
                waiting = asyncio.create_task(follower.ask_as_peer("GET", config, news, None, jangada))
                await asyncio.sleep(0.1)
                assert not waiting.done()
            assert (await waiting).status == 200

    lived(story)


def test_the_public_port_does_not_serve_peers_and_theirs_does_not_serve_the_public(
    configs: Configs, authority: Path
) -> None:
    config = configs["AN"]

    async def story() -> None:
        jangada = certificates.client_context(*certificates.files(authority, "JG"))
        async with open_for_business(config) as client:
            for kind in ("hold", "prepare", "commit", "abort", "release", "return", "inquire"):
                assert (await client.ask("POST", config, f"/{kind}", {"items": []})).status == 404
            for path in ("/availability", "/log"):
                assert (await client.ask("GET", config, path)).status == 404
                assert (await client.ask_as_peer("GET", config, path, None, jangada)).status == 200
            for path in ("/health/ready", "/api/log", f"/api/bookings/{BOOKING}"):
                assert (await client.ask_as_peer("GET", config, path, None, jangada)).status == 404

    lived(story)


def test_a_carrier_speaks_only_for_itself_and_only_of_our_flights(configs: Configs, authority: Path) -> None:
    config = configs["AN"]
    ours, theirs = f"AN1117/{travel_day()}", f"JG2055/{travel_day()}"

    async def story() -> None:
        async with open_for_business(config) as client:

            async def says(carrier: CarrierCode, message: PeerMessage) -> Answer:
                tls = certificates.client_context(*certificates.files(authority, carrier))
                route = f"/{type(message).__struct_config__.tag}"
                return await client.ask_as_peer("POST", config, route, {"items": [msgspec.to_builtins(message)]}, tls)

            def commit(flight: FlightId, coordinator: CarrierCode) -> Commit:
                return Commit(booking=BOOKING, flight=flight, coordinator=coordinator)

            inquiry = Inquire(booking=BOOKING, flight=ours, coordinator="IP", asker=theirs, to="AN")
            assert (await says("JG", commit(theirs, "JG"))).status == 403
            assert (await says("JG", commit(ours, "IP"))).status == 403
            assert (await says("AN", commit(ours, "AN"))).status == 403
            assert (await says("IP", inquiry)).status == 403
            assert {event["event"] for event in await client.log(config)} == {"flight-scheduled"}
            unknown = await says("JG", commit(ours, "JG"))
            assert (unknown.status, unknown.body["answers"][0]["answer"]) == (200, "conflict")
            told = await says("JG", inquiry)
            assert (told.status, told.body["answers"][0]["word"]) == (200, "aborted")

    lived(story)


def test_whoever_shows_no_certificate_of_the_authority_is_not_let_in(
    configs: Configs, authority: Path, tmp_path: Path
) -> None:
    config = configs["AN"]
    nobody = ssl.create_default_context(cafile=authority / "ca.pem")
    forger = ssl.create_default_context(cafile=authority / "ca.pem")
    trustme.CA().issue_cert("jg.passcom", common_name="JG").configure_cert(forger)

    async def story() -> None:
        async with open_for_business(config) as client:
            for tls in (nobody, forger):
                with pytest.raises((ClientError, OSError)):
                    await client.ask_as_peer("GET", config, "/availability", None, tls)

    lived(story)
