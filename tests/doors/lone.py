"""One real node, alone: a process of its own behind its two doors, for whoever tries them by force.

Its peers do not run: a carrier sells its own seats whoever else is down. The rule: whatever a stranger did to it, a
node still sells, has grown by little, and has written a log that a person can read; `sound` holds it to that.
"""

import os
import random
import re
import resource
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from subprocess import STDOUT, Popen
from uuid import uuid4

import msgspec
import orjson
from msgspec import Struct

from airline_node import certificates, up
from airline_node.door import DETAIL_MAX, Problem
from airline_node.fleet import HOST, Fleet, Tokens, environment, issue
from airline_node.timetable import load
from ledger.terms import BookingId, CarrierCode, FlightId, Millis

CARRIERS = tuple(load().carriers)
ME, PEER, STRANGER = "AN", "JG", "XX"
ROOT = Path(__file__).parents[2]
TOKENS = Tokens("operators-token-for-tests", "auditors-token-for-tests")
START_MS_MAX: Millis = 20_000
ANSWER_MS_MAX: Millis = 30_000
POLL_MS: Millis = 20
KEPT_MS_MAX: Millis = 5_000
"""A connection that was idle for longer may be closed at the other end: a new one is made."""
NAME = "Ana Lima"
NOBODY = f"https://{HOST}:9"
"""Where its peers are said to be: the port of a service that no machine runs any more."""
FLIGHTS = tuple(plan.flight for plan in load().departures(ME, date.today() + timedelta(3), 20, at=0))
"""Its own, on sale: enough seats for every test of a session."""

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING) [\w.]+: [\x20-\x7e]{1,400}")
"""The only lines that a stranger may make a node write: bounded, printable, no traceback, no fault of its own."""
LOG_BYTES_MAX = 4_096
"""So much may one test make it write; its own complaints about its silent peers are less."""
GROWTH_BYTES_MAX = 64 * 2**20
"""So much more memory may it use after whatever one test did to it."""

_PROBLEM = msgspec.json.Decoder(Problem)


class Reply(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> Problem:
        """The one shape of everything that goes wrong. Raises if it is another one, or repeats too much."""
        assert set(orjson.loads(self.body)) == {"error", "detail", "known"}, self
        problem = _PROBLEM.decode(self.body)
        assert len(problem.detail) <= DETAIL_MAX, self
        assert self.headers["Content-Type"] == "application/json", self
        return problem


class LoneNode:
    """Andorinha's node. Nothing of it outlives the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.port, self.peer_port = _free_ports()
        self._fleet = Fleet(folder, 0, CARRIERS)
        self._process: Popen[bytes] | None = None
        self._kept_until = 0.0
        self._kept = HTTPConnection(HOST, self.port, ANSWER_MS_MAX / 1000)

    def __enter__(self) -> "LoneNode":
        certificates.make(self._fleet.certificates, [*CARRIERS, STRANGER])
        issue(self._fleet)
        self._fleet.data(ME).mkdir(parents=True)
        settings = environment(self._fleet, ME, TOKENS) | {
            "PASSCOM_LISTEN": f"{HOST}:{self.port}",
            "PASSCOM_PEER_LISTEN": f"{HOST}:{self.peer_port}",
            "PASSCOM_PEERS": ",".join(f"{carrier}={NOBODY}" for carrier in CARRIERS if carrier != ME),
        }
        with self._fleet.log(ME).open("ab") as log:
            self._process = Popen(up.SERVE, env=os.environ | settings, cwd=ROOT, stdout=log, stderr=STDOUT)
        try:
            resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, most_files())
            self._until_ready(self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()
        if self._process:
            self._process.kill()
            self._process.wait()

    def _until_ready(self, process: Popen[bytes]) -> None:
        deadline = time.monotonic() + START_MS_MAX / 1000
        while True:
            assert process.poll() is None, self.said()
            assert time.monotonic() < deadline, "the node does not get ready"
            with suppress(OSError):
                if self.ask("GET", "/health/ready").status == HTTPStatus.OK:
                    return
            time.sleep(POLL_MS / 1000)

    # ---- at its doors -----------------------------------------------------------------------------------------------

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One whole exchange, on a connection that is kept. Raises `OSError` or `HTTPException` when it breaks off."""
        if time.monotonic() > self._kept_until:
            self._kept.close()
        self._kept_until = time.monotonic() + KEPT_MS_MAX / 1000
        return exchange(self._kept, method, target, body, headers)

    def connect(self, port: int | None = None) -> socket.socket:
        """A bare connection, to the travellers' door unless it is told otherwise."""
        connection = socket.create_connection((HOST, port or self.port), ANSWER_MS_MAX / 1000)
        # A body follows its head at once, or each request waits 40 ms for nothing.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def connect_as(self, carrier: CarrierCode) -> ssl.SSLSocket:
        """To the peers' door, under the certificate of this carrier."""
        context = certificates.client_context(*certificates.files(self._fleet.certificates, carrier))
        return context.wrap_socket(self.connect(self.peer_port), server_hostname=certificates.peer_host_name(ME))

    @contextmanager
    def peer(self) -> Iterator[HTTPConnection]:
        """Requests of Jangada, whom it trusts."""
        connection = HTTPConnection(HOST, self.peer_port)
        connection.sock = self.connect_as(PEER)
        try:
            yield connection
        finally:
            connection.close()

    # ---- what becomes of it -----------------------------------------------------------------------------------------

    @contextmanager
    def sound(self, growth_bytes_max: int = GROWTH_BYTES_MAX) -> Iterator[None]:
        """Whatever is done to the node in this block, it must be none the worse for it."""
        bytes_before, said_before = self.resident_bytes(), len(self.said())
        yield
        assert self._process
        assert self._process.poll() is None, f"the node is dead:\n{self.said()[-2000:]}"
        self._assert_sells()
        said = self.said()[said_before:]
        strange = [line for line in said.splitlines() if not LOG_LINE.fullmatch(line)]
        assert not strange, "it has logged:\n" + ascii("\n".join(strange)[:2000])
        assert len(said) <= LOG_BYTES_MAX
        assert NAME not in said
        grown = self.resident_bytes() - bytes_before
        assert grown <= growth_bytes_max, f"it has grown by {grown / 2**20:.0f} MiB"

    def _assert_sells(self) -> None:
        booking = f"/api/bookings/{new_booking()}"
        assert self.ask("GET", "/health/ready").status == HTTPStatus.OK
        assert self.ask("PUT", booking, orjson.dumps(order(confirm=True))).status == HTTPStatus.CREATED
        assert self.ask("POST", f"{booking}/cancel").status == HTTPStatus.OK

    def said(self) -> str:
        """All of its own log."""
        return self._fleet.log(ME).read_bytes().decode("utf-8", "surrogateescape")

    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def data(self) -> Path:
        return self._fleet.data(ME)


def cpu_seconds(process: int) -> float:
    """How long it has worked since its start. Unlike the time of day it is not disturbed by other programs."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def exchange(
    connection: HTTPConnection,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    try:
        connection.request(method, target, body, dict(headers or {}))
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.headers), answer.read())
    except BaseException:
        connection.close()
        raise


def order(flight: FlightId = FLIGHTS[0], **changed: object) -> dict[str, object]:
    """The body of a PUT for one seat."""
    wanted: dict[str, object] = {
        "segments": [{"flight": flight}],
        "passengers": [{"name": NAME}],
        "contact": {"email": "ana@example.com"},
    }
    return wanted | changed


def new_booking() -> BookingId:
    return str(uuid4())


def most_files() -> tuple[int, int]:
    """As many open files as this machine grants a process: crowds need a connection each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return hard, hard


def _free_ports() -> tuple[int, int]:
    """Below those that the system gives to clients: one of theirs would be taken before the node gets to it."""
    while True:
        first = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.create_server((HOST, first)), socket.create_server((HOST, first + 1)):
            return first, first + 1
