"""The search, over thirty days of the whole network."""

from datetime import UTC, datetime, timedelta

import pytest

from airline_node.itineraries import Board, Itinerary, Offer, search
from airline_node.timetable import load
from tests.micro import Benchmark

NETWORK = load()
NOW = int(datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp()) * 1000
DAY = NETWORK.today(NOW) + timedelta(10)


@pytest.fixture(scope="module")
def board() -> Board:
    known = Board()
    for carrier in NETWORK.carriers:
        for plan in NETWORK.departures(carrier, NETWORK.today(NOW), at=NOW):
            known.put(
                Offer(
                    flight=plan.flight,
                    origin=plan.origin,
                    destination=plan.destination,
                    departure=plan.departure,
                    arrival=plan.arrival,
                    fare=plan.fare,
                    free=len(plan.seats),
                )
            )
    return known


@pytest.mark.slow
@pytest.mark.parametrize(("origin", "destination"), [("GRU", "SSA"), ("FEC", "CGB"), ("FEN", "IGU")])
def test_a_search(benchmark: Benchmark, board: Board, origin: str, destination: str) -> None:
    def find() -> list[Itinerary]:
        return search(board, NETWORK.airports, origin=origin, destination=destination, date=DAY, passengers=1, now=NOW)

    assert benchmark(find)
