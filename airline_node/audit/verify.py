"""`--verify`: every leaf hashed again from the bodies, held against all that was ever signed about the log.

    bodies -> leaves -> roots      against  every checkpoint that is at hand: the carrier's own, and those that the
                                            other carriers have cosigned and keep
                     -> each leaf  against  the tree that was written when the events were: it names the bad event

The tree is believed only where it leads to a root that was signed (`leaves.py`). One that was forged together with the
log does not; the checkpoints then leave the range in which the first bad event lies. Without any checkpoint at hand
nothing is proved, and that is said.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from airline_node.audit.leaves import Written
from airline_node.audit.sources import Row
from airline_node.evidence.keys import PublicKey, log_name
from airline_node.evidence.notes import BadNote, Note, opened, witnesses
from airline_node.rows import CHECKSUM_BYTES
from ledger.audit import Cited, Fault, Finding
from ledger.terms import CarrierCode
from ledger.tree import Hash, Tree, leaf_hash, leaf_of


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
        written: Written,
    ) -> None:
        self.carrier = carrier
        self.found: list[Finding] = []
        self._stream = f"log:{log_name(carrier)}"
        self._keys = keys
        self._tree = Tree()
        self._written = written
        self._notes = self._opened(signed)
        self._due = sorted(self._notes)
        self._good = 0
        self._bad: int | None = None
        self._position = self._good_position = self._bad_position = 0
        self._tree_differs = False

    def rows(self, rows: Sequence[Row]) -> None:
        hashes: list[Hash] = []
        written = self._written
        for position, stream, version, tag, state in rows:
            try:
                leaf = leaf_hash(leaf_of(tag, stream, version, state[CHECKSUM_BYTES:]))
            except (AssertionError, TypeError):
                leaf = leaf_hash(b"")  # no event can be written so: it fits nothing that was signed
            then = written.next()
            if written.first is not None or (then is not None and then != leaf):
                if written.first is None:
                    self._tree.add(hashes)
                    hashes = []
                    written.part(self._tree)
                written.hear(position, leaf, then, f"{stream} version {version} ({tag})")
            hashes.append(leaf)
            if self._due and self._tree.size + len(hashes) == self._due[0]:
                self._tree.add(hashes)
                hashes = []
                self._hold(self._due.pop(0), position)
        self._tree.add(hashes)
        if rows:
            self._position = rows[-1][0]

    def close(self) -> Verified:
        """No more rows come."""
        named = self._name()
        if self._due and not named:
            note = self._notes[self._due[-1]]
            detail = f"the log has {self._tree.size} events; {self.carrier} has signed {self._words(note)}"
            self._find(Fault.TRUNCATED, detail, self._position)
        if self._bad is not None and not named:
            signed = f"{self.carrier} has signed, of {self._words(self._notes[self._bad])}"
            between = f"{self._good_position + 1} to {self._bad_position}"
            detail = (
                f"the log is not the one that {signed}: the first bad event is at one of the positions {between}; "
                f"{self._written.why_unnamed()}"
            )
            self._find(Fault.CHANGED, detail, self._bad_position)
        held = [self._notes[one] for one in self._notes if one <= self._good]
        cosigned: dict[CarrierCode, int] = {}
        for note in held:
            for who in witnesses(note, self._keys):
                cosigned[who] = max(cosigned.get(who, 0), note.checkpoint.size)
        return Verified(self.carrier, self._tree.size, len(held), self._good, cosigned, tuple(self._notices()))

    def _name(self) -> bool:
        """Name the first bad event; False if it cannot be. About what was never signed the tree's own word counts."""
        written, signed = self._written, self._bad
        if written.first is None:
            return False
        if signed is None and self._due:
            signed = self._due[0]
            written.run_on(signed - self._tree.size)
            written.hold(self._notes[signed].checkpoint.root)
        if signed is not None and not written.proved:
            return False
        fault, detail, position = written.kind()
        so_far = "it is not signed yet"
        if signed is not None:
            so_far = f"{self.carrier} has signed the log of {self._words(self._notes[signed])}"
        self._find(fault, f"{detail}; {so_far}", position)
        return True

    def _notices(self) -> list[str]:
        size, notices = self._tree.size, []
        if self._tree_differs:
            notices.append(
                f"the tree that is kept of {self.carrier}'s log differs from what was signed; the log does not"
            )
        if not self._notes:
            notices.append(f"no checkpoint of {self.carrier} is at hand: nothing proves that its log was not changed")
        elif self._good and size > max(self._notes):
            notices.append(f"{size - max(self._notes)} events of {self.carrier} are not signed yet")
        return notices

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
        root = self._notes[size].checkpoint.root
        if self._bad is not None:
            return
        if self._tree.root() != root:
            self._bad, self._bad_position = size, position
            self._written.hold(root)
            return
        self._good, self._good_position = size, position
        if self._written.first is not None:
            self._tree_differs = True
            self._written.rejoin()

    def _words(self, note: Note) -> str:
        who = sorted(witnesses(note, self._keys))
        return f"{note.checkpoint.size} events" + (f" (cosigned by {' and '.join(who)})" if who else "")

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
