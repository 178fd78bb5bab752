"""What befalls a world from outside: nodes crash or are told to end, links are cut, disks fill up, clocks are set."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from ledger.terms import Millis
from tests.simulator.draws import STORM_MS, Trouble, draw_skew
from tests.simulator.server import Server

if TYPE_CHECKING:
    from tests.simulator.world import World

STEPS_MAX = 60
"""A doomed node takes so many more steps at most: it dies in the middle of something."""
DOWN_MS_MAX = (50, 2_000, 15_000, 50_000)
"""A moment, or longer than anybody waits."""
CUT_MS_MAX = 40_000
FULL_MS_MAX = 20_000


class Blows:
    """Planned at the beginning of a day, over at its end."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._chance = world.chance
        self._calm = True

    def plan(self, trouble: Trouble, draw: Random) -> None:
        self._calm = False
        self._scatter(draw, trouble.crash_ms, self._strike)
        self._scatter(draw, trouble.cut_ms, self._cut)
        self._scatter(draw, trouble.full_ms, self._fill)
        self._scatter(draw, trouble.clock_ms, self._set_clock)

    def end(self) -> None:
        """Every node is up and no longer doomed, every link whole, every disk has room."""
        self._calm = True
        self._world.network.cut.clear()
        for server in self._world.servers.values():
            server.disk.full = False
            server.life.doomed_in = None
            if not server.up:
                self._restart(server)

    def falls(self, server: Server) -> None:
        """It crashes, if it is up, and is away for a moment or longer than anybody waits."""
        if server.up and not self._world.over:
            self._world.count("crashes")
            server.crash()
            down_ms = self._chance.randint(1, self._chance.choice(DOWN_MS_MAX))
            self._world.later(down_ms, lambda: None if server.up else self._restart(server))

    def _scatter(self, draw: Random, mean_ms: Millis, blow: Callable[[], None]) -> None:
        at = draw.expovariate(1 / mean_ms) if mean_ms else STORM_MS
        while at < STORM_MS:
            self._world.later(at, blow)
            at += draw.expovariate(1 / mean_ms)

    def _any_server(self) -> Server:
        return self._world.servers[self._chance.choice(self._world.carriers)]

    def _strike(self) -> None:
        """At once, in the middle of something, or in good order."""
        server, kind = self._any_server(), self._chance.random()
        if kind < 0.15:
            server.close()
        elif kind < 0.4:
            self.falls(server)
        else:
            server.doom(self._chance.randint(1, STEPS_MAX))

    def _restart(self, server: Server) -> None:
        if self._chance.random() < 0.2:
            server.skew_ms = draw_skew(self._chance)
        if self._chance.random() < 0.2:
            server.disk.spoil()
        server.start()
        if not self._calm and self._chance.random() < 0.1:
            server.doom(self._chance.randint(1, STEPS_MAX))

    def _cut(self) -> None:
        """Both ways, or one way only: then requests arrive and their replies do not."""
        here, there = self._chance.sample(self._world.carriers, 2)
        one_way = self._chance.random() < 0.5
        ways = {(here, there)} if one_way else {(here, there), (there, here)}
        self._world.network.cut |= ways
        self._world.count("links cut one way" if one_way else "links cut")
        self._world.note(here, "is cut", f"off {there}{'' if one_way else ' both ways'}")
        self._world.later(
            self._chance.randint(1_000, CUT_MS_MAX), lambda: self._world.network.cut.difference_update(ways)
        )

    def _fill(self) -> None:
        server = self._any_server()
        server.disk.full = True
        self._world.count("disks full")
        self._world.note(server.carrier, "is full", "")
        self._world.later(self._chance.randint(100, FULL_MS_MAX), server.disk.heal)

    def _set_clock(self) -> None:
        """Forwards or back, while the node runs."""
        server = self._any_server()
        server.skew_ms = draw_skew(self._chance)
        self._world.count("clocks set")
        self._world.note(server.carrier, "is set", f"to {server.skew_ms} ms beside the time")
