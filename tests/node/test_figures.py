"""How long things took, as Prometheus and as a person reads it."""

import pytest

from airline_node.figures import BUCKETS_S, RECENT, Timings


def timed(*seconds: float) -> Timings:
    timings = Timings()
    for one in seconds:
        timings.note(one)
    return timings


def test_a_duration_counts_in_the_first_bucket_that_holds_it_and_in_all_after_that() -> None:
    counted = dict(timed(0.001, 0.0011, 99.0).cumulative())
    assert (counted["0.001"], counted["0.0025"], counted["15.0"], counted["+Inf"]) == (1, 2, 2, 3)
    assert len(counted) == len(BUCKETS_S) + 1


def test_durations_add_up() -> None:
    timings = timed(0.5, 0.25)
    assert (timings.count, timings.seconds) == (2, 0.75)


@pytest.mark.parametrize(("share", "second"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_one_that_happened(share: float, second: int) -> None:
    assert timed(*range(100, 0, -1)).percentile(share) == second


def test_without_any_there_is_no_percentile() -> None:
    assert Timings().percentile(0.5) is None


def test_only_the_last_ones_count_for_a_percentile() -> None:
    assert timed(*[9.0] * 10, *[1.0] * RECENT).percentile(1.0) == 1.0
