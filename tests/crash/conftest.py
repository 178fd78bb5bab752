"""Clusters for the tests of this folder. A module shares one: only the node that was killed is started again."""

from collections.abc import Iterator

import pytest

from tests.crash.agreement import findings
from tests.crash.cluster import CARRIERS, DOOMED, Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Nodes that may be doomed. When all tests are through, the files themselves are read as well."""
    with Cluster(tmp_path_factory.mktemp("nodes"), DOOMED) as cluster:
        yield cluster
        for carrier in CARRIERS:
            cluster.kill(carrier)
        assert findings(cluster.journals(), cluster.told) == []
