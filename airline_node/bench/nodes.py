"""The nodes under load: three that are started here, or some that run already; what they have used and written.

Rule: nodes started here do not outlive the block that started them, and only of those is it known which processes
they are and where their files lie. Of others is known what they say themselves.
"""

import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from airline_node import up
from airline_node.answers import Health, LoggedEvent, TransactionsAnswer
from airline_node.bench.crew import BenchTrouble
from airline_node.bench.processes import usage
from airline_node.config import LEDGER, PREFIX, Address
from airline_node.fleet import HOST, Fleet, Tokens, environment, issue
from airline_node.journal import LOG_EVENTS_MAX, Journal
from airline_node.serve import UNTIL_EOF
from airline_node.timetable import load
from ledger.events import AnyEvent
from ledger.terms import CarrierCode, Millis

PORTS: Final = range(10_000, 30_000)
"""Below those that the system gives to clients: thousands of travellers take some while nodes start and end."""
ANSWER_MS_MAX: Final[Millis] = 20_000
START_MS_MAX: Final[Millis] = 300_000
"""The longest log that is grown here takes a minute to replay."""
STOP_MS_MAX: Final[Millis] = 30_000
REST_MS_MAX: Final[Millis] = 60_000
POLL_MS: Final[Millis] = 20

_HEALTH = msgspec.json.Decoder(Health)
_TRANSACTIONS = msgspec.json.Decoder(TransactionsAnswer)
_LOG = msgspec.json.Decoder(tuple[LoggedEvent, ...])


class Node(Struct, frozen=True, kw_only=True):
    """One carrier's node. `pid` and `data` are known of those that run on this machine and were started here."""

    name: str
    address: Address
    tokens: Tokens
    pid: int | None = None
    data: Path | None = None

    def ask(self, path: str, token: str = "") -> bytes:
        """The body of a 200. Raises `BenchTrouble` for anything else."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with closing(HTTPConnection(*self.address, ANSWER_MS_MAX / 1000)) as connection:
            try:
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException) as wrong:
                raise BenchTrouble(f"{self.name} at {self.address} does not answer: {wrong!r}") from wrong
        if answer.status != HTTPStatus.OK:
            raise BenchTrouble(f"{self.name} at {self.address} answers {answer.status} to {path}: {body[:200]!r}")
        return body

    def figures(self) -> dict[str, float]:
        """What the node counts, by its own names."""
        families = text_string_to_metric_families(self.ask("/metrics").decode())
        return {sample.name: sample.value for family in families for sample in family.samples}

    def spent(self) -> "Spent":
        """What it has used and written so far."""
        figures = self.figures()
        used = usage(self.pid) if self.pid else None
        return Spent(
            name=self.name,
            events=int(figures["passcom_events_total"]),
            writes=int(figures["passcom_batches_total"]),
            cpu_seconds=used.cpu_seconds if used else None,
            stored_bytes=stored_bytes(self.data) if self.data else None,
            resident_bytes=used.resident_bytes if used else None,
        )

    def ready(self, *, alone: bool) -> bool:
        """It takes orders; and unless it is alone it has heard what its peers sell."""
        with suppress(BenchTrouble):
            return _HEALTH.decode(self.ask("/health/ready")).network or alone
        return False

    def waiting(self) -> int:
        """How many bookings and holds are unfinished here."""
        return _TRANSACTIONS.decode(self.ask("/api/transactions?state=all", self.tokens.operator)).total

    def log(self) -> Iterator[AnyEvent]:
        """Every event of the node, asked for as an auditor does."""
        position = 0
        while section := _LOG.decode(
            self.ask(f"/api/log?after={position}&limit={LOG_EVENTS_MAX}", self.tokens.auditor)
        ):
            position = section[-1].position
            yield from (logged.event for logged in section)


class Spent(Struct, frozen=True, kw_only=True):
    """What a node has used and written. None is not known of a node that was not started here.

    `writes` counts transactions of the log, each with an fsync; `stored_bytes` is what log and vault keep for ever.
    """

    name: str
    events: int
    writes: int
    cpu_seconds: float | None
    stored_bytes: int | None
    resident_bytes: int | None

    def since(self, then: "Spent") -> "Spent":
        """The difference, but for the memory: that is as it is now."""
        return Spent(
            name=self.name,
            events=self.events - then.events,
            writes=self.writes - then.writes,
            cpu_seconds=_difference(self.cpu_seconds, then.cpu_seconds),
            stored_bytes=_difference(self.stored_bytes, then.stored_bytes),
            resident_bytes=self.resident_bytes,
        )


Number = TypeVar("Number", int, float)


def _difference(now: Number | None, then: Number | None) -> Number | None:
    return None if now is None or then is None else now - then


def elsewhere(addresses: Sequence[str], tokens: Tokens) -> list[Node]:
    """Nodes that run already. Raises `BenchTrouble` if an address is none, or nobody answers there."""
    nodes = []
    for text in addresses:
        host, colon, port = text.removeprefix("http://").rstrip("/").partition(":")
        if not (colon and port.isdecimal()):
            raise BenchTrouble(f"{text} is not http://host:port")
        nodes.append(Node(name=text, address=Address(host, int(port)), tokens=tokens))
        nodes[-1].ask("/health/ready")
    return nodes


@contextmanager
def started(folder: Path, command: Sequence[str] = up.SERVE, only: Sequence[CarrierCode] = ()) -> Iterator[list[Node]]:
    """Nodes of our own on free ports, ready and knowing their peers (unless `only` some start); ended with the block.

    Raises `BenchTrouble` if one of them does not become ready, or does not end in good order.
    """
    fleet = _fleet(folder)
    issue(fleet)
    tokens = Tokens("operators-token-of-the-bench", "auditors-token-of-the-bench")
    processes: dict[CarrierCode, subprocess.Popen[bytes]] = {}
    try:
        for carrier in only or fleet.carriers:
            processes[carrier] = _start(fleet, carrier, tokens, command)
        nodes = [
            Node(
                name=carrier,
                address=Address(HOST, fleet.port(carrier)),
                tokens=tokens,
                pid=process.pid,
                data=fleet.data(carrier),
            )
            for carrier, process in processes.items()
        ]
        for node in nodes:
            _await_ready(node, processes[node.name], fleet.log(node.name), alone=bool(only))
        yield nodes
        _stop(processes)
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()  # waits, and closes the pipe


def rest(nodes: Sequence[Node]) -> bool:
    """Wait until nothing is unfinished anywhere; False if something still is after `REST_MS_MAX`."""
    deadline = time.monotonic() + REST_MS_MAX / 1000
    while any(node.waiting() for node in nodes):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_MS / 1000)
    return True


def stored_bytes(folder: Path) -> int:
    """What a running node's log and vault hold, whichever of their files it lies in at the moment."""
    total = 0
    for path in folder.glob("*.sqlite"):
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            [pages] = database.execute("PRAGMA page_count").fetchone()
            [page_bytes] = database.execute("PRAGMA page_size").fetchone()
            total += pages * page_bytes
    return total


def journal(folder: Path) -> Iterator[AnyEvent]:
    """Every event in the file of a node that has ended."""
    with closing(Journal.open(str(folder / LEDGER))) as opened:
        yield from (recorded.event for _, recorded in opened.replay())


def _start(fleet: Fleet, carrier: CarrierCode, tokens: Tokens, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    fleet.data(carrier).mkdir(parents=True, exist_ok=True)
    others: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with fleet.log(carrier).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own command
            [*command, UNTIL_EOF],
            env={**others, **environment(fleet, carrier, tokens)},
            stdin=subprocess.PIPE,  # for its end: no node outlives a benchmark that is killed
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def _await_ready(node: Node, process: "subprocess.Popen[bytes]", log: Path, *, alone: bool) -> None:
    deadline = time.monotonic() + START_MS_MAX / 1000
    while not node.ready(alone=alone):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchTrouble(f"{node.name} did not become ready. The end of {log}:\n{log.read_text()[-2000:]}")
        time.sleep(POLL_MS / 1000)


def _stop(processes: Mapping[CarrierCode, "subprocess.Popen[bytes]"]) -> None:
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    for carrier, process in processes.items():
        try:
            code = process.wait(STOP_MS_MAX / 1000)
        except subprocess.TimeoutExpired:
            raise BenchTrouble(f"{carrier} did not end when it was told to") from None
        if code not in up.ORDERLY:
            raise BenchTrouble(f"{carrier} ended with {code} when it was told to")


def _fleet(folder: Path) -> Fleet:
    while True:
        base = secrets.choice(PORTS)
        fleet = Fleet(folder, base, tuple(load().carriers))
        if all(_is_free(port(carrier)) for carrier in fleet.carriers for port in (fleet.port, fleet.peer_port)):
            return fleet


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False
