"""A witness of SQLite's write-ahead log: how much of it an earlier process had on disk.

SQLite recovers that log up to the first frame whose checksum fails, as after a power cut, and says nothing: one flipped
bit in it takes back every commit that follows. The shared memory beside it outlives a kill and counts the frames that
were fsynced. After a power cut it may be older, or not there: then it says less, never more. (SQLite's "WAL-mode File
Format", sections 1 and 2.)
"""

import struct
from pathlib import Path
from typing import Final

TO_DISK: Final = "PRAGMA wal_checkpoint(PASSIVE)"
"""For every file that is opened, once it is durable and before anything is said on the strength of it.

What a killed process wrote and did not fsync is read back like all else, and a power cut still takes it away: without
this, an order whose repeat finds that all is kept already is acknowledged and then lost. It does nothing if a living
process is about the same: what that one shows to others it has fsynced.
"""

INDEX_HEADER: Final = struct.Struct("=12xB3xI12x8s8x")
"""Is it initialized? How many frames are committed, and the salts of this log."""
MOVED: Final = struct.Struct("=I")
MOVED_AT: Final = 2 * INDEX_HEADER.size
LOG_HEADER: Final = struct.Struct(">16x8s8x8x8s")
"""The salts of the log, and of its first frame."""
HEADER_BYTES: Final = 32
FRAME_HEADER: Final = struct.Struct(">2I8s8s")
"""Page, size of the database if this frame commits, the salts, the sums up to here."""


def promised_frames(database: Path) -> int:
    """Frames that must be found in the log, because they were committed there.

    Even those that are in the database by now: the log's sound beginning would else hide it behind older pages. Only a
    log of which nothing is left hides nothing.
    """
    try:
        index = Path(f"{database}-shm").read_bytes()
        log = Path(f"{database}-wal").read_bytes()[: LOG_HEADER.size]
    except FileNotFoundError:
        return 0
    if len(index) < MOVED_AT + MOVED.size or index[: INDEX_HEADER.size] != index[INDEX_HEADER.size : MOVED_AT]:
        return 0
    ready, frames, salts = INDEX_HEADER.unpack_from(index)
    [moved] = MOVED.unpack_from(index, MOVED_AT)
    if moved == frames and len(log) < LOG_HEADER.size:
        return 0
    return int(frames) if ready and _is_of(log, salts) else 0


def _is_of(log: bytes, salts: bytes) -> bool:
    """A log that was begun anew has other salts. Where its header is damaged the first frame has them too."""
    if len(log) < LOG_HEADER.size:
        return True
    in_header, in_frame = LOG_HEADER.unpack(log)
    return in_header == salts or (in_frame == salts and not _header_holds(log))


def _header_holds(log: bytes) -> bool:
    order = ">" if log[3] & 1 else "<"
    return struct.pack(">2I", *_summed(order, log[:24], 0, 0)) == log[24:32]


def _summed(order: str, words: bytes, first: int, second: int) -> tuple[int, int]:
    for one, two in struct.iter_unpack(f"{order}2I", words):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second


def sound_frames(database: Path) -> int:
    """Frames of the log that hold, up to the last commit among them: what SQLite would recover. It writes nothing."""
    try:
        log = Path(f"{database}-wal").read_bytes()
    except FileNotFoundError:
        return 0
    if len(log) < LOG_HEADER.size or not _header_holds(log):
        return 0
    order, [page] = ">" if log[3] & 1 else "<", struct.unpack_from(">I", log, 8)
    first, second = struct.unpack_from(">2I", log, 24)
    frame, committed = FRAME_HEADER.size + page, 0
    for number, at in enumerate(range(HEADER_BYTES, len(log) - frame + 1, frame), 1):
        _, pages, salts, sums = FRAME_HEADER.unpack_from(log, at)
        words = log[at : at + 8] + log[at + FRAME_HEADER.size : at + frame]
        first, second = _summed(order, words, first, second)
        if salts != log[16:24] or sums != struct.pack(">2I", first, second):
            break
        committed = number if pages else committed
    return committed
