"""Whether what travellers saw of one seat can have happened one thing after the other: linearizability.

Each operation has taken effect at one moment between its call and its answer, whatever nodes died meanwhile, and all of
them together must make sense in the order of those moments: a seat is taken only while nobody has it, and given back
only by whom it belongs to. One that was never answered may have taken effect at any time since, or never. The search is
that of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993), with the memory that Lowe added ("Testing for
Linearizability", 2017): no set of operations with the same outcome is looked at twice.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import inf
from typing import Final

from msgspec import Struct

from ledger.terms import BookingId

NOBODY: Final = ""


class Does(StrEnum):
    TAKE = "takes it"
    GIVE_BACK = "gives it back"
    HAS = "is seen to have it"
    HAS_NOT = "is seen not to have it"


class Operation(Struct, frozen=True):
    """`answered` is `inf` if it never was; then it need not have happened, unless it is `certain` from elsewhere."""

    does: Does
    booking: BookingId
    called: float
    answered: float = inf
    certain: bool = False

    @property
    def must_be(self) -> bool:
        return self.certain or self.answered < inf

    @property
    def is_look(self) -> bool:
        return self.does in (Does.HAS, Does.HAS_NOT)

    def after(self, owner: BookingId) -> BookingId | None:
        """Who has the seat after it; None if it cannot happen while this one has it."""
        match self.does:
            case Does.TAKE:
                return self.booking if owner == NOBODY else None
            case Does.GIVE_BACK:
                return NOBODY if owner == self.booking else None
            case Does.HAS:
                return owner if owner == self.booking else None
            case Does.HAS_NOT:
                return owner if owner != self.booking else None


def linearizable(history: Sequence[Operation]) -> bool:
    """Whether one order explains everything that was seen of this seat, which nobody had in the beginning."""
    operations = sorted(history, key=lambda operation: operation.called)
    needed = sum(1 << n for n, operation in enumerate(operations) if operation.must_be)
    waiting = [(0, NOBODY)]
    seen = set(waiting)
    while waiting:
        done, owner = waiting.pop()
        done, possible = _after_all_looks(operations, done, owner)
        if done & needed == needed:
            return True
        for n in possible:
            owner_then = operations[n].after(owner)
            if owner_then is not None and (step := (done | 1 << n, owner_then)) not in seen:
                seen.add(step)
                waiting.append(step)
    return False


def _after_all_looks(operations: Sequence[Operation], done: int, owner: BookingId) -> tuple[int, list[int]]:
    """The looks that may come next and fit, done: whatever explains the rest does so after them too.

    With them, which of the others may come next.
    """
    while True:
        left = [(n, operation) for n, operation in enumerate(operations) if not done >> n & 1]
        # Nothing that was called later can come before the first of them that is answered.
        horizon = min((operation.answered for _, operation in left), default=inf)
        possible = [(n, operation) for n, operation in left if operation.called <= horizon]
        looks = [n for n, operation in possible if operation.is_look and operation.after(owner) is not None]
        if not looks:
            return done, [n for n, operation in possible if not operation.is_look]
        done |= sum(1 << n for n in looks)
