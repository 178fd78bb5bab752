"""Virtual time keeps its own promises: no waiting, no order but the seed's, and the dead stay dead."""

import asyncio
from random import Random

import pytest

from tests.simulator.loop import Life, VirtualLoop


def test_hours_pass_in_no_time() -> None:
    loop = VirtualLoop(Random(1))
    loop.run_until_complete(asyncio.sleep(13 * 3_600))
    assert loop.time() == 13 * 3_600
    loop.bury()


def test_what_is_ready_runs_in_an_order_that_the_seed_decides() -> None:
    def order(seed: int) -> list[int]:
        ran: list[int] = []
        loop = VirtualLoop(Random(seed))
        for number in range(8):
            loop.call_soon(ran.append, number)
        loop.run_until_complete(asyncio.sleep(1))
        loop.bury()
        return ran

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == list(range(8))


def test_it_is_not_quiet_while_somebody_is_still_to_run_at_the_same_moment() -> None:
    loop, quiet = VirtualLoop(Random(1)), list[bool]()
    for _ in range(3):
        loop.call_later(1, lambda: quiet.append(loop.quiet))
    done = loop.create_future()
    loop.call_later(1, done.set_result, None)
    loop.run_until_complete(done)
    loop.bury()
    assert quiet
    assert not any(quiet)


def test_a_life_that_is_over_runs_nothing_not_even_its_finally() -> None:
    loop, done = VirtualLoop(Random(1)), list[str]()

    async def work() -> None:
        try:
            done.append("began")
            await asyncio.sleep(2)
            done.append("went on")
        finally:
            done.append("cleaned up")

    life = Life(loop)
    life.start(work())
    loop.call_later(1, life.end)
    loop.run_until_complete(asyncio.sleep(5))
    assert done == ["began"]
    loop.bury()


def test_a_doomed_life_ends_after_so_many_steps_of_its_own() -> None:
    loop, steps = VirtualLoop(Random(1)), list[float]()

    async def work() -> None:
        while True:
            steps.append(loop.time())
            await asyncio.sleep(1)

    life = Life(loop)
    life.doom(9, life.end)
    life.start(work())
    loop.run_until_complete(asyncio.sleep(60))
    assert life.over
    assert 3 <= len(steps) <= 9, "a sleep takes more than one step"
    loop.bury()


def test_a_callback_that_raises_ends_the_world() -> None:
    loop = VirtualLoop(Random(1))

    def fault() -> None:
        raise ValueError("a bug")

    loop.call_later(1, fault)
    with pytest.raises(ValueError, match="a bug"):
        loop.run_until_complete(asyncio.sleep(60))
    loop.bury()


def test_everybody_waiting_for_nothing_is_noticed() -> None:
    loop = VirtualLoop(Random(1))
    with pytest.raises(AssertionError, match="nothing is to come"):
        loop.run_until_complete(loop.create_future())
    loop.bury()


def test_a_thread_takes_its_time_and_gives_its_result_or_its_fault() -> None:
    loop = VirtualLoop(Random(1))
    assert loop.run_until_complete(asyncio.to_thread(lambda: 42)) == 42
    assert 0 < loop.time() < 1
    with pytest.raises(OSError, match="no room"):
        loop.run_until_complete(asyncio.to_thread(_no_room))
    loop.bury()


def _no_room() -> None:
    raise OSError("no room")
