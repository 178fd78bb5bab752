"""One production node without its peers, which sells its own seats: `passcom serve` in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airline_node.app import now
from airline_node.fleet import issue
from airline_node.timetable import load
from ledger.terms import CarrierCode, FlightId
from tests.crash.cluster import Cluster

ME: CarrierCode = "AN"


@contextmanager
def alone(folder: Path) -> Iterator[Cluster]:
    """Ready. Nothing of it outlives the block."""
    cluster = Cluster(folder)
    issue(cluster.fleet)
    try:
        cluster.start(ME)
        yield cluster
    finally:
        cluster.__exit__()


def some_flight() -> FlightId:
    """Among the last that are on sale."""
    return load().departures(ME, load().today(now()), at=now())[-1].flight
