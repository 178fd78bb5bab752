"""A carrier's disk: what a crash leaves, and how long and how badly it writes.

What was given to it and not yet synced survives a crash as a whole or not at all, by chance: SQLite and PostgreSQL
promise no more (`tests/disks` holds them to it). `SimulatedJournal` and `SimulatedSnapshots` are one life's view of it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from random import Random

from msgspec import Struct

from airline_node.journal import Journal, JournalFull, JournalTrouble
from ledger.events import BookingCancelled, BookingCommitted, FlightEvent, Recorded, StreamName, stream_of
from ledger.terms import BookingId
from snapshots.store import KEEP, SnapshotStore
from tests.simulator.must import must

READ_S, WRITE_S, SLOW_WRITE_S, SAY_S = 0.003, 0.02, 3.0, 0.002
"""The longest that each takes: to read, to write, to write on a bad day, to hear that it was written."""
AFTER_S = 0.005
"""Who dies of a write may do so while it is made, or so long after: before what it allows is said."""


class DiskTrouble(Struct, frozen=True):
    """Probabilities a write: that it is slow, that it fails, that the process dies of it."""

    slow: float = 0
    fails: float = 0
    torn: float = 0


SOUND = DiskTrouble()


class Disk:
    """`written` hears of each event at the moment from which no crash takes it away; `dies` lets the process die."""

    def __init__(
        self,
        chance: Random,
        written: Callable[[Recorded], None],
        dies: Callable[[float], None],
        count: Callable[[str], None],
    ) -> None:
        self.chance = chance
        self.trouble = SOUND
        self.full = False
        self.log: list[Recorded] = []
        self.streams: dict[StreamName, list[Recorded]] = {}
        self.pictures: list[tuple[int, bytes]] = []
        self.dies = dies
        self.count = count
        self._unsynced: Sequence[Recorded] = ()
        self._written = written

    def give(self, records: Sequence[Recorded]) -> None:
        self._unsynced = records

    def take_back(self) -> None:
        self._unsynced = ()

    def sync(self) -> None:
        """What was given stays."""
        for recorded in self._unsynced:
            stream = self.streams.setdefault(stream_of(recorded.event), [])
            must(recorded.version == len(stream) + 1, "{} was written as number {}", recorded, len(stream) + 1)
            self.log.append(recorded)
            stream.append(recorded)
            self._written(recorded)
        self._unsynced = ()

    def crash(self) -> None:
        """All or nothing of what was being written stays; a picture that was half kept is gone."""
        if self._unsynced:
            survives = self.chance.random() < 0.5
            self.count("crashes after the write and before the answer" if survives else "crashes that lost a batch")
            if survives:
                self.sync()
            self.take_back()

    def without_pictures(self) -> "Disk":
        """A copy of the log alone."""
        copy = Disk(self.chance, self._written, self.dies, self.count)
        copy.log, copy.streams = self.log, self.streams
        return copy

    def heal(self) -> None:
        """There is room again."""
        self.full = False

    def spoil(self) -> None:
        """Some of the newest pictures do not hold any more: the log has to do."""
        for _ in range(self.chance.randint(1, KEEP)):
            if self.pictures:
                self.pictures.pop()
                self.count("snapshots spoilt")


class SimulatedJournal(Journal):
    """The production journal's promises on a `Disk`, for one life."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._failed = False

    def check(self) -> None:
        """What was synced is whole: this disk loses, and does not garble."""

    async def append(self, records: Sequence[Recorded]) -> int:
        disk, trouble, chance = self._disk, self._disk.trouble, self._disk.chance
        if self._failed:
            raise JournalTrouble("an earlier write failed", known=True)
        if disk.full:
            disk.count("writes that found no room")
            raise JournalFull("no room")
        takes = chance.random() * (SLOW_WRITE_S if chance.random() < trouble.slow else WRITE_S)
        if chance.random() < trouble.torn:
            disk.dies(chance.random() * (takes + AFTER_S))
        disk.give(records)
        await asyncio.sleep(takes)
        if chance.random() < trouble.fails:
            self._fail()
        disk.sync()
        await asyncio.sleep(chance.random() * SAY_S)
        return len(disk.log)

    def _fail(self) -> None:
        """Nobody knows whether it is stored, except for the disk."""
        self._failed = True
        stored = self._disk.chance.random() < 0.5
        self._disk.count("failed writes that were stored" if stored else "failed writes")
        self._disk.sync() if stored else self._disk.take_back()
        raise JournalTrouble("input/output error", known=False)

    async def read(self, streams: Sequence[StreamName]) -> dict[StreamName, list[Recorded]]:
        await asyncio.sleep(self._disk.chance.random() * READ_S)
        return {stream: list(self._disk.streams.get(stream, ())) for stream in streams}

    async def log(self, after: int, limit: int, *, flights_only: bool = False) -> list[tuple[int, Recorded]]:
        wanted = (row for row in self.replay(after) if not flights_only or isinstance(row[1].event, FlightEvent))
        return [row for row, _ in zip(wanted, range(limit), strict=False)]

    async def decided(self, after: int, limit: int) -> tuple[list[BookingId], int]:
        decisions = (BookingCommitted, BookingCancelled)
        found = [(at, row.event.booking) for at, row in self.replay(after) if isinstance(row.event, decisions)]
        whole = len(found) < limit
        return [booking for _, booking in found[:limit]], len(self._disk.log) if whole else found[limit - 1][0]

    def replay(self, after: int = 0) -> Iterator[tuple[int, Recorded]]:
        must(after <= len(self._disk.log), "a snapshot at {} of a log that ends at {}", after, len(self._disk.log))
        return iter(list(enumerate(self._disk.log, start=1))[after:])

    def close(self) -> None:
        """There is no file and no thread."""


class SimulatedSnapshots(SnapshotStore):
    """Pictures on a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def write(self, position: int, state: bytes) -> None:
        if self._disk.full:
            raise OSError("no room")
        self._disk.count("snapshots")
        self._disk.pictures = [*self._disk.pictures, (position, state)][-KEEP:]

    def newest(self) -> tuple[int, bytes] | None:
        return self._disk.pictures[-1] if self._disk.pictures else None
