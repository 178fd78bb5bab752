"""Sends what is pending to the other carriers: batched, paced, bounded, for as long as it is owed.

The rule (protocol rule 5): a message is owed while a state lasts. After each durable batch the node says what
each machine owes now; that is sent, and sent again, until the machine owes it no more. Only an answer for the
same booking and flight counts. Everything else, a timeout, a reset, a 5xx, a 404, a redirect, an answer that
cannot be read, leaves the outcome unknown: the same messages go again, later, for ever, and visibly.

Each kind of message to each carrier has its own line, with one request under way at most; what is owed meanwhile
travels together in the next. So nothing is delayed when idle, requests are few under load, and a line in trouble
holds up no other.
"""

import asyncio
import logging
import random
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from heapq import heappop, heappush
from itertools import count, product
from typing import Annotated, TypeAlias, get_args

import msgspec
import orjson
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from msgspec import Meta, Struct

from airline_node.certificates import peer_host_name
from ledger.messages import (
    Abort,
    Acknowledged,
    Commit,
    Conflict,
    Held,
    Hold,
    Inquire,
    Outcome,
    PeerAnswer,
    PeerMessage,
    Pledged,
    Prepare,
    Refused,
    Release,
    Return,
    addressee,
)
from ledger.terms import CarrierCode, Millis

BATCH_MAX = 100
"""Messages in one request. The longest takes under 2 kB, so a batch stays well below a peer's limit of 1 MiB."""
ANSWER_BYTES_MAX = 256 * 1024
REQUEST_MS_MAX = 5_000
"""One exchange, connecting included. Past it the outcome is unknown."""
BACKOFF_MS_MIN, BACKOFF_MS_MAX = 100, 3_000
"""How long a line rests after trouble: doubling, and by chance up to half as long again."""
RETRY_MS, RETRY_MS_MAX = 1_000, 30_000
"""How long a message rests that was answered and is owed still: doubling, and by chance up to half as long again."""
WORDS_MAX = 300
"""Characters of what a peer said in its trouble that reach a log or a page."""

BLAMING = frozenset({400, 403, 413, 422, 500})
"""Statuses that one message can have brought upon its whole batch."""

Kind: TypeAlias = type[PeerMessage]
KINDS: tuple[Kind, ...] = get_args(PeerMessage)

log = logging.getLogger(__name__)


class Reach(Struct, frozen=True, kw_only=True):
    """How a carrier can be reached, for people.

    While something waits for it: `silent_since` is when answers that count stopped coming, `error` says what came
    instead, `next_try` when it is asked again. `rejected` are the waiting messages that bring an error back even alone.
    """

    silent_since: Millis | None
    error: str | None
    next_try: Millis | None
    waiting: int
    rejected: int


class Peers:
    """The outgoing side of a node.

    `hear` is given a carrier's answers and awaited before that line's next request, so it returns best when they are in
    the inbox; what it refuses, by raising, is asked for again. `unanswered` is given the inquiries of a failed request.
    `now` dates what people read; pacing goes by the loop's own clock, which nobody sets back. What is owed has no limit
    here: open bookings and seats have.
    """

    def __init__(
        self,
        me: CarrierCode,
        addresses: Mapping[CarrierCode, str],
        tls: ssl.SSLContext | None,
        hear: Callable[[CarrierCode, Sequence[PeerAnswer]], Awaitable[None]],
        unanswered: Callable[[Sequence[PeerMessage]], Awaitable[None]],
        now: Callable[[], Millis],
        chance: Callable[[], float] = random.random,
    ) -> None:
        scheme = "http://" if tls is None else "https://"
        assert all(address.startswith(scheme) for address in addresses.values()), f"a peer's address is {scheme}..."
        self._me = me
        self._addresses = {carrier: address.rstrip("/") for carrier, address in addresses.items()}
        self._tls = tls
        self._hear = hear
        self._unanswered = unanswered
        self._now = now
        self._chance = chance
        self._owed: dict[str, dict[PeerMessage, _Owed]] = {}
        self._lines: dict[tuple[CarrierCode, Kind], _Line] = {}
        self._pumps: list[asyncio.Task[None]] = []
        self._opened = AsyncExitStack()
        for carrier, kind in product(addresses, KINDS):
            self._line(carrier, kind)

    def owe(self, machine: str, messages: Sequence[PeerMessage]) -> None:
        """The whole of what this machine owes now. A message equal to one owed before keeps its place and its rest."""
        before = self._owed.pop(machine, {})
        after: dict[PeerMessage, _Owed] = {}
        for message in messages:
            if message not in after:
                line = self._line(addressee(message), type(message))
                after[message] = before.pop(message) if message in before else line.add(message)
        for settled in before.values():
            settled.line.forget(settled)
        if after:
            self._owed[machine] = after

    def reach(self) -> Mapping[CarrierCode, Reach]:
        """Every carrier that has an address or is owed something."""
        lines, now = self._lines.values(), self._now()
        return {carrier: _reach([line for line in lines if line.carrier == carrier], now) for carrier, _ in self._lines}

    async def start(self) -> None:
        """Begin to send. What was owed before leaves at once."""
        self._session = ClientSession(
            connector=TCPConnector(limit=len(self._lines), limit_per_host=len(KINDS)),
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
            timeout=ClientTimeout(total=None),  # `_ask` sets one that also covers the body.
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        self._opened.push_async_callback(self._session.close)
        for line in self._lines.values():
            if line.carrier in self._addresses:
                pump = asyncio.create_task(self._pump(line), name=f"{line.route} to {line.carrier}")
                pump.add_done_callback(_bury)
                self._pumps.append(pump)

    async def close(self) -> None:
        """Stop sending, if it ever began. A request that is cut off here has an unknown outcome, like any other."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._pumps.clear()
        await self._opened.aclose()

    def _line(self, carrier: CarrierCode, kind: Kind) -> "_Line":
        line = self._lines.get((carrier, kind))
        if line is None:
            assert carrier != self._me, "a node does not write to itself"
            line = self._lines[carrier, kind] = _Line(carrier, kind, self._chance)
            if carrier not in self._addresses:
                # Left out of the configuration, but the log owes it something: nothing is lost and everybody sees why.
                line.in_trouble(f"no address is configured for {carrier}", self._now(), logging.ERROR)
        return line

    async def _pump(self, line: "_Line") -> None:
        while True:
            batch = await line.next_batch()
            messages = [item.message for item in batch]
            try:
                answers = await self._ask(line, messages)
            except Trouble as trouble:
                line.failed(batch, trouble, self._now())
                if line.kind is Inquire:
                    await self._tell(self._unanswered(messages))
            else:
                if line.answered(batch):
                    # It got through after trouble: the other lines need not wait their time out.
                    for kind in KINDS:
                        self._lines[line.carrier, kind].retry_now()
                await self._tell(self._hear(line.carrier, answers))
                line.rest(batch)

    async def _tell(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except Exception as error:
            # The node is full or stopping. What it did not take in is owed still, and so will be asked again.
            log.warning("the node did not take in what a peer said: %r", error)

    async def _ask(self, line: "_Line", messages: Sequence[PeerMessage]) -> list[PeerAnswer]:
        try:
            async with asyncio.timeout(REQUEST_MS_MAX / 1000):
                status, body = await self._post(line, messages)
            if status != 200:
                raise Trouble(f"HTTP {status} {body.decode(errors='replace')}", status in BLAMING)
            return _counted(line, messages, body)
        except Trouble:
            raise
        except TimeoutError as error:
            raise Trouble(f"no answer within {REQUEST_MS_MAX} ms") from error
        except Exception as error:
            # Whatever it is, the messages are owed still: a pump outlives every exchange.
            raise Trouble(f"{type(error).__name__}: {error}") from error

    async def _post(self, line: "_Line", messages: Sequence[PeerMessage]) -> tuple[int, bytes]:
        async with self._session.post(
            f"{self._addresses[line.carrier]}/{line.route}",
            data=orjson.dumps({"items": msgspec.to_builtins(messages)}),
            ssl=self._tls or True,
            server_hostname=peer_host_name(line.carrier),
            allow_redirects=False,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise Trouble(f"HTTP {response.status} with over {ANSWER_BYTES_MAX} bytes", blames=True)
            return response.status, bytes(body)


class Trouble(Exception):
    """An exchange that proves nothing. It `blames` the batch if one message may be at fault: each then goes alone."""

    def __init__(self, words: str, blames: bool = False) -> None:
        # In part the peer's words: nothing that a terminal or a log would take for more than text.
        self.words = "".join(letter if letter.isprintable() else " " for letter in words[:WORDS_MAX])
        self.blames = blames


class _Answers(Struct, frozen=True, forbid_unknown_fields=True):
    answers: Annotated[list[PeerAnswer], Meta(max_length=BATCH_MAX)]


ANSWERS = msgspec.json.Decoder(_Answers)


def _counted(line: "_Line", messages: Sequence[PeerMessage], body: bytes) -> list[PeerAnswer]:
    """The answers, if each is about what was asked in its place; one that is not spoils them all."""
    try:
        answers = ANSWERS.decode(body).answers
    except msgspec.DecodeError as error:
        raise Trouble(f"an answer that cannot be read: {error}", blames=True) from error
    if len(answers) != len(messages):
        raise Trouble(f"{len(answers)} answers to {len(messages)} messages", blames=True)
    for message, answer in zip(messages, answers, strict=True):
        if not _is_about(message, answer, line):
            raise Trouble(f"to {message} it answered {answer}", blames=True)
    return answers


def _is_about(message: PeerMessage, answer: PeerAnswer, line: "_Line") -> bool:
    """Whether it is an answer to this very question: an outcome that nobody asked for must not decide a pledge."""
    match message, answer:
        case _, Conflict():
            fits = True
        case Inquire(), Outcome():
            fits = (answer.asker, answer.by) == (message.asker, message.to)
        case (Hold() | Prepare()), (Held() | Pledged() | Refused()):
            fits = True
        case (Commit() | Abort() | Release() | Return()), Acknowledged():
            fits = answer.done == line.route
        case _:
            fits = False
    return fits and (answer.booking, answer.flight) == (message.booking, message.flight)


class _Owed(Struct, eq=False):
    """One message of one machine, from when it is owed until it is not. `times` is how often it rested."""

    message: PeerMessage
    line: "_Line"
    forgotten: bool = False
    alone: bool = False
    times: int = 0


class _Line:
    """One kind of message to one carrier: what waits, and when it may go. Times within are the loop's, in seconds.

    ready --next_batch--> under way --failed--> ready (at the end)
      ^                       |
      '------- resting <------'  answered and owed still, or to blame when sent alone
    """

    def __init__(self, carrier: CarrierCode, kind: Kind, chance: Callable[[], float]) -> None:
        self.carrier = carrier
        self.kind = kind
        self.route = str(kind.__struct_config__.tag)
        self.waiting = 0
        self.rejected: dict[_Owed, str] = {}
        self.error: str | None = None
        self.silent_since: Millis | None = None
        self.next_try = 0.0
        self._failures = 0
        self._chance = chance
        self._ready: OrderedDict[_Owed, None] = OrderedDict()
        self._resting: list[tuple[float, int, _Owed]] = []
        self._tie_break = count()
        self._woken = asyncio.Event()

    def add(self, message: PeerMessage) -> _Owed:
        item = _Owed(message, self)
        self.waiting += 1
        self._make_ready(item)
        return item

    def forget(self, item: _Owed) -> None:
        """One that rests is dropped when its time comes, one under way when its request ends."""
        item.forgotten = True
        self.waiting -= 1
        self._ready.pop(item, None)
        self.rejected.pop(item, None)

    async def next_batch(self) -> list[_Owed]:
        """Wait until something may go: at once, unless the line or all that it owes rests."""
        while True:
            now = _clock()
            while self._resting and (self._resting[0][0] <= now or self._resting[0][2].forgotten):
                self._make_ready(heappop(self._resting)[2])
            if now >= self.next_try and (batch := self._cut()):
                return batch
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._wake_at()):
                    await self._woken.wait()

    def answered(self, batch: Iterable[_Owed]) -> bool:
        """The line works. Whether it is the first time after trouble."""
        for item in batch:
            self.rejected.pop(item, None)
        recovered = self._failures > 0
        if recovered:
            log.info("%s answers %s again", self.carrier, self.route)
        self._failures, self.next_try, self.error, self.silent_since = 0, 0.0, None, None
        return recovered

    def failed(self, batch: Sequence[_Owed], trouble: Trouble, now: Millis) -> None:
        self.in_trouble(trouble.words, now, logging.ERROR if trouble.blames else logging.WARNING)
        self._failures += 1
        self.next_try = _clock() + self._pause(BACKOFF_MS_MIN, BACKOFF_MS_MAX, self._failures)
        if trouble.blames and len(batch) == 1 and not batch[0].forgotten:
            self.rejected[batch[0]] = trouble.words
            self.rest(batch)
            return
        for item in batch:
            item.alone = item.alone or trouble.blames
            # At the end of what is ready, so that what fails every time does not keep the rest from being tried.
            self._make_ready(item)

    def in_trouble(self, words: str, now: Millis, level: int) -> None:
        if words != self.error:
            log.log(level, "%s to %s: %s; what is owed is kept and sent again", self.route, self.carrier, words)
        self.error = words
        self.silent_since = now if self.silent_since is None else self.silent_since

    def rest(self, batch: Iterable[_Owed]) -> None:
        """Ask again later those that are owed still."""
        for item in batch:
            if not item.forgotten:
                item.times += 1
                due = _clock() + self._pause(RETRY_MS, RETRY_MS_MAX, item.times)
                heappush(self._resting, (due, next(self._tie_break), item))

    def retry_now(self) -> None:
        self.next_try = 0.0
        self._woken.set()

    def _make_ready(self, item: _Owed) -> None:
        if not item.forgotten:
            self._ready[item] = None
            self._woken.set()

    def _cut(self) -> list[_Owed]:
        batch: list[_Owed] = []
        while self._ready and len(batch) < BATCH_MAX:
            item = next(iter(self._ready))
            if batch and (item.alone or batch[0].alone):
                break
            del self._ready[item]
            batch.append(item)
        return batch

    def _wake_at(self) -> float | None:
        if self._ready:
            return self.next_try
        return max(self._resting[0][0], self.next_try) if self._resting else None

    def _pause(self, first_ms: Millis, longest_ms: Millis, times: int) -> float:
        # Sixteen doublings are past every limit here; more would only make a needlessly large number.
        return min(first_ms << min(times - 1, 16), longest_ms) * (1 + self._chance() / 2) / 1000


def _reach(lines: Sequence[_Line], now: Millis) -> Reach:
    troubled = [(line.silent_since, line) for line in lines if line.silent_since is not None and line.waiting]
    rejected = [words for line in lines for words in line.rejected.values()]
    rests = [line.next_try - _clock() for _, line in troubled]
    return Reach(
        silent_since=min((since for since, _ in troubled), default=None),
        error=next(iter([f"{line.route}: {line.error}" for _, line in troubled] + rejected), None),
        next_try=min((now + round(1000 * rest) for rest in rests if rest > 0), default=None),
        waiting=sum(line.waiting for line in lines),
        rejected=len(rejected),
    )


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _bury(pump: asyncio.Task[None]) -> None:
    if not pump.cancelled() and (error := pump.exception()):
        log.critical("the pump of %s died, which is a bug: restart the node", pump.get_name(), exc_info=error)
