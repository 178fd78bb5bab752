"""The node's own log, for its auditors' pages."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from airline_node.evidence.notes import witnesses
from airline_node.evidence.office import Office
from airline_node.evidence.shelf import ShelfTrouble
from airline_node.journal import LOG_EVENTS_MAX, Journal, JournalDamaged, JournalTrouble
from ledger.events import Recorded, StreamName
from ledger.settlement import Clearing, Settlement
from ledger.terms import CarrierCode, Millis
from ui.desk import DeskClosed
from ui.logbook import Entry, Excerpt, Proof

CLOCK_STEPS = 200
"""A clock may have been set back: so many events around an instant are looked at one by one."""


class NodeLog:
    """See `ui.logbook.LogBook`."""

    def __init__(self, carrier: CarrierCode, journal: Journal, office: Office | None) -> None:
        self._carrier = carrier
        self._journal = journal
        self._office = office

    @property
    def signs(self) -> bool:
        return self._office is not None

    async def excerpt(self, after: int, limit: int, tags: tuple[str, ...]) -> Excerpt:
        async with _in_the_pages_words():
            found = await self._journal.excerpt(after, limit + 1, tags)
        return Excerpt(_entries(found[:limit]), len(found) > limit)

    async def stream(self, stream: StreamName) -> tuple[Entry, ...]:
        async with _in_the_pages_words():
            return _entries(await self._journal.history(stream))

    async def position_at(self, instant: Millis) -> int:
        low, high = 0, await self.end()
        async with _in_the_pages_words():
            while high - low > CLOCK_STEPS:
                middle = (low + high) // 2
                found = await self._journal.log(middle, 1)
                if found and found[0][1].event.at <= instant:
                    low = found[0][0]
                else:
                    high = middle
            nearby = await self._journal.log(low, CLOCK_STEPS)
        return max((position for position, record in nearby if record.event.at <= instant), default=low)

    async def end(self) -> int:
        async with _in_the_pages_words():
            return await self._journal.end()

    async def proof(self) -> Proof:
        if self._office is None:
            return Proof(False, await self.end(), 0, "", {}, ())
        office, note = self._office, self._office.notary.newest
        try:
            alarms = await office.shelf.soon(office.shelf.alarms)
        except ShelfTrouble as trouble:
            raise DeskClosed(str(trouble)) from trouble
        return Proof(
            signed=True,
            events=office.notary.size,
            size=note.checkpoint.size if note else 0,
            note=str(note) if note else "",
            witnesses=witnesses(note, office.keys) if note else {},
            alarms=tuple(alarm.what for alarm in alarms),
        )

    async def settlement(self, start: Millis, end: Millis) -> Settlement:
        clearing, after = Clearing([self._carrier], start, end, alone=True), 0
        async with _in_the_pages_words():
            while found := await self._journal.log(after, LOG_EVENTS_MAX):
                for position, record in found:
                    clearing.hear(self._carrier, record.event, position)
                after = found[-1][0]
                await asyncio.sleep(0)  # sales go first
        return clearing.settle()


def _entries(found: Sequence[tuple[int, Recorded]]) -> tuple[Entry, ...]:
    return tuple(Entry(position, record.version, record.event) for position, record in found)


@asynccontextmanager
async def _in_the_pages_words() -> AsyncIterator[None]:
    try:
        yield
    except (JournalTrouble, JournalDamaged) as trouble:
        raise DeskClosed(str(trouble)) from trouble
