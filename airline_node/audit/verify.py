"""`--verify`: every leaf hashed again from the bodies, held against all that was ever signed about the log.

    bodies -> leaves -> roots      against  every checkpoint that is at hand: the carrier's own, and those that the
                                            other carriers have cosigned and keep
                     -> each leaf  against  the file `tree`, written when the events were: it names the bad event

A tree that was forged together with the log fits the log and not the checkpoints; those leave only the range in which
the first bad event lies. Without any checkpoint at hand nothing is proved, and that is said.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct

from airline_node.audit.sources import Row
from airline_node.evidence.keys import PublicKey, log_name
from airline_node.evidence.notes import BadNote, Note, opened, witnesses
from airline_node.rows import CHECKSUM_BYTES
from ledger.audit import Cited, Fault, Finding
from ledger.terms import CarrierCode
from ledger.tree import Hash, Tree, leaf_hash, leaf_of

WINDOW: Final = 64
"""Events after the first difference that are looked at, to tell what kind it is."""


class Signed(Struct, frozen=True):
    """A note about a log, and on whose shelf it lay."""

    keeper: str
    text: str


class Verified(Struct, frozen=True):
    """What was proved about one log: `checkpoints` hold, up to `size` events; `cosigned` says by whom, and how far."""

    carrier: CarrierCode
    events: int
    checkpoints: int
    size: int
    cosigned: Mapping[CarrierCode, int]
    notices: tuple[str, ...]


class LogCheck:
    """One log's rows, hashed as they are read. `rows` first, then `close` for the findings."""

    def __init__(
        self,
        carrier: CarrierCode,
        keys: Mapping[CarrierCode, PublicKey],
        signed: Iterable[Signed],
        stored: Iterator[Hash] | None,
    ) -> None:
        """`stored` are the leaves' hashes as they were written with the events, if they are at hand."""
        self.carrier = carrier
        self.found: list[Finding] = []
        self._stream = f"log:{log_name(carrier)}"
        self._keys = keys
        self._tree = Tree()
        self._stored = stored
        self._notes = self._opened(signed)
        self._due = sorted(self._notes)
        self._good = 0
        self._bad: int | None = None
        self._position = self._good_position = self._bad_position = 0
        self._differs: int | None = None
        self._told: list[tuple[int, Hash, str]] = []
        self._kept: list[Hash] = []

    def rows(self, rows: Sequence[Row]) -> None:
        hashes: list[Hash] = []
        for position, stream, version, tag, state in rows:
            try:
                leaf = leaf_hash(leaf_of(tag, stream, version, state[CHECKSUM_BYTES:]))
            except (AssertionError, TypeError):
                leaf = leaf_hash(b"")  # no event can be written so: it fits nothing that was signed
            hashes.append(leaf)
            if self._stored is not None and len(self._told) < WINDOW:
                self._compare(leaf, position, f"{stream} version {version} ({tag})")
            if self._due and self._tree.size + len(hashes) == self._due[0]:
                self._tree.add(hashes)
                hashes = []
                self._hold(self._due.pop(0), position)
        self._tree.add(hashes)
        if rows:
            self._position = rows[-1][0]

    def close(self) -> Verified:
        """No more rows come."""
        size = self._tree.size
        if self._stored is not None and self._differs is None and next(self._stored, None) is not None:
            # The log ends, and the tree that was written with it does not.
            if self._due:
                detail = f"the log ends after {size} events; the file of its tree goes on"
                self._find(Fault.TRUNCATED, detail, self._position)
        elif self._due and self._differs is None:
            note = self._notes[self._due[-1]]
            detail = f"the log has {size} events; {self.carrier} has signed {note.checkpoint.size}{self._by(note)}"
            self._find(Fault.TRUNCATED, detail, self._position)
        notices = []
        if self._differs is not None and self._differs < self._good:
            notices.append(f"the file of {self.carrier}'s tree differs from what was signed; the log does not")
        elif self._differs is not None:
            self._kept += islice(self._stored or (), WINDOW)
            fault, detail, position = self._kind()
            if self._bad is not None:
                detail += f"; {self.carrier} has signed the log of {self._bad} events{self._by(self._notes[self._bad])}"
            self._find(fault, detail, position)
        if self._bad is not None and (self._differs is None or not self._good <= self._differs < self._bad):
            note = self._notes[self._bad]
            first = f"{self._good_position + 1} to {self._bad_position}"
            detail = (
                f"the log is not the one of {self._bad} events that {self.carrier} has signed{self._by(note)}: "
                f"the first bad event is at one of the positions {first}"
            )
            self._find(Fault.CHANGED, detail, self._bad_position)
        if not self._notes:
            notices.append(f"no checkpoint of {self.carrier} is at hand: nothing proves that its log was not changed")
        elif self._good and size > max(self._notes):
            notices.append(f"{size - max(self._notes)} events of {self.carrier} are not signed yet")
        held = [self._notes[one] for one in self._notes if one <= self._good]
        cosigned: dict[CarrierCode, int] = {}
        for note in held:
            for who in witnesses(note, self._keys):
                cosigned[who] = max(cosigned.get(who, 0), note.checkpoint.size)
        return Verified(self.carrier, size, len(held), self._good, cosigned, tuple(notices))

    # ---- notes -----------------------------------------------------------------------------------------------------

    def _opened(self, signed: Iterable[Signed]) -> dict[int, Note]:
        notes: dict[int, Note] = {}
        for one in signed:
            try:
                note = opened(one.text, self._keys[self.carrier])
                witnesses(note, self._keys)
            except BadNote as wrong:
                self._find(Fault.FORGED, f"a checkpoint that {one.keeper} keeps: {wrong}", 0)
                continue
            except KeyError:
                self._find(Fault.FORGED, f"no key of {self.carrier} is known: nothing that it signed can be checked", 0)
                return {}
            size = note.checkpoint.size
            before = notes.setdefault(size, note)
            if before.checkpoint == note.checkpoint:
                notes[size] = before.with_signatures(note.signatures)
            else:
                detail = f"{self.carrier} has signed two logs of {size} events: {one.keeper} keeps the other"
                self._find(Fault.FORKED, detail, 0)
        return notes

    def _hold(self, size: int, position: int) -> None:
        if self._tree.root() == self._notes[size].checkpoint.root:
            if self._bad is None:
                self._good, self._good_position = size, position
        elif self._bad is None:
            self._bad, self._bad_position = size, position

    def _by(self, note: Note) -> str:
        who = sorted(witnesses(note, self._keys))
        return f" (cosigned by {' and '.join(who)})" if who else ""

    # ---- the first bad event ---------------------------------------------------------------------------------------

    def _compare(self, leaf: Hash, position: int, words: str) -> None:
        assert self._stored is not None
        kept = next(self._stored, None)
        if self._differs is None and kept is None:
            self._stored = None  # What follows is newer than the file.
        elif self._differs is not None or leaf != kept:
            if self._differs is None:
                self._differs = self._tree.size
            self._told.append((position, leaf, words))
            if kept is not None:
                self._kept.append(kept)

    def _kind(self) -> tuple[Fault, str, int]:
        """What was done there, from the leaves after it as they are and as they were."""
        told, kept = [leaf for _, leaf, _ in self._told], self._kept
        position, _, words = self._told[0]
        where = f"position {position}, {words}"
        if (
            kept
            and kept[0] in told
            and told[0] in kept
            and sorted(told[: (n := kept.index(told[0]) + 1)]) == sorted(kept[:n])
        ):
            return Fault.REORDERED, f"{where}: it was written {kept.index(told[0])} places later", position
        if told[0] in kept:
            count = kept.index(told[0])
            return (
                Fault.DELETED,
                f"{where}: {count} written before it {'is' if count == 1 else 'are'} missing",
                position,
            )
        if kept and kept[0] in told:
            count = told.index(kept[0])
            return Fault.ADDED, f"{where}: {count} {'was' if count == 1 else 'were'} put in after the others", position
        return Fault.EDITED, f"{where}: it is not what was written", position

    def _find(self, fault: Fault, detail: str, position: int) -> None:
        evidence = (Cited(self.carrier, position),) if position else ()
        self.found.append(Finding(fault, self._stream, detail, evidence))


class Verifier:
    """All logs' checks, as one listener of a replay."""

    def __init__(self, checks: Iterable[LogCheck]) -> None:
        self.checks = {check.carrier: check for check in checks}

    def rows(self, carrier: CarrierCode, rows: Sequence[Row]) -> None:
        if check := self.checks.get(carrier):
            check.rows(rows)
