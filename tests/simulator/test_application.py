"""The whole application keeps the same promises, over HTTP that stalls and breaks."""

from collections import Counter

import pytest

from tests.simulator.planted import FAULTS, planted
from tests.simulator.run import live, live_some, replay
from tests.thorough import size, skip

SEEDS = size(6, 12)
TOGETHER = 3


@pytest.fixture(scope="module")
def so_far() -> Counter[str]:
    """What has happened in all worlds of this module together."""
    return Counter()


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_every_promise_is_kept_over_http(first: int, so_far: Counter[str]) -> None:
    tally = live_some(range(first, first + TOGETHER), "application")
    so_far.update(tally.counts)
    so_far["worlds"] += tally.seeds
    broken = [f"{ending.violation}\n  {replay(ending.seed, (), 'application')}" for ending in tally.broken]
    assert not broken, "\n".join(broken)


@pytest.mark.slow
def test_enough_has_gone_wrong_over_http_to_mean_something(so_far: Counter[str]) -> None:
    if so_far["worlds"] < SEEDS:
        skip("only some of the worlds were lived through")
    for what in (
        "bookings sold",
        "crashes",
        "links cut",
        "travellers whose connection broke",
        "travellers answered 409",
    ):
        assert so_far[what], what


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # wrong code may refuse to end
def test_the_same_eyes_watch_the_application() -> None:
    said_first = next(fault for fault in FAULTS if fault.name == "answers and messages leave before the write")
    with planted(said_first):
        assert "said before it was on disk" in live(0, (), "application").violation
