"""A carrier's own log, vouched for: signs how far it goes, proves what is asked, gathers the others' cosignatures.

A checkpoint is signed at most once in `SIGN_MS`, and only over events that are on disk. A log that contradicts the last
one that its own carrier has signed was changed, or is an older copy: a node does not start on it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from airline_node.evidence.keys import PrivateKey, PublicKey
from airline_node.evidence.notes import BadNote, Checkpoint, Note, checked_cosignature, parse_signature, signed
from airline_node.evidence.shelf import Kept, Shelf, ShelfTrouble
from airline_node.evidence.treefile import SECTION, Head, TreeFile, prove_consistency, prove_inclusion
from ledger.terms import CarrierCode, Millis
from ledger.tree import Hash

SIGN_MS: Final = 1_000
WAITING_MAX: Final = 8
"""Of our own checkpoints, so many of the newest still wait for cosignatures."""
TREE_FILE: Final = "tree"

log = logging.getLogger(__name__)


class Changed(Exception):
    """The log is not the one that this carrier has signed. Only people can mend that."""


class Leaves(Protocol):
    """What is asked of the journal: its events after a position, as they are hashed, each with its own position."""

    def leaves(self, after: int) -> Iterator[tuple[int, Hash]]: ...


def restore(path: Path, signed_last: Kept | None, journal: Leaves) -> TreeFile:
    """The tree of a log, up to its end. Reads the events that were never signed; all of them if the file is no good.

    Raises `Changed`, and `OSError` or what the journal raises.
    """
    file = TreeFile(path)
    try:
        if signed_last and not _continues(file, signed_last):
            log.warning("%s does not fit the last checkpoint: it is made again from the whole log", path)
            signed_last_size, expected = signed_last.note.checkpoint.size, signed_last.note.checkpoint.root
            file.go_to(0, 0)
            _follow(file, journal)
            if file.head.size < signed_last_size or file.root(signed_last_size) != expected:
                raise Changed(
                    f"this carrier has signed a log of {signed_last_size} events, and this is not that log: "
                    "it was changed, or it is an older copy. Compare it with the others' (passcom audit --verify)"
                )
            return file
        if signed_last is None:
            file.go_to(0, 0)
        _follow(file, journal)
    except BaseException:
        file.close()
        raise
    return file


def _continues(file: TreeFile, signed_last: Kept) -> bool:
    checkpoint = signed_last.note.checkpoint
    with suppress(EOFError):
        return file.whole >= checkpoint.size and file.go_to(checkpoint.size, signed_last.position) == checkpoint.root
    return False


def _follow(file: TreeFile, journal: Leaves) -> None:
    hashes: list[Hash] = []
    position = begun = file.head.position
    for position, leaf in journal.leaves(begun):
        hashes.append(leaf)
        if len(hashes) == SECTION:
            file.extend(hashes, position)
            hashes = []
    file.extend(hashes, position)


class Notary:
    """Signs for one log. `run` it in a task."""

    def __init__(
        self,
        key: PrivateKey,
        keys: Mapping[CarrierCode, PublicKey],
        file: TreeFile,
        shelf: Shelf,
        now: Callable[[], Millis],
    ) -> None:
        self.name = key.public.name
        self._key = key
        self._keys = keys
        self._file = file
        self._shelf = shelf
        self._now = now
        self._notes: dict[int, Note] = {}
        self._asked = asyncio.Event()
        self._newer = asyncio.Event()
        if last := shelf.newest(self.name):
            self._notes[last.note.checkpoint.size] = last.note

    @property
    def newest(self) -> Note | None:
        """The last checkpoint, with every cosignature that has come for it."""
        return self._notes[max(self._notes)] if self._notes else None

    def best(self, size: int) -> Note | None:
        """Of the checkpoints that hold so many events, the one with the most cosignatures; among those the newest."""
        enough = [note for covered, note in self._notes.items() if covered >= size]
        return max(enough, key=lambda note: (len(note.signatures), note.checkpoint.size), default=None)

    @property
    def size(self) -> int:
        """Events in the tree, signed or not."""
        return self._file.head.size

    async def covering(self, size: int, wait_ms: Millis) -> Note | None:
        """A checkpoint that holds so many events, cosigned by everybody if that comes in time; None if none comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                while (note := self.best(size)) is None or len(note.signatures) < len(self._keys):
                    await self._newer.wait()
        return self.best(size)

    async def run(self) -> None:
        """Until cancelled: sign what is new, not more often than every `SIGN_MS`."""
        while True:
            try:
                await self.sign()
            except ShelfTrouble as trouble:
                log.warning("no checkpoint was signed: %s", trouble)
            await asyncio.sleep(SIGN_MS / 1000)

    async def sign(self) -> None:
        """A checkpoint of the log as it is now, if it has grown. Raises `ShelfTrouble`."""
        head: Head = self._file.head
        if head.size == 0 or (self._notes and head.size <= max(self._notes)):
            return
        note = signed(Checkpoint(self.name, head.size, head.root), self._key)
        await self._shelf.soon(self._shelf.keep, note, self._now(), head.position)
        self._notes[head.size] = note
        for size in sorted(self._notes)[:-WAITING_MAX]:
            del self._notes[size]
        self._tell()

    async def cosigned(self, carrier: CarrierCode, size: int, line: str) -> bool:
        """A peer's cosignature of one of the newest checkpoints; False for an older one. Raises `BadNote`."""
        if (note := self._notes.get(size)) is None:
            return False
        signature = parse_signature(line)
        checked_cosignature(note.checkpoint, signature, self._keys[carrier])
        if any(known.key_id == signature.key_id for known in note.signatures):
            return True
        await self._shelf.soon(self._shelf.add, self.name, size, signature)
        if size in self._notes:
            self._notes[size] = self._notes[size].with_signatures([signature])
        self._tell()
        return True

    def consistency(self, old: int, new: int) -> list[Hash]:
        """That the log of `old` events begins the one of `new`. Raises `BadNote` for sizes it never had."""
        if not 0 <= old <= new <= self._file.head.size:
            raise BadNote(f"this log has {self._file.head.size} events")
        return list(prove_consistency(self._file, old, new))

    def leaves(self, after: int, limit: int) -> bytes:
        """The hashes of this many events at most, after the first `after`, as they were when they were written."""
        return b"".join(self._file.leaves(min(after + limit, self.size), after))

    def index_of(self, leaf: Hash, position: int) -> int | None:
        return self._file.index_of(leaf, position)

    def inclusion(self, index: int, checkpoint: Checkpoint) -> list[Hash] | None:
        """That the event is in the log as it was signed; None if the tree's file is damaged."""
        proof = prove_inclusion(self._file, index, checkpoint.size, checkpoint.root)
        if proof is None:
            log.error("the file of the log's tree is damaged: take it away, and the next start makes it again")
        return None if proof is None else list(proof)

    def _tell(self) -> None:
        self._newer.set()
        self._newer = asyncio.Event()
