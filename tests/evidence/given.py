"""Keys, logs and nodes' offices for the tests of evidence."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from airline_node.evidence.keys import PrivateKey, PublicKey, log_name
from airline_node.evidence.notary import Notary
from airline_node.evidence.notes import Checkpoint, Note, signed
from airline_node.evidence.shelf import FILE, Shelf
from airline_node.evidence.treefile import TreeFile
from ledger.terms import CarrierCode, Millis
from ledger.tree import Hash, leaf_hash

CARRIERS = ("AN", "JG", "IP")
NOW: Millis = 1_764_000_000_000
KEYS: dict[CarrierCode, PrivateKey] = {
    carrier: PrivateKey(log_name(carrier), Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
    for number, carrier in enumerate(CARRIERS, 1)
}
PUBLIC: dict[CarrierCode, PublicKey] = {carrier: key.public for carrier, key in KEYS.items()}


def leaf(number: int, history: str = "told") -> Hash:
    return leaf_hash(f"{history} {number}".encode())


def leaves(first: int, end: int, history: str = "told") -> list[Hash]:
    return [leaf(number, history) for number in range(first, end)]


class Journal:
    """A journal whose positions may have gaps, as PostgreSQL's have."""

    def __init__(self, hashes: Sequence[Hash], gap: int = 0) -> None:
        self.hashes = hashes
        self.gap = gap
        self.read = 0

    def leaves(self, after: int) -> Iterator[tuple[int, Hash]]:
        for index, one in enumerate(self.hashes):
            if (position := index + 1 + self.gap) > after:
                self.read += 1
                yield position, one


def note_of(carrier: CarrierCode, tree: TreeFile, size: int) -> Note:
    return signed(Checkpoint(log_name(carrier), size, tree.root(size)), KEYS[carrier])


def notary(carrier: CarrierCode, folder: Path, hashes: Sequence[Hash] = ()) -> tuple[Notary, TreeFile, Shelf]:
    """A carrier with this log."""
    tree, shelf = TreeFile(folder / carrier / "tree"), Shelf(folder / carrier / FILE)
    tree.extend(hashes, len(hashes))
    return Notary(KEYS[carrier], PUBLIC, tree, shelf, lambda: NOW), tree, shelf
