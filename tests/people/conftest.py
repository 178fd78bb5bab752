"""A vault of its own for each test; three nodes for those that need them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from airline_node.vault import Vault
from tests.node.test_app import authority, configs  # noqa: F401 - fixtures


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "AN" / "vault.sqlite"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    opened = Vault.open(path)
    yield opened
    opened.close()
