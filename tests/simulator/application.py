"""The slower level: the whole application as it is, aiohttp on both sides, over TCP in virtual time.

Only what is outside the process is exchanged: disk, vault, clock, certificates. `airline_node.app.running` puts the
parts together as `passcom serve` does, and travellers come through the public port.
"""

import asyncio
import hmac
import random
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import msgspec
import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from sqlalchemy import create_engine

from airline_node import app, network
from airline_node.config import Address, Config
from airline_node.entrance import Entrance
from airline_node.lines import Line
from airline_node.logs import Kind
from airline_node.network import Network
from airline_node.peers import Peers
from airline_node.timetable import Aircraft, Airport, Timetable, WeeklyFlight
from airline_node.timetable import Carrier as Airline
from airline_node.vault import Travellers, Vault
from airline_node.vault.file import TABLES, Ask, VaultFile
from ledger.events import FlightScheduled
from ledger.ledger import Answer
from ledger.messages import (
    BookingView,
    CancelBooking,
    ConfirmBooking,
    OpenBooking,
    PeerMessage,
    Status,
    TravellerCommand,
)
from ledger.terms import BookingId, CarrierCode, Millis, locator_of
from tests.simulator.disk import SimulatedJournal, SimulatedSnapshots
from tests.simulator.draws import FARE, START
from tests.simulator.loop import Life
from tests.simulator.must import must
from tests.simulator.server import Server, here
from tests.simulator.streams import StreamLoop
from tests.simulator.watched import WatchedNode, look_at
from tests.simulator.world import CARRIERS, SECOND_DAY, World

PUBLIC_PORT, PEER_PORT = 8101, 8201
PATIENCE_S = 20
"""How long a traveller's browser waits."""
T = TypeVar("T")
VAULT_S = 0.01
"""The longest that the vault takes."""
FOLLOWED_S = 120
"""After everything has come to rest, everybody has heard of every seat by then."""
FOLLOW_WAIT_MS = 20_000
"""As long as a peer may hold its answer back, so that little is said when nothing happens."""
END_S = 10
"""A node that is told to end has ended by then."""
DAY = datetime.fromtimestamp(START / 1000, UTC).date() + timedelta(days=5)
LEGS: Mapping[CarrierCode, tuple[str, str, int]] = {
    "AN": ("FEC", "SSA", 6),
    "JG": ("SSA", "BSB", 11),
    "IP": ("BSB", "CGB", 16),
}
"""One after the other they lead across the country: from where to where, and at what hour."""
TIMETABLE = Timetable(
    carriers={carrier: Airline(name=carrier, prefix=prefix) for carrier, prefix in CARRIERS.items()},
    airports={
        code: Airport(city=code, name=code, tz="America/Sao_Paulo", mct_minutes=45)
        for code in ("FEC", "SSA", "BSB", "CGB")
    },
    aircraft={"A": Aircraft(name="A", rows=2, cabin="AB C")},
    week=tuple(
        WeeklyFlight(
            carrier=carrier,
            number=f"{carrier}1001",
            origin=origin,
            destination=destination,
            days="".join(str(day) if day == DAY.isoweekday() else "-" for day in range(1, 8)),
            departs=f"{hour:02d}:00",
            arrives=f"{hour + 2:02d}:00",
            day_offset=0,
            aircraft="A",
            fare_brl=f"{FARE / 100:.2f}",
        )
        for carrier, (origin, destination, hour) in LEGS.items()
    ),
)


class ApplicationWorld(World):
    """Its carriers run the whole application, and its travellers have a browser."""

    loop: StreamLoop

    def __init__(self, seed: int, without: Collection[str] = ()) -> None:
        super().__init__(seed, {*without, SECOND_DAY})  # An application is never quiet: a night would take for ever.
        self.loop.network = self.network
        self._browsers = Life(self.loop)

    def new_loop(self) -> StreamLoop:
        return StreamLoop(self.chance)

    def new_server(self, carrier: CarrierCode, skew_ms: Millis) -> "ApplicationServer":
        return ApplicationServer(self, carrier, CARRIERS[carrier], skew_ms, self.plans[carrier])

    def draw_plans(self, draw: Random) -> Mapping[CarrierCode, Sequence[FlightScheduled]]:
        return {carrier: TIMETABLE.departures(carrier, DAY, 1, at=START) for carrier in CARRIERS}

    def draw_path(self, chance: Random) -> Sequence[FlightScheduled]:
        """Legs that follow one another."""
        every = [plan for plans in self.plans.values() for plan in plans]
        first = chance.randrange(len(every))
        return every[first : first + chance.choice([1, 2, 3, 3])]

    def live(self) -> None:
        before = random.getstate()
        random.seed(self.seed)  # The application's own chances: how long it pauses before it tries again.
        try:
            with _outside(), warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # A crashed process closes nothing.
                super().live()
        finally:
            random.setstate(before)

    async def pass_by(self) -> None:
        self._browser = await self._browsers.start(_browser())
        await super().pass_by()
        await self._browsers.start(self._browser.close())
        for server in self.servers.values():
            server.close()
        await asyncio.sleep(END_S)

    def ask_too_early(self, order: OpenBooking, carrier: CarrierCode) -> None:
        """Nobody but a node has a certificate, and no node does that."""

    def is_quiet(self) -> bool:
        return all(server.open and server.idle for server in self.servers.values())

    async def check_rest(self) -> None:
        await asyncio.sleep(FOLLOWED_S)
        await super().check_rest()
        views = {flight: self._letters(flight) for flight in self.checker.plans}
        for server in self.servers.values():
            assert isinstance(server, ApplicationServer)
            for flight, letters in views.items():
                seen = server.network.seats(flight)
                must(seen and seen[1] == letters, "{} shows {} as {}, it is {}", server.carrier, flight, seen, letters)

    def _letters(self, flight: str) -> str:
        owners = self.checker.seats[flight]
        return "".join("s" if seat in owners else "." for seat in self.checker.plans[flight].seats)

    # ---- travellers -------------------------------------------------------------------------------------------------

    def request(self, carrier: CarrierCode, command: TravellerCommand, listen: Callable[[Answer], None]) -> None:
        self.checker.ordered(carrier, command)
        self._browsers.start(self._request(carrier, command, listen))

    async def _request(self, carrier: CarrierCode, command: TravellerCommand, listen: Callable[[Answer], None]) -> None:
        method, path, body = _http(command)
        url = f"http://{_host(carrier)}:{PUBLIC_PORT}/api/bookings/{command.booking}{path}"
        try:
            async with self._browser.request(method, url, data=body) as response:
                status, text = response.status, await response.read()
        except (ClientError, TimeoutError, OSError):
            self.count("travellers whose connection broke")
            return
        self.count(f"travellers answered {status}")
        expected = status in (200, 201, 202, 404, 409, 422, 503)
        self.check(must, expected, "{} was answered {} {!r}", command, status, text)
        if answer := _answer(command.booking, status, text):
            listen(answer)


class ApplicationServer(Server):
    """One `passcom serve`. Its vault is a dictionary that outlasts it."""

    network: Network

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.vault: dict[BookingId, Travellers] = {}

    async def run(self) -> None:
        async with app.running(self._config(), TIMETABLE) as life:
            self.opened()
            told = asyncio.create_task(self.told_to_end.wait())
            await asyncio.wait([life, told], return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                await life
            self.open = False

    def _config(self) -> Config:
        return Config(
            carrier=self.carrier,
            data=Path("simulated"),
            listen=Address(_host(self.carrier), PUBLIC_PORT),
            peer_listen=Address(_host(self.carrier), PEER_PORT),
            peers={other: f"http://{_host(other)}:{PEER_PORT}" for other in self.others},
            tls_ca=Path(),
            tls_cert=Path(),
            tls_key=Path(),
            journal="simulated",
            log=Kind.QUIET,  # What happens is in the trace.
        )

    def crash(self) -> None:
        super().crash()
        assert isinstance(self.world.loop, StreamLoop)
        self.world.loop.sever(self.life)


class WatchedNetwork(Network):
    """What a carrier knows of the others', found at its server."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        server = here()
        assert isinstance(server, ApplicationServer)
        server.network = self


class WatchedPeers(Peers):
    """Whatever it sends is looked at first."""

    async def _post(self, line: Line, messages: Sequence[PeerMessage]) -> tuple[int, bytes]:
        look_at(messages)
        return await super()._post(line, messages)


class SimulatedFile(VaultFile):
    """The other rooms of a vault, in memory: each life begins with empty ones, and its manifests with the whole log."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://")
        self.connection = self._engine.connect()
        TABLES.create_all(self.connection)

    async def ask_all(self, asks: Sequence[Ask[T]]) -> Sequence[T]:
        await asyncio.sleep(here().world.chance.random() * VAULT_S)
        with self.connection.begin_nested():
            return self._do(asks)


class SimulatedVault(Vault):
    """The production vault's promises, on a dictionary."""

    def __init__(self, kept: dict[BookingId, Travellers]) -> None:
        self._kept = kept
        self.file = SimulatedFile()

    async def keep(self, booking: BookingId, travellers: Travellers) -> Travellers:
        await self._take_time()
        return self._kept.setdefault(booking, travellers)

    async def all_travellers(self, bookings: Sequence[BookingId]) -> Sequence[Travellers | None]:
        await self._take_time()
        return [self._kept.get(booking) for booking in bookings]

    def fingerprint(self, body: bytes) -> str:
        return hmac.digest(b"of all carriers", body, "sha256").hex()

    def close(self) -> None:
        """There is no file and no thread."""

    async def _take_time(self) -> None:
        await asyncio.sleep(here().world.chance.random() * VAULT_S)


class SimulatedEntrance(Entrance):
    """Without a kernel in whose queue anybody could wait."""

    async def start(self) -> None:
        await web.BaseSite.start(self)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self._address.host, self._address.port)


@contextmanager
def _outside() -> Iterator[None]:
    """What surrounds a process here: everything else is the application's own."""

    def vault() -> Vault:
        server = here()
        assert isinstance(server, ApplicationServer)
        return SimulatedVault(server.vault)

    with (
        patch.multiple(network, FOLLOW_WAIT_MS=FOLLOW_WAIT_MS, FOLLOW_TIMEOUT_MS=2 * FOLLOW_WAIT_MS),
        patch.multiple(
            app,
            Journal=SimpleNamespace(begin=lambda _address: SimulatedJournal(here().disk)),
            SnapshotStore=lambda _folder: SimulatedSnapshots(here().disk),
            Vault=SimpleNamespace(open=lambda _path: vault()),
            Node=WatchedNode,
            Peers=WatchedPeers,
            Network=WatchedNetwork,
            Entrance=SimulatedEntrance,
            now=lambda: here().now(),
            certificates=SimpleNamespace(client_context=lambda *_files: None, server_context=lambda *_files: None),
            gc=SimpleNamespace(collect=_nothing, freeze=_nothing, set_threshold=_nothing),
        ),
    ):
        yield


def _nothing(*_: object) -> None:
    """The simulator collects garbage itself."""


def _host(carrier: CarrierCode) -> str:
    return f"10.0.0.{1 + list(CARRIERS).index(carrier)}"


async def _browser() -> ClientSession:
    return ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=PATIENCE_S))


def _http(command: TravellerCommand) -> tuple[str, str, bytes | None]:
    match command:
        case OpenBooking():
            return "PUT", "", _body(command)
        case ConfirmBooking():
            return "POST", "/confirm", None
        case CancelBooking():
            return "POST", "/cancel", None
        case _:
            return "GET", "", None


def _body(order: OpenBooking) -> bytes:
    return orjson.dumps(
        {
            "segments": [
                {"flight": segment.flight, "seats": segment.seats or order.passengers} for segment in order.segments
            ],
            "passengers": [{"name": f"Passenger {number}"} for number in range(order.passengers)],
            "contact": {"email": "somebody@example.com"},
            "confirm": order.confirm,
        }
    )


class _Told(msgspec.Struct):
    status: Status


def _answer(booking: BookingId, status: int, text: bytes) -> Answer:
    """As much of the answer as a traveller acts upon; the node's own words were checked when it said them."""
    if status in (200, 201, 202):
        told = msgspec.json.decode(text, type=_Told).status
    elif status == 409:
        told = Status.REFUSED
    else:
        return None
    return BookingView(
        booking=booking,
        locator=locator_of(booking),
        status=told,
        total=0,
        hold_until=None,
        reason=None,
        detail=None,
        tickets=(),
        segments=(),
        pending=(),
    )
