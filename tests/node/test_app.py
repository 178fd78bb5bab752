"""A whole node, and three of them: real sockets, real TLS, real disks, one process.

The journey from Feira de Santana to Cuiabá needs all three carriers; Ana buys it at Ipê's.
"""

import asyncio
import gc
import os
import signal
import socket
import sqlite3
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec
import orjson
import pytest
import trustme
import uvloop
from aiohttp import ClientError, ClientSession, TCPConnector
from msgspec import structs

from airline_node import certificates
from airline_node.app import TROUBLE, now, running, serve
from airline_node.config import LEDGER, Address, Config
from airline_node.journal import Journal
from airline_node.timetable import SALE_DAYS, Timetable, load
from ledger.ledger import Ledger
from ledger.messages import Commit, Inquire, PeerMessage
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, SeatNo, locator_of, ticket_number
from snapshots.form import picture
from snapshots.store import SnapshotStore

pytestmark = pytest.mark.slow

CARRIERS = ("AN", "JG", "IP")
BOOKING: BookingId = "01JD3VGJ5Q8T6N0ZK4W2XRA7MC"
PATH = ("IP4001", "JG2055", "AN1117")
TOTAL = 10_890 + 35_190 + 30_890
TICKET = ticket_number("983", 1)
TOKEN = "the-auditors-own-token"
TRIES = 500

Json: TypeAlias = dict[str, Any]
Configs: TypeAlias = Mapping[CarrierCode, Config]


# ---- the network --------------------------------------------------------------------------------------------------


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


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    certificates.make(folder, CARRIERS)
    return folder


@pytest.fixture
def configs(tmp_path: Path, authority: Path) -> Configs:
    """Three nodes, on six ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2 * len(CARRIERS))]
    addresses = [Address(*taken.getsockname()) for taken in sockets]
    for taken in sockets:
        taken.close()
    public, private = addresses[::2], addresses[1::2]
    peers = {carrier: f"https://{address}" for carrier, address in zip(CARRIERS, private, strict=True)}

    def configured(carrier: CarrierCode, listen: Address, peer_listen: Address) -> Config:
        own = certificates.files(authority, carrier)
        return Config(
            carrier=carrier,
            data=tmp_path / carrier,
            listen=listen,
            peer_listen=peer_listen,
            peers={other: address for other, address in peers.items() if other != carrier},
            tls_ca=own.ca,
            tls_cert=own.cert,
            tls_key=own.key,
            journal=str(tmp_path / carrier / LEDGER),
            auditor_token=TOKEN,
        )

    nodes = zip(CARRIERS, public, private, strict=True)
    return {carrier: configured(carrier, listen, peer_listen) for carrier, listen, peer_listen in nodes}


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


async def settles(client: Client, seller: Config, state: str) -> Answer:
    """Until every carrier has recorded it."""
    answer = await eventually(
        partial(client.ask, "GET", seller, f"/api/bookings/{BOOKING}"), lambda answer: answer.body["pending"] == []
    )
    assert [segment["state"] for segment in answer.body["segments"]] == [state] * 3
    return answer


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


# ---- what keeps it from starting, and what stops it ---------------------------------------------------------------

Spoil: TypeAlias = Callable[[Config, AsyncExitStack], Config]


def public_port_taken(config: Config, opened: AsyncExitStack) -> Config:
    opened.enter_context(socket.create_server(config.listen))
    return config


def peer_port_taken(config: Config, opened: AsyncExitStack) -> Config:
    opened.enter_context(socket.create_server(config.peer_listen))
    return config


def certificate_broken(config: Config, opened: AsyncExitStack) -> Config:
    broken = config.data.parent / "broken.pem"
    broken.write_text("no certificate")
    return replace(config, tls_cert=broken)


def journal_foreign(config: Config, opened: AsyncExitStack) -> Config:
    config.data.mkdir()
    Path(config.journal).write_bytes(b"somebody else's file" * 100)
    return config


def vault_foreign(config: Config, opened: AsyncExitStack) -> Config:
    config.data.mkdir()
    (config.data / "vault.sqlite").write_bytes(b"somebody else's file" * 100)
    return config


def journal_in_use(config: Config, opened: AsyncExitStack) -> Config:
    opened.enter_context(closing(Journal.open(config.journal)))
    return config


def log_older_than_its_snapshot(config: Config, opened: AsyncExitStack) -> Config:
    SnapshotStore(config.data / "snapshots").write(99, picture(Ledger(config.carrier, "981")))
    return config


def data_folder_a_file(config: Config, opened: AsyncExitStack) -> Config:
    config.data.write_text("a file")
    return config


SPOILT: Sequence[Spoil] = (
    public_port_taken,
    peer_port_taken,
    certificate_broken,
    journal_foreign,
    vault_foreign,
    journal_in_use,
    log_older_than_its_snapshot,
    data_folder_a_file,
)


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_bad_start_says_what_is_wrong_and_leaves_nothing_open(configs: Configs, spoil: Spoil) -> None:
    async def story() -> None:
        async with AsyncExitStack() as opened:
            config = spoil(configs["AN"], opened)
            with pytest.raises(TROUBLE):
                async with open_for_business(config):
                    pytest.fail("it started")

    lived(story)


def test_after_a_bad_start_a_good_one_is_possible(configs: Configs) -> None:
    config = configs["AN"]

    async def story() -> None:
        with socket.create_server(config.listen), pytest.raises(OSError, match="in use"):
            async with open_for_business(config):
                pytest.fail("it started")
        async with open_for_business(config) as client:
            assert (await client.ask("GET", config, "/health/ready")).status == 200

    lived(story)


def test_a_node_that_cannot_write_says_that_the_outcome_is_not_known_and_stops_with_the_reason(
    configs: Configs,
) -> None:
    config = configs["AN"]

    async def story() -> None:
        async with running(config, timetable()) as life, ClientSession() as session:
            flight = f"AN1117/{travel_day()}"
            somebody_else_writes(config, f"flight:{flight}")
            answer = await Client(session).ask("PUT", config, f"/api/bookings/{BOOKING}", order(flight))
            assert (answer.status, answer.body["error"], answer.body["known"]) == (503, "stopped", False)
            await life

    with pytest.raises(TROUBLE, match="somebody else has written"):
        lived(story)


def somebody_else_writes(config: Config, stream: str) -> None:
    with closing(sqlite3.connect(config.journal)) as database, database:
        database.execute("INSERT INTO stored_events VALUES (?, 2, 'seat-held', x'')", [stream])


# ---- the process --------------------------------------------------------------------------------------------------


def test_a_process_that_cannot_start_logs_one_sentence_and_exits_with_1(
    configs: Configs, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(configs["AN"].listen):
        assert serve(configs["AN"]) == 1
    lines = map(orjson.loads, capfd.readouterr().err.splitlines())
    [said] = [line["message"] for line in lines if line["level"] == "critical"]
    assert said.startswith("AN stops: ")
    assert "in use" in said


def test_a_process_ends_with_0_when_it_is_told_to(configs: Configs, capfd: pytest.CaptureFixture[str]) -> None:
    before, ended = signal.getsignal(signal.SIGTERM), threading.Event()

    def tell_it() -> None:
        said = ""
        while not ended.wait(0.01):
            said += capfd.readouterr().err
            if "ready at" in said:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    teller = threading.Thread(target=tell_it)
    teller.start()
    try:
        assert serve(configs["AN"]) == 0
    finally:
        ended.set()
        teller.join()
        signal.signal(signal.SIGTERM, before)
        gc.unfreeze()
