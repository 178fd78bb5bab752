"""Three real nodes, each a process of its own: started, killed, started again one by one; and read when they rest."""

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from subprocess import STDOUT, Popen, TimeoutExpired
from typing import Self, TypeAlias, TypeVar
from uuid import uuid4

import msgspec
import orjson
from msgspec import Struct

from airline_node import certificates, peers, up
from airline_node.answers import (
    BookingAnswer,
    Health,
    ItinerariesAnswer,
    LoggedEvent,
    TransactionAnswer,
    TransactionsAnswer,
)
from airline_node.config import LEDGER, PREFIX
from airline_node.door import Problem
from airline_node.fleet import HOST, Fleet, Tokens, environment, issue
from airline_node.journal import LOG_EVENTS_MAX, Journal
from airline_node.timetable import load
from ledger.events import AnyEvent
from ledger.messages import Inquire, Outcome, Status, Word
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, SeatNo
from tests.crash.agreement import Told, findings
from tests.crash.doomed import DOOM, Point

T = TypeVar("T")

Wanted: TypeAlias = Mapping[FlightId, SeatNo | None]
"""Flights, and on each one the seat that is named, or None: then its carrier chooses."""
CARRIERS = tuple(load().carriers)
ROOT = Path(__file__).parents[2]
DOOMED = (sys.executable, "-m", "tests.crash.doomed")
TOKENS = Tokens("operators-token-for-tests", "auditors-token-for-tests")
POLL_MS: Millis = 20
SOON_MS_MAX: Millis = 20_000
"""What takes no time at all has happened by then, however busy the machine is."""
DEATH_MS_MAX: Millis = 10_000
"""A point that a node has not come to by then does not fire."""
REST_MS_MAX: Millis = 30_000
"""By then three nodes that reach one another have settled everything."""
KNOWN_MS_MAX: Millis = 30_000
"""By then a traveller who asks again and again knows the outcome."""
ANSWER_MS_MAX: Millis = 20_000
DAYS_SEARCHED = 7
LOG_SHOWN = 3_000
"""Characters of a node's log in the message of a failure."""

_BOOKING = msgspec.json.Decoder(BookingAnswer)
_PROBLEM = msgspec.json.Decoder(Problem)
_ITINERARIES = msgspec.json.Decoder(ItinerariesAnswer)
_TRANSACTIONS = msgspec.json.Decoder(TransactionsAnswer)
_LOG = msgspec.json.Decoder(tuple[LoggedEvent, ...])
_HEALTH = msgspec.json.Decoder(Health)


class Reply(Struct, frozen=True):
    """A whole answer. Where there is none, the outcome is unknown."""

    status: int
    body: bytes

    @property
    def booking(self) -> BookingAnswer:
        return _BOOKING.decode(self.body)

    @property
    def problem(self) -> Problem:
        return _PROBLEM.decode(self.body)

    @property
    def is_final(self) -> bool:
        return self.status not in (HTTPStatus.ACCEPTED, HTTPStatus.SERVICE_UNAVAILABLE)


class Cluster:
    """The three carriers' nodes on ports and in folders of their own. Nothing of them outlives the `with` block."""

    def __init__(self, folder: Path, command: Sequence[str] = up.SERVE) -> None:
        self.fleet = _fleet(folder)
        self.told = Told()
        self.journeys: list[tuple[FlightId, ...]] = []
        """Itineraries over all three carriers (IP, JG, AN), one a day."""
        self._command = command
        self._nodes: dict[CarrierCode, Popen[bytes]] = {}
        self._positions = dict.fromkeys(CARRIERS, 0)
        self._logs: dict[CarrierCode, list[AnyEvent]] = {carrier: [] for carrier in CARRIERS}
        self._clients = ThreadPoolExecutor(8, "client")

    @property
    def journey(self) -> tuple[FlightId, ...]:
        """The one that is booked if nothing else is said."""
        return self.journeys[0]

    def __enter__(self) -> Self:
        issue(self.fleet)
        try:
            self.start(*CARRIERS)
            self.journeys = list(self._find_journeys())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()
        self._clients.shutdown(cancel_futures=True)

    # ---- where and how a node runs ----------------------------------------------------------------------------------

    def host(self, _carrier: CarrierCode) -> str:
        """The address of its doors."""
        return HOST

    def command(self, _carrier: CarrierCode) -> Sequence[str]:
        """What starts it, with its settings in its environment."""
        return self._command

    def _settings(self, carrier: CarrierCode) -> dict[str, str]:
        here, others = self.host(carrier), [other for other in CARRIERS if other != carrier]
        return environment(self.fleet, carrier, TOKENS) | {
            "PASSCOM_LISTEN": f"{here}:{self.fleet.port(carrier)}",
            "PASSCOM_PEER_LISTEN": f"{here}:{self.fleet.peer_port(carrier)}",
            "PASSCOM_PEERS": ",".join(f"{o}=https://{self.host(o)}:{self.fleet.peer_port(o)}" for o in others),
        }

    # ---- processes --------------------------------------------------------------------------------------------------

    def start(self, *carriers: CarrierCode) -> None:
        """Start these nodes together; each is ready, and has heard of the carriers that run, when this returns."""
        shell = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        for carrier in carriers:
            assert carrier not in self._nodes, f"{carrier} runs already"
            self.fleet.data(carrier).mkdir(parents=True, exist_ok=True)
            with self.fleet.log(carrier).open("ab") as log:
                self._nodes[carrier] = Popen(
                    self.command(carrier), env=shell | self._settings(carrier), cwd=ROOT, stdout=log, stderr=STDOUT
                )
        for carrier in carriers:
            try:
                until(f"{carrier} is ready", partial(self._ready, carrier), up.READY_MS_MAX)
            except TimeoutError as late:
                raise AssertionError(f"{late}:\n{self.said(carrier)[-LOG_SHOWN:]}") from late

    def kill(self, carrier: CarrierCode) -> None:
        """As `kill -9`: also of a node that is stopped, or dead already."""
        node = self._nodes.pop(carrier)
        node.kill()
        node.wait()

    def kill_all(self) -> None:
        for carrier in list(self._nodes):
            self.kill(carrier)

    def revive(self) -> None:
        """All three run, whatever a test that failed has left."""
        for carrier in list(self._nodes):
            self.signal(carrier, signal.SIGCONT)
            if self._nodes[carrier].poll() is not None:
                self.kill(carrier)
        self.start(*(carrier for carrier in CARRIERS if carrier not in self._nodes))

    def signal(self, carrier: CarrierCode, sign: signal.Signals) -> None:
        self._nodes[carrier].send_signal(sign)

    def ended(self, carrier: CarrierCode, within_ms: Millis) -> int | None:
        """The exit code of a node that ends by itself within this time; a signal's number is negative.

        None: it did not, and was killed.
        """
        try:
            code = self._nodes[carrier].wait(within_ms / 1000)
        except TimeoutExpired:
            self.kill(carrier)
            return None
        del self._nodes[carrier]
        return code

    @contextmanager
    def doomed(self, carrier: CarrierCode, point: Point) -> Iterator[None]:
        """Within the block this node comes to the point, and is dead at its end."""
        doom = self.fleet.data(carrier) / DOOM
        doom.with_suffix(".new").write_text(point)
        doom.with_suffix(".new").replace(doom)
        try:
            yield
            code = self.ended(carrier, DEATH_MS_MAX)
        finally:
            doom.unlink()
        assert code == -signal.SIGKILL, f"{carrier} never came to the point {point}: {code}"

    def said(self, carrier: CarrierCode) -> str:
        """What this node has written to its own log."""
        return self.fleet.log(carrier).read_text()

    # ---- travellers -------------------------------------------------------------------------------------------------

    def buy(self, booking: BookingId, at: CarrierCode = "AN", wanted: Wanted | None = None) -> Reply | None:
        """The whole journey for one passenger, in one step; or only the flights that are wanted."""
        return self._put(booking, at, wanted, confirm=True)

    def hold(self, booking: BookingId, at: CarrierCode = "AN", wanted: Wanted | None = None) -> Reply | None:
        return self._put(booking, at, wanted, confirm=False)

    def confirm(self, booking: BookingId, at: CarrierCode = "AN") -> Reply | None:
        return self._order(booking, at, "POST", f"/api/bookings/{booking}/confirm")

    def cancel(self, booking: BookingId, at: CarrierCode = "AN") -> Reply | None:
        return self._order(booking, at, "POST", f"/api/bookings/{booking}/cancel")

    def read(self, booking: BookingId, at: CarrierCode = "AN") -> Reply | None:
        return self.ask(at, "GET", f"/api/bookings/{booking}")

    def background(self, client: Callable[[], T]) -> "Future[T]":
        return self._clients.submit(client)

    def leave(self, booking: BookingId, at: CarrierCode = "AN", *, sent: float = 1.0) -> None:
        """Order the whole journey in one step, and go when this much of the body is sent: nobody reads the answer."""
        body = order(dict.fromkeys(self.journey), confirm=True)
        with closing(HTTPConnection(self.host(at), self.fleet.port(at), ANSWER_MS_MAX / 1000)) as connection:
            connection.putrequest("PUT", f"/api/bookings/{booking}")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body[: round(sent * len(body))])

    def _put(self, booking: BookingId, at: CarrierCode, wanted: Wanted | None, *, confirm: bool) -> Reply | None:
        body = order(wanted or dict.fromkeys(self.journey), confirm=confirm)
        return self._order(booking, at, "PUT", f"/api/bookings/{booking}", body)

    def _order(
        self, booking: BookingId, at: CarrierCode, method: str, path: str, body: bytes | None = None
    ) -> Reply | None:
        reply = self.ask(at, method, path, body)
        match reply:
            case Reply(status=HTTPStatus.CONFLICT):
                self.told.denied.add(booking)
            case Reply(status=HTTPStatus.OK | HTTPStatus.CREATED) if reply.booking.status is Status.CONFIRMED:
                self.told.confirmed.add(booking)
            case Reply(status=HTTPStatus.OK) if reply.booking.status is Status.CANCELLED:
                self.told.denied.add(booking)
        return reply

    # ---- operators, auditors, peers ---------------------------------------------------------------------------------

    def waiting(self, at: CarrierCode) -> tuple[TransactionAnswer, ...]:
        """What waits at this node, as its operator sees it."""
        reply = self.ask(at, "GET", "/api/transactions?state=all", token=TOKENS.operator)
        assert reply is not None, f"{at} does not answer"
        return _TRANSACTIONS.decode(reply.body).transactions

    def inquire(self, booking: BookingId, by: CarrierCode = "JG", of: CarrierCode = "AN") -> Word | None:
        """What one carrier tells another one, by its certificate, of a booking that it coordinates."""
        [asker] = [flight for flight in self.journey if flight.startswith(by)]
        message = Inquire(booking=booking, flight=asker, coordinator=of, asker=asker, to=of)
        body = orjson.dumps({"items": [msgspec.to_builtins(message)]})
        tls = certificates.client_context(*certificates.files(self.fleet.certificates, by))
        address = (self.host(of), self.fleet.peer_port(of))
        with suppress(OSError, HTTPException), closing(HTTPConnection(*address)) as connection:
            plain = socket.create_connection(address, ANSWER_MS_MAX / 1000)
            connection.sock = tls.wrap_socket(plain, server_hostname=certificates.peer_host_name(of))
            connection.request("POST", "/inquire", body, {"Content-Type": "application/json"})
            [answer] = peers.ANSWERS.decode(connection.getresponse().read()).answers
            assert isinstance(answer, Outcome)
            return answer.word
        return None

    def ask(
        self, carrier: CarrierCode, method: str, path: str, body: bytes | None = None, token: str = ""
    ) -> Reply | None:
        """One exchange with a node's public side; None if it broke off, or never began."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        address = (self.host(carrier), self.fleet.port(carrier))
        with suppress(OSError, HTTPException), closing(HTTPConnection(*address, ANSWER_MS_MAX / 1000)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, response.read())
        return None

    # ---- at rest ----------------------------------------------------------------------------------------------------

    def assert_at_rest(self) -> None:
        """Nothing waits anywhere any more, and the three logs agree with one another and with what was told."""
        try:
            until("nothing waits", lambda: not any(map(self.waiting, CARRIERS)), REST_MS_MAX)
        except TimeoutError:
            raise AssertionError([(carrier, self.waiting(carrier)) for carrier in CARRIERS]) from None
        assert findings(self.logs(), self.told) == []

    def logs(self) -> dict[CarrierCode, list[AnyEvent]]:
        """Every event of every node, read from the nodes as an auditor does."""
        for carrier in CARRIERS:
            while section := self._log_section(carrier, self._positions[carrier]):
                self._positions[carrier] = section[-1].position
                self._logs[carrier] += [logged.event for logged in section]
        return self._logs

    def journals(self) -> dict[CarrierCode, list[AnyEvent]]:
        """The same, read from the files of nodes that have ended."""
        events: dict[CarrierCode, list[AnyEvent]] = {}
        for carrier in CARRIERS:
            with closing(Journal.open(str(self.fleet.data(carrier) / LEDGER))) as journal:
                events[carrier] = [recorded.event for _, recorded in journal.replay()]
        return events

    def _log_section(self, carrier: CarrierCode, after: int) -> tuple[LoggedEvent, ...]:
        path = f"/api/log?after={after}&limit={LOG_EVENTS_MAX}"
        reply = self.ask(carrier, "GET", path, token=TOKENS.auditor)
        assert reply is not None, f"{carrier} does not answer"
        return _LOG.decode(reply.body)

    def _ready(self, carrier: CarrierCode) -> bool:
        code = self._nodes[carrier].poll()
        assert code is None, f"{carrier} ended with {code} while it was to start:\n{self.said(carrier)[-LOG_SHOWN:]}"
        reply = self.ask(carrier, "GET", "/health/ready")
        if reply is None or reply.status != HTTPStatus.OK:
            return False
        return _HEALTH.decode(reply.body).network or len(self._nodes) < len(CARRIERS)

    def _find_journeys(self) -> Iterator[tuple[FlightId, ...]]:
        for days in range(2, 2 + DAYS_SEARCHED):
            day = date.today() + timedelta(days)
            reply = self.ask("AN", "GET", f"/api/itineraries?origin=FEC&destination=CGB&date={day}")
            assert reply is not None
            for itinerary in _ITINERARIES.decode(reply.body).itineraries:
                if itinerary.carriers == ("IP", "JG", "AN"):
                    yield tuple(offer.flight for offer in itinerary.segments)
                    break


def order(wanted: Wanted, *, confirm: bool) -> bytes:
    """The body of a PUT for one passenger."""
    return orjson.dumps(
        {
            "segments": [{"flight": flight, "seats": [seat] if seat else 1} for flight, seat in wanted.items()],
            "passengers": [{"name": "Ana Lima"}],
            "contact": {"email": "ana@example.com"},
            "confirm": confirm,
        }
    )


def new_booking() -> BookingId:
    return str(uuid4())


def insist(client: Callable[[], Reply | None], within_ms: Millis = KNOWN_MS_MAX) -> Reply:
    """A traveller who asks again until the outcome is known."""
    replies: list[Reply] = []

    def known() -> bool:
        reply = client()
        if reply is not None:
            replies.append(reply)
        return reply is not None and reply.is_final

    until("the outcome is known", known, within_ms)
    return replies[-1]


def until(what: str, holds: Callable[[], bool], within_ms: Millis) -> None:
    """Poll. Raises `TimeoutError` with what did not come to hold."""
    deadline = time.monotonic() + within_ms / 1000
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_ms} ms in vain until {what}")
        time.sleep(POLL_MS / 1000)


def _fleet(folder: Path) -> Fleet:
    """On six ports that are free now, below those that the system gives to clients."""
    while True:
        fleet = Fleet(folder, random.randrange(20_000, 30_000), CARRIERS)
        ports = [port for carrier in CARRIERS for port in (fleet.port(carrier), fleet.peer_port(carrier))]
        if all(map(_is_free, ports)):
            return fleet


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False
