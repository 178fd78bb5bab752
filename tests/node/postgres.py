"""A PostgreSQL server for tests: a real one, its files in a temporary folder, and a proxy that cuts its lines."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.thorough import skip

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda found: int(found.parent.name), default=None)
SERVER_USER = "postgres" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    """A real PostgreSQL server of our own: the folder of its socket."""
    if BINARIES is None:
        skip("no PostgreSQL binaries under /usr/lib/postgresql")
    with TemporaryDirectory(prefix="passcom-postgres-") as name:
        folder = Path(name)
        if SERVER_USER:
            shutil.chown(folder, SERVER_USER)

        def run(binary: str, *arguments: str) -> None:
            command = [f"{BINARIES}/{binary}", "-D", f"{name}/data", *arguments]
            subprocess.run(command, user=SERVER_USER, cwd=folder, check=True, stdout=subprocess.DEVNULL)

        run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
        run("pg_ctl", "--log", f"{name}/log", "-o", f"-c listen_addresses= -k {name}", "--wait", "start")
        yield folder
        run("pg_ctl", "--mode=immediate", "--wait", "stop")


@pytest.fixture
def postgres_address(server: Path) -> str:
    """A new, empty database."""
    database = f"carrier_{uuid4().hex}"
    with psycopg.connect(f"postgresql://postgres@/postgres?host={server}", autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(database)))
    return f"postgresql://postgres@/{database}?host={server}"


class Proxy:
    """Stands between journal and server. Once told to, it loses the answer to the next COMMIT, and the connection."""

    def __init__(self, server: Path) -> None:
        self._server = str(server / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lose_commit = False
        self.lost = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(self._server)
            for pump in (self._asked, self._answered):
                self._threads.append(threading.Thread(target=pump, args=(client, upstream)))
                self._threads[-1].start()

    def _asked(self, client: socket.socket, upstream: socket.socket) -> None:
        with suppress(OSError), client, upstream:
            while data := client.recv(65536):
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_RDWR)

    def _answered(self, client: socket.socket, upstream: socket.socket) -> None:
        with suppress(OSError):
            while data := upstream.recv(65536):
                if self.lose_commit and b"COMMIT\0" in data:
                    self.lose_commit, self.lost = False, self.lost + 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def proxy(server: Path) -> Iterator[Proxy]:
    with closing(Proxy(server)) as running:
        yield running
