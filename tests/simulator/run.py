"""Many worlds, one a seed: what went wrong in which, and whether enough has happened to mean something.

Checks pass vacuously in a world where nothing goes wrong, or where nothing is sold: hence `FLOORS` and `SITUATIONS`.
"""

import gc
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from multiprocessing import get_context
from typing import Literal, TypeAlias

from msgspec import Struct

from tests.simulator.application import ApplicationWorld
from tests.simulator.direct import DirectWorld
from tests.simulator.must import Violation
from tests.simulator.situations import SITUATIONS, situations
from tests.simulator.world import PARTS, World

CHUNK = 20
"""Worlds between two collections of garbage, and between two reports of a process."""
TRANSCRIPT_LINES_MAX = 400
PINNED: Mapping[int, str] = {
    1_005_120: "not the product: the loop called itself quiet while others were still to run at that very moment",
}
"""Seeds that once failed, with what was wrong then. They are lived through in every run."""

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
    "clocks set",
    "coordinators that were silent",
    "crashes",
    "crashes after the write and before the answer",
    "crashes that lost a batch",
    "disks full",
    "doubts ended, aborted, by a participant",
    "doubts ended, aborted, by the coordinator",
    "doubts ended, committed, by a participant",
    "doubts ended, committed, by the coordinator",
    "failed writes",
    "failed writes that were stored",
    "inquiries",
    "kept until tomorrow",
    "late",
    "links cut",
    "links cut one way",
    "lost",
    "messages that travelled together",
    "nights",
    "nodes closed in good order",
    "nodes that stopped over their disk",
    "orders sent again",
    "overtaken",
    "peers answered 503",
    "refused: aborted-before-it-came",
    "refused: asked-before-it-came",
    "refused: departed",
    "refused: fare-changed",
    "refused: not-free",
    "released: abandoned",
    "released: aborted",
    "released: expired",
    "repeated",
    "replies garbled",
    "replies that came too late",
    "seats sold",
    "snapshots",
    "snapshots spoilt",
    "starts from a snapshot",
    "told: booking-id-reused",
    "told: busy",
    "told: confirmed",
    "told: held",
    "told: not known",
    "told: refused",
    "travellers cut off",
    "writes that found no room",
)
SITUATIONS_SEEDS_MIN = 10_000
SITUATIONS_EVERY = 100
"""In so many worlds and more, each rare situation is met at least once in so many."""


class Ending(Struct, frozen=True):
    """How one world went: `violation` is empty if all held."""

    seed: int
    counts: Mapping[str, int]
    violation: str = ""


class Tally(Struct, frozen=True):
    """How some worlds went: `broken` are those with a violation."""

    seeds: int
    counts: Mapping[str, int]
    broken: list[Ending]


Level: TypeAlias = Literal["direct", "application"]
LEVELS: Mapping[Level, type[World]] = {"direct": DirectWorld, "application": ApplicationWorld}
"""How much of the production code the carriers run. The application is twenty times slower."""


def live(seed: int, without: Collection[str] = (), level: Level = "direct") -> Ending:
    """One world, from its seed to its rest or its violation."""
    return end(LEVELS[level](seed, without))


def end(world: World) -> Ending:
    """Let it live, and see how it goes."""
    try:
        world.live()
    except Violation as violation:
        return Ending(world.seed, world.counts, str(violation))
    world.counts["simulated minutes"] = round(world.loop.time() / 60)
    return Ending(world.seed, world.counts + situations(world.trace))


def live_many(seeds: range, processes: int, level: Level = "direct") -> Iterator[Tally]:
    """All of them, some at a time, in no order."""
    chunks = [seeds[first : first + CHUNK] for first in range(0, len(seeds), CHUNK)]
    # What is in memory now stays: the collector need not look at it again.
    with get_context("spawn").Pool(processes, initializer=gc.freeze) as pool:
        yield from pool.imap_unordered(partial(live_some, level=level), chunks)


def live_some(seeds: range, level: Level = "direct") -> Tally:
    """A few worlds, without a pause for the collector of garbage: it would find little, and often."""
    gc.disable()
    try:
        return tally([live(seed, (), level) for seed in seeds])
    finally:
        gc.enable()
        gc.collect()


def tally(endings: Collection[Ending]) -> Tally:
    counts: Counter[str] = Counter()
    for ending in endings:
        counts.update(ending.counts)
    return Tally(len(endings), counts, [ending for ending in endings if ending.violation])


def missing(counts: Mapping[str, int], seeds: int, level: Level = "direct") -> list[str]:
    """What should have happened in so many worlds and did not. A single one may be looked at whatever happens in it.

    Rare situations are for the quick level to meet: the application has no second day, and fewer worlds.
    """
    lacking = [name for name in ("bookings sold",) if seeds > 1 and not counts.get(name)]
    if level == "application":
        return lacking
    if seeds >= FLOORS_SEEDS_MIN:
        lacking = [name for name in FLOORS if not counts.get(name)]
    if seeds >= SITUATIONS_SEEDS_MIN:
        lacking += [name for name in SITUATIONS if counts.get(name, 0) < seeds // SITUATIONS_EVERY]
    return lacking


# ---- a world that breaks a promise ------------------------------------------------------------------------------


def narrow(seed: int, level: Level = "direct") -> frozenset[str]:
    """Parts without which this world still breaks a promise: what is left is what a person has to understand."""
    without: frozenset[str] = frozenset()
    for part in PARTS:
        if live(seed, without | {part}, level).violation:
            without |= {part}
    return without


def report(seed: int, level: Level = "direct") -> str:
    """The violation, how it came about in as small a world as was found, and how to see that again."""
    without = narrow(seed, level)
    world = LEVELS[level](seed, without)
    ending = end(world)
    lines = list(world.trace.lines())
    if len(lines) > TRANSCRIPT_LINES_MAX:
        lines = [f"... {len(lines) - TRANSCRIPT_LINES_MAX} lines ...", *lines[-TRANSCRIPT_LINES_MAX:]]
    return "\n".join([*lines, f"seed {seed}: {ending.violation}", f"  replay: {replay(seed, without, level)}"])


def replay(seed: int, without: Collection[str] = (), level: Level = "direct") -> str:
    """The command that shows it again."""
    left_out = f" --without {','.join(sorted(without))}" if without else ""
    return f"python -m tests.simulator --level {level} --from {seed} --transcript{left_out}"
