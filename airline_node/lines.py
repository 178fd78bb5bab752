"""The lines to other carriers: what waits on each, when it may go, and how it stands. It sends nothing itself."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import TypeAlias, get_args

from msgspec import Struct

from ledger.messages import PeerMessage
from ledger.terms import CarrierCode, Millis

BATCH_MAX = 500
"""Messages in one request. The longest takes under 2 kB, so a batch stays well below a peer's limit of 1 MiB."""
BACKOFF_MS_MIN, BACKOFF_MS_MAX = 100, 3_000
"""How long a line rests after trouble: doubling, and by chance up to half as long again."""
RETRY_MS, RETRY_MS_MAX = 1_000, 30_000
"""How long a message rests that was answered and is owed still: doubling, and by chance up to half as long again."""
WORDS_MAX = 300
"""Characters of what a peer said in its trouble that reach a log or a page."""

Kind: TypeAlias = type[PeerMessage]
KINDS: tuple[Kind, ...] = get_args(PeerMessage)

log = logging.getLogger(__name__)


class Trouble(Exception):
    """An exchange that proves nothing. It `blames` the batch if one message may be at fault: each then goes alone."""

    def __init__(self, words: str, blames: bool = False) -> None:
        # In part the peer's words: nothing that a terminal or a log would take for more than text.
        self.words = "".join(letter if letter.isprintable() else " " for letter in words[:WORDS_MAX])
        self.blames = blames


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


class Owed(Struct, eq=False):
    """One message of one machine, from when it is owed until it is not.

    `times` is how often it rested, `due` until when it does, by the loop's clock.
    """

    message: PeerMessage
    line: "Line"
    forgotten: bool = False
    alone: bool = False
    times: int = 0
    due: float = 0.0


class Line:
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
        self.rejected: dict[Owed, str] = {}
        self.error: str | None = None
        self.silent_since: Millis | None = None
        self.next_try = 0.0
        self._failures = 0
        self._chance = chance
        self._ready: OrderedDict[Owed, None] = OrderedDict()
        self._resting: list[tuple[float, int, Owed]] = []
        self._tie_break = count()
        self._woken = asyncio.Event()

    def add(self, message: PeerMessage) -> Owed:
        item = Owed(message, self)
        self.waiting += 1
        self._make_ready(item)
        return item

    def forget(self, item: Owed) -> None:
        """One that rests is dropped when its time comes, one under way when its request ends."""
        item.forgotten = True
        self.waiting -= 1
        self._ready.pop(item, None)
        self.rejected.pop(item, None)

    async def next_batch(self) -> list[Owed]:
        """Wait until something may go: at once, unless the line or all that it owes rests."""
        while True:
            now = clock()
            while self._resting and (self._resting[0][0] <= now or self._resting[0][2].forgotten):
                self._make_ready(heappop(self._resting)[2])
            if now >= self.next_try and (batch := self._cut()):
                return batch
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._wake_at()):
                    await self._woken.wait()

    def answered(self, batch: Iterable[Owed]) -> bool:
        """The line works. Whether it is the first time after trouble."""
        for item in batch:
            self.rejected.pop(item, None)
        recovered = self._failures > 0
        if recovered:
            log.info("%s answers %s again", self.carrier, self.route)
        self._failures, self.next_try, self.error, self.silent_since = 0, 0.0, None, None
        return recovered

    def failed(self, batch: Sequence[Owed], trouble: Trouble, now: Millis) -> None:
        self.in_trouble(trouble.words, now, logging.ERROR if trouble.blames else logging.WARNING)
        self._failures += 1
        self.next_try = clock() + self._pause(BACKOFF_MS_MIN, BACKOFF_MS_MAX, self._failures)
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

    def rest(self, batch: Iterable[Owed]) -> None:
        """Ask again later those that are owed still."""
        for item in batch:
            if not item.forgotten:
                item.times += 1
                item.due = clock() + self._pause(RETRY_MS, RETRY_MS_MAX, item.times)
                heappush(self._resting, (item.due, next(self._tie_break), item))

    def wake(self) -> None:
        """Whatever rests may go now, and rests for a short while again."""
        for _, _, item in self._resting:
            item.times, item.due = 0, 0.0
            self._make_ready(item)
        self._resting.clear()
        self._failures = 0
        self.retry_now()

    def retry_now(self) -> None:
        self.next_try = 0.0
        self._woken.set()

    def _make_ready(self, item: Owed) -> None:
        if not item.forgotten:
            self._ready[item] = None
            self._woken.set()

    def _cut(self) -> list[Owed]:
        batch: list[Owed] = []
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


def reach_by(lines: Sequence[Line], now: Millis) -> Reach:
    troubled = [(line.silent_since, line) for line in lines if line.silent_since is not None and line.waiting]
    rejected = [words for line in lines for words in line.rejected.values()]
    rests = [line.next_try - clock() for _, line in troubled]
    return Reach(
        silent_since=min((since for since, _ in troubled), default=None),
        error=next(iter([f"{line.route}: {line.error}" for _, line in troubled] + rejected), None),
        next_try=min((now + round(1000 * rest) for rest in rests if rest > 0), default=None),
        waiting=sum(line.waiting for line in lines),
        rejected=len(rejected),
    )


def clock() -> float:
    return asyncio.get_running_loop().time()
