"""The nodes of a log's tree in one file, 32 bytes each, in the order in which they come to be.

It only grows at its end, 64 bytes an event, is never fsynced and need not be: it can always be made again from the log.
Whoever opens it believes it only as far as a signed checkpoint does (`restore`), and a proof is checked before it is
handed out. The journal's writer thread extends it; any thread may read what is below `size`.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from ledger import tree
from ledger.tree import HASH_BYTES, Hash, Tree

SECTION = 4_096
"""Leaves read at once."""

log = logging.getLogger(__name__)


class Head(Struct, frozen=True):
    """How far the tree goes: this many events, the last one at this position of the log, under this root."""

    size: int
    position: int
    peaks: tuple[Hash, ...]

    @property
    def root(self) -> Hash:
        return tree.root_of(self.peaks)


EMPTY = Head(0, 0, ())


class TreeFile:
    """One log's tree. `head` is what is in the file; what could not be written yet (a full disk) is not counted."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self.head = EMPTY
        self._tree = Tree()
        self._unwritten: list[Hash] = []

    @property
    def whole(self) -> int:
        """The largest log that the file has room for. Nothing says yet that it is this log's."""
        return tree.size_of(os.fstat(self._file).st_size // HASH_BYTES)

    def go_to(self, size: int, position: int) -> Hash:
        """Take the file's first `size` events for good and forget the rest; answers their root, to be checked."""
        self._tree = Tree(size, tree.peaks_of(size, self.node))
        self._unwritten = []
        os.ftruncate(self._file, tree.kept(size) * HASH_BYTES)
        self.head = Head(size, position, tuple(self._tree.peaks))
        return self.head.root

    def extend(self, leaves: Iterable[Hash], position: int) -> None:
        """These events follow; the last one is at this position. What cannot be written waits for the next time."""
        before = tree.kept(self._tree.size) - len(self._unwritten)
        self._unwritten += self._tree.add(leaves)
        try:
            self._write(b"".join(self._unwritten), before * HASH_BYTES)
        except OSError as trouble:
            log.warning("the log's tree cannot be written at the moment: %s", trouble)
            return
        self._unwritten = []
        self.head = Head(self._tree.size, position, tuple(self._tree.peaks))

    def node(self, height: int, number: int) -> Hash:
        """Raises `EOFError` for one that is not there."""
        found = os.pread(self._file, HASH_BYTES, tree.place(height, number) * HASH_BYTES)
        if len(found) < HASH_BYTES:
            raise EOFError("the file of the tree ends before that")
        return found

    def root(self, size: int) -> Hash:
        """The root when the log had so many events."""
        assert 0 <= size <= self.head.size, (size, self.head.size)
        return tree.root_of(tree.peaks_of(size, self.node))

    def leaves(self, size: int, first: int = 0) -> Iterator[Hash]:
        """The leaves' hashes from the first on, in order, as they were written when the events were."""
        return _leaves(self._file, first, size)

    def index_of(self, leaf: Hash, position: int) -> int | None:
        """Which leaf, from 0, this event is. Positions may have gaps: it is at its own or some places before."""
        for index in range(min(position, self.head.size) - 1, -1, -1):
            if index < position - 1 - (self.head.position - self.head.size):
                return None
            if self.node(0, index) == leaf:
                return index
        return None

    def close(self) -> None:
        os.close(self._file)

    def _write(self, nodes: bytes, at: int) -> None:
        while nodes:
            written = os.pwrite(self._file, nodes, at)
            nodes, at = nodes[written:], at + written


def read_leaves(path: Path) -> Iterator[Hash]:
    """The leaves of a tree that lies there, as many as are whole; its file is left as it is."""
    with path.open("rb") as file:
        yield from _leaves(file.fileno(), 0, tree.size_of(os.fstat(file.fileno()).st_size // HASH_BYTES))


def _leaves(file: int, first: int, end: int) -> Iterator[Hash]:
    for begin in range(first, end, SECTION):
        last = min(begin + SECTION, end) - 1
        start = tree.place(0, begin)
        nodes = os.pread(file, (tree.place(0, last) + 1 - start) * HASH_BYTES, start * HASH_BYTES)
        for index in range(begin, last + 1):
            at = (tree.place(0, index) - start) * HASH_BYTES
            yield nodes[at : at + HASH_BYTES]


def prove_inclusion(file: TreeFile, index: int, size: int, root: Hash) -> Sequence[Hash] | None:
    """A proof that holds, or None: then the file is damaged."""
    proof = tree.inclusion_proof(index, size, file.node)
    return proof if tree.included(file.node(0, index), index, size, proof, root) else None


def prove_consistency(file: TreeFile, old: int, new: int) -> Sequence[Hash]:
    return tree.consistency_proof(old, new, file.node) if old else ()
