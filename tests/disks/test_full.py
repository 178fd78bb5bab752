"""A full disk: orders are refused in clear words, nothing acknowledged is lost, and room alone heals the node.

One production node, whose data folder is a file system in memory that grows and shrinks as it is told.
"""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest

from airline_node.config import LEDGER
from ledger.messages import Status
from ledger.terms import BookingId, FlightId, Millis
from tests.crash.cluster import Cluster, Reply, insist, new_booking, until
from tests.disks.alone import ME, alone
from tests.thorough import skip

pytestmark = pytest.mark.slow

KB = 1024
ROOMY, LITTLE = 64 * KB * KB, 100 * KB
HELD = 30
REFUSED = 5
FULL_MS_MAX: Millis = 5_000
HEALED_MS_MAX: Millis = 3_000
ENDED_MS_MAX: Millis = 12_000
NO_ROOM = "there is no room on the disk"


class SmallDisk:
    """A file system in memory."""

    def __init__(self, at: Path) -> None:
        self._at = at
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "passcom", at], check=True)

    def leave(self, spare: int) -> None:
        """Room for so many bytes more than lie there now."""
        found = os.statvfs(self._at)
        self._resize((found.f_blocks - found.f_bfree) * found.f_frsize + spare)

    def heal(self) -> None:
        self._resize(ROOMY)

    def unmount(self) -> None:
        subprocess.run(["umount", self._at], check=True)

    def _resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self._at], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        skip("a disk that fills is a tmpfs, and only root may mount one")
    (tmp_path / ME).mkdir()
    disk = SmallDisk(tmp_path / ME)
    yield disk
    disk.unmount()


@pytest.fixture
def new_node(tmp_path: Path, disk: SmallDisk) -> Iterator[Cluster]:
    """Andorinha's alone. Its journal has taken so much room for the flights that it needs none for a while."""
    with alone(tmp_path) as node:
        # What is in the log goes into the file, and so the next events are written over it.
        with closing(sqlite3.connect(tmp_path / ME / LEDGER)) as beside:
            busy, there, moved = beside.execute("PRAGMA wal_checkpoint").fetchone()
        assert (busy, moved) == (0, there)
        yield node


@pytest.fixture
def node(tmp_path: Path, new_node: Cluster) -> Cluster:
    """Started again: the journal's log is as short as it ever is.

    What it writes to standard error goes to another disk, so that it can be read.
    """
    end(new_node)
    new_node.fleet.log(ME).unlink()
    (tmp_path / "said").touch()
    new_node.fleet.log(ME).symlink_to(tmp_path / "said")
    new_node.start(ME)
    return new_node


@pytest.fixture
def held(node: Cluster, flight: FlightId) -> list[BookingId]:
    """Bookings that need nothing more than a decision on disk."""
    bookings = [new_booking() for _ in range(HELD)]
    for booking in bookings:
        reply = node.hold(booking, ME, {flight: None})
        assert reply is not None
        assert reply.status == HTTPStatus.CREATED
    return bookings


def test_a_full_disk_refuses_orders_in_clear_words_and_heals_without_a_restart(
    node: Cluster, disk: SmallDisk, held: Sequence[BookingId], flight: FlightId
) -> None:
    disk.leave(LITTLE)
    asked = [node.background(partial(node.confirm, booking, ME)) for booking in held]
    until("the disk is full", partial(is_full, node), FULL_MS_MAX)
    for _ in range(REFUSED):
        assert_refused(node.buy(new_booking(), ME, {flight: None}))
    live = node.ask(ME, "GET", "/health/live")
    assert live is not None
    assert live.status == HTTPStatus.OK
    disk.heal()
    until("it takes orders again", lambda: not is_full(node), HEALED_MS_MAX)
    heard = [answered(each) for each in asked]
    confirmed = {booking for booking, reply in zip(held, heard, strict=True) if reply.status == HTTPStatus.OK}
    for reply in heard:
        if reply.status != HTTPStatus.OK:
            assert_refused(reply)
    # Orders that were in the inbox when the room ended wait for it and are confirmed then: perhaps all of them.
    assert confirmed, "nobody bought anything before the disk was full, or waited until there was room"
    assert "no room for the log: orders wait until there is" in node.said(ME)
    assert "there is room for the log again" in node.said(ME)
    assert_confirmed(node, flight)
    node.kill(ME)
    node.start(ME)
    assert node.told.confirmed >= confirmed
    assert_all_there(node)


@pytest.mark.thorough
def test_a_disk_without_room_for_a_name_refuses_orders_in_the_same_words(
    new_node: Cluster, disk: SmallDisk, flight: FlightId
) -> None:
    """The names are kept first, in another file. Here the node's standard error is on the full disk too."""
    disk.leave(LITTLE)
    while (reply := new_node.buy(new_booking(), ME, {flight: None})) is not None and reply.status == HTTPStatus.CREATED:
        pass
    assert_refused(reply)
    disk.heal()
    until("it takes orders again", lambda: not is_full(new_node), HEALED_MS_MAX)
    assert_confirmed(new_node, flight)
    assert_all_there(new_node)


@pytest.mark.thorough
def test_a_snapshot_that_finds_no_room_is_mentioned_and_nothing_else(
    node: Cluster, disk: SmallDisk, flight: FlightId
) -> None:
    assert_confirmed(node, flight)
    disk.leave(0)
    assert end(node) == 0
    assert "no snapshot was kept at" in node.said(ME)
    disk.heal()
    node.start(ME)
    assert_all_there(node)


@pytest.mark.thorough
def test_a_node_that_is_told_to_end_while_its_disk_is_full_ends_and_says_why(
    node: Cluster, disk: SmallDisk, held: Sequence[BookingId]
) -> None:
    disk.leave(LITTLE)
    asked = [node.background(partial(node.confirm, booking, ME)) for booking in held]
    until("the disk is full", partial(is_full, node), FULL_MS_MAX)
    assert end(node) == 1
    assert "AN stops: the journal cannot be written: database or disk is full" in node.said(ME)
    for each in asked:
        reply = each.result()
        # Whoever was told no at the door has bought nothing; whoever waited does not know yet, or was cut off.
        assert reply is None or reply.status in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
    disk.heal()
    node.start(ME)
    assert_all_there(node)


def is_full(node: Cluster) -> bool:
    reply = node.ask(ME, "GET", "/health/ready")
    assert reply is not None
    if reply.status == HTTPStatus.SERVICE_UNAVAILABLE:
        assert reply.problem.detail == NO_ROOM
    return reply.status != HTTPStatus.OK


def answered(asked: Future[Reply | None]) -> Reply:
    reply = asked.result()
    assert reply is not None
    return reply


def assert_refused(reply: Reply | None) -> None:
    assert reply is not None
    assert reply.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert (reply.problem.detail, reply.problem.known) == (NO_ROOM, True)


def assert_confirmed(node: Cluster, flight: FlightId) -> None:
    assert insist(partial(node.buy, new_booking(), ME, {flight: None})).status == HTTPStatus.CREATED


def assert_all_there(node: Cluster) -> None:
    """Whatever a traveller was told is confirmed."""
    assert node.told.confirmed
    for booking in node.told.confirmed:
        assert insist(partial(node.read, booking, ME)).booking.status is Status.CONFIRMED


def end(node: Cluster) -> int | None:
    node.signal(ME, signal.SIGTERM)
    return node.ended(ME, ENDED_MS_MAX)
