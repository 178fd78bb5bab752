"""The promises, kept by three carriers in a bad world: no seat sold twice, all of a booking or none.

A failure names its seed and the command that replays it.
"""

import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulator.planted import FAULTS, planted
from tests.simulator.run import FLOORS, FLOORS_SEEDS_MIN, PINNED, live, live_some, missing, narrow, replay
from tests.simulator.situations import SITUATIONS
from tests.thorough import one_in, size, skip

SEEDS = size(250, 300)
TOGETHER = 5


@pytest.fixture(scope="module")
def so_far() -> Counter[str]:
    """What has happened in all worlds of this module together."""
    return Counter()


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_every_promise_is_kept_in_every_world(first: int, so_far: Counter[str]) -> None:
    tally = live_some(range(first, first + TOGETHER))
    so_far.update(tally.counts)
    so_far["worlds"] += tally.seeds
    broken = [f"seed {ending.seed}: {ending.violation}\n  {replay(ending.seed)}" for ending in tally.broken]
    assert not broken, "\n".join(broken)


@pytest.mark.slow
def test_enough_has_happened_to_mean_something(so_far: Counter[str]) -> None:
    """Every kind of trouble, every way out of it, every rare situation; and something was sold."""
    if so_far["worlds"] < FLOORS_SEEDS_MIN:
        skip("only some of the worlds were lived through")
    assert missing(so_far, so_far["worlds"]) == []
    assert [name for name in SITUATIONS if not so_far[name]] == []


def test_a_run_in_which_nothing_is_sold_fails() -> None:
    assert missing({}, 2) == ["bookings sold"]
    assert missing({}, FLOORS_SEEDS_MIN) == list(FLOORS)


def test_a_long_run_must_meet_every_rare_situation_once_in_a_hundred_worlds() -> None:
    enough = dict.fromkeys(FLOORS, 1) | dict.fromkeys(SITUATIONS, 100)
    assert missing(enough, 10_000) == []
    assert missing(enough | {SITUATIONS[0]: 99}, 10_000) == [SITUATIONS[0]]


def test_what_failed_once_does_not_fail_again() -> None:
    for seed, why in PINNED.items():
        assert live(seed).violation == "", why


@pytest.mark.slow
def test_a_bad_world_is_told_without_what_does_not_matter() -> None:
    time_releases = next(fault for fault in FAULTS if fault.name == "time releases a pledge")
    with planted(time_releases):
        without = narrow(0)
        assert "time released the pledge" in live(0, without).violation
        assert len([part for part in without if part.startswith("day1-")]) > 5
    assert live(0, without).violation == ""


@pytest.mark.slow
@pytest.mark.parametrize(("level", "seeds"), one_in(2, [("direct", 8), ("application", 2)]))
def test_a_seed_tells_the_same_story_everywhere(level: str, seeds: int) -> None:
    command = [sys.executable, "-m", "tests.simulator", "--digest", "--level", level, "--seeds", str(seeds)]
    told = [
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert len(set(told[0].split())) == 2 * seeds, "as many stories as seeds"
