"""Each thing that can be wrong is planted in honest, signed logs, and named exactly; honest ones have no findings."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from airline_node.evidence.notary import TREE_FILE, restore
from airline_node.evidence.notes import Checkpoint, Note, cosigned, signed
from airline_node.evidence.shelf import FILE, Alarm, Shelf
from airline_node.journal import Journal
from airline_node.rows import sealed
from ledger.audit import Audit, Fault
from ledger.events import (
    AbortReason,
    AnyEvent,
    BookingAborted,
    BookingCommitted,
    BookingOpened,
    ForceCompared,
    ForceProposed,
    HoldExtended,
    HoldReleased,
    MismatchAcknowledged,
    PrepareRefused,
    Recorded,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    VotingStarted,
)
from ledger.ledger import Ledger
from snapshots.form import picture
from snapshots.store import SnapshotStore, unsealed
from tests.audit.given import HERE, THERE, Told, audited, edit, found, honest, kinds, meddle, purchase, write
from tests.evidence.given import KEYS, NOW, note_of

pytestmark = pytest.mark.slow
HOUR = 3_600_000
SAY_NOTHING_OF_OWNERS = {PrepareRefused, ForceProposed, ForceCompared, HoldExtended}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """49 events of AN, 17 of JG; checkpoints at 10, 20, 30, 40 and the end."""
    write(tmp_path, honest())
    return tmp_path


def test_honest_logs_are_verified_to_their_ends_and_nothing_is_wrong(logs: Path) -> None:
    told = audited(logs, at_rest=True)
    assert told.findings == ()
    assert told.events == {"AN": 49, "JG": 17}
    assert [(one.carrier, one.checkpoints, one.size) for one in told.verified] == [("AN", 5, 49), ("JG", 2, 17)]
    assert [set(one.cosigned) for one in told.verified] == [{"JG", "IP"}, {"AN", "IP"}]
    assert told.notices == ()


# ---- the logs themselves -----------------------------------------------------------------------------------------


def test_an_edited_event_is_named(logs: Path) -> None:
    meddle(logs, "JG", lambda database: edit(database, 1, "25050", "20050"))
    assert found(audited(logs)) == [(Fault.EDITED, "JG:1")]
    # Without the signatures nobody could tell.
    assert found(audited(logs, verify=False)) == []


def test_an_event_whose_checksum_was_left_alone_is_damaged_too(logs: Path) -> None:
    meddle(
        logs,
        "AN",
        lambda db: db.execute(
            "UPDATE stored_events SET state = replace(CAST(state AS TEXT), 'GRU', 'GIG') WHERE rowid = 26"
        ),
    )
    assert set(found(audited(logs))) >= {(Fault.EDITED, "AN:26"), (Fault.DAMAGED, "AN:26")}


def test_a_deleted_event_leaves_a_gap_and_is_named(logs: Path) -> None:
    meddle(logs, "JG", lambda database: database.execute("DELETE FROM stored_events WHERE rowid = 5"))
    told = found(audited(logs))
    assert (Fault.GAP, "JG:6") in told
    assert (Fault.DELETED, "JG:6") in told


def test_an_event_deleted_and_the_rest_moved_up_is_named(logs: Path) -> None:
    def delete(database: sqlite3.Connection) -> None:
        database.execute("DELETE FROM stored_events WHERE rowid = 33")
        for position in range(34, 50):
            database.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (position - 1, position))

    meddle(logs, "AN", delete)
    told = audited(logs)
    assert (Fault.DELETED, "AN:33") in found(told)
    assert Fault.GAP in kinds(told)  # of the stream's versions
    [deleted] = [finding for finding in told.findings if finding.fault is Fault.DELETED]
    assert "AN has signed the log of 40 events (cosigned by IP and JG)" in deleted.detail


def test_a_whole_stream_deleted_and_the_rest_moved_up_is_named(logs: Path) -> None:
    def delete(database: sqlite3.Connection) -> None:
        database.execute("DELETE FROM stored_events WHERE originator_id LIKE '%passenger-0007'")
        rows = [row for [row] in database.execute("SELECT rowid FROM stored_events ORDER BY rowid")]
        for number, position in enumerate(rows, 1):
            database.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (number, position))

    meddle(logs, "AN", delete)
    assert (Fault.DELETED, "AN:44") in found(audited(logs))


def test_two_events_in_another_order_are_named(logs: Path) -> None:
    def swap(database: sqlite3.Connection) -> None:
        for one, other in ((20, 1_000), (21, 20), (1_000, 21)):
            database.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (other, one))

    meddle(logs, "AN", swap)
    assert (Fault.REORDERED, "AN:20") in found(audited(logs))


def test_two_versions_of_a_stream_in_another_order_are_named_without_signatures(logs: Path) -> None:
    def swap(database: sqlite3.Connection) -> None:
        for one, other in ((14, 1_000), (15, 14), (1_000, 15)):
            database.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (other, one))

    # 14 and 15 are the opening and the vote of one booking.
    meddle(logs, "AN", swap)
    assert Fault.REORDERED in kinds(audited(logs, verify=False))


def test_a_log_that_was_cut_off_is_named(logs: Path) -> None:
    meddle(logs, "JG", lambda database: database.execute("DELETE FROM stored_events WHERE rowid > 12"))
    assert (Fault.TRUNCATED, "JG:12") in found(audited(logs))
    # Also where the tree's file was cut off with it: the checkpoints are left.
    (logs / "JG" / TREE_FILE).unlink()
    assert (Fault.TRUNCATED, "JG:12") in found(audited(logs))


def test_an_event_put_in_is_named(logs: Path) -> None:
    def put_in(database: sqlite3.Connection) -> None:
        for position in range(49, 29, -1):
            database.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (position + 1, position))
        event = BookingAborted(
            at=NOW + 4_500, booking="nobody-has-ever-asked-for", reason=AbortReason.PRESUMED, detail=""
        )
        stream, version, tag, state = sealed(Recorded(1, event))
        database.execute(
            "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?, ?)",
            (30, stream, version, tag, state),
        )

    meddle(logs, "AN", put_in)
    assert found(audited(logs)) == [(Fault.ADDED, "AN:30")]


@pytest.mark.parametrize("tree", ["gone", "forged to fit"])
def test_without_an_honest_tree_the_checkpoints_still_tell_between_which_events_it_was(logs: Path, tree: str) -> None:
    meddle(logs, "AN", lambda database: edit(database, 26, "GRU", "GIG"))
    (logs / "AN" / TREE_FILE).unlink()
    if tree == "forged to fit":
        with closing(Journal.open(str(logs / "AN" / "ledger.sqlite"))) as journal:
            restore(logs / "AN" / TREE_FILE, None, journal).close()
    told = audited(logs)
    assert kinds(told) == [Fault.CHANGED]
    assert "at one of the positions 21 to 30" in told.findings[0].detail


def test_a_log_rewritten_and_signed_again_is_given_away_by_the_others_shelves(logs: Path) -> None:
    meddle(logs, "AN", lambda database: edit(database, 26, "GRU", "GIG"))
    (logs / "AN" / TREE_FILE).unlink()
    (logs / "AN" / FILE).unlink()
    with (
        closing(Journal.open(str(logs / "AN" / "ledger.sqlite"))) as journal,
        closing(Shelf(logs / "AN" / FILE)) as shelf,
        closing(restore(logs / "AN" / TREE_FILE, None, journal)) as forged,
    ):
        shelf.keep(note_of("AN", forged, 49), NOW, 49)
    told = audited(logs)
    assert Fault.FORKED in kinds(told)
    assert any("AN has signed two logs of 49 events" in finding.detail for finding in told.findings)


def test_a_forged_checkpoint_is_named(logs: Path) -> None:
    forged = Note(
        Checkpoint("an.passcom", 30, bytes(32)), signed(Checkpoint("jg.passcom", 30, bytes(32)), KEYS["JG"]).signatures
    )
    with closing(sqlite3.connect(logs / "JG" / FILE)) as database:
        database.execute("UPDATE checkpoints SET note = ? WHERE origin = 'an.passcom' AND size = 30", (str(forged),))
        database.commit()
    told = audited(logs)
    assert kinds(told) == [Fault.FORGED]
    assert "a checkpoint that JG keeps" in told.findings[0].detail


def test_a_forged_cosignature_is_named(logs: Path) -> None:
    with closing(sqlite3.connect(logs / "JG" / FILE)) as database:
        [text] = database.execute("SELECT note FROM checkpoints WHERE origin = 'jg.passcom' AND size = 10").fetchone()
        wrong = cosigned(Checkpoint("jg.passcom", 11, bytes(32)), KEYS["AN"], 1).line
        lines = [line if "an.passcom" not in line else wrong for line in text.splitlines(keepends=True)]
        database.execute("UPDATE checkpoints SET note = ? WHERE origin = 'jg.passcom' AND size = 10", ("".join(lines),))
        database.commit()
    told = audited(logs)
    assert kinds(told) == [Fault.FORGED]
    assert "the cosignature of an.passcom does not hold" in told.findings[0].detail


def test_an_alarm_that_a_witness_has_kept_is_reported(logs: Path) -> None:
    with closing(Shelf(logs / "JG" / FILE)) as shelf:
        shelf.alarm(Alarm("an.passcom", NOW, "AN has shown another history to IP than here", "one", "other"))
    assert kinds(audited(logs)) == [Fault.FORKED]


def test_a_log_without_checkpoints_is_said_to_be_unproved(tmp_path: Path) -> None:
    write(tmp_path, honest(), sign=False)
    told = audited(tmp_path)
    assert told.findings == ()
    assert "no checkpoint of AN is at hand: nothing proves that its log was not changed" in told.notices


# ---- what the logs say -------------------------------------------------------------------------------------------


def planted(folder: Path, *more: Told, drop: tuple[str, type] | None = None) -> list[tuple[Fault, str]]:
    """Honest logs without the last event of a kind, with these at their ends; the rest comes an hour later."""
    told = honest()
    if drop:
        last = max(n for n, (carrier, event) in enumerate(told) if carrier == drop[0] and isinstance(event, drop[1]))
        del told[last]
    told += more
    later = purchase(20, NOW + HOUR)
    write(folder, [*told, *later], sign=False)
    return found(audited(folder, verify=False))


LAST = "booking-of-passenger-0007"
SEAT = "3B"  # of passenger 7


def held(flight: str, booking: str, seat: str, coordinator: str = "AN", ticket: str = "t") -> SeatHeld:
    return SeatHeld(
        at=NOW + 60_000,
        flight=flight,
        seat=seat,
        booking=booking,
        coordinator=coordinator,
        participants=(HERE, THERE),
        expires_at=None,
        decide_by=NOW + 70_000,
        ticket=ticket,
        coupon=1,
    )


def test_a_seat_with_two_owners_is_named_with_both_events(tmp_path: Path) -> None:
    told = planted(tmp_path, ("JG", held(THERE, "another-booking-of-nobody", SEAT)))
    assert (Fault.SOLD_TWICE, "JG:16 JG:18") in told


def test_a_sale_without_a_pledge_is_named(tmp_path: Path) -> None:
    sale = SeatCommitted(at=NOW + 60_000, flight=THERE, seat="7A", booking=LAST, ticket="t", coupon=1)
    assert (Fault.UNFOUNDED, "JG:18") in planted(tmp_path, ("JG", sale))


def test_a_sale_without_a_decision_is_named(tmp_path: Path) -> None:
    told = planted(tmp_path, drop=("AN", BookingCommitted))
    assert {fault for fault, _ in told} == {Fault.UNFOUNDED}


def test_a_booking_committed_at_one_carrier_and_not_at_another_is_named(tmp_path: Path) -> None:
    released = HoldReleased(at=NOW + 9_000, flight=THERE, seat=SEAT, booking=LAST, reason=ReleaseReason.ABORTED)
    told = planted(tmp_path, ("JG", released), drop=("JG", SeatCommitted))
    assert Fault.HALF_SOLD in {fault for fault, _ in told}


def test_a_decision_that_changed_is_named_with_both_events(tmp_path: Path) -> None:
    again = BookingAborted(at=NOW + 60_000, booking=LAST, reason=AbortReason.CANCELLED, detail="")
    assert (Fault.DECIDED_TWICE, "AN:47 AN:50") in planted(tmp_path, ("AN", again))


def test_a_hold_that_nobody_can_explain_is_named(tmp_path: Path) -> None:
    told = planted(tmp_path, ("JG", held(THERE, "no-such-booking-anywhere", "7A")))
    assert told == [(Fault.UNEXPLAINED, "JG:18")]


def test_a_forced_hold_against_its_decision_is_named_until_somebody_has_seen_to_it(tmp_path: Path) -> None:
    forced = HoldReleased(
        at=NOW + 9_000, flight=THERE, seat=SEAT, booking=LAST, reason=ReleaseReason.FORCED, operator="rui", why="storm"
    )
    told = planted(tmp_path / "one", ("JG", forced), drop=("JG", SeatCommitted))
    assert [fault for fault, _ in told] == [Fault.FORCED]
    assert told[0][1].startswith("JG:17")
    seen = MismatchAcknowledged(at=NOW + 10_000, flight=THERE, booking=LAST, operator="ana", note="rebooked")
    assert planted(tmp_path / "two", ("JG", forced), ("JG", seen), drop=("JG", SeatCommitted)) == []


def test_every_kind_of_event_is_heard_and_an_extended_hold_is_no_finding(tmp_path: Path) -> None:
    extended = HoldExtended(at=NOW + 1_001, booking="booking-of-passenger-0000", extension=1, hold_until=NOW + 900_000)
    told = honest(1)
    told.insert(3, ("AN", extended))
    write(tmp_path, told, sign=False)
    assert audited(tmp_path, verify=False, at_rest=True).findings == ()
    one_of_each = Audit()
    for kind in get_args(AnyEvent):
        assert kind in one_of_each._hears or kind in SAY_NOTHING_OF_OWNERS


def test_a_ticket_number_that_was_given_out_before_is_named(tmp_path: Path) -> None:
    other = "booking-of-somebody-else"
    again = [
        (carrier, replace(event, booking=other) if isinstance(event, BookingOpened | VotingStarted) else event)
        for carrier, event in purchase(3, NOW + HOUR)[:2]
    ]
    write(tmp_path, [*honest(), *again], sign=False)
    assert found(audited(tmp_path, verify=False)) == [(Fault.DECIDED_TWICE, "AN:51")]


# ---- what lies beside the logs -----------------------------------------------------------------------------------


def pictured(folder: Path) -> Path:
    """A snapshot of AN in the middle of its log, as its node writes it."""
    ledger = Ledger("AN", "981")
    with closing(Journal.open(str(folder / "AN" / "ledger.sqlite"))) as journal:
        for position, record in journal.replay():
            ledger.apply(record)
            if position == 34:
                break
    SnapshotStore(folder / "AN" / "snapshots").write(34, picture(ledger))
    [path] = (folder / "AN" / "snapshots").glob("*.json")
    return path


def test_an_honest_snapshot_agrees_with_the_log_up_to_it(logs: Path) -> None:
    pictured(logs)
    assert audited(logs).findings == ()


def test_a_snapshot_that_differs_is_named_seat_by_seat(logs: Path) -> None:
    path = pictured(logs)
    position, state = unsealed(path.read_bytes())
    path.unlink()
    SnapshotStore(path.parent).write(position, state.replace(b'"2A"', b'"2B"', 2))
    told = audited(logs)
    assert set(kinds(told)) == {Fault.SNAPSHOT}
    details = [finding.detail for finding in told.findings]
    assert any("2A is free, and the log says sold to booking-of-passenger-0003" in detail for detail in details)


def test_a_damaged_snapshot_is_named(logs: Path) -> None:
    path = pictured(logs)
    path.write_bytes(path.read_bytes()[:-5])
    assert kinds(audited(logs)) == [Fault.SNAPSHOT]
