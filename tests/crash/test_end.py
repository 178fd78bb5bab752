"""SIGTERM: what is under way is finished, nothing new is begun, and nothing is left behind."""

import re
import signal
import time
from functools import partial
from http import HTTPStatus

import pytest

from airline_node.config import LEDGER
from airline_node.journal import Journal
from ledger.messages import Status
from ledger.terms import BookingId, CarrierCode, Millis
from tests.crash.cluster import SOON_MS_MAX, Cluster, insist, new_booking, until

pytestmark = pytest.mark.slow

END_MS_MAX: Millis = 10_000
IDLE_END_MS_MAX: Millis = 5_000


def test_orders_under_way_are_answered_and_new_ones_refused(cluster: Cluster, booking: BookingId) -> None:
    cluster.signal("JG", signal.SIGSTOP)
    answer = cluster.background(partial(cluster.buy, booking))
    until("the order is under way", partial(is_confirming, cluster, booking), SOON_MS_MAX)
    cluster.signal("AN", signal.SIGTERM)
    until("it takes no more orders", lambda: is_closed(cluster), SOON_MS_MAX)
    late = cluster.buy(new_booking())
    assert late is not None
    assert (late.status, late.problem.known) == (HTTPStatus.SERVICE_UNAVAILABLE, True)
    cluster.signal("JG", signal.SIGCONT)
    assert cluster.ended("AN", END_MS_MAX) == 0
    bought = answer.result()
    assert bought is not None
    assert bought.booking.status is Status.CONFIRMED
    assert_files_closed(cluster, "AN")
    cluster.start("AN")
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_a_node_ends_in_time_though_a_peer_is_dead(cluster: Cluster, booking: BookingId) -> None:
    cluster.kill("JG")
    buy = partial(cluster.buy, booking)
    answer = cluster.background(buy)
    until("the order is under way", partial(is_confirming, cluster, booking), SOON_MS_MAX)
    cluster.signal("AN", signal.SIGTERM)
    assert cluster.ended("AN", END_MS_MAX) == 0
    assert answer.result() is not None, "its traveller heard nothing, not even that the outcome is not known yet"
    assert_files_closed(cluster, "AN")
    cluster.start("AN", "JG")
    assert insist(buy).status in (HTTPStatus.CREATED, HTTPStatus.CONFLICT)
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_an_idle_node_ends_at_once_though_a_peer_is_dead(cluster: Cluster) -> None:
    cluster.kill("JG")
    begun = time.monotonic()
    cluster.signal("AN", signal.SIGTERM)
    assert cluster.ended("AN", IDLE_END_MS_MAX) == 0, time.monotonic() - begun
    cluster.start("AN", "JG")
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_after_an_orderly_end_a_start_replays_nothing_and_after_a_kill_the_tail_alone(
    cluster: Cluster, booking: BookingId
) -> None:
    cluster.signal("AN", signal.SIGTERM)
    assert cluster.ended("AN", END_MS_MAX) == 0
    cluster.start("AN")
    snapshot, replayed = last_rebuild(cluster, "AN")
    assert (snapshot, replayed) == (len(cluster.logs()["AN"]), 0)
    assert insist(partial(cluster.buy, booking)).status == HTTPStatus.CREATED
    cluster.assert_at_rest()
    cluster.kill("AN")
    cluster.start("AN")
    assert last_rebuild(cluster, "AN") == (snapshot, len(cluster.logs()["AN"]) - snapshot)
    assert last_rebuild(cluster, "AN")[1] > 0
    cluster.assert_at_rest()


def is_confirming(cluster: Cluster, booking: BookingId) -> bool:
    reply = cluster.read(booking)
    return reply is not None and reply.status == HTTPStatus.ACCEPTED


def is_closed(cluster: Cluster) -> bool:
    reply = cluster.ask("AN", "GET", "/health/ready")
    return reply is not None and reply.status == HTTPStatus.SERVICE_UNAVAILABLE


def assert_files_closed(cluster: Cluster, carrier: CarrierCode) -> None:
    """SQLite removes its write-ahead log with the last connection to a file. And the lock is free."""
    folder = cluster.fleet.data(carrier)
    assert list(folder.glob("*.sqlite*-*")) == []
    Journal.open(str(folder / LEDGER)).close()


def last_rebuild(cluster: Cluster, carrier: CarrierCode) -> tuple[int, int]:
    """The snapshot's position and the events replayed, as the node's own log tells of its last start."""
    snapshot, replayed = re.findall(r"snapshot at (\d+) .* (\d+) events replayed", cluster.said(carrier))[-1]
    return int(snapshot), int(replayed)
