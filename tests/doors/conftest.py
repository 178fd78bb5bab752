"""The node that a module's tests try by force: after each of them it must be sound."""

import resource
from collections.abc import Iterator

import pytest

from tests.doors.lone import LoneNode, most_files


@pytest.fixture(scope="session", autouse=True)
def _many_files() -> None:
    """The tests' own end of every connection is an open file as well."""
    resource.setrlimit(resource.RLIMIT_NOFILE, most_files())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneNode]:
    with LoneNode(tmp_path_factory.mktemp("doors")) as node:
        yield node


@pytest.fixture
def node(running: LoneNode) -> Iterator[LoneNode]:
    with running.sound():
        yield running
