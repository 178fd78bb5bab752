"""Guessers wait, owners are never locked out."""

import pytest

from airline_node.people import throttle
from airline_node.people.throttle import FORGET_MS, Throttle, neighbourhood

NOW = 1_800_000_000_000
KEY = ("ana@example.com", "192.0.2.1")


def guesses(tried: Throttle, times: int, now: int = NOW) -> None:
    for _ in range(times):
        tried.begin(KEY, now)


def test_the_first_tries_are_free_and_then_the_wait_doubles_up_to_its_bound() -> None:
    tried = Throttle(free=3, wait_ms_max=5_000)
    waits = []
    for _ in range(8):
        waits.append(tried.wait_ms(KEY, NOW))
        tried.begin(KEY, NOW)
    assert waits == [0, 0, 0, 1_000, 2_000, 4_000, 5_000, 5_000]


def test_a_guesser_elsewhere_does_not_make_the_owner_wait() -> None:
    tried = Throttle(free=3, wait_ms_max=60_000)
    guesses(tried, 1_000)
    assert tried.wait_ms(KEY, NOW) == 60_000
    assert tried.wait_ms(("ana@example.com", "198.51.100.7"), NOW) == 0


def test_whoever_has_waited_may_try_and_hammering_meanwhile_has_not_made_it_longer() -> None:
    tried = Throttle(free=3, wait_ms_max=60_000)
    guesses(tried, 4)
    for early in range(0, 2_000, 10):
        assert tried.wait_ms(KEY, NOW + early) == 2_000 - early
    assert tried.wait_ms(KEY, NOW + 2_000) == 0


def test_success_forgives_earlier_slips() -> None:
    tried = Throttle(free=3, wait_ms_max=60_000)
    guesses(tried, 4)
    tried.succeeded(KEY)
    assert tried.wait_ms(KEY, NOW) == 0


def test_a_try_that_was_neither_right_nor_wrong_does_not_count() -> None:
    tried = Throttle(free=1, wait_ms_max=60_000)
    guesses(tried, 1)
    tried.undo(KEY)
    assert tried.wait_ms(KEY, NOW) == 0


def test_after_an_hour_it_is_forgotten() -> None:
    tried = Throttle(free=1, wait_ms_max=2 * FORGET_MS)
    guesses(tried, 20)
    assert tried.wait_ms(KEY, NOW + FORGET_MS) > 0
    assert tried.wait_ms(KEY, NOW + FORGET_MS + 1) == 0
    tried.begin(KEY, NOW + FORGET_MS + 1)
    assert tried.wait_ms(KEY, NOW + FORGET_MS + 1) == 1_000


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "KEYS_MAX", 10)
    tried = Throttle(free=1, wait_ms_max=60_000)
    for number in range(50):
        tried.begin(number, NOW)
    assert [number for number in range(50) if tried.wait_ms(number, NOW)] == list(range(40, 50))


def test_one_customers_addresses_are_one() -> None:
    assert neighbourhood("2001:db8:1:2::1") == neighbourhood("2001:db8:1:2:ffff::9") != neighbourhood("2001:db8:1:3::1")
    assert neighbourhood("192.0.2.1") != neighbourhood("192.0.2.2")
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1")
    assert neighbourhood("no address") == "no address"
