"""The two other designs as running servers, filled with the flights that will be asked for."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from msgspec import Struct

from airline_node.config import Address
from airline_node.fleet import HOST
from ledger.terms import CarrierCode, FlightId, SeatNo
from tests.baselines.postgres import TABLES
from tests.node.postgres import BINARIES, SERVER_USER

Stock = Mapping[FlightId, Sequence[SeatNo]]
"""The flights on sale, with all their seats."""

READY_S_MAX = 30
END_S_MAX = 30
TUNED = {
    "max_prepared_transactions": "2000",
    "max_connections": "300",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}
"""What a careful administrator sets for this load. Durability stays as it comes: all of it."""


class Shop(Struct, frozen=True):
    """A design at work: its servers, and how many seats it has sold when they have ended."""

    addresses: Sequence[Address]
    sold: Callable[[], int]


@contextmanager
def original(folder: Path, carriers: Sequence[CarrierCode], stock: Stock) -> Iterator[Shop]:
    """Three servers of the original design, with their files in `folder`."""
    for carrier in carriers:
        (folder / carrier).mkdir(parents=True)
    for flight, seats in stock.items():
        path = folder / flight[:2] / f"{flight.replace('/', '-')}.json"
        path.write_text(json.dumps(dict.fromkeys(seats)))

    def sold() -> int:
        flights = (json.loads(path.read_text()) for path in folder.glob("*/[A-Z][A-Z][0-9]*.json"))
        return sum(owner is not None and owner["state"] == "committed" for seats in flights for owner in seats.values())

    ports = dict(zip(carriers, _free_ports(len(carriers)), strict=True))
    peers = [f"{carrier}={port}" for carrier, port in ports.items()]
    commands = [
        ("tests.baselines.original", carrier, str(folder / carrier), str(port), *peers)
        for carrier, port in ports.items()
    ]
    with _running(commands, list(ports.values())) as addresses:
        yield Shop(addresses, sold)


@contextmanager
def two_phase_postgres(folder: Path, carriers: Sequence[CarrierCode], stock: Stock) -> Iterator[Shop]:
    """A PostgreSQL server with three databases, and a coordinator for each carrier."""
    with _database_server(folder) as server:
        databases = {carrier: _database(server, carrier, stock) for carrier in carriers}

        def sold() -> int:
            return sum(
                _count(address, "SELECT count(*) FROM seats WHERE booking IS NOT NULL")
                for address in databases.values()
            )

        ports = dict(zip(carriers, _free_ports(len(carriers)), strict=True))
        names = [f"{carrier}={address}" for carrier, address in databases.items()]
        commands = [("tests.baselines.postgres", carrier, str(port), *names) for carrier, port in ports.items()]
        with _running(commands, list(ports.values())) as addresses:
            yield Shop(addresses, sold)


@contextmanager
def _database_server(folder: Path) -> Iterator[Path]:
    assert BINARIES is not None, "no PostgreSQL binaries under /usr/lib/postgresql"
    folder.mkdir(parents=True)
    if SERVER_USER:
        shutil.chown(folder, SERVER_USER)

    def run(binary: str, *arguments: str) -> None:
        command = [f"{BINARIES}/{binary}", "-D", f"{folder}/data", *arguments]
        subprocess.run(command, user=SERVER_USER, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
    options = " ".join(f"-c {name}={value}" for name, value in TUNED.items())
    run("pg_ctl", "--log", f"{folder}/log", "-o", f"-c listen_addresses= -k {folder} {options}", "--wait", "start")
    try:
        yield folder
    finally:
        run("pg_ctl", "--mode=immediate", "--wait", "stop")


def _database(server: Path, carrier: CarrierCode, stock: Stock) -> str:
    """A carrier's database with its flights in it: its address."""
    with psycopg.connect(f"postgresql://postgres@/postgres?host={server}", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{carrier}"')
    address = f"postgresql://postgres@/{carrier}?host={server}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(TABLES)
        with connection.cursor().copy("COPY seats (flight, seat) FROM STDIN") as rows:
            for flight, seats in stock.items():
                for seat in seats if flight[:2] == carrier else ():
                    rows.write_row((flight, seat))
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return address


def _count(address: str, query: str) -> int:
    with psycopg.connect(address) as connection:
        [(count,)] = connection.execute(query)
        assert isinstance(count, int)
        return count


@contextmanager
def _running(commands: Sequence[Sequence[str]], ports: Sequence[int]) -> Iterator[Sequence[Address]]:
    """Each of these modules as a process, and where it listens."""
    servers = [subprocess.Popen((sys.executable, "-m", *command)) for command in commands]
    try:
        addresses = [Address(HOST, port) for port in ports]
        for address in addresses:
            _await(address)
        yield addresses
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(END_S_MAX)
    finally:
        for server in servers:
            server.kill()
            server.wait()


def _await(address: Address) -> None:
    deadline = time.monotonic() + READY_S_MAX
    while True:
        with suppress(OSError), socket.create_connection(address, 1):
            return
        assert time.monotonic() < deadline, f"nobody listens on {address}"
        time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
