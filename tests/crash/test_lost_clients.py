"""A client that goes away in the middle changes nothing about the order, and learns its outcome by its id."""

from functools import partial
from http import HTTPStatus

import pytest

from ledger.events import BookingOpened, SeatHeld
from ledger.messages import Status
from ledger.terms import BookingId
from tests.crash.cluster import SOON_MS_MAX, Cluster, Reply, insist, new_booking, until

pytestmark = pytest.mark.slow

TIMES = 20


def test_a_client_that_goes_before_the_answer_has_bought_once_and_can_find_out(cluster: Cluster) -> None:
    bookings = [new_booking() for _ in range(TIMES)]
    for booking in bookings:
        cluster.leave(booking)
    for booking in bookings:
        until("the order is carried out", partial(_is_confirmed, cluster, booking), SOON_MS_MAX)
        found = cluster.read(booking)
        again = insist(partial(cluster.buy, booking))
        assert found is not None
        assert again.status == HTTPStatus.CREATED
        assert _tickets_and_seats(again) == _tickets_and_seats(found)
    cluster.assert_at_rest()
    events = [event for log in cluster.logs().values() for event in log]
    for booking in bookings:
        assert len([e for e in events if isinstance(e, BookingOpened) and e.booking == booking]) == 1
        assert len([e for e in events if isinstance(e, SeatHeld) and e.booking == booking]) == len(cluster.journey)


def test_an_order_that_broke_off_was_never_made(cluster: Cluster, booking: BookingId) -> None:
    cluster.leave(booking, sent=0.9)
    assert insist(partial(cluster.read, booking)).status == HTTPStatus.NOT_FOUND
    cluster.assert_at_rest()
    assert insist(partial(cluster.buy, booking)).status == HTTPStatus.CREATED
    cluster.assert_at_rest()


def _is_confirmed(cluster: Cluster, booking: BookingId) -> bool:
    reply = cluster.read(booking)
    return reply is not None and reply.status == HTTPStatus.OK and reply.booking.status is Status.CONFIRMED


def _tickets_and_seats(reply: Reply) -> tuple[object, ...]:
    return reply.booking.tickets, [segment.seats for segment in reply.booking.segments]
