"""Travellers who come at a rate, whatever becomes of those before them: an open loop, in a process of its own.

A closed crowd waits for its answers, and so can ask for no more than it is given. These do not wait: each has a
connection to itself while it asks, asks once, and takes what it is answered.
"""

import asyncio
import re
import time
from collections import Counter, deque
from http import HTTPStatus
from itertools import count
from typing import Protocol
from uuid import uuid4

import orjson
from msgspec import Struct, field

from airline_node.bench.exchange import Line, request, run
from airline_node.bench.load import Journey
from airline_node.config import Address
from ledger.messages import Status
from ledger.terms import BookingId, FlightId, Millis

TELL_MS: Millis = 100
LATER = re.compile(rb"\r\nretry-after:[ \t]*[1-9][0-9]*\r\n", re.IGNORECASE)


class Arrivals(Struct, frozen=True, kw_only=True):
    """So many a second for so long, at each address in turn. `orders` are indices into `journeys`, each sold once.

    One that was turned away is there for a later traveller. Raises `AssertionError` when there is none left.
    """

    addresses: tuple[Address, ...]
    per_second: float
    seconds: float
    journeys: tuple[Journey, ...]
    orders: tuple[int, ...]


class Answered(Struct, kw_only=True):
    """What they heard. `sold` and `shed` are, for each booking, milliseconds from the start and of waiting."""

    sold: dict[BookingId, tuple[Millis, Millis]] = field(default_factory=dict)
    shed: dict[BookingId, tuple[Millis, Millis]] = field(default_factory=dict)
    """Refused with 503, `Retry-After` and the word that nothing has happened."""
    other: Counter[str] = field(default_factory=Counter)
    """Anything else, an error or no answer among it."""
    came: int = 0
    late_ms_max: Millis = 0
    """So far behind its time was whoever came latest: the machine had no room for its travellers."""
    cpu_seconds: float = 0.0


class Link(Protocol):
    """The way to whoever started this process."""

    def send(self, said: int | Answered, /) -> None: ...

    def recv(self) -> int: ...


def arrive(work: Arrivals, to: Link) -> None:
    """The main function of the process: says 0, waits for the start, tells how many have come, at last how it went."""
    run(_Doors(work, to).open())


class _Line(Line):
    """Remembers whether the last answer said when to come again."""

    later = False

    def data_received(self, data: bytes) -> None:
        self.later = LATER.search(data) is not None
        super().data_received(data)


class _Doors:
    def __init__(self, work: Arrivals, to: Link) -> None:
        self._work = work
        self._to = to
        self._wanted = deque(work.orders)
        self._idle: dict[Address, list[_Line]] = {address: [] for address in work.addresses}
        self._bodies = [_body(journey.flights) for journey in work.journeys]
        self._under_way: set[asyncio.Task[None]] = set()
        self._begun = 0.0
        self.answered = Answered()

    async def open(self) -> None:
        self._to.send(0)
        self._to.recv()
        self._begun, cpu, work = time.perf_counter(), time.process_time(), self._work
        told_ms = 0
        for number in count():
            due_s = number / work.per_second
            if due_s >= work.seconds:
                break
            await asyncio.sleep(max(0, due_s - (time.perf_counter() - self._begun)))
            late_ms = round(1000 * (time.perf_counter() - self._begun - due_s))
            self.answered.late_ms_max = max(self.answered.late_ms_max, late_ms)
            assert self._wanted, "sold out: a rate can be measured only while there is something to sell"
            traveller = asyncio.create_task(self._ask(number, self._wanted.popleft()))
            self._under_way.add(traveller)
            traveller.add_done_callback(self._under_way.discard)
            self.answered.came += 1
            if due_s * 1000 > told_ms:
                self._to.send(self.answered.came)
                told_ms += TELL_MS
        await asyncio.gather(*self._under_way)
        self.answered.cpu_seconds = time.process_time() - cpu
        for lines in self._idle.values():
            for line in lines:
                line.close()
        self._to.send(self.answered)

    async def _ask(self, number: int, order: int) -> None:
        work, booking, came = self._work, str(uuid4()), time.perf_counter()
        address = work.addresses[number % len(work.addresses)]
        idle = self._idle[address]
        try:
            line = idle.pop() if idle else await _Line.to(address)
            reply = await line.ask(request("PUT", f"/api/bookings/{booking}", address, self._bodies[order]))
        except OSError as wrong:  # TimeoutError is one
            self.answered.other[f"no answer: {str(wrong) or type(wrong).__name__}"] += 1
            return
        if line.is_open:
            idle.append(line)
        now = time.perf_counter()
        when = round(1000 * (now - self._begun)), round(1000 * (now - came))
        said = orjson.loads(reply.body)
        match reply.status:
            case HTTPStatus.OK | HTTPStatus.CREATED if said["status"] == Status.CONFIRMED:
                self.answered.sold[booking] = when
            case HTTPStatus.SERVICE_UNAVAILABLE if said["known"] and line.later:
                self.answered.shed[booking] = when
                self._wanted.append(order)
            case status:
                self.answered.other[f"{status} {said.get('error') or said.get('status')}"] += 1


def _body(flights: tuple[FlightId, ...]) -> bytes:
    return orjson.dumps(
        {
            "segments": [{"flight": flight, "seats": 1} for flight in flights],
            "passengers": [{"name": "Ana Lima"}],
            "contact": {"email": "ana@example.com"},
            "confirm": True,
        }
    )
