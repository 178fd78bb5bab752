"""The Merkle tree: known trees to the letter, every proof of every small tree, and no proof of anything else."""

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import tree
from ledger.tree import EMPTY_ROOT, Hash, Tree, consistency_proof, consistent, included, inclusion_proof, leaf_hash

# The eight leaves that certificate transparency's own implementations are tested with, and the roots of their trees.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZE_MAX = 40


def leaf(number: int) -> Hash:
    return leaf_hash(b"%d" % number)


class Kept:
    """A log's nodes, kept as `Tree` hands them out."""

    def __init__(self, size: int) -> None:
        self.tree = Tree()
        self.nodes = self.tree.add(leaf(number) for number in range(size))

    def node(self, height: int, number: int) -> Hash:
        return self.nodes[tree.place(height, number)]


def plain_root(leaves: list[Hash]) -> Hash:
    """MTH of RFC 9162, section 2.1.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    half = max(1 << power for power in range(20) if 1 << power < len(leaves))
    return sha256(b"\1" + plain_root(leaves[:half]) + plain_root(leaves[half:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_known_leaves_have_the_known_roots(size: int) -> None:
    grown = Tree()
    grown.add(map(leaf_hash, LEAVES[:size]))
    assert grown.root().hex() == ROOTS[size]


def test_the_rfc_s_example_of_seven_leaves_has_the_paths_that_it_names() -> None:
    # RFC 9162, section 2.1.5: d0 to d6, and the nodes that it calls g, h, i, j, k, l.
    kept = Kept(7)
    a, b, c, d, e, f, j = map(leaf, range(7))
    g, h, i = tree.node_hash(a, b), tree.node_hash(c, d), tree.node_hash(e, f)
    k, l = tree.node_hash(g, h), tree.node_hash(i, j)  # noqa: E741 - the RFC's own letters
    assert kept.tree.root() == tree.node_hash(k, l)
    assert inclusion_proof(0, 7, kept.node) == [b, h, l]
    assert inclusion_proof(3, 7, kept.node) == [c, g, l]
    assert inclusion_proof(4, 7, kept.node) == [f, j, k]
    assert inclusion_proof(6, 7, kept.node) == [i, k]
    assert consistency_proof(3, 7, kept.node) == [c, d, g, l]
    assert consistency_proof(4, 7, kept.node) == [l]
    assert consistency_proof(6, 7, kept.node) == [i, j, k]


def test_a_leaf_is_never_taken_for_a_node() -> None:
    left, right = leaf(1), leaf(2)
    assert leaf_hash(left + right) != tree.node_hash(left, right)


def test_no_two_events_are_hashed_alike() -> None:
    assert tree.leaf_of("seat-held", "flight:A", 1, b"1\n{}") != tree.leaf_of("seat-held", "flight:A", 11, b"\n{}")
    with pytest.raises(AssertionError):
        tree.leaf_of("seat-held", "flight:A\n1", 1, b"{}")


def test_a_tree_that_grows_leaf_by_leaf_has_the_root_of_the_whole() -> None:
    grown, leaves = Tree(), []
    for number in range(SIZE_MAX):
        leaves.append(leaf(number))
        grown.add(leaves[-1:])
        assert grown.root() == plain_root(leaves)
        again = Tree(grown.size, grown.peaks)
        assert again.add([leaf(99)])[0] == leaf(99)
        assert again.root() == plain_root([*leaves, leaf(99)])


def test_nodes_are_kept_in_the_order_in_which_they_come_to_be() -> None:
    kept = Kept(SIZE_MAX)
    assert len(kept.nodes) == tree.kept(SIZE_MAX)
    for height in range(6):
        for number in range(SIZE_MAX >> height):
            part = [leaf(n) for n in range(number << height, (number + 1) << height)]
            assert kept.node(height, number) == plain_root(part)


def test_a_torn_file_of_nodes_holds_the_last_log_that_is_whole() -> None:
    counts = [tree.kept(size) for size in range(SIZE_MAX)]
    assert all(one < other for one, other in pairwise(counts))
    for nodes in range(counts[-1]):
        size = tree.size_of(nodes)
        assert tree.kept(size) <= nodes < tree.kept(size + 1)


def test_every_leaf_of_every_tree_is_proved_and_no_other_leaf_root_or_place_is() -> None:
    kept = Kept(SIZE_MAX)
    for size in range(1, SIZE_MAX + 1):
        root = tree.root_of(tree.peaks_of(size, kept.node))
        for index in range(size):
            proof = inclusion_proof(index, size, kept.node)
            assert included(leaf(index), index, size, proof, root)
            assert not included(leaf(99), index, size, proof, root)
            assert not included(leaf(index), index, size, proof, leaf(99))
            assert not included(leaf(index), index, size, [*proof, leaf(99)], root)
            assert not included(leaf(index), index, size, proof[:-1], root) or size == 1
            if size > 1:
                assert not included(leaf(index), (index + 1) % size, size, proof, root)
        assert not included(leaf(0), size, size, [], root)


def test_every_older_tree_is_the_beginning_of_a_newer_one_and_no_other_is() -> None:
    kept = Kept(SIZE_MAX)
    roots = [tree.root_of(tree.peaks_of(size, kept.node)) for size in range(SIZE_MAX + 1)]
    for new in range(1, SIZE_MAX + 1):
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, kept.node)
            assert consistent(old, roots[old], new, roots[new], proof)
            assert not consistent(old, leaf(99), new, roots[new], proof)
            assert not consistent(old, roots[old], new, leaf(99), proof)
            assert not consistent(old, roots[old], new, roots[new], [*proof, leaf(99)])
            assert not consistent(new, roots[new], old, roots[old], proof) or old == new
            if proof:
                assert not consistent(old, roots[old], new, roots[new], proof[1:])
    assert consistent(0, EMPTY_ROOT, 5, roots[5], [])
    assert not consistent(0, leaf(99), 5, roots[5], [])


@given(st.integers(1, 300), st.data())
def test_a_changed_leaf_is_consistent_with_no_tree_that_held_it(size: int, data: st.DataObject) -> None:
    honest = Kept(size)
    old = data.draw(st.integers(1, size))
    changed = data.draw(st.integers(0, old - 1))
    other = Tree()
    nodes = other.add(leaf(number) if number != changed else leaf(999) for number in range(size))
    proof = consistency_proof(old, size, lambda height, number: nodes[tree.place(height, number)])
    old_root = tree.root_of(tree.peaks_of(old, honest.node))
    assert not consistent(old, old_root, size, other.root(), proof)
