"""Many worlds, one a seed: what went wrong in which, and whether enough has happened to mean something.

Checks pass vacuously in a world where nothing goes wrong, or where nothing is sold: hence `FLOORS`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from tests.simulator.checker import Violation
from tests.simulator.world import World

FLOORS_SEEDS_MIN = 200
"""So many worlds show every kind of trouble, and every way out of it."""
FLOORS = (
    "aborted: cancelled",
    "aborted: expired",
    "aborted: no-answer",
    "aborted: presumed",
    "aborted: refused",
    "aborted: seat-taken",
    "bookings sold",
    "cancelled",
    "coordinators that were silent",
    "crashes",
    "crashes after the write and before the answer",
    "crashes that lost a batch",
    "doubts ended, aborted, by a participant",
    "doubts ended, aborted, by the coordinator",
    "doubts ended, committed, by a participant",
    "doubts ended, committed, by the coordinator",
    "inquiries",
    "kept until tomorrow",
    "late",
    "links cut",
    "lost",
    "messages sent again",
    "nights",
    "orders sent again",
    "overtaken",
    "refused: aborted-before-it-came",
    "refused: asked-before-it-came",
    "refused: clocks-disagree",
    "refused: departed",
    "refused: fare-changed",
    "refused: not-free",
    "released: abandoned",
    "released: aborted",
    "released: expired",
    "repeated",
    "seats sold",
    "snapshots",
    "told: confirmed",
    "told: held",
    "told: refused",
)


class Ending(Struct, frozen=True):
    """How one world went: `violation` is empty if all held."""

    seed: int
    counts: Mapping[str, int]
    violation: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.violation}\n  replay: {replay(self.seed)}"


def replay(seed: int) -> str:
    return f"python -m tests.simulator --from {seed} --seeds 1 --transcript"


def live(seed: int) -> Ending:
    """One world, from its seed to its rest or its violation."""
    world = World(seed)
    try:
        world.live()
    except Violation as violation:
        return Ending(seed, world.counts, str(violation))
    return Ending(seed, world.counts, "")


def live_all(seeds: Iterable[int]) -> Iterator[Ending]:
    return map(live, seeds)


def added(endings: Iterable[Ending]) -> Counter[str]:
    total: Counter[str] = Counter()
    for ending in endings:
        total.update(ending.counts)
    return total


def missing(counts: Mapping[str, int], seeds: int) -> list[str]:
    """What should have happened in so many worlds and did not. A single one may be looked at whatever happens in it."""
    if seeds >= FLOORS_SEEDS_MIN:
        return [name for name in FLOORS if not counts.get(name)]
    return [name for name in ("bookings sold",) if seeds > 1 and not counts.get(name)]
