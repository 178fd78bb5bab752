"""The production node, with somebody at every door who notes and checks what goes in and out."""

from collections.abc import Callable, Sequence

from airline_node.node import ANSWER_MS, Busy, Moved, Node, Stopped, Wire, Written
from airline_node.writer import Keep, Log
from ledger.ledger import Command, Ledger
from ledger.messages import Outcome, PeerAnswer, PeerMessage, TravellerAnswer, TravellerCommand, Unanswered, Word
from ledger.participant.state import HoldState
from ledger.terms import Millis
from tests.simulator.server import here

TOGETHER = 3
"""So many messages in one request are worth counting."""


class WatchedNode(Node):
    """Made and used in the life of a server, and found there."""

    def __init__(
        self,
        ledger: Ledger,
        journal: Log,
        clock: Callable[[], Millis],
        wire: Wire,
        *,
        position: int,
        replayed: int,
        written: Written,
        keep: Keep,
        moved: Moved = lambda _machines: None,
    ) -> None:
        super().__init__(
            *(ledger, journal, clock, wire),
            position=position,
            replayed=replayed,
            written=written,
            keep=keep,
            moved=moved,
        )
        self._server = here()
        self._server.node, self._server.ledger = self, ledger
        self._server.world.count("starts from a snapshot" if replayed < position else "starts from the log")

    async def handle(self, command: TravellerCommand, wait_ms: Millis = ANSWER_MS) -> TravellerAnswer:
        server, world = self._server, self._server.world
        server.note("is told", command)
        was_open = world.checker.came(server.carrier, command.booking)
        try:
            answer = await super().handle(command, wait_ms)
        except Busy:
            world.count("told: busy")
            world.checker.turned_away(server.carrier, command.booking)
            raise
        except Stopped:
            world.count("told: not known")
            raise
        server.note("tells", answer)
        world.check(world.checker.told, server.carrier, command, answer, was_open)
        return answer

    async def hear(self, messages: Sequence[PeerMessage]) -> list[PeerAnswer]:
        for message in messages:
            self._server.note("is asked", message)
        answers = await super().hear(messages)
        for message, answer in zip(messages, answers, strict=True):
            self._server.note("answers", answer)
            self._server.world.check(self._server.world.checker.answered, message, answer)
        return answers

    def tell(self, commands: Sequence[Command]) -> None:
        for command in commands:
            self._server.note("hears", command)
            if isinstance(command, Unanswered):
                self._server.world.count("coordinators that were silent")
            if isinstance(command, Outcome) and command.word in (Word.COMMITTED, Word.ABORTED):
                self._doubt_ends(command)
        super().tell(commands)

    def _doubt_ends(self, heard: Outcome) -> None:
        if self._server.ledger.flights[heard.asker].state_of(heard.booking) is HoldState.PLEDGED:
            by = "the coordinator" if heard.flight == heard.asker else "a participant"
            self._server.world.count(f"doubts ended, {heard.word}, by {by}")


def look_at(messages: Sequence[PeerMessage]) -> None:
    """What the process that asks is about to send to another carrier."""
    server = here()
    for message in messages:
        server.note("asks", message)
        server.world.check(server.world.checker.asked, message)
    if len(messages) >= TOGETHER:
        server.world.count("messages that travelled together")
