"""What a process did to a disk, and what a power cut may leave of it.

The rules of the disk, as POSIX and careful authors of databases have them (Pillai et al., "All File Systems Are Not
Created Equal", OSDI 2014): what was written is there for certain only after an fsync that succeeded. Until then any
512-byte sector may have reached the disk or not, in any order, and so may a new length. A failed fsync may have lost
what it was to save, and a later one that succeeds says nothing about that (Rebello et al., "Can Applications Recover
from fsync Failures?", USENIX ATC 2020). A new name, a removal or a renaming is certain after an fsync of its folder.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct, field

SECTOR: Final = 512
ENTRY: Final = struct.Struct("<cbHIq")
SHARED_MEMORY: Final = "-shm"
"""SQLite writes it through mmap, which is not recorded, and never believes it after a crash."""
LIKELY: Final = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what is not certain survives, image by image."""

CREATED, WRITTEN, SYNCED, TRUNCATED, RENAMED, REMOVED, SAID = b"CWSTRUM"


class Call(Struct, frozen=True):
    """One call in its order. `data` is what was written, or the new name; `at` an offset, or a new length."""

    op: int
    failed: bool
    path: str
    at: int
    data: bytes


def calls(record: Path) -> list[Call]:
    """All calls of a record."""
    found: list[Call] = []
    whole, at = record.read_bytes(), 0
    while at < len(whole):
        op, failed, path_length, data_length, offset = ENTRY.unpack_from(whole, at)
        data_at = at + ENTRY.size + path_length
        path = whole[at + ENTRY.size : data_at].decode()
        at = data_at + data_length
        found.append(Call(op[0], bool(failed), path, offset, whole[data_at:at]))
    assert at == len(whole), "the record ends within a call"
    return found


class Change(Struct, eq=False):
    """A write or a truncation. What a failed fsync was to save is doubtful, and stays so."""

    call: Call
    certain: bool = False
    doubtful: bool = False


class File(Struct, eq=False):
    certain: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)

    def synced(self, *, failed: bool) -> None:
        for change in self.since:
            if failed:
                change.doubtful = not change.certain
            else:
                change.certain = not change.doubtful
        while self.since and self.since[0].certain:
            self._apply(self.certain, self.since.pop(0).call)

    def survivor(self, chance: Random, likely: float) -> bytes:
        """One of the contents that it may have after a power cut."""
        content = bytearray(self.certain)
        length = 0
        stale: set[int] = set()
        for change in self.since:
            call = change.call
            if call.op == TRUNCATED:
                if change.certain or chance.random() < likely:
                    self._apply(content, call)
                    length = min(length, call.at)
            elif change.certain:
                self._apply(content, call)
            else:
                length = max(length, call.at + len(call.data))
                for piece in _sectors(call):
                    # A sector is written whole: a later state of it brings the earlier ones along.
                    if piece.at // SECTOR not in stale and chance.random() < likely:
                        self._apply(content, piece)
                    else:
                        stale.add(piece.at // SECTOR)
        if chance.random() < likely:
            content.extend(bytes(max(0, length - len(content))))
        return bytes(content)

    @staticmethod
    def _apply(content: bytearray, call: Call) -> None:
        end = call.at + len(call.data)
        content.extend(bytes(max(0, end - len(content))))
        if call.op == TRUNCATED:
            del content[call.at :]
        else:
            content[call.at : end] = call.data


def _sectors(call: Call) -> Iterator[Call]:
    at, end = call.at, call.at + len(call.data)
    while at < end:
        until = min(end, (at // SECTOR + 1) * SECTOR)
        yield Call(WRITTEN, False, call.path, at, call.data[at - call.at : until - call.at])
        at = until


class Disk:
    """The files of a folder and of those below it, by their paths in it, while a record is played."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, File] = {}
        self._certain_names: dict[str, File] = {}
        self._renamed: list[Mapping[str, File | None]] = []

    def do(self, call: Call) -> None:
        """The next call."""
        if call.op == SAID:
            return
        name = self._name(call.path)
        if name.endswith(SHARED_MEMORY):
            return
        match call.op:
            case _ if call.op == SYNCED and name in self._names:
                self._names[name].synced(failed=call.failed)
            case _ if call.failed:
                pass
            case _ if call.op == SYNCED:
                self._folder_synced(name)
            case _ if call.op == CREATED:
                self._name_anew({name: File()})
            case _ if call.op == RENAMED:
                self._name_anew({name: None, self._name(call.data.decode()): self._names[name]})
            case _ if call.op == REMOVED:
                self._name_anew({name: None})
            case _:
                self._names[name].since.append(Change(call))

    def image(self, chance: Random) -> Mapping[str, bytes]:
        """What may be on the disk if the power goes now."""
        likely = chance.choice(LIKELY)
        names = dict(self._certain_names)
        for change in self._renamed:
            if chance.random() < likely:
                _rename(names, change)
        return {name: file.survivor(chance, likely) for name, file in names.items()}

    def _name_anew(self, change: Mapping[str, File | None]) -> None:
        _rename(self._names, change)
        self._renamed.append(change)

    def _folder_synced(self, folder: str) -> None:
        for change in self._renamed:
            if _folder_of(change) == folder:
                _rename(self._certain_names, change)
        self._renamed = [change for change in self._renamed if _folder_of(change) != folder]

    def _name(self, path: str) -> str:
        return str(Path(path).relative_to(self._folder))


def _folder_of(change: Mapping[str, File | None]) -> str:
    """A renaming stays in its folder."""
    [folder] = {str(Path(name).parent) for name in change}
    return folder


def _rename(names: dict[str, File], change: Mapping[str, File | None]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
