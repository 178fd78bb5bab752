"""`kill -9` of any node, or of several, at any moment, under load: whatever was promised is there afterwards."""

import random
import threading
import time
from functools import partial

import pytest

from ledger.terms import CarrierCode, Millis
from tests.crash.cluster import CARRIERS, Cluster, insist, new_booking

pytestmark = pytest.mark.slow

KILLS = 5
PAUSE_MS_MAX: Millis = 500
CLIENTS = 6
BETWEEN_JOURNEYS_MS_MAX: Millis = 300
SEATS = [f"{row}{column}" for row in range(10, 20) for column in "ABCDEF"]
"""Of Jangada's flight: half of all travellers want one of these, so that some are refused."""


def test_whoever_dies_whenever_every_booking_is_whole(cluster: Cluster) -> None:
    confirmed, denied = set(cluster.told.confirmed), set(cluster.told.denied)
    enough = threading.Event()
    crowd = [cluster.background(partial(travel, cluster, enough)) for _ in range(CLIENTS)]
    for _ in range(KILLS):
        doomed = random.sample(CARRIERS, random.choice((1, 1, 1, 2, 3)))
        pause(PAUSE_MS_MAX)
        for carrier in doomed:
            cluster.kill(carrier)
        pause(PAUSE_MS_MAX)
        cluster.start(*doomed)
    enough.set()
    journeys = [client.result() for client in crowd]
    assert all(journeys), "somebody never came to the end of a journey"
    assert cluster.told.confirmed > confirmed
    assert cluster.told.denied > denied
    cluster.assert_at_rest()


def travel(cluster: Cluster, enough: threading.Event) -> int:
    """Book one journey after the other, each until its outcome is known; how many."""
    journeys = 0
    while not enough.is_set():
        one_journey(cluster, random.choice(CARRIERS))
        journeys += 1
        pause(BETWEEN_JOURNEYS_MS_MAX)
    return journeys


def one_journey(cluster: Cluster, at: CarrierCode) -> None:
    booking = new_booking()
    ipe, jangada, andorinha = cluster.journeys[1]
    wanted = {ipe: None, jangada: random.choice((None, random.choice(SEATS))), andorinha: None}
    match random.choice(("buy", "buy", "hold", "change one's mind")):
        case "buy":
            insist(partial(cluster.buy, booking, at, wanted))
        case "hold":
            if insist(partial(cluster.hold, booking, at, wanted)).status < 300:
                insist(partial(cluster.confirm, booking, at))
        case _:
            if insist(partial(cluster.buy, booking, at, wanted)).status < 300:
                insist(partial(cluster.cancel, booking, at))


def pause(ms_max: Millis) -> None:
    time.sleep(random.uniform(0, ms_max) / 1000)
