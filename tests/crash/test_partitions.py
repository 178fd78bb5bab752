"""Carriers that cannot reach one another, or only one way, on roads that delay and lose: nothing is half sold."""

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import pytest

from airline_node.fleet import HOST
from ledger.terms import CarrierCode, Millis
from tests.crash.blows import owners
from tests.crash.cluster import CARRIERS, Cluster
from tests.crash.crowd import Crowd
from tests.crash.roads import HERE, Place, Roads, why_not
from tests.thorough import size, skip

pytestmark = pytest.mark.slow

TRAVELLERS = 5
CUTS = size(2, 8)
CUT_MS_MAX: Millis = 4_000
WHOLE_MS_MAX: Millis = 1_000
DELAY_MS_MAX: Millis = 60
LOSS = 0.02
HEARD_MS_MAX: Millis = 5_000


class FarCluster(Cluster):
    """Each node in a namespace, at an address of its own."""

    def __init__(self, folder: Path, roads: Roads) -> None:
        super().__init__(folder)
        self.roads = roads

    def host(self, carrier: CarrierCode) -> str:
        return self.roads.addresses[carrier]

    def command(self, carrier: CarrierCode) -> Sequence[str]:
        return ("ip", "netns", "exec", self.roads.namespace(carrier), *super().command(carrier))


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarCluster]:
    if shutil.which("ip") is None:
        skip("no command `ip` (iproute2)")
    if refused := why_not():
        pytest.skip(refused)  # In CI too: a machine that does not allow it cannot be helped.
    with Roads(CARRIERS).open() as roads, FarCluster(tmp_path, roads) as cluster:
        yield cluster


@pytest.mark.thorough
def test_whatever_is_cut_off_every_booking_is_whole_and_every_seat_has_one_history(far: FarCluster) -> None:
    roads = far.roads
    roads.delay_ms_max, roads.loss = DELAY_MS_MAX, LOSS
    crowd = Crowd(far, TRAVELLERS)
    for _ in range(CUTS):
        time.sleep(random.uniform(0, WHOLE_MS_MAX) / 1000)
        roads.cut |= some_cut()
        time.sleep(random.uniform(0, CUT_MS_MAX) / 1000)
        roads.cut.clear()
    crowd.go_home()
    roads.delay_ms_max, roads.loss = 0, 0.0
    far.assert_at_rest()
    assert crowd.impossible(owners(far)) == []
    assert far.told.confirmed
    assert roads.lost, "nothing was cut off"
    print(f"{crowd.journeys} journeys over {CUTS} cuts, {roads.lost} packets lost of {roads.lost + roads.passed}")


def some_cut() -> set[tuple[Place, Place]]:
    """Two carriers, both ways or one; one carrier from all others; or from its travellers."""
    here, there = random.sample(CARRIERS, 2)
    match random.choice(("both ways", "one way", "alone", "travellers")):
        case "one way":
            return {(here, there)}
        case "both ways":
            return {(here, there), (there, here)}
        case "alone":
            others = [carrier for carrier in CARRIERS if carrier != here]
            return {way for other in others for way in ((here, other), (other, here))}
        case _:
            return {(here, HERE), (HERE, here)}


@pytest.mark.thorough
def test_a_cut_road_carries_nothing_and_a_whole_one_everything(far: FarCluster) -> None:
    far.roads.cut = {("AN", HERE)}
    assert lives(far, "JG")
    assert not lives(far, "AN")
    far.roads.cut.clear()
    assert lives(far, "AN")
    assert HOST not in far.roads.addresses.values()


def lives(far: FarCluster, carrier: CarrierCode) -> bool:
    """Whether it is heard of in a time in which a whole road brings an answer ten times over."""
    address = far.host(carrier), far.fleet.port(carrier)
    with suppress(OSError), closing(HTTPConnection(*address, HEARD_MS_MAX / 1000)) as connection:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == HTTPStatus.OK
    return False
