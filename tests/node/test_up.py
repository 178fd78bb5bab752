"""Three processes on one machine: all of them run, or none is left behind. The nodes here are stand-ins."""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest
from rich.console import Console

from airline_node import config, up
from airline_node.fleet import HOST, Fleet, FleetTrouble, Tokens, environment, made_tokens
from airline_node.journal import Journal
from airline_node.timetable import load
from tests.crash.cluster import until

CARRIERS = tuple(load().carriers)
READY = """
import os, pathlib, signal, socketserver
from http.server import BaseHTTPRequestHandler

class Node(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass

pathlib.Path(os.environ["PASSCOM_DATA"], "pid").write_text(str(os.getpid()))
host, port = os.environ["PASSCOM_LISTEN"].split(":")
socketserver.TCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
print("serving", os.environ.get("PASSCOM_JOURNAL"), flush=True)
socketserver.ThreadingTCPServer((host, int(port)), Node).serve_forever()
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY
FAILING = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n" + READY
TIED = (
    """
import os, pathlib, sys, threading
assert sys.argv[1:] == ["--until-eof"]

def watch():
    sys.stdin.read()
    pathlib.Path(os.environ["PASSCOM_DATA"], "ended").touch()
    os._exit(0)

threading.Thread(target=watch).start()
"""
    + READY
)
UP = """
import sys
from pathlib import Path
from rich.console import Console
from airline_node import up

up.up(Path(sys.argv[1]), int(sys.argv[2]), Console(), command=sys.argv[3:])
"""
DYING = """
import os, sys, time
if os.environ["PASSCOM_CARRIER"] == "JG":
    print("\\x1b[31mthe disk is on fire\\x1b[0m", flush=True)
    sys.exit(7)
time.sleep(60)
"""


def python(source: str) -> list[str]:
    return [sys.executable, "-S", "-c", source]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """On six ports that are free now, below those that the system gives to clients."""
    while True:
        fleet = Fleet(tmp_path / "passcom", random.randrange(20_000, 30_000), CARRIERS)
        with suppress(FleetTrouble):
            up._require_free_ports(fleet)
            return fleet


class Shown:
    """What the command writes when its output is no terminal; and what happens once it has said something."""

    def __init__(self) -> None:
        self.stream = StringIO()
        self.console = Console(file=self.stream)

    def once(self, said: str, act: Callable[[], None]) -> None:
        def watch() -> None:
            deadline = monotonic() + 20
            while said not in self.stream.getvalue() and monotonic() < deadline:
                sleep(0.01)
            act()

        Thread(target=watch, daemon=True).start()


@pytest.fixture
def shown() -> Shown:
    return Shown()


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def run(fleet: Fleet, shown: Shown, source: str) -> int:
    return up.up(fleet.folder, fleet.port_base, shown.console, command=python(source))


def alive(fleet: Fleet) -> list[int]:
    found = []
    for file in fleet.folder.glob("*/pid"):
        with suppress(ProcessLookupError):
            os.kill(pid := int(file.read_text()), 0)
            found.append(pid)
    return found


def test_every_node_is_told_settings_that_it_accepts(fleet: Fleet) -> None:
    tokens = Tokens("an-operators-token", "an-auditors-token")
    told = [config.read(environment(fleet, carrier, tokens)) for carrier in CARRIERS]
    for node in told:
        assert {
            peer: f"https://{other.peer_listen}" for other in told if (peer := other.carrier) != node.carrier
        } == node.peers
        assert node.data == fleet.folder / node.carrier
    assert len({address for node in told for address in (node.listen, node.peer_listen)}) == 6


@pytest.mark.slow
def test_the_nodes_run_until_a_signal_and_none_is_left_behind(fleet: Fleet, shown: Shown) -> None:
    running: list[int] = []

    def look_and_interrupt() -> None:
        running.extend(alive(fleet))
        interrupt()

    shown.once("Ctrl-C", look_and_interrupt)
    assert run(fleet, shown, READY) == 0
    assert len(running) == 3
    assert alive(fleet) == []
    text = shown.stream.getvalue()
    assert all(f"{carrier} is ready at {fleet.address(carrier)}\n" in text for carrier in CARRIERS)
    assert f"--yes --at {fleet.address('AN')}\n" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert text.endswith("All have ended.\n")


@pytest.mark.slow
def test_a_node_that_dies_is_named_with_its_last_words_and_takes_the_others_along(fleet: Fleet, shown: Shown) -> None:
    fleet.data("JG").mkdir(parents=True)
    fleet.log("JG").write_text("words of an earlier run\n")
    assert run(fleet, shown, DYING) == 1
    text = shown.stream.getvalue()
    assert "JG ended unasked, with exit code 7." in text
    assert "the disk is on fire" in text
    assert "earlier run" not in text
    assert "\x1b" not in text
    assert fleet.log("JG").read_text().startswith("words of an earlier run\n")


@pytest.mark.slow
def test_a_node_that_does_not_stop_is_killed(fleet: Fleet, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "STOP_MS_MAX", 200)
    shown.once("Ctrl-C", interrupt)
    assert run(fleet, shown, STUBBORN) == 1
    assert alive(fleet) == []
    assert "AN did not end in good order, by SIGKILL" in shown.stream.getvalue()


@pytest.mark.slow
def test_a_node_that_fails_while_it_ends_is_named(fleet: Fleet, shown: Shown) -> None:
    shown.once("Ctrl-C", interrupt)
    assert run(fleet, shown, FAILING) == 1
    assert "IP did not end in good order, with exit code 3" in shown.stream.getvalue()


@pytest.mark.slow
def test_whoever_asks_a_second_time_to_stop_does_not_wait(fleet: Fleet, shown: Shown) -> None:
    shown.once("Ctrl-C", interrupt)
    shown.once("Stopping", interrupt)
    begun = monotonic()
    assert run(fleet, shown, STUBBORN) == 1
    assert monotonic() - begun < up.STOP_MS_MAX / 1000
    assert alive(fleet) == []


@pytest.mark.slow
def test_a_node_that_is_never_ready_is_not_waited_for_for_ever(
    fleet: Fleet, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "READY_MS_MAX", 200)
    assert run(fleet, shown, "import time; time.sleep(60)") == 1
    assert "AN was not ready" in shown.stream.getvalue()


@pytest.mark.slow
@pytest.mark.slow
def test_no_node_is_left_behind_where_the_command_was_killed(fleet: Fleet) -> None:
    command = (sys.executable, "-c", UP, str(fleet.folder), str(fleet.port_base), *python(TIED))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert any("Ctrl-C" in line for line in killed.stdout)
        assert not list(fleet.folder.glob("*/ended"))
        killed.kill()
    until("all have ended", lambda: len(list(fleet.folder.glob("*/ended"))) == len(CARRIERS), 10_000)


def test_one_nodes_settings_in_the_shell_do_not_reach_all_three(
    fleet: Fleet, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSCOM_JOURNAL", "postgresql://db/andorinha")
    shown.once("Ctrl-C", interrupt)
    assert run(fleet, shown, READY) == 0
    assert [fleet.log(carrier).read_text() for carrier in CARRIERS] == ["serving None\n"] * 3


def test_a_port_in_use_is_named_with_the_remedy(fleet: Fleet, shown: Shown) -> None:
    with socket.create_server((HOST, fleet.peer_port("IP"))), pytest.raises(FleetTrouble) as trouble:
        run(fleet, shown, "")
    assert str(fleet.peer_port("IP")) in str(trouble.value)
    assert "--port-base" in str(trouble.value)
    assert not fleet.folder.exists()


@pytest.mark.parametrize("fresh", [False, True])
def test_nothing_is_touched_while_a_node_runs_there(fleet: Fleet, shown: Shown, fresh: bool) -> None:
    made_tokens(fleet)
    fleet.data("AN").mkdir()
    fleet.data("IP").mkdir()
    journal = Journal.open(str(fleet.data("IP") / config.LEDGER))
    try:
        with pytest.raises(FleetTrouble, match=r"A node is running in .*/IP"):
            up.up(fleet.folder, fleet.port_base, shown.console, fresh=fresh)
    finally:
        journal.close()
    assert fleet.data("AN").exists()
    assert (fleet.data("IP") / config.LEDGER).exists()


def test_a_fresh_start_removes_what_it_made_and_nothing_else(fleet: Fleet) -> None:
    tokens = made_tokens(fleet)
    for name in ("AN", "certificates", "notes"):
        (fleet.folder / name).mkdir()
        (fleet.folder / name / "file").touch()
    up._remove(fleet)
    assert sorted(entry.name for entry in fleet.folder.iterdir()) == ["notes", "tokens.json"]
    assert made_tokens(fleet) == tokens


def test_a_fresh_start_in_somebody_elses_folder_is_refused(fleet: Fleet) -> None:
    fleet.certificates.mkdir(parents=True)
    with pytest.raises(FleetTrouble, match="nothing in it was removed"):
        up._remove(fleet)
    assert fleet.certificates.exists()


def test_tokens_are_made_once_and_for_their_owner_alone(fleet: Fleet) -> None:
    tokens = made_tokens(fleet)
    assert fleet.tokens.stat().st_mode & 0o777 == 0o600
    assert tokens.operator != tokens.auditor
    assert made_tokens(fleet) == tokens
    fleet.tokens.write_text("{")
    with pytest.raises(FleetTrouble, match="is damaged"):
        made_tokens(fleet)


@pytest.mark.slow
def test_a_long_log_makes_room(fleet: Fleet, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "LOG_BYTES_MAX", 10)
    fleet.data("JG").mkdir(parents=True)
    fleet.log("JG").write_text("longer than the limit\n")
    assert run(fleet, shown, DYING) == 1
    assert "longer" not in fleet.log("JG").read_text()
    assert "longer" in fleet.log("JG").with_suffix(".log.1").read_text()
