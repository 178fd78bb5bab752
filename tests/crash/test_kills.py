"""`kill -9` at every named point of a booking's life: what was promised is kept, and nothing half done remains."""

import random
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from itertools import count

import pytest

from ledger.messages import Status, Word
from ledger.terms import BookingId, CarrierCode, Millis
from tests.crash.cluster import CARRIERS, Cluster, Reply, insist, new_booking, until
from tests.crash.doomed import Point

pytestmark = pytest.mark.slow


@pytest.fixture
def booking() -> BookingId:
    return new_booking()


def kill_at(
    cluster: Cluster, carrier: CarrierCode, point: Point, client: Callable[[], Reply | None]
) -> Reply | None:
    """What a client hears while this node dies at the point and is started again."""
    with cluster.doomed(carrier, point):
        answer = cluster.background(client)
    cluster.start(carrier)
    return answer.result()


@pytest.mark.parametrize(
    ("carrier", "point"),
    [
        ("AN", Point.OPENED_UNWRITTEN),
        ("AN", Point.VOTING),
        ("AN", Point.VOTE_HEARD),
        ("AN", Point.COMMIT_UNWRITTEN),
        ("AN", Point.COMMIT),
        ("AN", Point.ONE_TOLD),
        ("AN", Point.SETTLED_UNWRITTEN),
        ("JG", Point.PLEDGE_UNWRITTEN),
        ("JG", Point.PLEDGE),
        ("JG", Point.SALE_UNWRITTEN),
        ("JG", Point.SALE),
    ],
)
def test_what_is_bought_in_one_step_is_complete_whoever_dies_on_the_way(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    buy = partial(cluster.buy, booking)
    kill_at(cluster, carrier, point, buy)
    bought = insist(buy)
    assert (bought.status, bought.booking.status) == (HTTPStatus.CREATED, Status.CONFIRMED)
    cluster.assert_at_rest()


@pytest.mark.parametrize(
    ("carrier", "point"),
    [
        ("AN", Point.OPENED),
        ("AN", Point.GRANT_HEARD),
        ("JG", Point.HOLD_UNWRITTEN),
        ("JG", Point.HOLD),
    ],
)
def test_a_hold_is_whole_and_can_be_bought_whoever_dies_while_it_is_taken(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    hold = partial(cluster.hold, booking)
    kill_at(cluster, carrier, point, hold)
    held = insist(hold)
    assert (held.status, held.booking.status) == (HTTPStatus.CREATED, Status.HELD)
    assert insist(partial(cluster.confirm, booking)).booking.status is Status.CONFIRMED
    cluster.assert_at_rest()


@pytest.mark.parametrize(
    ("carrier", "point"),
    [
        ("AN", Point.VOTING),
        ("AN", Point.COMMIT),
        ("JG", Point.PLEDGE_UNWRITTEN),
        ("JG", Point.PLEDGE),
        ("JG", Point.SALE_UNWRITTEN),
    ],
)
def test_what_was_held_is_sold_whoever_dies_while_it_is_confirmed(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    held = insist(partial(cluster.hold, booking)).booking
    confirm = partial(cluster.confirm, booking)
    kill_at(cluster, carrier, point, confirm)
    bought = insist(confirm).booking
    assert bought.status is Status.CONFIRMED
    assert [segment.seats for segment in bought.segments] == [segment.seats for segment in held.segments]
    cluster.assert_at_rest()


@pytest.mark.parametrize(("carrier", "point"), [("AN", Point.CANCELLED), ("JG", Point.RETURN)])
def test_what_is_cancelled_is_returned_by_all_whoever_dies_on_the_way(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    assert insist(partial(cluster.buy, booking)).status == HTTPStatus.CREATED
    cancel = partial(cluster.cancel, booking)
    kill_at(cluster, carrier, point, cancel)
    assert insist(cancel).booking.status is Status.CANCELLED
    cluster.assert_at_rest()


@pytest.mark.parametrize(
    ("carrier", "point"), [("AN", Point.ABORT_UNWRITTEN), ("AN", Point.ABORT), ("IP", Point.RELEASE)]
)
def test_what_one_carrier_refuses_is_let_go_by_all_whoever_dies_on_the_way(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    _, jangada, _ = cluster.journey
    first_come = next(seats for seats in SEATS if cluster.buy(new_booking(), "JG", {jangada: seats}).status == 201)
    ...
