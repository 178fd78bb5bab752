"""A log's leaves as they were hashed when its events were written, held against its events as they are now.

They name the first bad event, and for that nobody need be believed: leaves that lead to a root which was signed are the
leaves that were signed, whoever tells them. Who changed the log can keep them back, or make them again to fit; then the
roots alone are left, and a root says that something was changed and not what.
"""

from base64 import b64decode
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from airline_node.audit.sources import HttpSource, Source, SourceTrouble
from airline_node.evidence.notary import TREE_FILE
from airline_node.evidence.routes import LeavesAnswer
from airline_node.evidence.treefile import read_leaves
from ledger.audit import Fault
from ledger.tree import HASH_BYTES, Hash, Tree

WINDOW: Final = 64
"""Events after the first difference that are looked at, to tell what kind it is."""

_LEAVES = msgspec.json.Decoder(LeavesAnswer)


def written_leaves(source: Source) -> Iterator[Hash] | None:
    """From the tree's file, or from the node that keeps it; None where neither is at hand, as of a database."""
    if isinstance(source, HttpSource):
        return _told_by(source)
    path = source.folder / TREE_FILE if source.folder else None
    return read_leaves(path) if path and path.exists() else None


def _told_by(source: HttpSource) -> Iterator[Hash]:
    """Until the node has no more, or none that can be read: it owes them to nobody, and the audit goes on without."""
    after = 0
    while told := _page(source, after):
        after += len(told) // HASH_BYTES
        for start in range(0, len(told), HASH_BYTES):
            yield told[start : start + HASH_BYTES]


def _page(source: HttpSource, after: int) -> bytes:
    try:
        told = source.get(f"/api/leaves?after={after}", missing_ok=True)
        return b64decode(_LEAVES.decode(told).leaves, validate=True) if told else b""
    except (SourceTrouble, msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return b""


class Written:
    """`first` is the first event, from 0, that is not what was written. It is `proved` once the leaves from there on
    have led to a root that was signed.
    """

    def __init__(self, leaves: Iterator[Hash] | None) -> None:
        self.first: int | None = None
        self.proved = False
        self._leaves = iter(leaves or ())
        self._ended = self._short = False
        self._tree: Tree | None = None
        self._now: list[tuple[int, Hash, str]] = []
        self._then: list[Hash] = []

    def next(self) -> Hash | None:
        """To be asked for with every event: the leaf that it had; None after the last one."""
        leaf = next(self._leaves, None)
        self._ended |= leaf is None
        return leaf

    def part(self, same: Tree) -> None:
        """The next event is the first that differs, after these."""
        self.first, self._tree = same.size, Tree(same.size, same.peaks)

    def hear(self, position: int, now: Hash, then: Hash | None, words: str) -> None:
        """An event from the first difference on."""
        if len(self._now) < WINDOW:
            self._now.append((position, now, words))
        if then is not None:
            self._was(then)

    def hold(self, root: Hash) -> None:
        """So many events have the signed root that the log has not; what is told of later ones proves nothing more."""
        self.proved = self._tree is not None and self._tree.root() == root
        self._tree, self._short = None, self._ended

    def run_on(self, count: int) -> None:
        """The log has ended; so many leaves more had been written."""
        for leaf in islice(self._leaves, count):
            self._was(leaf)

    def rejoin(self) -> None:
        """The log is what was signed, so it was the leaves that were not: look on from here."""
        self.first, self._tree, self._now, self._then = None, None, [], []

    def kind(self) -> tuple[Fault, str, int]:
        """What was done there and at which position, from the leaves after it as they are and as they were."""
        self._then += islice(self._leaves, max(0, 2 * WINDOW - len(self._then)))
        now, then = [leaf for _, leaf, _ in self._now], self._then
        position, _, words = self._now[0]
        where = f"position {position}, {words}"
        later = then.index(now[0]) if now[0] in then else 0
        if later and then[0] in now and sorted(now[: later + 1]) == sorted(then[: later + 1]):
            return Fault.REORDERED, f"{where}: it was written {later} places later", position
        if later:
            are = "is" if later == 1 else "are"
            return Fault.DELETED, f"{where}: {later} written before it {are} missing", position
        if then and then[0] in now:
            count = now.index(then[0])
            were = "was" if count == 1 else "were"
            return Fault.ADDED, f"{where}: {count} {were} put in after the others", position
        return Fault.EDITED, f"{where}: it is not what was written", position

    def why_unnamed(self) -> str:
        """Why not even these leaves name the first bad event, in words that go on after a semicolon."""
        if self.first is not None:
            return "the tree that is told beside it is not the one that was signed, so it names no event"
        if not self._short:
            return "the tree beside it was made again to fit it, and a root alone does not say which event it is"
        return "no whole tree of it is at hand, and a root alone does not say which event it is"

    def _was(self, leaf: Hash) -> None:
        if len(self._then) < 2 * WINDOW:
            self._then.append(leaf)
        if self._tree:
            self._tree.add([leaf])
