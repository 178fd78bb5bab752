"""A file whose write-ahead log a power cut could take away is not opened."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from airline_node.evidence.shelf import Shelf, ShelfTrouble
from airline_node.journal import Journal, JournalTrouble
from airline_node.vault import Vault, VaultTrouble


class Opened(Protocol):
    def close(self) -> None: ...


def journal(path: Path) -> Opened:
    return Journal.open(str(path))


KINDS = [(journal, JournalTrouble), (Vault.open, VaultTrouble), (Shelf, ShelfTrouble)]


@pytest.mark.parametrize(("opened", "trouble"), KINDS, ids=["journal", "vault", "checkpoints"])
def test_without_its_log_s_name_on_the_disk_no_file_is_opened_and_with_it_the_same_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[Path], Opened], trouble: type[Exception]
) -> None:
    path, fsync = tmp_path / "file.sqlite", os.fsync

    def failing(descriptor: int) -> None:
        """SQLite has its own way to the disk, which this does not reach."""
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError("the disk has failed")
        fsync(descriptor)

    opened(path).close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(trouble, match="the disk has failed"):
            opened(path)
    opened(path).close()
