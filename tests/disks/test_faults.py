"""Every I/O call of a carrier's life fails in turn: nothing acknowledged is lost, and the node says why it stopped."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from tests.disks.lives import Lives
from tests.disks.recording import CREATED, REMOVED, RENAMED, SAID, SYNCED, TRUNCATED, WRITTEN, calls
from tests.thorough import size

pytestmark = pytest.mark.slow

EVERY = {CREATED, WRITTEN, SYNCED, TRUNCATED, RENAMED, REMOVED}
APPLIES: Mapping[str, set[int]] = {
    "b": EVERY,  # killed before
    "a": EVERY,  # killed after
    "t": {WRITTEN},  # half of it written, then killed
    "s": {WRITTEN},  # half of it written, and told so
    "e": EVERY,  # EIO
    "d": EVERY,  # EIO, and from then on always
    "n": {CREATED, WRITTEN},  # ENOSPC
}
ALL = os.environ.get("PASSCOM_DISKS") == "all"
"""Else each call fails in one way, the next one in another; every day only one call of so many."""
ONE_IN = size(16, 1)
SHOWN = 5
STOPPED = re.compile(r"^CRITICAL \S+: AN stops: \S.{20,}", re.MULTILINE)


def test_whatever_call_fails_what_was_acknowledged_is_there_and_the_node_says_why_it_stopped(lives: Lives) -> None:
    ends: Counter[tuple[str, str]] = Counter()

    def one(fault: str) -> Iterator[str]:
        life = lives.new(fault=fault)
        death = lives.live(life)
        kind, known = fault[0], len(death.heard)
        if death.heard != lives.promised.whole[:known]:
            yield f"{fault}: travellers heard {death.heard}"
        match death.code:
            case 0 if known == len(lives.promised.whole):
                end = "went on"
            case 1 if STOPPED.search(death.said):
                end = "stopped and said why"
            case -9 if kind in "bat":
                end = "killed"
            case _:
                end = "wrong"
                yield f"{fault}: it ended with {death.code} after {known} steps, saying {death.said}"
        ends[kind, end] += 1
        yield from (f"{fault}: {wrong}" for wrong in lives.wrong(life, known))

    chosen = faults(lives)
    wrong = list(lives.each(one, chosen))
    assert not wrong, "\n".join(wrong[:SHOWN])
    print(f"{len(chosen)} failing calls: {dict(sorted(ends.items()))}")
    assert {end for _, end in ends} == {"went on", "stopped and said why", "killed"}


def faults(lives: Lives) -> list[str]:
    """Kind and number of every failure to try, from the record of a life in which nothing fails."""
    undisturbed = lives.new(fault="- 0")
    assert lives.live(undisturbed).heard == lives.promised.whole
    made = [call for call in calls(undisturbed.record) if call.op != SAID]
    ways = [[kind for kind, ops in APPLIES.items() if call.op in ops] for call in made]
    if ALL:
        return [f"{kind} {n}" for n, kinds in enumerate(ways, 1) for kind in kinds]
    some = list(enumerate(ways, 1))[::ONE_IN]
    return [f"{kinds[turn % len(kinds)]} {n}" for turn, (n, kinds) in enumerate(some)]
