"""Travellers are turned away when one more would wait too long, and only then."""

from airline_node.pace import CROWD_MIN, ORDERS_MAX, WAIT_MS_MAX, Pace
from ledger.terms import DECIDE_MS


def crowd(pace: Pace, orders: int) -> list[int]:
    return [pace.begin() for _ in range(orders)]


def test_nobody_is_turned_away_before_it_is_known_how_long_an_order_takes() -> None:
    pace = Pace()
    crowd(pace, ORDERS_MAX - 1)
    crowded = [pace.crowded()]
    pace.begin()  # and each takes memory
    assert [*crowded, pace.crowded()] == [False, True]


def test_when_a_new_order_would_wait_too_long_it_is_turned_away_and_taken_again_later() -> None:
    pace, each_ms = Pace(), 20
    waiting = crowd(pace, CROWD_MIN)
    for _ in range(CROWD_MIN):
        pace.end(CROWD_MIN, CROWD_MIN * each_ms, decided=True)
        pace.begin()
    crowd(pace, WAIT_MS_MAX // each_ms - len(waiting))
    crowded = [pace.crowded()]
    last = pace.begin()
    crowded.append(pace.crowded())
    pace.end(last, WAIT_MS_MAX, decided=True)
    assert [*crowded, pace.crowded()] == [False, True, False]


def test_a_crowd_that_comes_at_once_is_no_slower_for_its_first_than_for_its_last() -> None:
    pace = Pace()
    for among in crowd(pace, 500):
        pace.end(among, 1_500, decided=True)
    crowd(pace, 500)
    assert not pace.crowded()


def test_so_few_as_fill_a_batch_are_taken_however_slow_the_node_is() -> None:
    pace = Pace()
    for among in crowd(pace, CROWD_MIN):
        pace.end(among, DECIDE_MS - 1, decided=True)
    crowd(pace, CROWD_MIN - 1)
    crowded = [pace.crowded()]
    pace.begin()
    assert [*crowded, pace.crowded()] == [False, True]


def test_orders_that_wait_for_a_dead_carrier_keep_nobody_out() -> None:
    pace = Pace()
    stuck = crowd(pace, 1_000)
    for _ in range(1_000):
        pace.end(pace.begin(), 50, decided=True)
    for among in stuck:
        assert not pace.crowded()
        pace.end(among, DECIDE_MS, decided=True)  # aborted, when the time for the votes was up
    crowd(pace, 1_000)
    assert not pace.crowded()


def test_whoever_goes_away_or_is_told_to_look_again_says_nothing_of_the_pace() -> None:
    pace = Pace()
    for among in crowd(pace, ORDERS_MAX - 1):
        pace.end(among, DECIDE_MS - 1, decided=False)
    crowd(pace, ORDERS_MAX - 1)
    assert not pace.crowded()


def test_a_node_that_has_become_quicker_is_believed() -> None:
    pace = Pace()
    for among in crowd(pace, CROWD_MIN):
        pace.end(among, DECIDE_MS - 1, decided=True)
    for _ in range(400):
        crowd(pace, CROWD_MIN)
        for _ in range(CROWD_MIN):
            pace.end(CROWD_MIN, 100, decided=True)
    crowd(pace, 500)
    assert not pace.crowded()
