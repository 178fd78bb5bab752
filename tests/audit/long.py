"""A long log, and what it takes to read it: plainly, and as an auditor."""

import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import orjson
from msgspec import Struct

from airline_node.audit.command import spare_the_collector
from airline_node.audit.replay import Replay
from airline_node.audit.sources import open_sources
from airline_node.bench import longlog
from airline_node.config import LEDGER

CARRIER: Final = "AN"


class Cost(Struct, frozen=True):
    """`growth_kib` is by how much memory grew from the middle of the log to its end."""

    events: int
    seconds: float
    growth_kib: int
    peak_kib: int
    findings: int


class _Nobody:
    def send(self, _: object) -> None:
        """Nobody looks on."""


def written(folder: Path, events: int) -> None:
    """A log of about so many events, unless one is there."""
    if not (folder / CARRIER / LEDGER).exists():
        (folder / CARRIER).mkdir(parents=True)
        longlog.fill(folder / CARRIER, CARRIER, events, _Nobody())


def plain(folder: Path) -> Cost:
    """Every row of the file, and its body as JSON: the least that anybody must do who reads it."""
    begun, events = time.process_time(), 0
    database = sqlite3.connect(folder / CARRIER / LEDGER)
    for *_, state in database.execute("SELECT rowid, * FROM stored_events ORDER BY rowid"):
        orjson.loads(state[8:])
        events += 1
    database.close()
    return Cost(events, time.process_time() - begun, 0, _peak_kib(), 0)


def audited(folder: Path) -> Cost:
    """The same, heard by an audit."""
    spare_the_collector()
    [source] = open_sources([str(folder)], "")
    half, middle, read = source.count() // 2, 0, 0

    def progress(_carrier: str, count: int) -> None:
        nonlocal middle, read
        read += count
        if not middle and read >= half:
            middle = _peak_kib()

    begun = time.process_time()
    replay = Replay([source], progress=progress)
    replay.run()
    found = replay.findings()
    seconds = time.process_time() - begun
    source.close()
    return Cost(replay.events, seconds, _peak_kib() - middle, _peak_kib(), len(found))


def apart(kind: str, folder: Path) -> Cost:
    """In a process of its own: what one run leaves in memory is not the next one's."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(kind, folder, there))
    process.start()
    cost = here.recv()
    process.join()
    assert isinstance(cost, Cost)
    return cost


def measured(folder: Path, turns: int = 3) -> Iterator[str]:
    """In turns, so that a machine that is busy is so for both; the best of each."""
    costs = [(apart("plain", folder), apart("audited", folder)) for _ in range(turns)]
    read, heard = (min(one, key=lambda cost: cost.seconds) for one in zip(*costs, strict=True))
    yield f"{read.events:,} events; plain reading {read.events / read.seconds:,.0f} a second of processor"
    yield f"audit {heard.events / heard.seconds:,.0f} a second, {read.seconds / heard.seconds:.2f} of that"
    yield f"memory {heard.peak_kib / 1024:.0f} MiB at its most, {heard.growth_kib} KiB more than at half of the log"
    yield f"{heard.findings} findings"


def _run(kind: str, folder: Path, to: "Connection[Cost, object]") -> None:
    to.send(plain(folder) if kind == "plain" else audited(folder))


def _peak_kib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
