"""The travellers: a bounded crowd in a closed loop, each asking for the next thing when the last one is answered.

They live in processes of their own, so that what they cost is not mistaken for the nodes' cost, and say how busy they
were. The rule: a traveller who does not know the outcome asks again under the same id, and what they know in the end
is what the audit holds against the logs.
"""

import asyncio
import random
import time
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol

import msgspec
import orjson
from msgspec import Struct, field

from airline_node.bench.exchange import Line, Reply, request, run
from airline_node.config import Address
from ledger.messages import Status
from ledger.terms import BookingId, FlightId, Millis
from ui.ids import new_booking_id

OUTCOME_MS_MAX: Millis = 60_000
"""So long a traveller asks for the outcome; after that it stays unknown."""
AGAIN_MS: Millis = 200
"""Between two questions about the same order."""
HESITATE_MS_MAX: Millis = 400
CONFIRM_SHARE = 0.8
"""Of the mixed travellers who hold; the others give the seats back."""
REGRET_SHARE = 0.1
"""Of those who bought: they cancel what they have."""
NOT_YET = (HTTPStatus.ACCEPTED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
"""These, and what begins with 5, leave the outcome open."""
CONNECTS_AT_ONCE = 100
PROGRESS_MS: Millis = 100


class Step(StrEnum):
    BUY = "buy"
    """Hold and confirm in one request."""
    SEARCH = "search"
    HOLD = "hold"
    CONFIRM = "confirm"
    CANCEL = "cancel"


class Journey(Struct, frozen=True):
    """What can be asked for: the flights of an itinerary, and the search that finds it."""

    flights: tuple[FlightId, ...]
    search: str


class Crowd(Struct, frozen=True, kw_only=True):
    """What one process is to do. `orders` are indices into `journeys`; the users share them out as they come.

    Each user keeps to one node. With `mixed` they search, hold, hesitate, and confirm or cancel; else they just buy.
    """

    addresses: tuple[Address, ...]
    users: int
    journeys: tuple[Journey, ...]
    orders: tuple[int, ...]
    mixed: bool
    seed: int


class Outcomes(Struct, kw_only=True):
    """What one process has seen. Latencies are microseconds, `ends` milliseconds from the start, one a booking."""

    confirmed: list[BookingId] = field(default_factory=list)
    denied: list[BookingId] = field(default_factory=list)
    """Refused, or given back: who heard that owns nothing."""
    unknown: list[BookingId] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)
    latencies: dict[Step, "array[int]"] = field(default_factory=dict)
    ends: "array[int]" = field(default_factory=lambda: array("Q"))
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def finished(self) -> int:
        return len(self.ends)


class Link(Protocol):
    """The way to whoever started this process."""

    def send(self, said: int | Outcomes, /) -> None:
        """How many bookings are finished, again and again; at last, the outcomes."""

    def recv(self) -> int:
        """Returns when it is time to begin."""


def crowd(work: Crowd, to: Link) -> None:
    """The main function of a process: connects everybody, says 0, waits for the start, and tells how it went."""
    run(_Crowd(work, to).meet())


class _Shown(Struct):
    status: Status


class _Why(Struct):
    error: str


_SHOWN = msgspec.json.Decoder(_Shown)
_WHY = msgspec.json.Decoder(_Why)


class _Crowd:
    def __init__(self, work: Crowd, to: Link) -> None:
        self._work = work
        self._to = to
        self._chance = random.Random(work.seed)  # noqa: S311 - the same changes of mind again
        self._waiting = iter(work.orders)
        self._bodies = [_body(journey.flights, confirm=not work.mixed) for journey in work.journeys]
        self._begun = 0.0
        self.outcomes = Outcomes()

    async def meet(self) -> None:
        users = [_User(self._work.addresses[n % len(self._work.addresses)]) for n in range(self._work.users)]
        for first in range(0, len(users), CONNECTS_AT_ONCE):
            await asyncio.gather(*(user.connect() for user in users[first : first + CONNECTS_AT_ONCE]))
        self._to.send(0)
        self._to.recv()
        self._begun, cpu = time.perf_counter(), time.process_time()
        telling = asyncio.create_task(self._tell())
        await asyncio.gather(*map(self._live, users))
        self.outcomes.seconds = time.perf_counter() - self._begun
        self.outcomes.cpu_seconds = time.process_time() - cpu
        telling.cancel()
        for user in users:
            user.close()
        self._to.send(self.outcomes)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_MS / 1000)
            self._to.send(self.outcomes.finished)

    async def _live(self, user: "_User") -> None:
        for order in self._waiting:
            booking = new_booking_id()  # never by the seed: a second run would only repeat the orders of the first
            try:
                async with asyncio.timeout(OUTCOME_MS_MAX / 1000):
                    if self._work.mixed:
                        await self._hesitate(user, booking, order)
                    else:
                        await self._buy(user, booking, order)
            except TimeoutError:
                self.outcomes.unknown.append(booking)
            self.outcomes.ends.append(int((time.perf_counter() - self._begun) * 1000))

    async def _buy(self, user: "_User", booking: BookingId, order: int) -> None:
        self._note(booking, await self._insist(user, Step.BUY, "PUT", _path(booking), self._bodies[order]))

    async def _hesitate(self, user: "_User", booking: BookingId, order: int) -> None:
        await self._insist(user, Step.SEARCH, "GET", self._work.journeys[order].search)
        held = await self._insist(user, Step.HOLD, "PUT", _path(booking), self._bodies[order])
        if held is not Status.HELD:
            self._note(booking, held)
            return
        await asyncio.sleep(self._chance.uniform(0, HESITATE_MS_MAX) / 1000)
        if self._chance.random() < CONFIRM_SHARE:
            bought = await self._insist(user, Step.CONFIRM, "POST", f"{_path(booking)}/confirm")
            if bought is not Status.CONFIRMED or self._chance.random() >= REGRET_SHARE:
                self._note(booking, bought)
                return
        self._note(booking, await self._insist(user, Step.CANCEL, "POST", f"{_path(booking)}/cancel"))

    def _note(self, booking: BookingId, status: Status | None) -> None:
        (self.outcomes.confirmed if status is Status.CONFIRMED else self.outcomes.denied).append(booking)

    async def _insist(self, user: "_User", step: Step, method: str, path: str, body: bytes = b"") -> Status | None:
        """Ask until the outcome is known; what was then told, or None for a definite no. One latency a step."""
        begun = time.perf_counter_ns()
        while True:
            reply = await self._exchange(user, request(method, path, user.address, body))
            if reply is not None and reply.status not in NOT_YET and reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                break
            await asyncio.sleep(AGAIN_MS / 1000)
        latencies = self.outcomes.latencies.setdefault(step, array("Q"))
        latencies.append((time.perf_counter_ns() - begun) // 1000)
        if reply.status >= HTTPStatus.BAD_REQUEST:
            self.outcomes.refusals[_WHY.decode(reply.body).error] += 1
            return None
        return None if step is Step.SEARCH else _SHOWN.decode(reply.body).status

    async def _exchange(self, user: "_User", asked: bytes) -> Reply | None:
        """One request and its answer, or None and a mark: it broke off, or is not known yet."""
        try:
            reply = await user.ask(asked)
        except OSError as wrong:  # TimeoutError is one
            self.outcomes.trouble[type(wrong).__name__] += 1
            return None
        if reply.status >= HTTPStatus.BAD_REQUEST and reply.status != HTTPStatus.CONFLICT:
            self.outcomes.trouble[f"HTTP {reply.status}"] += 1
        return reply


class _User:
    """A traveller's end of the line; a line that broke is laid again at the next question."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._line: Line | None = None

    async def connect(self) -> None:
        self._line = await Line.to(self.address)

    async def ask(self, asked: bytes) -> Reply:
        line = self._line if self._line and self._line.is_open else await Line.to(self.address)
        self._line = None  # until it has answered: one that was left in the middle of an answer is of no more use
        try:
            reply = await line.ask(asked)
        except BaseException:
            line.close()
            raise
        self._line = line
        return reply

    def close(self) -> None:
        if self._line:
            self._line.close()


def _path(booking: BookingId) -> str:
    return f"/api/bookings/{booking}"


def _body(flights: Sequence[FlightId], *, confirm: bool) -> bytes:
    wanted: Mapping[str, object] = {
        "segments": [{"flight": flight, "seats": 1} for flight in flights],
        "passengers": [{"name": "Ana Lima"}],
        "contact": {"email": "ana@example.com"},
        "confirm": confirm,
    }
    return orjson.dumps(wanted)
