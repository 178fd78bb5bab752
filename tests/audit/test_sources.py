"""Logs wherever they lie: read as they are, left as they are, and what cannot be read is said with a sentence."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from airline_node.audit.leaves import Written
from airline_node.audit.replay import Replay
from airline_node.audit.sources import PostgresSource, Row, SourceTrouble, open_sources
from airline_node.audit.verify import LogCheck, Signed
from airline_node.config import LEDGER
from airline_node.evidence.notary import TREE_FILE, restore
from airline_node.journal import Journal, JournalTrouble
from ledger.audit import Fault
from ledger.events import Recorded, SeatReturned
from ledger.terms import CarrierCode
from tests.audit.given import honest, recorded, write
from tests.audit.served import audited_at, serving
from tests.evidence.given import PUBLIC, note_of

pytest_plugins = ["tests.node.postgres"]


def test_a_folder_of_all_carriers_a_carrier_s_folder_and_a_file_are_all_logs(tmp_path: Path) -> None:
    write(tmp_path, honest(2), sign=False)
    for places in ([tmp_path], [tmp_path / "AN", tmp_path / "JG"], [tmp_path / "JG" / LEDGER, tmp_path / "AN"]):
        sources = open_sources([str(place) for place in places], "")
        assert [(source.carrier, source.count()) for source in sources] == [("AN", 13), ("JG", 5)]
        for source in sources:
            source.close()


def test_what_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    write(tmp_path, honest(1), sign=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no database, but long enough to be read as one" * 100)
    with sqlite3.connect(tmp_path / "other.sqlite") as database:
        database.execute("CREATE TABLE other (x)")
    for place, why in {
        "none": "no such file",
        "empty": f"no {LEDGER} in it",
        "text": "not a database",
        "other.sqlite": "no such table",
    }.items():
        with pytest.raises(SourceTrouble, match=why):
            open_sources([str(tmp_path / place)], "")
    with pytest.raises(SourceTrouble, match="two logs of AN"):
        open_sources([str(tmp_path / "AN"), str(tmp_path / "AN" / LEDGER)], "")


def test_a_node_at_work_is_not_disturbed_and_its_newest_events_are_seen(tmp_path: Path) -> None:
    write(tmp_path, honest(2), sign=False)
    path = tmp_path / "AN" / LEDGER
    with closing(Journal.open(str(path))) as journal:
        [source] = open_sources([str(path)], "")
        sections = source.sections()
        next(sections)
        # In the middle of the auditor's reading the node writes on, and its log is folded into the file.
        late = Recorded(1, SeatReturned(at=1, flight="AN1009/2026-12-14", seat="1A", booking="b"))
        assert asyncio.run(journal.append([late])) == 14
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert [row[0] for row in next(sections)] == [14]
        assert source.count() == 14
        source.close()
        with pytest.raises(JournalTrouble, match="another node is running"):
            Journal.open(str(path))


@pytest.mark.slow
def test_a_log_in_postgresql_is_audited_and_verified_in_spite_of_gaps(postgres_address: str, tmp_path: Path) -> None:
    log = recorded(honest(4))["AN"]
    with closing(Journal.open(postgres_address)) as journal:
        asyncio.run(journal.append(log[:10]))
    with closing(Journal.open(postgres_address)) as journal, pytest.raises(JournalTrouble):
        asyncio.run(journal.append(log[9:12]))  # a conflict: the positions that it took are never used
    with closing(Journal.open(postgres_address)) as journal:
        asyncio.run(journal.append(log[10:]))
        with closing(restore(tmp_path / TREE_FILE, None, journal)) as tree:
            assert tree.head.position > tree.head.size == len(log)
            notes = [Signed("AN", str(note_of("AN", tree, size))) for size in (10, len(log))]
            leaves = list(tree.leaves(len(log)))

    source = PostgresSource(postgres_address)
    assert (source.carrier, source.count()) == ("AN", len(log))
    check = LogCheck("AN", PUBLIC, notes, Written(iter(leaves)))

    class Listener:
        def rows(self, carrier: CarrierCode, rows: Sequence[Row]) -> None:
            check.rows(rows)

    replay = Replay([source], listeners=[Listener()])
    replay.run()
    verified = check.close()
    assert (replay.events, verified.checkpoints, verified.size) == (len(log), 2, len(log))
    assert check.found == []
    assert {finding.fault for finding in replay.findings()} <= {Fault.HALF_SOLD}
    assert "password" not in source.name
    source.close()
    # Its node says that gaps are nothing, and so whoever asks it finds no more than in the database.
    with serving(tmp_path, "AN", journal_at=postgres_address) as address:
        assert {finding.fault for finding in audited_at(address).findings} <= {Fault.HALF_SOLD}
