"""The journal in a SQLite file: the damage that it finds, what it forces to the disk, and who waits for whom."""

import asyncio
import os
import re
import resource
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from airline_node.journal import Journal, JournalDamaged, JournalTrouble, database, sqlite
from airline_node.rows import checksum
from ledger.events import (
    Recorded,
)
from tests.node.journals import FLIGHT, append, do, replayed, returned, settled


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def meddle(path: Path, *statements: str) -> None:
    """What a person, a bad disk or another program does to the file behind the node's back."""
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def hide_a_row_from_the_index(path: Path) -> None:
    """The table still has it: who reads the log in order sees nothing of this."""
    content = bytearray(path.read_bytes())
    leaf = next(at for at in range(0, len(content), 4096) if content[at] == INDEX_LEAF)
    content[leaf + 4] -= 1  # the number of its cells
    path.write_bytes(content)


INDEX_LEAF = 0x0A
"""The first byte of such a page (https://sqlite.org/fileformat.html)."""
FLIPPED = "its checksum does not hold"
DAMAGE = {
    "state = x'7b22'": FLIPPED,
    "state = CAST(replace(CAST(state AS TEXT), '1A', '1B') AS BLOB)": FLIPPED,
    "originator_id = 'flight:AN1009/2026-12-14'": FLIPPED,
    "state = NULL": "not subscriptable",
    "topic = 'booking-settled'": "its body is a seat-returned",
    "topic = 'antigravity:fly'": "its body is a seat-returned",
}


@pytest.mark.parametrize("change", DAMAGE)
def test_a_damaged_row_is_named_and_never_believed(path: Path, change: str) -> None:
    append(str(path), returned(1), returned(2))
    meddle(path, f"UPDATE stored_events SET {change} WHERE rowid = 2")
    with pytest.raises(JournalDamaged) as damage:
        replayed(str(path))
    assert str(damage.value).startswith("position 2, flight:AN100")
    assert "/2026-12-14 version 2 (" in str(damage.value)
    assert DAMAGE[change] in str(damage.value)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"event":"seat-eaten"}', "Invalid value 'seat-eaten'"),
        (b'{"event":', "truncated"),
        (b'{"event":"\xff"}', "invalid start byte"),
        (orjson.dumps({"event": "booking-settled", "at": 1, "booking": "x"}), "its body is a booking-settled"),
    ],
)
def test_a_body_that_was_sealed_but_is_no_event_is_named(path: Path, body: bytes, fault: str) -> None:
    append(str(path), returned(1))
    sealed = checksum(f"flight:{FLIGHT}", 1, body) + body
    meddle(path, f"UPDATE stored_events SET state = x'{sealed.hex()}'")
    with pytest.raises(JournalDamaged, match=re.escape(fault)):
        replayed(str(path))


def test_a_lost_row_is_missed(path: Path) -> None:
    append(str(path), *map(returned, range(1, 5)))
    meddle(path, "DELETE FROM stored_events WHERE rowid IN (2, 3)")
    with pytest.raises(JournalDamaged, match=r"position 4, .*: nothing lies between it and position 1"):
        replayed(str(path))
    journal = Journal.open(str(path))
    with pytest.raises(JournalDamaged, match=r"position 4, .* version 4 .*: the event before it is version 1"):
        do(journal, lambda: journal.read([f"flight:{FLIGHT}"]))


def test_the_same_positions_are_there_after_the_file_is_compacted(path: Path) -> None:
    append(str(path), settled(1), returned(1), returned(2))
    before = replayed(str(path))
    meddle(path, "VACUUM")
    assert replayed(str(path)) == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    content = b"a letter to the auditor, " * 40
    path.write_bytes(content)
    with pytest.raises(JournalTrouble, match=r"ledger\.sqlite cannot be opened: file is not a database"):
        Journal.open(str(path))
    assert path.read_bytes() == content


def test_a_torn_page_is_found_at_the_start(path: Path) -> None:
    append(str(path), *map(returned, range(1, 200)))
    whole = path.read_bytes()
    path.write_bytes(whole[: 3 * 4096] + b"\xff" * 4096 + whole[4 * 4096 :])
    with pytest.raises(JournalTrouble, match=r"damaged|malformed"):
        Journal.open(str(path))


def test_a_begun_journal_is_read_and_takes_nothing_before_its_file_is_known_to_be_whole(path: Path) -> None:
    append(str(path), *map(returned, range(1, 200)))
    hide_a_row_from_the_index(path)
    with closing(Journal.begin(str(path))) as journal:
        assert len(list(journal.replay())) == 199
        with pytest.raises(AssertionError, match="nothing is added to a journal that may be damaged"):
            asyncio.run(journal.append([returned(200)]))
        with pytest.raises(JournalTrouble, match="the journal is damaged: "):
            journal.check()


def test_a_folder_that_cannot_be_made_is_a_clear_trouble(path: Path) -> None:
    path.write_text("a file where a folder should be")
    with pytest.raises(JournalTrouble, match=r"cannot be opened: .*File exists|Not a directory"):
        Journal.open(str(path / "ledger.sqlite"))


def test_every_connection_forces_its_commits_to_the_disk(path: Path) -> None:
    with closing(Journal.open(str(path))) as journal:
        datastore = journal._recorder.datastore
        assert isinstance(datastore, sqlite.OneWriter)
        assert datastore.pool.num_in_pool == database.READERS
        for writing in (True, *[False] * database.READERS):
            with datastore.get_connection(commit=writing) as connection, connection.cursor() as cursor:
                assert cursor.execute("PRAGMA synchronous").fetchone()[0] == 2
                assert cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_who_is_turned_away_hears_which_process_is_at_work(path: Path) -> None:
    with closing(Journal.open(str(path))):
        for _ in range(2):  # who came for nothing has not taken the name away
            with pytest.raises(JournalTrouble, match=rf"another node is running in .* \(process {os.getpid()}\)$"):
                Journal.open(str(path))


def test_what_is_written_keeps_no_temporary_file_and_the_pages_that_it_has_read(path: Path) -> None:
    """A writer that forgets its pages whenever another connection has written reads them again for every batch."""
    with closing(Journal.open(str(path))) as journal:
        datastore = journal._recorder.datastore
        assert isinstance(datastore, sqlite.OneWriter)
        with datastore.get_connection(commit=True) as first, first.cursor() as cursor:
            assert cursor.execute("PRAGMA temp_store").fetchone()[0] == 2
            assert cursor.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 4_000
            kept = cursor.execute("PRAGMA cache_size").fetchone()[0]
        with datastore.get_connection(commit=False) as reader, reader.cursor() as cursor:
            assert reader is not first
            # KiB, where it is negative. A reader forgets its pages at the next batch: it has what SQLite gives all.
            assert (kept, cursor.execute("PRAGMA cache_size").fetchone()[0]) == (-32 * 1024, -2_000)
            with datastore.get_connection(commit=True) as second:
                assert second is first


def test_a_database_that_will_not_force_its_commits_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PRAGMAS", {"synchronous": 7})
    with pytest.raises(JournalTrouble, match=r"SQLite would lose acknowledged data here: .*synchronous"):
        Journal.open(str(path))


def test_a_reader_does_not_wait_for_a_writer(path: Path) -> None:
    append(str(path), returned(1))
    journal = Journal.open(str(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        [found] = do(journal, lambda: journal.log(0, 10))
        assert time.monotonic() - started < database.LOCK_WAIT_MS / 1000 / 2
    assert found == [(1, returned(1))]


def test_a_full_disk_leaves_the_outcome_open_and_every_acknowledged_event_in_place(path: Path) -> None:
    journal = Journal.open(str(path))
    acknowledged: list[Recorded] = []

    async def main() -> None:
        while True:
            records = [settled(1, f"{len(acknowledged) + n}") for n in range(100)]
            await journal.append(records)
            acknowledged.extend(records)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with closing(journal), pytest.raises(JournalTrouble, match="cannot be written") as trouble:
            asyncio.run(main())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not trouble.value.known
    assert acknowledged
    assert [record for _, record in replayed(str(path))][: len(acknowledged)] == acknowledged


def test_a_crowd_that_takes_every_file_descriptor_does_not_stop_the_journal(path: Path) -> None:
    journal = Journal.open(str(path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> tuple[object, ...]:
        crowd = [os.dup(0)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (crowd[0] + 1, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                crowd.append(os.dup(0))
            return await asyncio.gather(journal.append([returned(1)]), journal.log(0, 10), journal.read(["x"]))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            os.close(crowd[0])

    with closing(journal):
        position, _, nothing = asyncio.run(main())
    assert (position, nothing) == (1, {"x": []})
