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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import product
from typing import Annotated

import msgspec
import orjson
from msgspec import Meta, Struct

from airline_node.certificates import peer_host_name
from airline_node.figures import Timings
from airline_node.lines import BATCH_MAX, KINDS, Kind, Line, Owed, Reach, Trouble, clock, reach_by
from airline_node.peer_client import TooLong, body_of, open_session
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

ANSWER_BYTES_MAX = 1024 * 1024
REQUESTS_AT_ONCE = 1
"""Under way on one line. More would only make them smaller: what waits for the next one travels together."""
REQUEST_MS_MAX = 5_000
"""One exchange, connecting included. Past it the outcome is unknown."""
BLAMING = frozenset({400, 403, 413, 422, 500})
"""Statuses that one message can have brought upon its whole batch."""
JSON = {"Content-Type": "application/json"}

log = logging.getLogger(__name__)


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
        self._owed: dict[str, dict[PeerMessage, Owed]] = {}
        self._lines: dict[tuple[CarrierCode, Kind], Line] = {}
        self._pumps: list[asyncio.Task[None]] = []
        self.requests = {carrier: Timings() for carrier in self._addresses}
        self._opened = AsyncExitStack()
        for carrier, kind in product(addresses, KINDS):
            self._line(carrier, kind)

    def owe(self, machine: str, messages: Sequence[PeerMessage]) -> None:
        """The whole of what this machine owes now. A message equal to one owed before keeps its place and its rest."""
        if not messages and machine not in self._owed:
            return
        before = self._owed.pop(machine, {})
        after: dict[PeerMessage, Owed] = {}
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
        return {
            carrier: reach_by([line for line in lines if line.carrier == carrier], now) for carrier, _ in self._lines
        }

    def next_try(self, machine: str) -> Millis | None:
        """When something of what this machine owes is sent next; None: it owes nothing, or to nobody known."""
        owed = [item for item in self._owed.get(machine, {}).values() if item.line.carrier in self._addresses]
        if not owed:
            return None
        rest_s = min(max(item.due, item.line.next_try) for item in owed) - clock()
        return self._now() + max(0, round(1000 * rest_s))

    def wake(self) -> None:
        """Everything that is owed is sent now, whatever it has been waiting for."""
        for line in self._lines.values():
            line.wake()

    async def start(self) -> None:
        """Begin to send. What was owed before leaves at once."""
        self._session = open_session(
            self._tls,
            None,  # `_ask` has a limit that also covers the reading of the answer.
            limit=len(self._lines) * REQUESTS_AT_ONCE,
            limit_per_host=len(KINDS) * REQUESTS_AT_ONCE,
        )
        self._opened.push_async_callback(self._session.close)
        for line in self._lines.values():
            for _ in range(REQUESTS_AT_ONCE if line.carrier in self._addresses else 0):
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

    def _line(self, carrier: CarrierCode, kind: Kind) -> Line:
        line = self._lines.get((carrier, kind))
        if line is None:
            assert carrier != self._me, "a node does not write to itself"
            line = self._lines[carrier, kind] = Line(carrier, kind, self._chance)
            if carrier not in self._addresses:
                # Left out of the configuration, but the log owes it something: nothing is lost and everybody sees why.
                line.in_trouble(f"no address is configured for {carrier}", self._now(), logging.ERROR)
        return line

    async def _pump(self, line: Line) -> None:
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

    async def _ask(self, line: Line, messages: Sequence[PeerMessage]) -> list[PeerAnswer]:
        begun = clock()
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
        finally:
            self.requests[line.carrier].note(clock() - begun)

    async def _post(self, line: Line, messages: Sequence[PeerMessage]) -> tuple[int, bytes]:
        async with self._session.post(
            f"{self._addresses[line.carrier]}/{line.route}",
            data=orjson.dumps({"items": msgspec.to_builtins(messages)}),
            headers=JSON,
            server_hostname=peer_host_name(line.carrier),
            allow_redirects=False,
        ) as response:
            try:
                return response.status, await body_of(response, ANSWER_BYTES_MAX)
            except TooLong as trouble:
                raise Trouble(f"HTTP {response.status} with {trouble}", blames=True) from trouble


class _Answers(Struct, frozen=True, forbid_unknown_fields=True):
    answers: Annotated[list[PeerAnswer], Meta(max_length=BATCH_MAX)]


ANSWERS = msgspec.json.Decoder(_Answers)


def _counted(line: Line, messages: Sequence[PeerMessage], body: bytes) -> list[PeerAnswer]:
    """The answers, if each is about what was asked in its place; one that is not spoils them all."""
    try:
        answers = ANSWERS.decode(body).answers
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Trouble(f"an answer that cannot be read: {error}", blames=True) from error
    if len(answers) != len(messages):
        raise Trouble(f"{len(answers)} answers to {len(messages)} messages", blames=True)
    for message, answer in zip(messages, answers, strict=True):
        if not _is_about(message, answer, line):
            raise Trouble(f"to {message} it answered {answer}", blames=True)
    return answers


def _is_about(message: PeerMessage, answer: PeerAnswer, line: Line) -> bool:
    """Whether it is an answer to this very question: an outcome that nobody asked for must not decide a pledge."""
    match message, answer:
        case _, Conflict():
            fits = True
        case Inquire(), Outcome():
            fits = (answer.asker, answer.by) == (message.asker, message.to)
        case ((Hold() | Prepare()), (Held() | Pledged() | Refused())):
            fits = True
        case ((Commit() | Abort() | Release() | Return()), Acknowledged()):
            fits = answer.done == line.route
        case _:
            fits = False
    return fits and (answer.booking, answer.flight) == (message.booking, message.flight)


def _bury(pump: asyncio.Task[None]) -> None:
    if not pump.cancelled() and (error := pump.exception()):
        log.critical("the pump of %s died, which is a bug: restart the node", pump.get_name(), exc_info=error)
