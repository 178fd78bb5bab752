"""A start reads back all that the node knew, from whatever is left of its snapshots; and refuses what nobody wrote.

The journal and the snapshots are real files.
"""

import asyncio
import gc
import logging
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from airline_node.journal import APPEND_EVENTS_MAX, Journal, JournalDamaged, JournalTrouble
from airline_node.rebuild import Rebuilt, rebuild
from airline_node.timetable import load
from ledger.coordinator.state import Phase
from ledger.events import AnyEvent, Recorded, stream_of
from ledger.ledger import Command, Ledger, LogBroken
from ledger.messages import Acknowledged, CancelBooking, OpenSales, Pledged
from ledger.terms import BookingId
from snapshots.form import picture
from snapshots.store import KEEP, SnapshotStore
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    JG_FLIGHT,
    NOW,
    RUI,
    aborted,
    committed,
    hold,
    open_booking,
    opened,
    scheduled,
    segment,
    settled,
    voting,
)


class Past:
    """What a node of Andorinha's did, and left on disk."""

    def __init__(self, folder: Path) -> None:
        self.journal_path = folder / "ledger.sqlite"
        self.folder = folder / "snapshots"
        self.store = SnapshotStore(self.folder)
        self.ledger = Ledger("AN", "981")
        self.events = 0

    def said(self, *commands: Command) -> None:
        """In one batch."""
        for command in commands:
            self.ledger.handle(command, NOW)
        change = self.ledger.take()
        self.write(change.records)
        self.ledger.forget(change.settled)

    def write(self, records: Sequence[Recorded]) -> None:
        with closing(Journal.open(str(self.journal_path))) as journal:
            for first in range(0, len(records), APPEND_EVENTS_MAX):
                asyncio.run(append(journal, records[first : first + APPEND_EVENTS_MAX]))
        self.events += len(records)

    def snapshot(self) -> None:
        self.store.write(self.events, picture(self.ledger))

    def snapshots(self) -> list[Path]:
        """The newest first."""
        return sorted(self.folder.glob("*.json"), reverse=True)

    def rebuilt(self) -> Rebuilt:
        with closing(Journal.open(str(self.journal_path))) as journal:
            return asyncio.run(rebuild("AN", "981", journal, SnapshotStore(self.folder)))


async def append(journal: Journal, records: Sequence[Recorded]) -> None:
    await journal.append(records)


def damage(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + b"x" + whole[-19:])


def assert_same(rebuilt: Rebuilt, past: Past) -> None:
    assert rebuilt.position == past.events
    # A picture leaves out what a crash may forget, and nothing else.
    assert picture(rebuilt.ledger) == picture(past.ledger)
    assert rebuilt.ledger.torn == set()


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """One flight; Rui's booking, settled at once; Ana's, which waits for Jangada."""
    past = Past(tmp_path)
    past.said(OpenSales((scheduled(AN_FLIGHT),)))
    past.said(open_booking(segment(AN_FLIGHT), booking=RUI, confirm=True))
    past.said(open_booking(booking=ANA, confirm=True))
    return past


def more(past: Past, booking: BookingId) -> None:
    past.said(hold(booking=booking, by="JG", flight=AN_FLIGHT))


# ---- from what is left --------------------------------------------------------------------------------------------


def test_a_new_node_begins_with_nothing(tmp_path: Path) -> None:
    assert_same(Past(tmp_path).rebuilt(), Past(tmp_path))


def test_without_a_snapshot_the_whole_log_is_replayed(past: Past) -> None:
    rebuilt = past.rebuilt()
    assert_same(rebuilt, past)
    assert rebuilt.replayed == past.events
    assert rebuilt.ledger.bookings.keys() == {ANA}


def test_after_the_newest_snapshot_only_the_tail_is_replayed(past: Past) -> None:
    past.snapshot()
    assert past.rebuilt().replayed == 0
    more(past, "eva-00000000000000000000")
    rebuilt = past.rebuilt()
    assert_same(rebuilt, past)
    assert rebuilt.replayed == 1


def test_a_damaged_snapshot_is_passed_over_for_an_older_one(past: Past, caplog: pytest.LogCaptureFixture) -> None:
    past.snapshot()
    more(past, "eva-00000000000000000000")
    past.snapshot()
    more(past, "ida-00000000000000000000")
    newest, _ = past.snapshots()
    damage(newest)
    rebuilt = past.rebuilt()
    assert_same(rebuilt, past)
    assert rebuilt.replayed == 2
    assert f"snapshot {newest} is passed over" in caplog.text


def test_with_every_snapshot_damaged_the_whole_log_is_replayed(past: Past) -> None:
    for booking in ("eva-00000000000000000000", "ida-00000000000000000000", "bia-00000000000000000000"):
        more(past, booking)
        past.snapshot()
    assert len(past.snapshots()) == KEEP
    for path in past.snapshots():
        damage(path)
    rebuilt = past.rebuilt()
    assert_same(rebuilt, past)
    assert rebuilt.replayed == past.events


def test_deleting_all_snapshots_loses_nothing(past: Past) -> None:
    past.snapshot()
    more(past, "eva-00000000000000000000")
    before = past.rebuilt().ledger
    for path in past.snapshots():
        path.unlink()
    after = past.rebuilt().ledger
    assert (before.flights, before.bookings, before.stock) == (after.flights, after.bookings, after.stock)


def test_a_sound_snapshot_that_is_no_picture_of_this_carrier_is_passed_over(
    past: Past, caplog: pytest.LogCaptureFixture
) -> None:
    past.store.write(past.events, picture(Ledger("JG", "982")))
    rebuilt = past.rebuilt()
    assert_same(rebuilt, past)
    assert rebuilt.replayed == past.events
    assert "the whole log is replayed: this is a snapshot of JG, not of AN" in caplog.text


def test_a_booking_cancelled_after_the_snapshot_that_had_forgotten_it_is_read_whole(past: Past) -> None:
    past.said(Pledged(booking=ANA, flight=JG_FLIGHT, seats=("1A",)))
    past.said(Acknowledged(booking=ANA, flight=JG_FLIGHT, done="commit"))
    past.snapshot()
    assert ANA not in past.ledger.bookings
    with closing(Journal.open(str(past.journal_path))) as journal:
        stream = f"booking:{ANA}"
        past.ledger.load(stream, asyncio.run(read(journal, stream)))
    past.said(CancelBooking(ANA))
    rebuilt = past.rebuilt()
    assert rebuilt.ledger.bookings[ANA].phase is Phase.CANCELLED
    assert_same(rebuilt, past)


async def read(journal: Journal, stream: str) -> list[Recorded]:
    return (await journal.read([stream]))[stream]


def test_the_log_says_how_much_came_from_where(past: Past, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    past.snapshot()
    kept = past.events
    more(past, "eva-00000000000000000000")
    caplog.clear()
    past.rebuilt()
    expected = f"AN: snapshot at {kept} (1 flights, 1 bookings in memory), 1 events replayed, 0 streams read whole, in "
    assert [record.getMessage().rpartition("in ")[0] + "in " for record in caplog.records] == [expected]


# ---- what no node can have written --------------------------------------------------------------------------------


def test_a_log_that_ends_before_the_snapshot_is_refused(past: Past) -> None:
    """It is an older copy: what this node has promised since is not in it."""
    past.events += 1
    past.snapshot()
    with pytest.raises(JournalTrouble, match=f"ends at position {past.events - 1}, before {past.events}"):
        past.rebuilt()


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        ([Recorded(1, committed())], "BookingCommitted as event 1, which cannot follow"),
        ([Recorded(1, opened()), Recorded(3, aborted())], "has event 3 where 2 should be"),
        (
            [Recorded(1, opened()), Recorded(2, voting()), Recorded(3, committed()), Recorded(4, aborted())],
            "BookingAborted as event 4, which cannot follow",
        ),
    ],
)
def test_a_log_that_breaks_the_rules_is_refused(tmp_path: Path, records: list[Recorded], fault: str) -> None:
    past = Past(tmp_path)
    past.write(records)
    with pytest.raises(LogBroken, match=fault):
        past.rebuilt()


@pytest.mark.parametrize(("version", "refused"), [(5, LogBroken), (6, JournalDamaged)])
def test_a_broken_stream_is_refused_even_if_the_snapshot_had_forgotten_its_beginning(
    past: Past, version: int, refused: type[Exception]
) -> None:
    """Its tail alone could be sound, so it is read whole: Rui's booking was settled by its fourth event."""
    past.snapshot()
    past.write([Recorded(version, replace(aborted(), booking=RUI))])
    with pytest.raises(refused, match=RUI):
        past.rebuilt()


# ---- how much and how fast ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_flights_are_on_sale_again_within_seconds(tmp_path: Path) -> None:
    past = Past(tmp_path)
    [plan, *_] = load().departures("AN", load().today(NOW), days=1, at=0)
    plans = [replace(plan, flight=f"AN{number:04d}/2026-12-14") for number in range(10_000)]
    past.said(OpenSales(tuple(plans)))
    seconds = [timed(past)]
    past.snapshot()
    seconds.append(timed(past))
    print(f"10,000 flights rebuilt from the log in {seconds[0]:.2f} s, from a snapshot in {seconds[1]:.2f} s")


def timed(past: Past) -> float:
    begun = time.perf_counter()
    rebuilt = past.rebuilt()
    assert len(rebuilt.ledger.flights) == 10_000
    return time.perf_counter() - begun


SETTLED = 20_000


@pytest.mark.thorough
def test_settled_bookings_take_no_memory(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.write([record for number in range(SETTLED) for record in whole_life(f"booking-{number:012d}")])
    gc.collect()
    tracemalloc.start()
    try:
        rebuilt = past.rebuilt()
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rebuilt.replayed == 4 * SETTLED
    assert rebuilt.ledger.bookings == {}
    assert rebuilt.ledger.stock.next_serial == 2
    assert grown / SETTLED < 8, "bytes a booking"


def whole_life(booking: BookingId) -> Iterator[Recorded]:
    """Bought of other carriers, and settled."""
    life: tuple[AnyEvent, ...] = (opened(), voting(), committed(), settled())
    for version, event in enumerate(life, 1):
        record = Recorded(version, replace(event, booking=booking))
        assert stream_of(record.event) == f"booking:{booking}"
        yield record
