"""Processes beside this one, spoken to over pipes: travellers, servers that do nothing, writers of long logs.

A process says a number when it is ready, then numbers that tell how far it is, and at last its result. Rule: none
outlives its `with` block, and one that dies is trouble at once, not a long silence.
"""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Final, Generic, TypeVar, cast

from ledger.terms import Millis

Result = TypeVar("Result")

SILENCE_MS_MAX: Final[Millis] = 120_000
"""They tell how far they are several times a second: after this they are not slow, they are gone."""
END_MS_MAX: Final[Millis] = 5_000

# Not forked: this process has threads.
SPAWN: Final = multiprocessing.get_context("spawn")


class BenchTrouble(Exception):
    """Nothing can be measured like this. The text is a sentence with the remedy."""


class Crew(Generic[Result]):
    """A process for each tuple of `work`, which is what `main` is called with, before its own end of a pipe."""

    def __init__(self, main: Callable[..., None], work: Sequence[tuple[object, ...]]) -> None:
        self._links: list[Connection[int, int | Result]] = []
        self._processes = []
        for one in work:
            here, there = SPAWN.Pipe()
            self._processes.append(SPAWN.Process(target=_live, args=(main, *one, there), daemon=True))
            self._links.append(here)
            self._processes[-1].start()
            there.close()  # so that the end of the process is the end of the pipe

    def __enter__(self) -> "Crew[Result]":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        for process in self._processes:
            if kind is None:
                process.join(END_MS_MAX / 1000)
            process.kill()
            process.join()
        for link in self._links:
            link.close()

    def first(self) -> list[int]:
        """The number that each of them says when it is ready."""
        return [said for link in self._links if isinstance(said := _heard(link), int)]

    def go_on(self) -> None:
        """Tell all of them to begin, or to end."""
        for link in self._links:
            link.send(0)

    def results(self, told: Callable[[int], None]) -> list[Result]:
        """What each of them has in the end; `told` hears meanwhile how far all of them are."""
        counts = [0] * len(self._links)
        results: dict[int, Result] = {}
        while len(results) < len(self._links):
            waited_for = {link: n for n, link in enumerate(self._links) if n not in results}
            ready = cast("list[Connection[int, int | Result]]", wait(list(waited_for), SILENCE_MS_MAX / 1000))
            for link in ready or list(waited_for)[:1]:
                said = _heard(link)
                if isinstance(said, int):
                    counts[waited_for[link]] = said
                else:
                    results[waited_for[link]] = said
            told(sum(counts))
        return [results[n] for n in range(len(self._links))]


def _heard(link: "Connection[int, int | Result]") -> int | Result:
    if not link.poll(SILENCE_MS_MAX / 1000):
        raise BenchTrouble("One of the processes that were to help has fallen silent.")
    try:
        return link.recv()
    except EOFError:
        raise BenchTrouble("One of the processes that were to help has died; its last words are above.") from None


def _live(main: Callable[..., None], *work: object) -> None:
    # Ctrl-C reaches every process of the terminal: the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(*work)
