"""What keeps a whole node from starting, and what stops it."""

import gc
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import orjson
import pytest
from aiohttp import ClientSession

from airline_node.app import TROUBLE, running, serve
from airline_node.config import Config
from airline_node.journal import Journal
from ledger.ledger import Ledger
from snapshots.form import picture
from snapshots.store import SnapshotStore
from tests.crash.cluster import until
from tests.node.business import BOOKING, Client, Configs, lived, open_for_business, order, timetable, travel_day

pytestmark = pytest.mark.slow
ENDS_MS_MAX = 15_000

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


STARTER = """
import sys, time
from pathlib import Path
from airline_node.bench.nodes import started

with started(Path(sys.argv[1]), only=["AN"]) as [node]:
    print(node.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.thorough
def test_a_node_that_was_started_here_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, tmp_path], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        node = int(starter.stdout.readline())
        os.kill(node, 0)
        starter.kill()
    log = tmp_path / "AN" / "node.log"
    until("the node has ended in good order", lambda: log.read_text().endswith("AN: ended\n"), ENDS_MS_MAX)


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
