"""A log's tree survives whatever its file suffers, and a log that was changed after it was signed is not served."""

import asyncio
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from airline_node.evidence.notary import WAITING_MAX, Changed, restore
from airline_node.evidence.notes import BadNote, cosigned, opened, witnesses
from airline_node.evidence.shelf import RECENT, THIN_EVERY, Alarm, Kept, Shelf, read_shelf
from airline_node.evidence.treefile import TreeFile, prove_inclusion
from ledger import tree
from ledger.tree import Tree, consistent
from tests.evidence.given import KEYS, NOW, PUBLIC, Journal, leaf, leaves, notary, note_of

SIZE = 1_000
ROOT = Tree()
ROOT.add(leaves(0, SIZE))


def signed_at(size: int, path: Path) -> Kept:
    """A tree's file of `size` events, and the checkpoint over them."""
    file = TreeFile(path)
    file.extend(leaves(0, size), size)
    kept = Kept(note_of("AN", file, size), size, NOW)
    file.close()
    return kept


def test_a_start_reads_only_the_events_that_were_never_signed(tmp_path: Path) -> None:
    kept, journal = signed_at(900, tmp_path / "tree"), Journal(leaves(0, SIZE))
    file = restore(tmp_path / "tree", kept, journal)
    assert (file.head.size, file.head.position, file.head.root) == (SIZE, SIZE, ROOT.root())
    assert journal.read == 100
    file.close()


@pytest.mark.parametrize("damage", ["missing", "shorter", "torn", "another log's"])
def test_a_tree_s_file_can_always_be_made_again_from_the_log(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "tree"
    kept = signed_at(900, path)
    content = path.read_bytes()
    match damage:
        case "missing":
            path.unlink()
        case "shorter":
            path.write_bytes(content[: len(content) // 2])
        case "torn":
            path.write_bytes(content[:-64] + bytes(64))
        case _:
            path.write_bytes(bytes(len(content)))
    file = restore(path, kept, Journal(leaves(0, SIZE)))
    assert file.root(SIZE) == ROOT.root()
    assert list(file.leaves(SIZE)) == leaves(0, SIZE)
    file.close()


def test_what_lies_in_the_file_beyond_the_last_checkpoint_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "tree"
    kept = signed_at(900, path)
    with path.open("ab") as file:
        file.write(bytes(32 * 100))
    restored = restore(path, kept, Journal(leaves(0, SIZE)))
    assert restored.head.root == ROOT.root()
    restored.close()


@pytest.mark.parametrize(
    "log",
    [
        [*leaves(0, 500), leaf(500, "changed"), *leaves(501, SIZE)],
        [*leaves(0, 500), *leaves(501, SIZE)],
        leaves(0, 899),
        [],
    ],
    ids=["changed", "taken out", "an older copy", "empty"],
)
def test_a_log_that_is_not_the_signed_one_keeps_the_node_from_starting(tmp_path: Path, log: list[bytes]) -> None:
    kept = signed_at(900, tmp_path / "tree")
    (tmp_path / "tree").unlink()
    with pytest.raises(Changed, match="has signed a log of 900 events, and this is not that log"):
        restore(tmp_path / "tree", kept, Journal(log))


def test_positions_with_gaps_are_no_hindrance(tmp_path: Path) -> None:
    file = restore(tmp_path / "tree", None, Journal(leaves(0, SIZE), gap=7))
    assert file.head.position == SIZE + 7
    assert file.index_of(leaf(400), 400 + 1 + 7) == 400
    assert file.index_of(leaf(999_999), 500) is None
    assert prove_inclusion(file, 400, SIZE, ROOT.root())
    file.close()


def test_a_damaged_node_is_never_handed_out_as_a_proof(tmp_path: Path) -> None:
    path = tmp_path / "tree"
    file = restore(path, None, Journal(leaves(0, SIZE)))
    with path.open("r+b") as damaged:
        damaged.seek(32 * tree.place(0, 401))
        damaged.write(bytes(32))
    assert prove_inclusion(file, 400, SIZE, file.head.root) is None
    assert prove_inclusion(file, 10, SIZE, file.head.root)
    file.close()


def test_what_finds_no_room_is_written_later_and_not_counted_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TreeFile(tmp_path / "tree")
    file.extend(leaves(0, 10), 10)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("airline_node.evidence.treefile.os.pwrite", full)
        file.extend(leaves(10, 20), 20)
    assert file.head.size == 10
    file.extend(leaves(20, SIZE), SIZE)
    assert file.root(SIZE) == file.head.root == ROOT.root()
    file.close()


# ---- signing and cosigning -----------------------------------------------------------------------------------------


def test_only_what_is_on_disk_is_signed_and_nothing_twice(tmp_path: Path) -> None:
    async def main() -> None:
        an, file, shelf = notary("AN", tmp_path, leaves(0, 10))
        await an.sign()
        first = an.newest
        await an.sign()
        assert an.newest is first
        assert first is not None
        assert opened(str(first), PUBLIC["AN"]).checkpoint.size == 10
        file.extend(leaves(10, 25), 25)
        await an.sign()
        assert [kept.note.checkpoint.size for kept in shelf.all("an.passcom")] == [10, 25]
        proof = an.consistency(10, 25)
        assert an.newest is not None
        assert consistent(10, first.checkpoint.root, 25, an.newest.checkpoint.root, proof)
        with pytest.raises(BadNote):
            an.consistency(10, 26)
        shelf.close()

    asyncio.run(main())


def test_a_cosignature_is_kept_and_a_wrong_one_refused(tmp_path: Path) -> None:
    async def main() -> None:
        an, _, shelf = notary("AN", tmp_path, leaves(0, 10))
        await an.sign()
        assert an.newest is not None
        line = cosigned(an.newest.checkpoint, KEYS["JG"], NOW // 1000).line.strip()
        assert await an.cosigned("JG", 10, line)
        assert await an.cosigned("JG", 10, line)
        assert not await an.cosigned("JG", 9, line)
        with pytest.raises(BadNote):
            await an.cosigned("IP", 10, line)
        kept = shelf.newest("an.passcom")
        assert kept is not None
        assert witnesses(kept.note, PUBLIC) == {"JG": NOW // 1000}
        assert kept.position == 10
        shelf.close()

    asyncio.run(main())


def test_a_receipt_waits_for_a_checkpoint_that_covers_it_and_for_its_cosignatures(tmp_path: Path) -> None:
    async def main() -> None:
        an, file, shelf = notary("AN", tmp_path, leaves(0, 10))
        assert await an.covering(10, 1) is None
        waiting = asyncio.create_task(an.covering(12, 10_000))
        await an.sign()
        file.extend(leaves(10, 12), 12)
        await an.sign()
        for who in ("JG", "IP"):
            assert an.newest is not None
            assert not waiting.done()
            await an.cosigned(who, 12, cosigned(an.newest.checkpoint, KEYS[who], 1).line.strip())
        note = await waiting
        assert note is not None
        assert note.checkpoint.size == 12
        assert set(witnesses(note, PUBLIC)) == {"JG", "IP"}
        shelf.close()

    asyncio.run(main())


def test_what_waits_for_cosignatures_is_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        an, file, shelf = notary("AN", tmp_path)
        for size in range(1, 2 * WAITING_MAX):
            file.extend(leaves(size - 1, size), size)
            await an.sign()
        assert an.best(1) is not None
        assert not await an.cosigned("JG", WAITING_MAX - 1, "")
        shelf.close()

    asyncio.run(main())


# ---- the shelf -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_old_checkpoints_are_thinned_to_one_an_hour(tmp_path: Path) -> None:
    shelf, file = Shelf(tmp_path / "shelf"), TreeFile(tmp_path / "tree")
    count = RECENT + 4 * THIN_EVERY
    for size in range(1, count + 1):
        file.extend(leaves(size - 1, size), size)
        shelf.keep(note_of("AN", file, size), NOW + size * 60_000)
    sizes = [kept.note.checkpoint.size for kept in shelf.all("an.passcom")]
    assert sizes[-RECENT:] == list(range(count - RECENT + 1, count + 1))
    assert 5 <= len(sizes) - RECENT <= 4 * THIN_EVERY // 60 + 2
    shelf.close()


def test_what_lies_on_a_shelf_is_read_without_touching_it(tmp_path: Path) -> None:
    file, shelf = TreeFile(tmp_path / "tree"), Shelf(tmp_path / "shelf")
    file.extend(leaves(0, 5), 5)
    note = note_of("AN", file, 5)
    shelf.keep(note, NOW, 5)
    shelf.alarm(Alarm("jg.passcom", NOW, "two histories", "one", "other"))
    shelf.alarm(Alarm("jg.passcom", NOW + 1, "two histories", "one", "other"))
    assert read_shelf(tmp_path / "shelf") == (
        [str(note)],
        [Alarm("jg.passcom", NOW, "two histories", "one", "other")],
    )
    shelf.close()
    assert read_shelf(tmp_path / "shelf")[0] == [str(note)]


def test_what_a_killed_node_wrote_is_on_the_disk_before_its_successor_speaks_of_it(tmp_path: Path) -> None:
    """The write-ahead log may never have been fsynced: from then on nothing hangs on it."""
    killed, without_log = tmp_path / "killed", tmp_path / "without its log"
    with closing(Shelf(tmp_path / "shelf")) as shelf, closing(TreeFile(tmp_path / "tree")) as file:
        file.extend(leaves(0, 5), 5)
        note = note_of("AN", file, 5)
        shelf.keep(note, NOW, 5)
        for end in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'shelf'}{end}", f"{killed}{end}")
    with closing(Shelf(killed)):
        shutil.copy(killed, without_log)
    assert read_shelf(without_log)[0] == [str(note)]
