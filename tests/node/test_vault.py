"""Private data: kept before anybody is told, and erasable for good."""

import asyncio
import sqlite3
import stat
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from airline_node.vault import Contact, Passenger, Travellers, Vault, VaultTrouble, file
from airline_node.vault.file import Ask, VaultFile

ANA = Travellers((Passenger("Ana Lima"),), Contact("ana@example.com"))
RUI = Travellers((Passenger("Rui Sá"), Passenger("Inês Conceição")), Contact("rui@example.com"))
BOOKING = "01JD3V0000000000000000TEST"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "AN" / "vault.sqlite"


@pytest.fixture
def opened(path: Path) -> Iterator[Vault]:
    it = Vault.open(path)
    yield it
    it.close()


def everything_on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


# ---- keeping ----------------------------------------------------------------------------------------------------


def test_travellers_come_back_as_they_were_kept_after_a_restart_too(path: Path) -> None:
    async def main(act: Callable[[Vault], Awaitable[None]]) -> None:
        opened = Vault.open(path)
        await act(opened)
        opened.close()

    async def keep(opened: Vault) -> None:
        await opened.keep(BOOKING, RUI)

    async def read(opened: Vault) -> None:
        assert await opened.travellers(BOOKING) == RUI
        assert await opened.travellers("unknown") is None

    asyncio.run(main(keep))
    asyncio.run(main(read))


def test_what_was_kept_first_stays(opened: Vault) -> None:
    async def main() -> None:
        assert await opened.keep(BOOKING, ANA) == ANA
        assert await opened.keep(BOOKING, ANA) == ANA
        assert await opened.keep(BOOKING, RUI) == ANA
        together = await asyncio.gather(*(opened.keep("booking-2", who) for who in (RUI, ANA)))
        assert set(together) <= {ANA, RUI}
        assert len(set(together)) == 1, "whoever came first, both hear the same"
        assert await opened.travellers(BOOKING) == ANA

    asyncio.run(main())


def test_what_was_erased_is_in_no_file_and_stays_gone(path: Path, opened: Vault) -> None:
    async def main() -> None:
        others = [opened.keep(f"booking-{number}", RUI) for number in range(200)]
        await asyncio.gather(*others, opened.keep(BOOKING, ANA))
        assert b"Ana Lima" in everything_on_disk(path)
        await opened.erase(BOOKING)
        assert b"Ana Lima" not in everything_on_disk(path)
        assert b"ana@example.com" not in everything_on_disk(path)
        await opened.keep(BOOKING, ANA)
        assert await opened.travellers(BOOKING) is None
        assert await opened.travellers("booking-199") == RUI

    asyncio.run(main())


def test_an_erasure_says_so_while_another_program_still_sees_the_names(path: Path, opened: Vault) -> None:
    opened.file.connection.exec_driver_sql("PRAGMA busy_timeout=1")
    opened.file.connection.rollback()

    async def main() -> None:
        await opened.keep(BOOKING, ANA)
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM travellers").fetchall()
        with pytest.raises(VaultTrouble, match="another program") as trouble:
            await opened.erase(BOOKING)
        assert not trouble.value.known
        reader.close()
        await opened.erase(BOOKING)
        assert b"Ana Lima" not in everything_on_disk(path)

    asyncio.run(main())


# ---- many at once -----------------------------------------------------------------------------------------------


class SlowFile(VaultFile):
    """A file that does nothing until it may, and counts what it does together."""

    def __init__(self, connection: Connection) -> None:
        self.batches: list[int] = []
        self.begun, self.may = threading.Event(), threading.Event()
        super().__init__(connection)

    def _transact(self, batch: Sequence[Ask[Any]]) -> Sequence[object]:
        self.batches.append(len(batch))
        self.begun.set()
        assert self.may.wait(5)
        return super()._transact(batch)


class Slow(Vault):
    def __init__(self, file: VaultFile) -> None:
        assert isinstance(file, SlowFile)
        self.slow = file
        super().__init__(file)


@pytest.fixture
def slow(path: Path) -> Iterator[Slow]:
    it = Slow(SlowFile.open(path))
    yield it
    it.close()


def test_what_is_asked_while_one_transaction_is_written_shares_the_next(slow: Slow) -> None:
    async def main() -> None:
        first = asyncio.create_task(slow.keep(BOOKING, ANA))
        await asyncio.to_thread(slow.slow.begun.wait, 5)
        others = [asyncio.create_task(slow.keep(f"booking-{number}", ANA)) for number in range(file.BATCH_MAX + 1)]
        await asyncio.sleep(0)
        slow.slow.may.set()
        await asyncio.gather(first, *others)

    asyncio.run(main())
    assert slow.slow.batches == [1, file.BATCH_MAX, 1]


def test_a_full_vault_refuses_and_has_done_nothing(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "QUEUE_MAX", 3)

    async def main() -> None:
        first = asyncio.create_task(slow.keep("first", ANA))
        await asyncio.to_thread(slow.slow.begun.wait, 5)
        waiting = [asyncio.create_task(slow.keep(f"booking-{number}", ANA)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(VaultTrouble) as refused:
            await slow.keep(BOOKING, ANA)
        assert refused.value.known
        slow.slow.may.set()
        await asyncio.gather(first, *waiting)
        assert await slow.travellers(BOOKING) is None

    asyncio.run(main())


def test_a_caller_who_leaves_disturbs_nobody(opened: Vault) -> None:
    async def main() -> None:
        leaving = asyncio.create_task(opened.keep("left", ANA))
        staying = asyncio.create_task(opened.keep(BOOKING, ANA))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        assert await opened.travellers("left") == ANA

    asyncio.run(main())


def test_a_failed_write_is_told_to_its_askers_names_nobody_and_the_next_one_works(path: Path, opened: Vault) -> None:
    opened.file.connection.exec_driver_sql("PRAGMA busy_timeout=1")
    opened.file.connection.rollback()

    async def main() -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(VaultTrouble, match="locked") as trouble:
            await opened.keep(BOOKING, ANA)
        assert not trouble.value.known
        told = "".join(traceback.format_exception(trouble.value))
        assert "Ana" not in told
        assert BOOKING not in told, "who knows it may cancel the booking"
        other.close()
        await opened.keep(BOOKING, ANA)
        assert await opened.travellers(BOOKING) == ANA

    asyncio.run(main())


# ---- opening and closing ----------------------------------------------------------------------------------------


def test_only_the_owner_can_read_the_files(path: Path) -> None:
    path.parent.mkdir()
    path.touch(0o644)
    opened = Vault.open(path)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(files.values()) == {0o600}
    assert len(files) > 1, "the write-ahead log is there too"
    opened.close()


def test_closing_finishes_what_was_asked_and_leaves_no_thread(path: Path) -> None:
    async def main() -> None:
        opened = Vault.open(path)
        asked = [asyncio.create_task(opened.keep(f"booking-{number}", ANA)) for number in range(1_200)]
        await asyncio.sleep(0)
        opened.close()
        await asyncio.gather(*asked)
        with pytest.raises(VaultTrouble, match="closed") as closed:
            await opened.keep(BOOKING, ANA)
        assert closed.value.known

    asyncio.run(main())
    assert [thread.name for thread in threading.enumerate() if thread.name == "vault"] == []
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_every_commit_reaches_the_disk(opened: Vault) -> None:
    assert opened.file.connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
    assert opened.file.connection.exec_driver_sql("PRAGMA temp_store").scalar_one() == 2
    assert opened.file.connection.exec_driver_sql("PRAGMA cache_size").scalar_one() == -32 * 1024
    assert opened.file.connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one() == 4_000
    assert opened.file.connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    opened.file.connection.rollback()


def test_a_file_that_cannot_serve_is_named(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(VaultTrouble, match=r"vault\.sqlite cannot be used: file is not a database"):
        Vault.open(path)
    with pytest.raises(VaultTrouble, match="cannot be used"):
        Vault.open(tmp_path)
    monkeypatch.setattr(file, "PRAGMAS", {"synchronous": 7})
    with pytest.raises(VaultTrouble, match="synchronous stays"):
        Vault.open(tmp_path / "other.sqlite")


def test_a_fingerprint_is_the_same_for_ever_and_another_one_in_another_vault(path: Path, tmp_path: Path) -> None:
    prints = []
    for place in (path, path, tmp_path / "other.sqlite"):
        opened = Vault.open(place)
        prints.append(opened.fingerprint(b"Ana Lima"))
        assert opened.fingerprint(b"Rui") != prints[-1]
        opened.close()
    assert prints[0] == prints[1] != prints[2]
    assert len(prints[0]) == 64


# ---- what the door lets in --------------------------------------------------------------------------------------


def decoded(name: str, email: str = "ana@example.com") -> Travellers:
    body = msgspec.json.encode({"passengers": [{"name": name}], "contact": {"email": email}})
    return msgspec.json.decode(body, type=Travellers)


@pytest.mark.parametrize("name", ["Ana Lima", "Ó", "João d'Ávila-Sá", "李小龍", "x" * 80])
def test_a_name_is_taken_as_it_is_written(name: str) -> None:
    assert decoded(name).passengers[0].name == name


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 81, "Ana\n", "\nAna", "A\x00na", "Ana\x9b", "A\u202ena", "\u200b", "\xa0"]
)
def test_a_name_that_shows_nothing_or_hides_something_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded(name)


@pytest.mark.parametrize(
    "email", ["", "ana", "@", "ana@", "a na@example.com", "ana@example.com\n", "a@b@c", f"a@{'b' * 253}"]
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded("Ana Lima", email)


def test_there_is_a_passenger_and_no_more_than_seats_in_a_booking() -> None:
    for count in (0, 10):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"passengers": [{"name": "Ana"}] * count, "contact": {"email": "a@b"}}, Travellers)
