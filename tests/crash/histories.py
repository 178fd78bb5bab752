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
        if done & needed == needed:
            return True
        left = [(n, operation) for n, operation in enumerate(operations) if not done >> n & 1]
        # Nothing that was called later can come before the first of them that is answered.
        horizon = min(operation.answered for _, operation in left)
        for n, operation in left:
            if operation.called > horizon:
                break
            owner_then = operation.after(owner)
            if owner_then is not None and (step := (done | 1 << n, owner_then)) not in seen:
                seen.add(step)
                waiting.append(step)
    return False
