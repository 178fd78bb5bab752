"""Clusters for the tests of this folder, shared by them: only the nodes that were killed are started again."""

from collections.abc import Iterator

import pytest

from ledger.terms import BookingId
from tests.crash.agreement import findings
from tests.crash.cluster import DOOMED, Cluster, new_booking


@pytest.fixture(scope="package")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three production nodes. When all tests are through, the files themselves are read as well."""
    with Cluster(tmp_path_factory.mktemp("production")) as nodes:
        yield nodes
        _assert_on_disk(nodes)


@pytest.fixture(scope="package")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The same, of nodes that can be told to die at a point."""
    with Cluster(tmp_path_factory.mktemp("doomed"), DOOMED) as nodes:
        yield nodes
        _assert_on_disk(nodes)


@pytest.fixture
def cluster(production: Cluster) -> Cluster:
    production.revive()
    return production


@pytest.fixture
def booking() -> BookingId:
    return new_booking()


def _assert_on_disk(nodes: Cluster) -> None:
    nodes.revive()
    nodes.assert_at_rest()
    nodes.kill_all()
    assert findings(nodes.journals(), nodes.told) == []
