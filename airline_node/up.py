"""`passcom up`: the three carriers' nodes on this machine, as three processes of their own.

Each node is started exactly as it would be anywhere else, by its environment alone. What is added
here is for one machine only: a throw-away certificate authority, tokens, ports side by side.
The rule: whatever ends this command (a signal, a node's death, trouble, a kill), no node is left behind.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from airline_node.config import LEDGER, PREFIX
from airline_node.fleet import (
    HOST,
    PORT_BASE,
    PORT_BASE_MAX,
    Fleet,
    FleetTrouble,
    Tokens,
    environment,
    issue,
    made_tokens,
)
from airline_node.serve import UNTIL_EOF
from airline_node.timetable import load
from ledger.terms import CarrierCode, Millis

READY_MS_MAX: Millis = 60_000
POLL_MS: Millis = 50
PROBE_MS_MAX: Millis = 2_000
STOP_MS_MAX: Millis = 15_000
"""A node gives its open requests ten seconds; after this it is killed, which it must survive anyway."""
ORDERLY = (0, -signal.SIGTERM)
"""How a node that was asked to end may end: by itself, or before it could hear the question."""
LOG_BYTES_MAX = 10 * 2**20
"""A longer node.log makes room at the next start; one older is kept."""
LOG_LINES_SHOWN = 15
LOG_BYTES_SHOWN = 8 * 2**10

SERVE = (sys.executable, "-m", "airline_node.serve")


def up(folder: Path, port_base: int, console: Console, *, fresh: bool = False, command: Sequence[str] = SERVE) -> int:
    """Starts the nodes, says where they are, and stays until a signal ends them or one of them dies.

    `fresh` first removes what earlier nodes left in `folder`. Answers the exit code: 1 when a node died, was not
    ready in time or had to be killed. Raises `FleetTrouble` or `OSError` when nothing could be started.
    """
    fleet = Fleet(folder.absolute(), port_base, tuple(load().carriers))
    with _nobody_running(fleet):
        if fresh:
            _remove(fleet)
    _require_free_ports(fleet)
    tokens = made_tokens(fleet)
    fleet.note.write_bytes(orjson.dumps({"port_base": port_base}))
    issue(fleet)
    return asyncio.run(_supervise(fleet, tokens, console, command))


# ---- before they start ------------------------------------------------------------------------------------


@contextmanager
def _nobody_running(fleet: Fleet) -> Iterator[None]:
    """Holds every node's own lock, so that none can start meanwhile; refuses when one is running."""
    with ExitStack() as locks:
        for carrier in fleet.carriers:
            lock = fleet.data(carrier) / f"{LEDGER}.lock"
            if not lock.exists():
                continue
            try:
                fcntl.flock(locks.enter_context(lock.open("rb")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FleetTrouble(
                    f"A node is running in {fleet.data(carrier)}. Stop it first, or use another folder: --data"
                ) from None
        yield


def _remove(fleet: Fleet) -> None:
    made = [*map(fleet.data, fleet.carriers), fleet.certificates, fleet.keys]
    found = [folder for folder in made if folder.exists()]
    # A folder given by mistake may hold a `certificates` that is somebody else's.
    if found and not fleet.tokens.exists():
        raise FleetTrouble(f"{fleet.folder} was not made by `passcom up`: nothing in it was removed.")
    for folder in found:
        shutil.rmtree(folder)


def _require_free_ports(fleet: Fleet) -> None:
    for carrier in fleet.carriers:
        for port in (fleet.port(carrier), fleet.peer_port(carrier)):
            with socket.socket() as probe:
                # As the nodes' servers do it: connections that linger from an earlier run are no hindrance.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as wrong:
                    other = fleet.port_base + 200 if fleet.port_base + 200 <= PORT_BASE_MAX else PORT_BASE
                    raise FleetTrouble(
                        f"{carrier} cannot listen on port {port} ({wrong.strerror}). "
                        f"Stop what is using it, or choose other ports: passcom up --port-base {other}"
                    ) from None


# ---- while they run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    carrier: CarrierCode
    process: Process
    log: Path
    log_start: int
    """Where in the log this run begins, in bytes: an earlier run's last words would mislead."""

    def how_it_ended(self) -> str:
        code = self.process.returncode
        assert code is not None, "it has not ended"
        how = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        return f"{how}. {self.last_words()}"

    def last_words(self) -> str:
        """The end of what this run has logged: bounded, and safe to show on a terminal."""
        with self.log.open("rb") as log:
            log.seek(max(self.log_start, log.seek(0, os.SEEK_END) - LOG_BYTES_SHOWN))
            lines = log.read(LOG_BYTES_SHOWN).decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        shown = ["".join(filter(str.isprintable, line)) for line in lines]
        return "\n".join([f"The end of {self.log}:", *(f"  {line}" for line in shown)])


async def _supervise(fleet: Fleet, tokens: Tokens, console: Console, command: Sequence[str]) -> int:
    stop, hurry = _signals()
    nodes: list[Node] = []
    fault: str | None = None
    try:
        for carrier in fleet.carriers:
            nodes.append(await _start(fleet, carrier, tokens, command))
        fault = await _first(_set(stop), _death(nodes), _announce(nodes, fleet, console))
        _say(console, fault or "Stopping the nodes.")
    finally:
        await _end(nodes, hurry)
    if fault is None:
        disorderly = [node for node in nodes if node.process.returncode not in ORDERLY]
        fault = "\n".join(f"{node.carrier} did not end in good order, {node.how_it_ended()}" for node in disorderly)
        _say(console, fault or "All have ended.")
    return 1 if fault else 0


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Set by the first and by the second request to stop. The nodes are in process groups of their own, so
    that Ctrl-C reaches them once, through us; a closed terminal therefore would not reach them at all.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # nohup
        asyncio.get_running_loop().add_signal_handler(number, lambda: (hurry if stop.is_set() else stop).set())
    return stop, hurry


async def _start(fleet: Fleet, carrier: CarrierCode, tokens: Tokens, command: Sequence[str]) -> Node:
    path = fleet.log(carrier)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))
    # What is set for a node in this shell must not reach all three: they would share one journal.
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with path.open("ab") as log:
        log_start = log.tell()
        process = await asyncio.create_subprocess_exec(
            *command,
            UNTIL_EOF,
            env=others | environment(fleet, carrier, tokens),
            stdin=PIPE,  # for its end: where this command is killed, nobody else could tell them
            stdout=log,
            stderr=STDOUT,
            process_group=0,
        )
    return Node(carrier, process, path, log_start)


async def _first(*waits: Coroutine[None, None, str | None]) -> str | None:
    """What the first of them to finish says: a fault, or None for an orderly end. The others are called off."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _death(nodes: Sequence[Node]) -> str:
    waits = {asyncio.create_task(node.process.wait()): node for node in nodes}
    [first, *_], _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    return f"{waits[first].carrier} ended unasked, {waits[first].how_it_ended()}"


async def _announce(nodes: Sequence[Node], fleet: Fleet, console: Console) -> str | None:
    """Waits until every node is ready, says where they are, and then for ever. A node that is late is a fault."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Starting the nodes", total=len(nodes))
        deadline = asyncio.get_running_loop().time() + READY_MS_MAX / 1000
        for node in nodes:
            try:
                async with asyncio.timeout_at(deadline):
                    await _ready(fleet.address(node.carrier))
            except TimeoutError:
                return f"{node.carrier} was not ready in {READY_MS_MAX // 1000} s. {node.last_words()}"
            progress.advance(bar)
            _say(console, f"{node.carrier} is ready at {fleet.address(node.carrier)}")
    first = fleet.address(fleet.carriers[0])
    at = "" if fleet.port_base == PORT_BASE else f" --at {first}"
    _say(console, f"Their data and their operators' and auditors' tokens are in {fleet.folder}")
    _say(console, f'Try: passcom book FEC CGB --name "Ana Lima" --email ana@example.com --yes{at}')
    _say(console, "Ctrl-C stops them.")
    await asyncio.Event().wait()
    return None


async def _ready(address: str) -> None:
    """Returns once the node there says that it is."""
    timeout = aiohttp.ClientTimeout(total=PROBE_MS_MAX / 1000)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(f"{address}/health/ready", allow_redirects=False) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(POLL_MS / 1000)


async def _end(nodes: Sequence[Node], hurry: asyncio.Event) -> None:
    """Ends them all, in good order if they can."""
    for node in nodes:
        _signal(node, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_MS_MAX / 1000):
            await _first(_ended(nodes), _set(hurry))
    for node in nodes:
        if node.process.returncode is None:
            _signal(node, signal.SIGKILL)
    await _ended(nodes)


async def _ended(nodes: Sequence[Node]) -> None:
    await asyncio.gather(*(node.process.wait() for node in nodes))


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def _signal(node: Node, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself
        node.process.send_signal(number)


def _say(console: Console, text: str) -> None:
    # Whole lines, whoever reads them: a log has no width.
    console.print(text, markup=False, highlight=False, soft_wrap=True)
