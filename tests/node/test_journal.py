"""The journal keeps all of an append or none, says which, and does not believe a row that was tampered with."""

import asyncio
import os
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from airline_node.journal import Journal, JournalTrouble, postgres
from airline_node.journal import journal as journal_module
from ledger.events import (
    BookingCancelled,
    BookingCommitted,
    BookingSettled,
    FlightEvent,
    HoldReleased,
    Recorded,
    ReleaseReason,
)
from tests.node.journals import BOOKING, FLIGHT, append, do, replayed, returned, settled

if TYPE_CHECKING:
    from tests.node.postgres import Proxy

pytest_plugins = ["tests.node.postgres"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "AN" / "ledger.sqlite")
    made: str = request.getfixturevalue("postgres_address")
    return made


# ---- in both databases --------------------------------------------------------------------------------------------


def test_what_is_appended_is_there_after_a_restart_in_the_order_it_was_appended(address: str) -> None:
    records = [returned(1), settled(1), returned(2), returned(1, "AN1002/2026-12-14")]
    assert append(address, *records[:3]) == 3
    assert append(address, records[3]) == 4
    assert replayed(address) == list(enumerate(records, 1))
    assert replayed(address, after=2) == [(3, records[2]), (4, records[3])]


def test_an_append_that_conflicts_stores_nothing_of_any_stream_and_says_so(address: str) -> None:
    append(address, returned(1))
    other = Recorded(1, HoldReleased(at=9, flight=FLIGHT, seat="1A", booking=BOOKING, reason=ReleaseReason.ABORTED))
    with pytest.raises(JournalTrouble, match="somebody else has written") as trouble:
        append(address, settled(1), other)
    assert trouble.value.known
    assert replayed(address) == [(1, returned(1))]


def test_after_a_failed_append_nothing_more_is_stored(address: str) -> None:
    journal = Journal.open(address)

    async def main() -> None:
        await journal.append([returned(1)])
        with pytest.raises(JournalTrouble):
            await journal.append([Recorded(1, BookingSettled(at=1, booking="x")), returned(1, "x"), returned(1, "x")])
        with pytest.raises(JournalTrouble, match="an earlier write failed") as trouble:
            await journal.append([returned(2)])
        assert trouble.value.known
        assert await journal.read([f"flight:{FLIGHT}"]) == {f"flight:{FLIGHT}": [returned(1)]}

    with closing(journal):
        asyncio.run(main())
    assert replayed(address) == [(1, returned(1))]


def test_whole_streams_are_read_and_one_that_does_not_exist_is_empty(address: str) -> None:
    append(address, returned(1), settled(1), returned(2))
    journal = Journal.open(address)
    names = [f"flight:{FLIGHT}", f"booking:{BOOKING}", "booking:new"]
    [found] = do(journal, lambda: journal.read(names))
    assert list(found.values()) == [[returned(1), returned(2)], [settled(1)], []]
    assert list(found) == names


def test_a_carrier_s_auditor_is_shown_flights_and_the_node_s_own_everything(address: str) -> None:
    records = [settled(1), returned(1), settled(2), returned(2), returned(3)]
    append(address, *records)
    journal = Journal.open(address)
    flights, rest, page = do(
        journal,
        lambda: journal.log(0, 2, flights_only=True),
        lambda: journal.log(2, 1_000_000),
        lambda: journal.log(1, 2),
    )
    assert flights == [(2, returned(1)), (4, returned(2))]
    assert all(isinstance(record.event, FlightEvent) for _, record in flights)
    assert rest == list(enumerate(records, 1))[2:]
    assert page == list(enumerate(records, 1))[1:3]


def test_what_was_decided_is_told_in_order_and_what_lies_between_is_passed_over(address: str) -> None:
    committed = [Recorded(3, BookingCommitted(at=1, booking=f"booking-{n}", seats=(("1A",),))) for n in range(3)]
    cancelled = Recorded(5, BookingCancelled(at=1, booking="booking-0"))
    append(
        address, settled(1), committed[0], returned(1), committed[1], settled(2), committed[2], cancelled, returned(2)
    )
    journal = Journal.open(address)
    first, rest, nothing = do(
        journal,
        lambda: journal.decided(0, 2),
        lambda: journal.decided(4, 100),
        lambda: journal.decided(8, 100),
    )
    assert first == (["booking-0", "booking-1"], 4)
    assert rest == (["booking-2", "booking-0"], 8)
    assert nothing == ([], 8)


def test_one_answer_from_the_log_is_bounded(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    append(address, *map(returned, range(1, 6)))
    monkeypatch.setattr(journal_module, "LOG_EVENTS_MAX", 3)
    journal = Journal.open(address)
    [found] = do(journal, lambda: journal.log(0, 100))
    assert [position for position, _ in found] == [1, 2, 3]


def test_a_replay_in_sections_misses_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "REPLAY_SECTION", 3)
    for count in (6, 7):
        append(address, *[settled(1, f"{count}-{n}") for n in range(count)])
    assert [position for position, _ in replayed(address)] == list(range(1, 14))


def test_a_journal_shorter_than_its_snapshot_is_an_older_copy_and_is_refused(address: str) -> None:
    append(address, returned(1))
    assert replayed(address, after=1) == []
    with pytest.raises(JournalTrouble, match="ends at position 1, before 2"):
        replayed(address, after=2)


def test_a_second_node_is_turned_away_until_the_first_is_gone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Journal.open(address)), monkeypatch.context() as patch:
        patch.setattr(postgres, "LOCK_WAIT_MS", 100)
        with pytest.raises(JournalTrouble, match="another node is running") as trouble:
            Journal.open(address)
        assert trouble.value.known
    Journal.open(address).close()


def test_a_closed_journal_leaves_no_thread_and_no_file(address: str) -> None:
    append(address, returned(1))
    threads, files = threading.active_count(), os.listdir("/dev/fd")
    journal = Journal.open(address)
    do(journal, lambda: journal.append([returned(2)]), lambda: journal.log(0, 10))
    assert threading.active_count() == threads
    assert os.listdir("/dev/fd") == files


# ---- in PostgreSQL ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_events_whose_commit_was_never_answered_are_found_stored_and_not_called_a_conflict(
    proxy: "Proxy", postgres_address: str
) -> None:
    name = postgres_address.split("/")[3].partition("?")[0]
    journal = Journal.open(f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}?sslmode=disable")

    async def main() -> list[int]:
        first = await journal.append([returned(1), settled(1)])
        proxy.lose_commit = True
        return [first, await journal.append([returned(2), settled(2)]), await journal.append([returned(3)])]

    with closing(journal):
        first, second, third = asyncio.run(main())
    assert proxy.lost == 1
    assert first < second < third
    records = [returned(1), settled(1), returned(2), settled(2), returned(3)]
    found = replayed(postgres_address)
    assert [record for _, record in found] == records
    assert {found[1][0], found[3][0], found[4][0]} == {first, second, third}


@pytest.mark.slow
def test_a_server_that_was_restarted_is_used_again(postgres_address: str) -> None:
    journal = Journal.open(postgres_address)

    async def main() -> None:
        await journal.append([returned(1)])
        with psycopg.connect(postgres_address, autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert await journal.read([f"flight:{FLIGHT}"]) == {f"flight:{FLIGHT}": [returned(1)]}
        await journal.append([returned(2)])

    with closing(journal):
        asyncio.run(main())
    assert [record for _, record in replayed(postgres_address)] == [returned(1), returned(2)]


@pytest.mark.slow
def test_a_server_that_would_lose_what_it_acknowledges_is_refused(postgres_address: str) -> None:
    with pytest.raises(JournalTrouble, match="lose acknowledged data: synchronous_commit is off"):
        Journal.open(f"{postgres_address}&options=-csynchronous_commit%3Doff")


def test_a_server_that_does_not_answer_is_a_clear_trouble_without_the_password() -> None:
    with pytest.raises(JournalTrouble, match="the journal in PostgreSQL cannot be opened") as trouble:
        Journal.open("postgresql://ana:hush@127.0.0.1:1/an")
    assert "refused" in str(trouble.value)
    assert "hush" not in str(trouble.value)
    assert trouble.value.known


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, postgres.__name__)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(JournalTrouble, match=r"PostgreSQL needs the extra passcom\[postgres\]"):
        Journal.open("postgresql://an@/an")
