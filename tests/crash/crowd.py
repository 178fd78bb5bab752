"""Travellers who want the same few seats, on nodes that die and freeze under them, and what each of them saw."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from math import inf

from msgspec.structs import replace

from airline_node.up import READY_MS_MAX
from ledger.messages import Status
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, SeatNo
from tests.crash.cluster import CARRIERS, KNOWN_MS_MAX, Cluster, Reply, Wanted, insist, new_booking
from tests.crash.histories import Does, Operation, linearizable

SEATS = [f"{row}{column}" for row in range(10, 12) for column in "ABCDEF"]
"""Of Jangada's flight: so few that most travellers meet another one who wants the same."""
BETWEEN_JOURNEYS_MS_MAX: Millis = 200
PATIENCE_MS: Millis = KNOWN_MS_MAX + 2 * READY_MS_MAX
"""The node that they ask may be killed, and killed again when it has just started."""
GIVES_UP, LOOKS, KEEPS = 0.05, 0.5, 0.05
"""How many never ask again, are looked up by a friend, keep what they have bought."""

Seat = tuple[FlightId, SeatNo]


class Crowd:
    """`journeys` are those that came to an end, known or not. Histories are by seat, in seconds of this machine."""

    def __init__(self, cluster: Cluster, travellers: int) -> None:
        self.journeys = 0
        self._cluster = cluster
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._histories: defaultdict[Seat, list[Operation]] = defaultdict(list)
        self._kept: list[tuple[BookingId, CarrierCode]] = []
        self._travellers: list[Future[None]] = [cluster.background(self._travel) for _ in range(travellers)]

    def go_home(self) -> None:
        """No more journeys: returns when all have ended. Raises what went wrong on one of them."""
        self._enough.set()
        for traveller in self._travellers:
            traveller.result()

    def give_back(self) -> None:
        """What they have kept, or may have got without waiting for the answer: the next crowd finds seats again."""
        for booking, at in self._kept:
            reply = insist(partial(self._cluster.cancel, booking, at), PATIENCE_MS)
            assert reply.status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND), f"{booking} at {at}: {reply}"

    @property
    def operations(self) -> int:
        return sum(map(len, self._histories.values()))

    def impossible(self, owners: Mapping[Seat, BookingId]) -> list[Seat]:
        """Seats whose histories nothing explains; `owners` is what the logs say in the end, of those that are sold."""
        now = time.monotonic()
        wrong = []
        for seat, history in self._histories.items():
            owner = owners.get(seat)
            # One after the other: side by side, every order of them would be tried.
            ends = [
                Operation(Does.HAS if booking == owner else Does.HAS_NOT, booking, now + n, now + n)
                for n, booking in enumerate(sorted({operation.booking for operation in history}))
            ]
            if not linearizable([*history, *ends]):
                wrong.append(seat)
        return wrong

    # ---- one traveller ----------------------------------------------------------------------------------------------

    def _travel(self) -> None:
        while not self._enough.is_set():
            self._one_journey(random.choice(CARRIERS))
            with self._lock:
                self.journeys += 1
            time.sleep(random.uniform(0, BETWEEN_JOURNEYS_MS_MAX) / 1000)

    def _one_journey(self, at: CarrierCode) -> None:
        booking, seat = new_booking(), random.choice(SEATS)
        _, jangada, andorinha = random.choice(self._cluster.journeys)
        wanted: Wanted = {jangada: seat, andorinha: None}
        place, called = (jangada, seat), time.monotonic()
        if random.random() < GIVES_UP:
            self._cluster.buy(booking, at, wanted)
            self._saw(place, Operation(Does.TAKE, booking, called))
            self._kept.append((booking, at))
            return
        at_once = random.random() < 0.5
        reply = insist(partial(self._cluster.buy if at_once else self._cluster.hold, booking, at, wanted), PATIENCE_MS)
        if not at_once and reply.status < HTTPStatus.BAD_REQUEST:
            called = time.monotonic()
            reply = insist(partial(self._cluster.confirm, booking, at), PATIENCE_MS)
            assert reply.status in (HTTPStatus.OK, HTTPStatus.CONFLICT), f"{booking} was held, and now: {reply}"
        taken = Operation(Does.TAKE, booking, called, time.monotonic())
        if reply.status >= HTTPStatus.BAD_REQUEST:  # also of a flight that a node has not heard of since it started
            assert reply.problem.known, reply
            self._saw(place, replace(taken, does=Does.HAS_NOT))
            return
        assert reply.booking.status is Status.CONFIRMED, reply
        self._saw(place, taken)
        self._look(place, booking, at)
        if random.random() < KEEPS:
            self._kept.append((booking, at))
        else:
            called = time.monotonic()
            reply = insist(partial(self._cluster.cancel, booking, at), PATIENCE_MS)
            assert reply.booking.status is Status.CANCELLED, reply
            self._saw(place, Operation(Does.GIVE_BACK, booking, called, time.monotonic()))
            self._look(place, booking, at)

    def _look(self, place: Seat, booking: BookingId, at: CarrierCode) -> None:
        """A friend asks once: an answer is an answer, and none is none."""
        called = time.monotonic()
        reply = self._cluster.read(booking, at) if random.random() < LOOKS else None
        if reply and (does := _seen(reply)):
            self._saw(place, Operation(does, booking, called, time.monotonic()))

    def _saw(self, place: Seat, operation: Operation) -> None:
        assert operation.called <= operation.answered <= inf
        with self._lock:
            self._histories[place].append(operation)


def _seen(reply: Reply) -> Does | None:
    if reply.status != HTTPStatus.OK:
        return None
    match reply.booking.status:
        case Status.CONFIRMED:
            return Does.HAS
        case Status.CANCELLED | Status.REFUSED | Status.EXPIRED:
            return Does.HAS_NOT
        case _:
            return None
