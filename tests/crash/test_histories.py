"""The judge of travellers' histories is itself to be trusted: it lets pass what can have happened, and nothing else."""

from math import inf

import pytest

from tests.crash.histories import Does, Operation, linearizable

TAKE, GIVE_BACK, HAS, HAS_NOT = Does


def op(does: Does, booking: str, called: float, answered: float = inf) -> Operation:
    return Operation(does, booking, called, answered)


POSSIBLE = {
    "nothing": [],
    "one after the other": [op(TAKE, "ana", 0, 1), op(GIVE_BACK, "ana", 2, 3), op(TAKE, "rui", 4, 5)],
    "given back and taken at the same time": [
        op(TAKE, "ana", 0, 1),
        op(TAKE, "rui", 2, 5),
        op(GIVE_BACK, "ana", 3, 6),
    ],
    "seen before the buyer heard of it": [op(TAKE, "ana", 0, 9), op(HAS, "ana", 1, 2)],
    "not seen while it was under way": [op(TAKE, "ana", 0, 9), op(HAS_NOT, "ana", 1, 2)],
    "never answered, and it happened": [op(TAKE, "ana", 0), op(HAS, "ana", 5, 6)],
    "never answered, and it never happened": [op(TAKE, "ana", 0), op(TAKE, "rui", 1, 2), op(HAS, "rui", 3, 4)],
    "never answered, and it happened much later": [
        op(TAKE, "ana", 0),
        op(TAKE, "rui", 1, 2),
        op(GIVE_BACK, "rui", 3, 4),
        op(HAS, "ana", 5, 6),
    ],
    "given back, never answered, and it happened": [
        op(TAKE, "ana", 0, 1),
        op(GIVE_BACK, "ana", 2),
        op(TAKE, "rui", 3, 4),
    ],
}
IMPOSSIBLE = {
    "two owners": [op(TAKE, "ana", 0, 1), op(TAKE, "rui", 2, 3)],
    "two owners at the same time": [op(TAKE, "ana", 0, 3), op(TAKE, "rui", 1, 2)],
    "acknowledged and lost": [op(TAKE, "ana", 0, 1), op(HAS_NOT, "ana", 2, 3)],
    "seen and then gone": [op(TAKE, "ana", 0, 9), op(HAS, "ana", 1, 2), op(HAS_NOT, "ana", 3, 4)],
    "refused and had": [op(HAS_NOT, "ana", 0, 1), op(HAS, "ana", 2, 3)],
    "given back and had": [op(TAKE, "ana", 0, 1), op(GIVE_BACK, "ana", 2, 3), op(HAS, "ana", 4, 5)],
    "taken before it was given back": [op(TAKE, "ana", 0, 1), op(TAKE, "rui", 2, 3), op(GIVE_BACK, "ana", 4, 5)],
    "never answered, seen, and taken by another": [
        op(TAKE, "ana", 0),
        op(HAS, "ana", 1, 2),
        op(TAKE, "rui", 3, 4),
    ],
    "seen before anybody asked for it": [op(HAS, "ana", 0, 1), op(TAKE, "ana", 2, 3)],
    "certain from the log, though never answered": [
        Operation(TAKE, "ana", 0, certain=True),
        op(TAKE, "rui", 1, 2),
    ],
}


@pytest.mark.parametrize("history", POSSIBLE.values(), ids=POSSIBLE)
def test_what_can_have_happened_passes(history: list[Operation]) -> None:
    assert linearizable(history)


@pytest.mark.parametrize("history", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_have_happened_does_not(history: list[Operation]) -> None:
    assert not linearizable(history)


@pytest.mark.slow
def test_a_long_history_is_judged_in_no_time() -> None:
    turns = [(f"traveller {n}", 10.0 * n) for n in range(300)]
    history = [
        operation
        for name, at in turns
        for operation in (
            op(TAKE, name, at, at + 6),
            op(HAS, name, at + 3, at + 7),
            op(GIVE_BACK, name, at + 8, at + 12),
            op(TAKE, f"rival of {name}", at + 1),
        )
        if not operation.booking.startswith("rival") or at % 100 == 0
    ]
    assert linearizable(history)
    assert not linearizable([*history, op(HAS, "traveller 7", 2_000, 2_001)])
