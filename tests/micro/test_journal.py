"""The log: a hundred bookings' events in one write, durably; and read back."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from airline_node.journal import Journal
from ledger.events import Recorded
from tests.ledger import given
from tests.micro import Benchmark

EVENT = given.pledged()
EVENTS = 300
WRITES = 40
"""Of which each is a transaction with its fsync."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal.open(str(tmp_path / "ledger.sqlite"))) as opened:
        yield opened


def batch(number: int) -> list[Recorded]:
    """Events of streams that are not there yet."""
    return [
        Recorded(1, replace(EVENT, booking=f"{number:012d}{n:012d}", flight=f"JG{n:04d}/{2000 + number}-12-14"))
        for n in range(EVENTS)
    ]


@pytest.mark.slow
def test_a_batch_is_appended(benchmark: Benchmark, journal: Journal) -> None:
    numbers = count()

    def fresh() -> tuple[tuple[list[Recorded]], dict[str, object]]:
        return (batch(next(numbers)),), {}

    def append(records: list[Recorded]) -> int:
        return runner.run(journal.append(records))

    with asyncio.Runner() as runner:
        assert benchmark.pedantic(append, setup=fresh, rounds=WRITES) >= EVENTS


@pytest.mark.slow
def test_a_log_is_replayed(benchmark: Benchmark, journal: Journal) -> None:
    with asyncio.Runner() as runner:
        for number in range(WRITES):
            runner.run(journal.append(batch(number)))

    def replay() -> int:
        return sum(1 for _ in journal.replay())

    assert benchmark(replay) == EVENTS * WRITES
