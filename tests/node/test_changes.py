"""Who watches is woken, about what they watch and nothing else."""

from airline_node.changes import Changes


def test_a_change_wakes_who_watches_it_and_nobody_else() -> None:
    changes = Changes()
    with changes.watch("AN1001/2026-12-14", "a-booking") as mine, changes.watch("another") as other:
        changes.tell(["a-booking"])
        assert mine.is_set()
        assert not other.is_set()


def test_who_watches_no_longer_is_forgotten() -> None:
    changes = Changes()
    with changes.watch("a-booking") as mine:
        pass
    changes.tell(["a-booking"])
    assert not mine.is_set()
    assert not vars(changes)["_watchers"]
