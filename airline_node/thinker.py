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
from snapshots.form import GradualPicture, drawn_at_once

PICTURE_EVENTS = 200_000
"""A start replays about so many events at most, if the newest snapshot is sound: a second."""
PICTURE_PIECES = 32
"""Flights and bookings that are drawn with a batch: a millisecond or two, so that a picture never stops the loop."""

Asker: TypeAlias = asyncio.Future[Sequence[Answer]]


class Entry(Struct, eq=False):
    """Commands that came together, and who waits for their answers."""

    commands: Sequence[Command]
    asker: Asker | None


class Said(Struct):
    """A batch after thinking: what must be on disk, and what may be said after that.

    `begun` is a picture of the state after this batch, `drawn` one that was begun earlier, or now, and is complete.
    """

    change: Change
    answers: list[tuple[Asker, Sequence[Answer]]]
    owed: list[tuple[Machine, Sequence[PeerMessage]]]
    begun: GradualPicture | None
    drawn: GradualPicture | None


class Thinker:
    """A ledger at work, a batch at a time; `replayed` events are in it that its newest snapshot has not."""

    def __init__(self, ledger: Ledger, journal: Log, replayed: int) -> None:
        self._since_picture = replayed
        self._drawing: GradualPicture | None = None
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
        return Said(change, answers, owed, begun=self._begin_picture(len(change.records)), drawn=self._draw())

    @property
    def drawing(self) -> bool:
        """There is a picture that the next batches, be they empty, will complete."""
        return self._drawing is not None

    def last_picture(self) -> GradualPicture | None:
        """The state as it is in the end, unless it is in a picture already."""
        return drawn_at_once(self._ledger) if self._drawing or self._since_picture else None

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

    def _begin_picture(self, events: int) -> GradualPicture | None:
        """Now and then the whole state, as it is after this batch; the next ones may be thought before it is drawn."""
        self._since_picture += events
        if self._drawing or self._since_picture < PICTURE_EVENTS:
            return None
        self._since_picture = 0
        self._drawing = GradualPicture(self._ledger)
        return self._drawing

    def _draw(self) -> GradualPicture | None:
        """Some more of the picture that is under way; the whole of it when it is complete."""
        if self._drawing is None:
            return None
        self._drawing.go_on(PICTURE_PIECES)
        if not self._drawing.complete:
            return None
        drawn, self._drawing = self._drawing, None
        return drawn

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
