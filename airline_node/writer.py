"""How a node's batches and pictures get to its disk, and what happens when there is no room."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from airline_node.figures import Timings
from airline_node.journal import JournalFull
from ledger.events import Recorded, StreamName
from snapshots.form import GradualPicture

FULL_RETRY_MS = 500

Keep: TypeAlias = Callable[[int, bytes], None]
"""Keeps a picture of the state at a position of the log; called in a thread. What it raises is logged."""

log = logging.getLogger(__name__)


class Log(Protocol):
    """What a node needs of its journal."""

    async def append(self, records: Sequence[Recorded]) -> int: ...
    async def read(self, streams: Sequence[StreamName]) -> dict[StreamName, list[Recorded]]: ...


class Writer:
    """The way to one journal, one batch at a time.

    `events` counts what was written, `timings` the batches; `position` is the last event's in the log.
    """

    def __init__(self, journal: Log, position: int, keep: Keep) -> None:
        self.full = False
        self.events = 0
        self.timings = Timings()
        self._journal = journal
        self.position = position
        self._keep = keep
        self._keeping: asyncio.Task[None] | None = None

    async def append(self, records: Sequence[Recorded], *, give_up: Callable[[], bool]) -> None:
        """On disk when this returns. Raises `JournalTrouble`.

        A full disk holds the batch up, and all that follows it, until there is room; nothing is said meanwhile.
        """
        begun = asyncio.get_running_loop().time()
        while True:
            try:
                self.position = await self._journal.append(records)
                break
            except JournalFull as trouble:
                if give_up():
                    raise
                self._say_full(trouble)
                await asyncio.sleep(FULL_RETRY_MS / 1000)
        self._say_room()
        self.events += len(records)
        self.timings.note(asyncio.get_running_loop().time() - begun)

    def keep_soon(self, picture: GradualPicture) -> None:
        """A complete picture, kept beside what follows."""
        self._keeping = asyncio.create_task(self._keep_next(self._keeping, picture))

    async def finish(self) -> None:
        """Every picture that was begun is kept, or given up."""
        if self._keeping:
            await self._keeping

    async def _keep_next(self, before: asyncio.Task[None] | None, picture: GradualPicture) -> None:
        """One at a time. A picture that cannot be kept costs the next start time, and nothing more."""
        if before:
            await before
        position = picture.position
        assert position is not None, "what was begun with a batch is kept after that batch is written"
        try:
            await asyncio.to_thread(lambda: self._keep(position, picture.state()))
        except OSError as trouble:
            log.warning("no snapshot was kept at %d: %s", position, trouble)

    def _say_full(self, trouble: JournalFull) -> None:
        if not self.full:
            log.error("no room for the log: orders wait until there is: %s", trouble)
        self.full = True

    def _say_room(self) -> None:
        if self.full:
            log.info("there is room for the log again")
        self.full = False
