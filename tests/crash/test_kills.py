"""`kill -9` at every named point of a booking's life: what was promised is kept, and nothing half done remains."""

import signal
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

import pytest

from ledger.events import AbortReason, PrepareRefused, RefusalReason, SeatCommitted, SeatHeld
from ledger.messages import SegmentState, Status, Word
from ledger.terms import DECIDE_MS, BookingId, CarrierCode, Millis
from ledger.waiting import WaitState
from tests.crash.cluster import SOON_MS_MAX, Cluster, Reply, insist, new_booking, until
from tests.crash.doomed import Point
from tests.thorough import one_in

pytestmark = pytest.mark.slow
RACES = 30
AT_ONCE_MS_MAX: Millis = 5_000
CONFIRMED_BEFORE = (Point.ONE_TOLD, Point.SETTLED_UNWRITTEN)
"""When its coordinator dies here the traveller has heard already that the journey is theirs."""


@pytest.fixture
def cluster(doomed: Cluster) -> Cluster:
    doomed.revive()
    return doomed


def kill_at(cluster: Cluster, carrier: CarrierCode, point: Point, client: Callable[[], Reply | None]) -> Reply | None:
    """What a client hears while this node dies at the point and is started again."""
    with cluster.doomed(carrier, point):
        answer = cluster.background(client)
    cluster.start(carrier)
    return answer.result()


def assert_bought(reply: Reply | None, begun: float) -> None:
    """It is theirs; unless the machine was so slow that the time for the votes ran out meanwhile."""
    assert reply is not None
    if reply.status == HTTPStatus.CONFLICT and time.monotonic() - begun > DECIDE_MS / 1000:
        assert reply.problem.error == AbortReason.NO_ANSWER
    else:
        assert reply.status in (HTTPStatus.OK, HTTPStatus.CREATED)
        assert reply.booking.status is Status.CONFIRMED


@pytest.mark.parametrize(
    ("carrier", "point"),
    one_in(
        8,
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
    ),
)
def test_what_is_bought_in_one_step_is_complete_whoever_dies_on_the_way(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    begun = time.monotonic()
    buy = partial(cluster.buy, booking)
    heard = kill_at(cluster, carrier, point, buy)
    if carrier == "AN" and point not in CONFIRMED_BEFORE:
        assert heard is None
    else:
        assert_bought(heard, begun)
    assert_bought(insist(buy), begun)
    cluster.assert_at_rest()


@pytest.mark.parametrize(
    ("carrier", "point"),
    one_in(
        4,
        [
            ("AN", Point.OPENED),
            ("AN", Point.GRANT_HEARD),
            ("JG", Point.HOLD_UNWRITTEN),
            ("JG", Point.HOLD),
        ],
    ),
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
    one_in(
        5,
        [
            ("AN", Point.VOTING),
            ("AN", Point.COMMIT),
            ("JG", Point.PLEDGE_UNWRITTEN),
            ("JG", Point.PLEDGE),
            ("JG", Point.SALE_UNWRITTEN),
        ],
    ),
)
def test_what_was_held_is_sold_whoever_dies_while_it_is_confirmed(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    held = insist(partial(cluster.hold, booking)).booking
    begun = time.monotonic()
    confirm = partial(cluster.confirm, booking)
    kill_at(cluster, carrier, point, confirm)
    bought = insist(confirm)
    assert_bought(bought, begun)
    if bought.status == HTTPStatus.OK:
        assert [segment.seats for segment in bought.booking.segments] == [segment.seats for segment in held.segments]
    cluster.assert_at_rest()


@pytest.mark.parametrize(("carrier", "point"), one_in(2, [("AN", Point.CANCELLED), ("JG", Point.RETURN)]))
def test_what_is_cancelled_is_returned_by_all_whoever_dies_on_the_way(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    assert insist(partial(cluster.buy, booking)).status == HTTPStatus.CREATED
    cancel = partial(cluster.cancel, booking)
    kill_at(cluster, carrier, point, cancel)
    assert insist(cancel).booking.status is Status.CANCELLED
    cluster.assert_at_rest()


@pytest.mark.parametrize(
    ("carrier", "point"), one_in(3, [("AN", Point.ABORT_UNWRITTEN), ("AN", Point.ABORT), ("IP", Point.RELEASE)])
)
def test_what_one_carrier_refuses_is_let_go_by_all_whoever_dies_on_the_way(
    cluster: Cluster, booking: BookingId, carrier: CarrierCode, point: Point
) -> None:
    ipe, jangada, _ = cluster.journey
    first_come = insist(partial(cluster.buy, new_booking(), "JG", {jangada: None})).booking
    [taken] = first_come.segments[0].seats
    buy = partial(cluster.buy, booking, wanted={ipe: None, jangada: taken})
    kill_at(cluster, carrier, point, buy)
    refused = insist(buy)
    assert (refused.status, refused.problem.known) == (HTTPStatus.CONFLICT, True)
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_a_carrier_that_dies_after_its_yes_does_not_hold_up_the_sale(cluster: Cluster, booking: BookingId) -> None:
    cluster.signal("IP", signal.SIGSTOP)
    answer = cluster.background(partial(cluster.buy, booking))
    until("Jangada's yes is heard", partial(is_held, cluster, booking, "JG"), SOON_MS_MAX)
    cluster.kill("JG")
    cluster.signal("IP", signal.SIGCONT)
    bought = answer.result()
    assert bought is not None
    assert (bought.status, bought.booking.pending) == (HTTPStatus.CREATED, ("IP", "JG"))
    cluster.start("JG")
    cluster.assert_at_rest()


def is_held(cluster: Cluster, booking: BookingId, by: CarrierCode) -> bool:
    reply = cluster.read(booking)
    if reply is None or reply.status != HTTPStatus.ACCEPTED:
        return False
    return any(s.carrier == by and s.state is SegmentState.HELD for s in reply.booking.segments)


# ---- the coordinator stays dead ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_carrier_that_was_not_told_learns_the_decision_from_one_that_was(
    cluster: Cluster, booking: BookingId
) -> None:
    buy = partial(cluster.buy, booking)
    with cluster.doomed("AN", Point.ONE_TOLD):
        cluster.background(buy)
    [before] = cluster.waiting("JG")
    assert (before.booking, before.state, before.waits_for) == (booking, WaitState.PLEDGED, ("AN",))
    cluster.kill("JG")
    cluster.start("JG")  # and so it asks at once
    started = time.time_ns() // 1_000_000
    until("Jangada has it from Ipê", lambda: cluster.waiting("JG") == (), SOON_MS_MAX)
    cluster.start("AN")
    assert insist(buy).status == HTTPStatus.CREATED
    cluster.assert_at_rest()
    pledge, sale = (e for e in cluster.logs()["JG"] if isinstance(e, SeatHeld | SeatCommitted) and e.booking == booking)
    assert isinstance(pledge, SeatHeld)
    assert pledge.decide_by is not None
    by_itself = max(pledge.decide_by, started + AT_ONCE_MS_MAX)
    assert sale.at < by_itself, "it asked because its time was up, not because it was started again"


@pytest.mark.thorough
def test_carriers_that_were_not_told_wait_and_say_for_whom(cluster: Cluster, booking: BookingId) -> None:
    buy = partial(cluster.buy, booking)
    with cluster.doomed("AN", Point.COMMIT):
        cluster.background(buy)
    for carrier in ("IP", "JG"):
        cluster.kill(carrier)
    cluster.start("IP", "JG")  # and so they ask at once
    until("both have asked one another", partial(both_in_doubt, cluster, booking), SOON_MS_MAX)
    cluster.start("AN")
    assert insist(buy).status == HTTPStatus.CREATED
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_without_a_decision_time_alone_releases_nothing(cluster: Cluster, booking: BookingId) -> None:
    buy = partial(cluster.buy, booking)
    with cluster.doomed("AN", Point.VOTE_HEARD):
        cluster.background(buy)
    until("both have asked one another", partial(both_in_doubt, cluster, booking), DECIDE_MS + SOON_MS_MAX)
    cluster.start("AN")  # too late for the votes to count
    refused = insist(buy)
    assert (refused.status, refused.problem.known) == (HTTPStatus.CONFLICT, True)
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_a_carrier_that_was_never_asked_closes_its_door_and_so_frees_the_other(
    cluster: Cluster, booking: BookingId
) -> None:
    buy = partial(cluster.buy, booking)
    with cluster.doomed("AN", Point.ONE_ASKED):
        cluster.background(buy)
    cluster.kill("IP")
    cluster.start("IP")  # and so it asks at once
    until("Ipê has let go", lambda: cluster.waiting("IP") == (), SOON_MS_MAX)
    cluster.start("AN")
    assert insist(buy).status == HTTPStatus.CONFLICT
    cluster.assert_at_rest()
    doors = [e for e in cluster.logs()["JG"] if isinstance(e, PrepareRefused) and e.booking == booking]
    assert [door.reason for door in doors] == [RefusalReason.ASKED]


def both_in_doubt(cluster: Cluster, booking: BookingId) -> bool:
    """Whether each of the two says that it waits for the dead coordinator, and what the other one has answered."""
    for carrier, other in (("IP", "JG"), ("JG", "IP")):
        [waits] = cluster.waiting(carrier)
        assert (waits.booking, waits.waits_for) == (booking, ("AN",))
        if waits.state is not WaitState.IN_DOUBT or other not in waits.reason:
            return False
        assert waits.reason == f"pledged; AN has the decision and cannot be reached; {other} says pledged"
        assert "bring AN back" in waits.safe
    return True


# ---- asked about before it was known -------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_restarted_coordinator_that_is_asked_about_an_unknown_booking_refuses_its_traveller_too(
    cluster: Cluster, booking: BookingId
) -> None:
    cluster.kill("AN")
    cluster.start("AN")
    assert cluster.inquire(booking) is Word.ABORTED
    cluster.kill("AN")  # what it said is on disk
    cluster.start("AN")
    refused = insist(partial(cluster.buy, booking))
    assert (refused.status, refused.problem.known) == (HTTPStatus.CONFLICT, True)
    assert cluster.inquire(booking) is Word.ABORTED
    cluster.assert_at_rest()


def test_a_presumed_abort_is_on_disk_before_it_is_said(cluster: Cluster, booking: BookingId) -> None:
    with cluster.doomed("AN", Point.ABORT_UNWRITTEN):
        assert cluster.inquire(booking) is None
    cluster.start("AN")
    assert insist(partial(cluster.buy, booking)).status == HTTPStatus.CREATED
    assert cluster.inquire(booking) is Word.COMMITTED
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_a_presumed_abort_that_was_not_said_holds_nevertheless(cluster: Cluster, booking: BookingId) -> None:
    with cluster.doomed("AN", Point.ABORT):
        assert cluster.inquire(booking) is None
    cluster.start("AN")
    assert insist(partial(cluster.buy, booking)).status == HTTPStatus.CONFLICT
    assert cluster.inquire(booking) is Word.ABORTED
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_a_traveller_and_an_inquiry_that_come_together_hear_the_same(cluster: Cluster) -> None:
    cluster.kill("AN")
    cluster.start("AN")
    for _ in range(RACES):
        booking = new_booking()
        answer = cluster.background(partial(insist, partial(cluster.buy, booking)))
        word = cluster.inquire(booking)
        status = answer.result().status
        assert (word is Word.ABORTED) == (status == HTTPStatus.CONFLICT)
        assert status in (HTTPStatus.CREATED, HTTPStatus.CONFLICT)
    cluster.assert_at_rest()
