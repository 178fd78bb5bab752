"""Nodes that are killed and frozen while a crowd books, again and again, and everything that must be so afterwards."""

import random
import signal
import time
from collections.abc import Callable

from msgspec import Struct

from ledger.events import SeatCommitted, SeatReturned
from ledger.terms import BookingId, Millis
from tests.crash.cluster import CARRIERS, Cluster
from tests.crash.crowd import Crowd, Seat

TRAVELLERS = 6
PAUSE_MS_MAX: Millis = 500
FROZEN_MS_MAX: Millis = 3_000
FREEZES = 0.3
"""So many blows stop a node for a while (SIGSTOP, SIGCONT); all others kill one, two or three (SIGKILL)."""


class Suffered(Struct):
    kills: int = 0
    freezes: int = 0
    journeys: int = 0
    operations: int = 0
    confirmed: int = 0
    refused: int = 0


def suffer(cluster: Cluster, kills: int, killed: Callable[[int], object] = lambda _: None) -> Suffered:
    """At least so many kills under load. Raises `AssertionError` if anything that was promised is not so afterwards."""
    suffered = Suffered()
    confirmed, denied = len(cluster.told.confirmed), len(cluster.told.denied)
    crowd = Crowd(cluster, TRAVELLERS)
    while suffered.kills < kills:
        pause(PAUSE_MS_MAX)
        if random.random() < FREEZES:
            _freeze(cluster)
            suffered.freezes += 1
        else:
            doomed = random.sample(CARRIERS, random.choice((1, 1, 1, 2, 3)))
            for carrier in doomed:
                cluster.kill(carrier)
            pause(PAUSE_MS_MAX)
            cluster.start(*doomed)
            suffered.kills += len(doomed)
            killed(len(doomed))
    crowd.go_home()
    cluster.assert_at_rest()
    impossible = crowd.impossible(owners(cluster))
    assert not impossible, f"no order of events explains what was seen of {impossible}"
    suffered.journeys, suffered.operations = crowd.journeys, crowd.operations
    suffered.confirmed = len(cluster.told.confirmed) - confirmed
    suffered.refused = len(cluster.told.denied) - denied
    assert suffered.confirmed, "a run in which nothing was sold proves nothing"
    assert suffered.refused, "a run in which nobody met anybody proves nothing"
    crowd.give_back()
    return suffered


def owners(cluster: Cluster) -> dict[Seat, BookingId]:
    """Whose each sold seat is in the end, by the logs of the carriers that fly it."""
    found: dict[Seat, BookingId] = {}
    for log in cluster.logs().values():
        for event in log:
            match event:
                case SeatCommitted():
                    found[event.flight, event.seat] = event.booking
                case SeatReturned():
                    del found[event.flight, event.seat]
    return found


def pause(ms_max: Millis) -> None:
    time.sleep(random.uniform(0, ms_max) / 1000)


def _freeze(cluster: Cluster) -> None:
    """To the others it is silent, and then it goes on as if no time had passed."""
    carrier = random.choice(CARRIERS)
    cluster.signal(carrier, signal.SIGSTOP)
    pause(FROZEN_MS_MAX)
    cluster.signal(carrier, signal.SIGCONT)
