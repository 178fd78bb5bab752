"""Carriers' lives on disks that fail, many at a time."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, Popen
from typing import TypeVar

import msgspec
import orjson

from tests.disks.carrier import SCRIPT, Death, Life
from tests.disks.promised import Promised

T = TypeVar("T")

CREWS = 2
"""Lives at a time."""
ROOT = Path(__file__).parents[2]
_DEATH = msgspec.json.Decoder(Death)


class Lives:
    """Lives carriers' lives, each on a disk of its own."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._folder = folder
        self._environment = os.environ | {"LD_PRELOAD": str(library)}
        self._count = 0
        self._crews: SimpleQueue[Popen[bytes]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(CREWS, "lives")
        self.promised = Promised(())
        """To travellers of a carrier whose disk does not fail."""

    def __enter__(self) -> "Lives":
        for _ in range(CREWS):
            command = (sys.executable, "-m", "tests.disks.carrier")
            self._crews.put(Popen(command, stdin=PIPE, stdout=PIPE, cwd=ROOT, env=self._environment))
        self.promised = Promised(self.live(self.new()).heard)
        assert [heard.step for heard in self.promised.whole] == list(range(len(SCRIPT)))
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        while not self._crews.empty():
            with self._crews.get() as crew:
                crew.terminate()

    def new(self, *, fault: str = "", careless: bool = False) -> Life:
        """A life on a new disk."""
        self._count += 1
        return Life(folder=str(self._folder / str(self._count)), fault=fault, careless=careless)

    def live(self, life: Life) -> Death:
        crew = self._crews.get()
        assert crew.stdin
        assert crew.stdout
        try:
            crew.stdin.write(orjson.dumps(msgspec.to_builtins(life)) + b"\n")
            crew.stdin.flush()
            return _DEATH.decode(crew.stdout.readline())
        finally:
            self._crews.put(crew)

    def each(self, work: Callable[[T], Iterable[str]], of: Iterable[T]) -> Iterator[str]:
        """Everything that was found wrong in all of this work."""
        for wrong in self._threads.map(work, of):
            yield from wrong

    def wrong(self, life: Life, known: int) -> Iterator[str]:
        """Lives on after `known` steps were acknowledged on this disk; whatever was promised and is not so."""
        death = self.live(Life(folder=life.folder, known=known))
        if death.code != 0:
            yield f"it does not start again: {death.code}, {death.said}"
        elif "the log is wrong" in death.said:
            yield death.said
        else:
            read = [heard for heard in death.heard if heard.step is None]
            yield from self.promised.broken(known, read)
            yield from self.promised.not_continued(known, death.heard[len(read) :])
