"""A vault of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from airline_node.vault import Vault


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "AN" / "vault.sqlite"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    opened = Vault.open(path)
    yield opened
    opened.close()
