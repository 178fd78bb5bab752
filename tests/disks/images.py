"""What is left after power cuts, opened as a node opens it."""

import asyncio
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from airline_node.app import TROUBLE
from airline_node.config import LEDGER
from airline_node.journal import Journal
from airline_node.rebuild import rebuild
from airline_node.vault import Vault
from ledger.messages import BookingView, ReadBooking
from ledger.terms import BookingId
from snapshots.store import SnapshotStore
from tests.disks.carrier import PREFIX, SCRIPT, Heard, hurried
from tests.disks.promised import Promised
from tests.disks.recording import SAID, Disk, calls
from tests.ledger.given import NOW

MEMORY = Path("/dev/shm")
"""Where a disk is played there is no need to wait for a real one."""
LIKELY_STALE = 0.5
_HEARD = msgspec.json.Decoder(Heard)


class Cuts(Struct, frozen=True, kw_only=True):
    """The power goes after every so many calls of a record, from the `first` one on; `draws` images each time.

    `stale` is a folder of files that were never fsynced and may have reached the disk in an earlier state: those.
    """

    record: Path
    disk: Path
    seed: int
    first: int = 0
    every: int = 1
    draws: int = 1
    stale: Path | None = None


class Image(Struct, frozen=True):
    """What may be left after a cut, by name in the folder; so many steps had been acknowledged by then."""

    where: str
    known: int
    files: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


class Survey(Struct, frozen=True):
    """So many different images were opened; what was lost, a line for each that lost anything; what did not start."""

    images: int
    lost: list[str]
    stopped: list[str]


def images(cuts: Cuts) -> Iterator[Image]:
    """Each different one once."""
    chance, disk, known = Random(cuts.seed), Disk(cuts.disk), 0
    seen: set[int] = set()
    stale = {path.name: path.read_bytes() for path in cuts.stale.iterdir()} if cuts.stale else {}
    for number, call in enumerate(calls(cuts.record)):
        disk.do(call)
        if call.op == SAID and (step := _HEARD.decode(call.data).step) is not None:
            known = step + 1
        if number < cuts.first or number % cuts.every:
            continue
        for _ in range(cuts.draws):
            files = {**disk.image(chance), **(stale if chance.random() < LIKELY_STALE else {})}
            mark = hash((known, *sorted(files.items())))
            if mark not in seen:
                seen.add(mark)
                yield Image(f"call {number}, seed {cuts.seed}", known, files)


def survey(cuts: Cuts, promised: Promised) -> Survey:
    """Open every image."""
    logging.disable(logging.WARNING)
    count = 0
    lost: list[str] = []
    stopped: list[str] = []
    for image in images(cuts):
        count += 1
        try:
            broken = [*promised.broken(image.known, opened(image))]
            lost += [f"{image.where}: {broken[0]}"] if broken else []
        except TROUBLE as trouble:
            stopped.append(f"{image.where}: {trouble}")
    return Survey(count, lost, stopped)


def opened(image: Image) -> list[Heard]:
    """What a node that starts on these files knows of the bookings of the first steps. Raises one of `TROUBLE`."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder, hurried():
        image.write(Path(folder))
        return asyncio.run(_read(Path(folder), sorted({command.booking for command in SCRIPT[: image.known]})))


async def _read(folder: Path, bookings: Sequence[BookingId]) -> list[Heard]:
    with ExitStack() as open_files:
        journal = open_files.enter_context(closing(Journal.open(str(folder / LEDGER))))
        ledger = (await rebuild("AN", PREFIX, journal, SnapshotStore(folder / "snapshots"))).ledger
        vault = open_files.enter_context(closing(Vault.open(folder / "vault.sqlite")))
        ledger.restarted(NOW)
        asked = [ReadBooking(booking) for booking in bookings]
        missing = [stream for command in asked if (stream := ledger.missing(command))]
        for stream, records in (await journal.read(missing)).items():
            ledger.load(stream, records)
        read: list[Heard] = []
        for command in asked:
            if isinstance(view := ledger.handle(command, NOW), BookingView):
                read.append(Heard(None, view, await vault.travellers(command.booking)))
        return read
