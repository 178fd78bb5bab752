"""What a batch of orders comes to at a node: thought in memory, and nothing of it said before it is on disk.

An order that other carriers have a word in is answered in the later batch in which its booking comes to something.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct

from airline_node.writer import Log
from ledger.events import StreamName
from ledger.ledger import Answer, Change, Command, Ledger, Machine
from ledger.messages import ConfirmBooking, OpenBooking, PeerMessage, TravellerCommand
from ledger.terms import BookingId, Millis
from snapshots.form import picture

PICTURE_EVENTS = 200_000
"""A start replays about so many events at most, if the newest snapshot is sound: a second. A picture stops the loop."""

Asker: TypeAlias = asyncio.Future[Sequence[Answer]]


class Entry(Struct, eq=False):
    """Commands that came together, and who waits for their answers."""

    commands: Sequence[Command]
    asker: Asker | None


class Said(Struct):
    """A batch after thinking: what must be on disk, and what may be said after that."""

    change: Change
    answers: list[tuple[Asker, Sequence[Answer]]]
    owed: list[tuple[Machine, Sequence[PeerMessage]]]
    picture: bytes | None


class Thinker:
    """A ledger at work, a batch at a time. `since_picture` counts the events since the last picture of its state."""

    def __init__(self, ledger: Ledger, journal: Log, replayed: int) -> None:
        self.since_picture = replayed
        self._ledger = ledger
        self._journal = journal
        self._late: dict[BookingId, list[tuple[TravellerCommand, Asker]]] = {}

    async def read_back(self, batch: Sequence[Entry]) -> None:
        """What has left memory and is asked about now. Asked until nothing new is missing: meanwhile more may leave."""
        known: set[StreamName] = set()
        while missing := self._missing(batch) - known:
            known |= missing
            for stream, records in (await self._journal.read(sorted(missing))).items():
                self._ledger.load(stream, records)

    def think(self, batch: Sequence[Entry], now: Millis) -> Said:
        """What all of `batch` comes to, after whatever was due by `now`."""
        self._ledger.tick(now)
        answers: list[tuple[Asker, Sequence[Answer]]] = []
        for entry in batch:
            told = [self._ledger.handle(command, now) for command in entry.commands]
            match entry.commands, told:
                case _ if entry.asker is None:
                    pass
                case [OpenBooking() | ConfirmBooking() as order], [None]:
                    self._answer_later(order, entry.asker)
                case _:
                    answers.append((entry.asker, told))
        change = self._ledger.take()
        answers += self._answers_at_last(change.machines)
        owed = [(machine, self._ledger.pending(machine)) for machine in change.machines]
        return Said(change, answers, owed, self._picture(len(change.records)))

    @property
    def late(self) -> int:
        """Bookings whose travellers wait for other carriers."""
        return len(self._late)

    def late_askers(self) -> list[Asker]:
        return [asker for late in self._late.values() for _, asker in late]

    def no_longer_late(self, booking: BookingId, asker: Asker) -> None:
        """Whoever asked has an answer, or waits no more."""
        if booking in self._late:
            self._late[booking] = [waiting for waiting in self._late[booking] if waiting[1] is not asker]
            if not self._late[booking]:
                del self._late[booking]

    def _missing(self, batch: Sequence[Entry]) -> set[StreamName]:
        return {name for entry in batch for command in entry.commands if (name := self._ledger.missing(command))}

    def _picture(self, events: int) -> bytes | None:
        """Now and then the whole state, as it is after this batch: the next one may be thought before this is kept."""
        self.since_picture += events
        if self.since_picture < PICTURE_EVENTS:
            return None
        self.since_picture = 0
        return picture(self._ledger)

    def _answer_later(self, command: TravellerCommand, asker: Asker) -> None:
        self._late.setdefault(command.booking, []).append((command, asker))

    def _answers_at_last(self, machines: Sequence[Machine]) -> Iterator[tuple[Asker, Sequence[Answer]]]:
        """Askers whose booking has come to something in this batch."""
        for machine in machines:
            for command, asker in self._late.pop(machine, ()):
                if (answer := self._ledger.reply(command)) is None:
                    self._answer_later(command, asker)
                else:
                    yield asker, [answer]
