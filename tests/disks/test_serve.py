"""The whole node, doors and all, on a disk that fails: it ends, says why, starts again, and has lost nothing."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest

from airline_node.config import LEDGER
from ledger.messages import Status
from ledger.terms import BookingId, FlightId, Millis
from tests.crash.cluster import Cluster, Reply, insist, new_booking
from tests.disks.alone import ME, alone
from tests.thorough import size

pytestmark = pytest.mark.slow

CLIENTS = 4
DEATH_MS_MAX: Millis = 15_000
FAULTS = ("f 4", "e 20", "d 9")
"""Of the journal's file and its log: see `faults.c`."""


def test_a_node_whose_journal_fails_ends_says_why_and_loses_nothing(
    library: Path, tmp_path: Path, flight: FlightId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAULTS_PLAN", str(tmp_path / "plan"))
    with alone(tmp_path) as node:
        for fault in FAULTS[: size(1, len(FAULTS))]:
            before = len(node.said(ME))
            (tmp_path / "plan").write_text(f"{node.fleet.data(ME) / LEDGER} {fault} -")
            asked = buy_until_it_ends(node, flight)
            assert "AN stops: the journal cannot be written: " in node.said(ME)[before:]
            (tmp_path / "plan").unlink()
            node.start(ME)
            for booking, heard in asked.items():
                assert_kept(node, booking, flight, heard)


def buy_until_it_ends(node: Cluster, flight: FlightId) -> Mapping[BookingId, Reply | None]:
    """What a few clients have asked for, and heard."""
    heard: dict[BookingId, Reply | None] = {}
    clients = [node.background(partial(buy_on, node, flight, heard)) for _ in range(CLIENTS)]
    assert node.ended(ME, DEATH_MS_MAX) == 1
    for each in clients:
        each.result()
    return heard


def buy_on(node: Cluster, flight: FlightId, heard: dict[BookingId, Reply | None]) -> None:
    reply: Reply | None = Reply(HTTPStatus.CREATED, b"")
    while reply is not None:
        booking = new_booking()
        reply = heard[booking] = node.buy(booking, ME, {flight: None})


def assert_kept(node: Cluster, booking: BookingId, flight: FlightId, heard: Reply | None) -> None:
    """What was told for certain is so; whatever was left open can be had by asking again."""
    found = insist(partial(node.read, booking, ME))
    if heard is not None and heard.status == HTTPStatus.CREATED:
        assert (found.booking.status, found.booking.tickets) == (Status.CONFIRMED, heard.booking.tickets)
    elif heard is not None and heard.problem.known:
        assert found.status == HTTPStatus.NOT_FOUND
    else:
        assert insist(partial(node.buy, booking, ME, {flight: None})).status == HTTPStatus.CREATED
