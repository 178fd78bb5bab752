"""Whatever happens to a snapshot, a start has either the true state or none."""

import logging
import os
from pathlib import Path
from stat import S_ISDIR

import pytest

from snapshots.store import KEEP, SnapshotStore

STATE = b'{"12A":"held"}'


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kept(folder: Path, *positions: int) -> SnapshotStore:
    store = SnapshotStore(folder)
    for position in positions:
        store.write(position, STATE)
    return store


def test_the_state_comes_back_byte_for_byte(tmp_path: Path) -> None:
    assert kept(tmp_path, 4711).newest() == (4711, STATE)
    assert SnapshotStore(tmp_path).newest() == (4711, STATE)


def test_a_snapshot_is_one_json_document_that_a_person_can_read(tmp_path: Path) -> None:
    kept(tmp_path, 7)
    text = (tmp_path / "00000000000000000007.json").read_text()
    assert text.startswith('{"format":1,"sha256":"')
    assert text.endswith(f'","position":7,"state":{STATE.decode()}}}')


def test_without_snapshots_there_is_nothing_to_load(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path / "made" / "on" / "demand")
    assert store.newest() is None
    store.write(1, STATE)
    for path in (tmp_path / "made/on/demand").iterdir():
        path.unlink()
    assert store.newest() is None


def test_the_newest_three_are_kept(tmp_path: Path) -> None:
    store = kept(tmp_path, 1, 9, 10, 200)
    assert len(names(tmp_path)) == KEEP == 3
    assert [int(name.removesuffix(".json")) for name in names(tmp_path)] == [9, 10, 200]
    assert store.newest() == (200, STATE)


def test_no_flipped_bit_and_no_torn_end_is_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = kept(tmp_path, 5)
    path = tmp_path / f"{5:020d}.json"
    whole = path.read_bytes()
    caplog.set_level(logging.CRITICAL)
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        assert store.newest() is None, at
        path.write_bytes(whole[:at])
        assert store.newest() is None, at
    path.write_bytes(whole + b"\n")
    assert store.newest() is None
    path.write_bytes(whole)
    assert store.newest() == (5, STATE)


def test_a_damaged_snapshot_is_named_passed_over_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = kept(tmp_path, 1, 2)
    damaged = tmp_path / f"{2:020d}.json"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert store.newest() == (1, STATE)
    assert f"snapshot {damaged} is passed over: its digest does not hold" in caplog.text
    assert damaged.exists()


def test_a_snapshot_of_another_format_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = kept(tmp_path, 1, 2)
    newer = tmp_path / f"{2:020d}.json"
    newer.write_bytes(newer.read_bytes().replace(b'"format":1', b'"format":2'))
    assert store.newest() == (1, STATE)
    assert "does not begin with" in caplog.text


def test_a_snapshot_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    store = kept(tmp_path, 1)
    (tmp_path / f"{2:020d}.json").mkdir()
    assert store.newest() == (1, STATE)


def test_a_crash_before_the_rename_leaves_the_older_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PowerCut(BaseException): ...

    def crash(*_: object, **__: object) -> None:
        raise PowerCut

    store = kept(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        patch.setattr(Path, "unlink", crash)
        with pytest.raises(PowerCut):
            store.write(2, STATE)
    assert names(tmp_path) == [f"{1:020d}.json", f"{2:020d}.tmp"]
    assert SnapshotStore(tmp_path).newest() == (1, STATE)
    assert names(tmp_path) == [f"{1:020d}.json"]


def test_a_full_disk_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    store = kept(tmp_path, 1)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(2, STATE)
    assert names(tmp_path) == [f"{1:020d}.json"]


def test_the_file_is_forced_to_disk_before_it_is_named_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[tuple[str, bool]] = []
    store = SnapshotStore(tmp_path)

    def fsync(descriptor: int) -> None:
        kind = "folder" if S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        forced.append((kind, (tmp_path / f"{1:020d}.json").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    store.write(1, STATE)
    assert forced == [("file", False), ("folder", True)]
