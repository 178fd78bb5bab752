"""One flipped bit, or a file cut short: a node knows exactly what it knew before, or names the damage."""

import asyncio
import logging
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from msgspec import Struct

from airline_node.app import TROUBLE
from airline_node.config import LEDGER
from airline_node.journal import LOG_EVENTS_MAX, Journal, JournalTrouble
from airline_node.rebuild import rebuild
from ledger.coordinator.state import SETTLED
from ledger.events import BookingSettled, Recorded, StreamName, stream_of
from snapshots.form import picture
from snapshots.store import SnapshotStore
from tests.disks.carrier import PREFIX
from tests.disks.images import MEMORY
from tests.disks.lives import Lives
from tests.disks.recording import SAID, calls
from tests.thorough import size

pytestmark = pytest.mark.slow

TIMES = 20 if os.environ.get("PASSCOM_DISKS") == "all" else 1
FLIPS = size(60, 240) * TIMES
"""In one file, evenly spread; a cut for every six of them."""
SPARSE = 800
"""Bits of a small file for each one that is flipped."""
SHOWN = 5
PAGE = 4096


class Knowledge(Struct, frozen=True):
    """Everything that a node can tell from its disk, by each of the ways in which it reads."""

    state: bytes
    position: int
    log: list[tuple[int, Recorded]]
    public_log: list[tuple[int, Recorded]]
    streams: dict[StreamName, list[Recorded]]


def knowledge(folder: Path, streams: Sequence[StreamName]) -> Knowledge:
    """Of a node that starts in this folder: it reads before the verdict on its file. Raises one of `TROUBLE`."""
    with closing(Journal.begin(str(folder / LEDGER))) as journal:
        known = asyncio.run(_knowledge(journal, folder, streams))
        journal.check()
        return known


async def _knowledge(journal: Journal, folder: Path, streams: Sequence[StreamName]) -> Knowledge:
    rebuilt = await rebuild("AN", PREFIX, journal, SnapshotStore(folder / "snapshots"))
    # Whether a settled booking is still in memory says nothing.
    rebuilt.ledger.forget((b.id, b.version) for b in [*rebuilt.ledger.bookings.values()] if b.phase in SETTLED)
    return Knowledge(
        picture(rebuilt.ledger),
        rebuilt.position,
        await journal.log(0, LOG_EVENTS_MAX),
        await journal.log(0, LOG_EVENTS_MAX, flights_only=True),
        await journal.read(streams),
    )


@pytest.fixture
def scratch() -> Iterator[Path]:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(params=["ended in peace", "was killed"])
def disk(request: pytest.FixtureRequest, lives: Lives) -> Path:
    """What a node has left behind."""
    whole = lives.new(fault="- 0")
    lives.live(whole)
    if request.param == "ended in peace":
        return whole.disk
    # Killed when the last promise has been said, it leaves much in SQLite's write-ahead log, and nothing half written.
    record = [*calls(whole.record)]
    last = max(number for number, call in enumerate(record) if call.op == SAID)
    killed = lives.new(fault=f"b {sum(call.op != SAID for call in record[:last]) + 1}")
    lives.live(killed)
    return killed.disk


def test_damage_is_named_and_never_served(disk: Path, scratch: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    copied(disk, scratch / "right")
    with closing(Journal.open(str(scratch / "right" / LEDGER))) as journal:
        streams = sorted({stream_of(recorded.event) for _, recorded in journal.replay()})
    right = knowledge(scratch / "right", streams)
    assert right.position == len(right.log)
    outcomes: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    for name, what, content in damages(disk):
        copied(disk, scratch / "damaged")
        (scratch / "damaged" / name).write_bytes(content)
        try:
            served = knowledge(scratch / "damaged", streams)
            outcomes[name.name, "right" if served == right else "wrong"] += 1
            wrong += [f"{name} {what}: {difference}" for difference in differences(served, right)]
        except TROUBLE:
            outcomes[name.name, "named"] += 1
        except Exception as fault:
            outcomes[name.name, "not named"] += 1
            wrong.append(f"{name} {what}: {fault!r}")
        shutil.rmtree(scratch / "damaged")
    print(f"{outcomes.total()} damages: {dict(sorted(outcomes.items()))}")
    assert not wrong, f"{len(wrong)} differences: {wrong[:SHOWN]}"
    assert {outcome for _, outcome in outcomes} == {"right", "named"}


def copied(disk: Path, to: Path) -> None:
    shutil.copytree(disk, to, ignore=shutil.ignore_patterns("vault*"))


def damages(disk: Path) -> Iterator[tuple[Path, str, bytes]]:
    """Bits all over each file of journal and snapshots, and each file cut at pages and between them."""
    chance = Random(4711)
    files = sorted(p for p in disk.rglob("*") if p.is_file() and p.stat().st_size and not p.name.startswith("vault"))
    for path in files:
        name, whole = path.relative_to(disk), path.read_bytes()
        bits = 8 * len(whole)
        flips = min(FLIPS, bits // SPARSE)
        for part in range(flips):
            bit = chance.randrange(part * bits // flips, (part + 1) * bits // flips)
            yield name, f"bit {bit}", flipped(whole, bit)
        for _ in range(flips // 6):
            length = chance.randrange(len(whole))
            length = chance.choice((length, length // PAGE * PAGE))
            yield name, f"cut to {length} bytes", whole[:length]


def flipped(whole: bytes, bit: int) -> bytes:
    content = bytearray(whole)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def differences(served: Knowledge, right: Knowledge) -> list[str]:
    return [f"wrong {part}" for part in Knowledge.__struct_fields__ if getattr(served, part) != getattr(right, part)]


def test_a_log_that_is_all_in_the_database_may_still_not_be_damaged(tmp_path: Path) -> None:
    """Its sound beginning would be read in place of the newer pages that the database has."""
    path = tmp_path / "right" / LEDGER
    with closing(Journal.open(str(path))) as journal:
        for version in range(1, 9):
            settled = BookingSettled(at=version, booking=f"ana-0000-0000-0000-000{version}")
            asyncio.run(journal.append([Recorded(version=1, event=settled)]))
        with closing(sqlite3.connect(path)) as other:
            busy, frames, moved = other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            assert (busy, moved) == (0, frames)
            shutil.copytree(path.parent, tmp_path / "killed")
    log = tmp_path / "killed" / f"{LEDGER}-wal"
    with closing(Journal.open(str(shutil.copytree(log.parent, tmp_path / "whole") / LEDGER))) as journal:
        assert len([*journal.replay()]) == 8
    log.write_bytes(flipped(log.read_bytes(), 8 * (log.stat().st_size // 2)))
    with pytest.raises(JournalTrouble, match="pages of its log are sound"):
        Journal.open(str(log.with_name(LEDGER)))
