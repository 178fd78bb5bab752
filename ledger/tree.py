"""A log as a Merkle tree (RFC 9162, section 2.1; the tree of RFC 6962): one root stands for every event and its place.

                     root               a leaf is SHA-256(0x00, event), a node SHA-256(0x01, left, right);
               /              \\        an inclusion proof is the other half at each step from a leaf to the root;
         (0 to 7)            (8 to 10)  a consistency proof shows that an older tree is the left part of a newer one:
        /        \\         /       \\    nothing in it was changed, moved or taken out
    (0 to 3)  (4 to 7)   (8, 9)   (10)

Everything here is arithmetic on hashes. The nodes themselves are kept in the order in which they come to be: a leaf,
then each node that it completes. So a log that grows writes at the end alone, and `place` finds any of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

Hash: TypeAlias = bytes
Node: TypeAlias = Callable[[int, int], Hash]
"""A whole subtree by its height and its number, from the left, among those of that height. (0, n) is the n-th leaf."""


def leaf_of(tag: str, stream: str, version: int, body: bytes) -> bytes:
    """An event as it is hashed: tag, stream and version on a line each, then its body as it is stored, to the end.

    None of the three can hold a line feed, so that no two events are written alike.
    """
    head = f"{tag}\n{stream}\n{version}\n"
    assert head.count("\n") == 3, f"a line feed in {head!r}"
    return head.encode() + body


def leaf_hash(leaf: bytes) -> Hash:
    return sha256(b"\0" + leaf).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    return sha256(b"\1" + left + right).digest()


class Tree:
    """What must be in memory for a log to grow: the roots of its whole subtrees, largest first, one a bit of its size.

    Adding a leaf costs two hashes on average, however long the log is.
    """

    def __init__(self, size: int = 0, peaks: Sequence[Hash] = ()) -> None:
        assert len(peaks) == size.bit_count(), f"a tree of {size} has {size.bit_count()} peaks, not {len(peaks)}"
        self.size = size
        self.peaks = list(peaks)

    def add(self, leaves: Iterable[Hash]) -> list[Hash]:
        """Grow by the hashes of these leaves. Answers every node that came to be, in the order to be kept."""
        made: list[Hash] = []
        for node in leaves:
            made.append(node)
            number = self.size
            while number & 1:
                node = sha256(b"\1" + self.peaks.pop() + node).digest()
                made.append(node)
                number >>= 1
            self.peaks.append(node)
            self.size += 1
        return made

    def root(self) -> Hash:
        return root_of(self.peaks)


def root_of(peaks: Sequence[Hash]) -> Hash:
    """The root of a tree with these whole subtrees, largest first."""
    if not peaks:
        return EMPTY_ROOT
    *others, root = peaks
    for peak in reversed(others):
        root = node_hash(peak, root)
    return root


# ---- where the nodes are kept ------------------------------------------------------------------------------------


def kept(size: int) -> int:
    """How many nodes a log of this size has."""
    return 2 * size - size.bit_count()


def place(height: int, number: int) -> int:
    """Which of the nodes, counted from 0 in the order in which they came to be, this one is."""
    first_leaf_after = (number + 1) << height
    return kept(first_leaf_after - 1) + height


def size_of(nodes: int) -> int:
    """The largest log that has at most so many nodes."""
    size = nodes // 2
    while kept(size + 1) <= nodes:
        size += 1
    return size


def peaks_of(size: int, node: Node) -> list[Hash]:
    """The whole subtrees of the first `size` leaves, largest first."""
    return [node(height, start >> height) for start, height in _whole(0, size)]


def _whole(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The whole subtrees that make up these leaves, each with its first leaf and its height."""
    while start < end:
        height = (end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        yield start, height
        start += 1 << height


def _range(start: int, end: int, node: Node) -> Hash:
    """The root over a part of the tree that the RFC's definition of the whole one meets."""
    return root_of([node(height, first >> height) for first, height in _whole(start, end)])


# ---- proofs --------------------------------------------------------------------------------------------------------


def inclusion_proof(index: int, size: int, node: Node) -> list[Hash]:
    """PATH(index, D[size]): that the leaf is the index-th, from 0, of the log's first `size` (section 2.1.3.1)."""
    assert 0 <= index < size, (index, size)
    start, end, proof = 0, size, []
    while end - start > 1:
        middle = start + _half(end - start)
        if index < middle:
            proof.append(_range(middle, end, node))
            end = middle
        else:
            proof.append(_range(start, middle, node))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[Hash]:
    """PROOF(old, D[new]): that the log of `old` leaves is the beginning of the one of `new` (section 2.1.4.1)."""
    assert 0 < old <= new, (old, new)
    start, end, proof, seen = 0, new, [], True
    while old < end:
        middle = start + _half(end - start)
        if old <= middle:
            proof.append(_range(middle, end, node))
            end = middle
        else:
            proof.append(_range(start, middle, node))
            start, seen = middle, False
    if not seen:
        proof.append(_range(start, end, node))
    return proof[::-1]


def _half(count: int) -> int:
    """The largest power of two below it."""
    return 1 << ((count - 1).bit_length() - 1)


def included(leaf: Hash, index: int, size: int, proof: Sequence[Hash], root: Hash) -> bool:
    """Whether the proof leads from the leaf to the root (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(step, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, step)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def consistent(old: int, old_root: Hash, new: int, new_root: Hash, proof: Sequence[Hash]) -> bool:
    """Whether the proof shows that the older tree is the beginning of the newer one (section 2.1.4.2).

    An empty log is the beginning of any.
    """
    if not 0 <= old <= new:
        return False
    if old == new:
        return old_root == new_root and not proof
    if old == 0:
        return old_root == EMPTY_ROOT and not proof
    steps = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    if not steps:
        return False
    found_old = found_new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            found_old, found_new = node_hash(step, found_old), node_hash(step, found_new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found_new = node_hash(found_new, step)
        number, last = number >> 1, last >> 1
    return last == 0 and found_old == old_root and found_new == new_root
