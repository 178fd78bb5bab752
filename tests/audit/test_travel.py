"""Time travel: a flight's seats, a booking's life and free counts, at an instant and at a position."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from airline_node.audit.sources import Source, SourceTrouble, open_sources
from airline_node.audit.travel import When, booking_then, counts, flight_then, free_counts, when
from tests.audit.given import HERE, SEATS, STEP_MS, THERE, booking_id, honest, write
from tests.evidence.given import NOW


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Source]]:
    folder: Path = tmp_path_factory.mktemp("logs")
    write(folder, honest(8), sign=False)
    opened = open_sources([str(folder)], "")
    yield opened
    for source in opened:
        source.close()


def test_an_instant_and_a_position_are_told_apart() -> None:
    assert when("2026-12-01T10:00Z") == When(instant=1_796_119_200_000)
    assert when("2026-12-01T07:00-03:00") == when("2026-12-01T10:00Z") == when("2026-12-01T10:00")
    assert when("4711") == When(position=4711)
    with pytest.raises(ValueError, match="Invalid isoformat"):
        when("yesterday")


def test_a_flight_s_seats_are_as_they_were(sources: Sequence[Source]) -> None:
    before, _ = flight_then(sources, HERE, When(instant=NOW + STEP_MS - 1))
    assert counts(before) == {"free": len(SEATS), "held": 0, "pledged": 0, "sold": 0}
    between, last = flight_then(sources, HERE, When(instant=NOW + 2 * STEP_MS + 3))
    assert counts(between) == {"free": len(SEATS) - 2, "held": 0, "pledged": 1, "sold": 1}
    assert last == 10
    at_position, _ = flight_then(sources, HERE, When(position=10))
    assert at_position == between
    now, _ = flight_then(sources, HERE, When())
    assert counts(now)["sold"] == 8


def test_a_booking_s_life_is_told_from_all_logs(sources: Sequence[Source]) -> None:
    then, life = booking_then(sources, booking_id(0), When())
    assert (then.state, then.settled) == ("committed", True)
    assert [(one.carrier, one.position) for one in life] == [
        *(("AN", 2), ("AN", 3), ("AN", 4), ("JG", 2), ("AN", 5), ("AN", 6), ("JG", 3), ("AN", 7)),
    ]
    then, life = booking_then(sources, booking_id(0), When(instant=NOW + STEP_MS + 3))
    assert (then.state, len(life)) == ("voting", 4)
    assert booking_then(sources, booking_id(0), When(instant=NOW)) == (type(then)(), [])


def test_free_counts_are_those_of_the_instant(sources: Sequence[Source]) -> None:
    flights = free_counts(sources, When(instant=NOW + 3 * STEP_MS + 10))
    assert {flight: counts(then)["free"] for flight, then in flights.items()} == {HERE: 21, THERE: 21}


def test_a_flight_whose_log_is_not_at_hand_is_said_so(sources: Sequence[Source]) -> None:
    with pytest.raises(SourceTrouble, match="the log of IP is not among those"):
        flight_then(sources, "IP4001/2026-12-14", When())
