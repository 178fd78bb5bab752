"""The network between carriers, and to their travellers: bytes that come late, twice, out of order, or never.

Whoever asks waits for a reply that may not come; whoever answers never learns whether it arrived.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec import Struct

from ledger.terms import CarrierCode, Millis

if TYPE_CHECKING:
    from tests.simulator.world import World

Place: TypeAlias = CarrierCode
"""A carrier, or TRAVELLERS."""
TRAVELLERS: Place = "--"
DELAY_MS_MAX = 60
LATE_MS_MAX = 40_000


class NetworkTrouble(Struct, frozen=True):
    """Probabilities a message: lost, delivered twice, kept for the next day, late; that a reply is a proxy's and not
    the node's; that a traveller's connection breaks while the node works."""

    loss: float = 0
    repeat: float = 0
    keep: float = 0
    late: float = 0
    garbled: float = 0
    cut_off: float = 0


CLEAR = NetworkTrouble()


class Reply(NamedTuple):
    """What comes back over HTTP; without a status the connection was refused or broke."""

    status: int
    body: bytes = b""


BROKEN = Reply(0)
GARBLED = Reply(502, b"<html>Bad Gateway</html>")
Arrival: TypeAlias = Callable[[], None]


class Network:
    """`cut` are the directions in which nothing gets through."""

    def __init__(self, world: "World") -> None:
        self.trouble = CLEAR
        self.cut: set[tuple[Place, Place]] = set()
        self.world = world
        self._kept: list[Arrival] = []
        self._sent = 0
        self._newest: dict[tuple[Place, Place], int] = {}

    async def ask(self, source: Place, target: Place, arrive: Callable[[Callable[[Reply], None]], None]) -> Reply:
        """Let a request arrive, and wait for the reply. Waits for ever if either is lost."""
        heard = self.world.loop.create_future()

        def reply(answer: Reply) -> None:
            garbled = self.world.chance.random() < self.trouble.garbled
            if garbled:
                self.world.count("replies garbled")
            self.carry(target, source, lambda: hear(GARBLED if garbled else answer))

        def hear(answer: Reply) -> None:
            if heard.done():
                self.world.count("replies that came too late")
            else:
                heard.set_result(answer)

        self.carry(source, target, lambda: arrive(reply))
        answer: Reply = await heard
        return answer

    def carry(self, source: Place, target: Place, arrive: Arrival) -> None:
        """Once, never, twice; soon, late, tomorrow."""
        world, chance, trouble = self.world, self.world.chance, self.trouble
        if (source, target) in self.cut or chance.random() < trouble.loss:
            world.count("lost")
            return
        copies = 1
        if chance.random() < trouble.repeat:
            world.count("repeated")
            copies = 2
        for _ in range(copies):
            if chance.random() < trouble.keep:
                world.count("kept until tomorrow")
                self._kept.append(arrive)
            else:
                world.later(self.delay_ms(), self._numbered(source, target, arrive))

    def deliver_kept(self, within_ms: Millis) -> None:
        """What was kept arrives now, in any order."""
        kept, self._kept = self._kept, []
        for arrive in kept:
            self.world.later(self.world.chance.random() * within_ms, arrive)

    def delay_ms(self) -> float:
        """How long something is on its way: mostly a moment, sometimes longer than anybody waits."""
        if self.world.chance.random() < self.trouble.late:
            self.world.count("late")
            return 1_000 + self.world.chance.random() * LATE_MS_MAX
        return self.world.chance.random() * DELAY_MS_MAX

    def _numbered(self, source: Place, target: Place, arrive: Arrival) -> Arrival:
        """Counts what overtakes; the order itself is left to the delays."""
        self._sent += 1
        number = self._sent

        def act() -> None:
            newest = self._newest.get((source, target), 0)
            if number < newest:
                self.world.count("overtaken")
            self._newest[source, target] = max(number, newest)
            arrive()

        return act
