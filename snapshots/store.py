"""The snapshot store: a folder of JSON files that make a start quick, and that nobody has to trust.

    00000000000000004711.json    {"format":1,"sha256":"<64 hex digits>","position":4711,"state":{...}}

A file holds the state of a node after all events of its log up to `position`. The digest covers every byte that follows
it; the bytes before it are compared. So a torn or flipped file is passed over, and with none left the whole log is
replayed: deleting snapshots loses time and nothing else.
"""

import logging
import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
import orjson

from snapshots.folder import keep_names

KEEP: Final = 3
"""So many of the newest are kept."""
HEAD: Final = b'{"format":1,"sha256":"'
DIGEST_END: Final = len(HEAD) + 64

logger = logging.getLogger(__name__)


class SnapshotDamaged(Exception):
    """The file is not what was written, or was written by another version of this program."""


class SnapshotStore:
    """The snapshots of one node, in a folder that nobody else writes to."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder if need be, and removes what a crash left half written. Raises `OSError`."""
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*.tmp"):
            leftover.unlink()
        self._folder = folder

    def write(self, position: int, state: bytes) -> None:
        """Keep a state, a JSON document, that holds all events up to a position. Blocks for the disk.

        Raises `OSError` if it cannot be kept: the older snapshots then still stand.
        """
        assert position >= 0, position
        path = self._folder / f"{position:020d}.json"
        temporary = path.with_suffix(".tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(_sealed(position, state))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        keep_names(self._folder)
        for old in self._newest_first()[KEEP:]:
            old.unlink()

    def newest(self) -> tuple[int, bytes] | None:
        """Position and state of the newest sound snapshot. A damaged one stays where it is, for a person to look at."""
        for path in self._newest_first():
            try:
                return unsealed(path.read_bytes())
            except (OSError, SnapshotDamaged) as reason:
                logger.warning("snapshot %s is passed over: %s", path, reason)
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"), reverse=True)


class _Body(msgspec.Struct, frozen=True):
    position: int
    state: msgspec.Raw


def _sealed(position: int, state: bytes) -> bytes:
    body = b'",' + orjson.dumps({"position": position, "state": orjson.Fragment(state)})[1:]
    return HEAD + _digest(body) + body


def unsealed(data: bytes) -> tuple[int, bytes]:
    """Position and state of a snapshot's file. Raises `SnapshotDamaged`, or ValueError for one that is no snapshot."""
    if not data.startswith(HEAD):
        raise SnapshotDamaged(f"it does not begin with {HEAD.decode()}")
    if data[len(HEAD) : DIGEST_END] != _digest(data[DIGEST_END:]):
        raise SnapshotDamaged("its digest does not hold")
    body = msgspec.json.decode(data, type=_Body)
    return body.position, bytes(body.state)


def _digest(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode()
