"""What was ever stored can be read for ever.

The lines of `stored_events.jsonl` are only ever added to: one for each tag, each reason and each shape of an event.
A changed event is a new tag, a new line, and an upcaster for the old one.
"""

import asyncio
import sqlite3
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from airline_node.journal import Journal
from airline_node.rows import checksum
from ledger.events import AbortReason, AnyEvent, Recorded, RefusalReason, ReleaseReason

LINES = (Path(__file__).parent / "stored_events.jsonl").read_bytes().splitlines()


class Line(msgspec.Struct, frozen=True):
    """One row of a journal."""

    stream: str
    version: int
    topic: str
    state: msgspec.Raw


ROWS = [
    (line.stream, line.version, line.topic, checksum(line.stream, line.version, bytes(line.state)) + bytes(line.state))
    for line in (msgspec.json.decode(line, type=Line) for line in LINES)
]


def journal_of(path: Path) -> Journal:
    """A journal with the old rows in it."""
    Journal.open(str(path)).close()
    with sqlite3.connect(path) as database:
        database.executemany("INSERT INTO stored_events VALUES (?, ?, ?, ?)", ROWS)
    database.close()
    return Journal.open(str(path))


@pytest.fixture
def events(tmp_path: Path) -> list[Recorded]:
    journal = journal_of(tmp_path / "old.sqlite")
    try:
        return [record for _, record in journal.replay()]
    finally:
        journal.close()


def test_every_line_ever_stored_still_decodes_and_is_written_the_same(events: list[Recorded], tmp_path: Path) -> None:
    journal = Journal.open(str(tmp_path / "new.sqlite"))
    assert asyncio.run(journal.append(events)) == len(ROWS)
    journal.close()
    database = sqlite3.connect(tmp_path / "new.sqlite")
    assert database.execute("SELECT * FROM stored_events ORDER BY rowid").fetchall() == ROWS
    database.close()


def test_the_checksum_of_a_row_is_what_it_always_was() -> None:
    assert checksum("flight:AN1001/2026-12-14", 2, b'{"event":"seat-held"}') == b"5fc8dca2"


def test_there_is_a_line_for_every_event(events: list[Recorded]) -> None:
    assert {type(record.event) for record in events} == set(get_args(AnyEvent))


@pytest.mark.parametrize("reasons", [ReleaseReason, RefusalReason, AbortReason])
def test_there_is_a_line_for_every_reason(
    reasons: type[ReleaseReason | RefusalReason | AbortReason], events: list[Recorded]
) -> None:
    given = [getattr(record.event, "reason", None) for record in events]
    assert {reason for reason in given if isinstance(reason, reasons)} == set(reasons)
