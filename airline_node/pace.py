"""How many travellers' orders are under way, and whether one more would still be answered in good time.

More orders than a node can decide do not only wait: carriers must vote within `DECIDE_MS`, so when all wait for longer
than that, all are aborted, and a node that is asked for three times what it can sell sells hardly anything. So what is
limited is the time that a new order would take, worked out from those before it: as long as they took, for each that
was under way with them. That is counted when they came and when they were answered, and the greater number holds: of a
crowd that comes at once, the first wait for those behind them too.

A dead carrier, whose orders all run into their time limit, slows nobody by this: orders that hear a decision are what
is measured, and those are as quick as ever, among more.
"""

import time
from types import TracebackType

from ledger.terms import DECIDE_MS, Millis

ORDERS_MAX = 4_000
"""Under way at a node, whatever their pace; each takes memory."""
CROWD_MIN = 64
"""So few are never too many: they fill every batch, and only so many show how long each takes."""
WAIT_MS_MAX: Millis = DECIDE_MS // 3
"""Well below `DECIDE_MS`: the measure is as old as the wait of the orders that it is taken from."""
WEIGHT = 1 / 512
"""Of the newest order in the measure of all."""


class Pace:
    """`under_way` counts what was begun and not ended."""

    def __init__(self) -> None:
        self.under_way = 0
        self._each_ms = 0.0

    def crowded(self, coming: int = 0) -> bool:
        """One more order would wait for too long, or there are too many, those that are `coming` among them."""
        orders = self.under_way + coming
        if orders < CROWD_MIN:
            return False
        return orders * self._each_ms > WAIT_MS_MAX or orders >= ORDERS_MAX

    def begin(self) -> int:
        """An order comes; how many are under way with it, for `end`."""
        self.under_way += 1
        return self.under_way

    def end(self, among: int, took_ms: float, *, decided: bool) -> None:
        """It is answered, or nobody waits for it any more. One that ran into its time limit tells nothing of others."""
        most = max(among, self.under_way)
        self.under_way -= 1
        if decided and most >= CROWD_MIN and took_ms < DECIDE_MS:
            each_ms = took_ms / most
            self._each_ms += (each_ms - self._each_ms) * (WEIGHT if self._each_ms else 1)


class Turn:
    """One order's. It is under way within the `with` block, which begins before anything is done for it."""

    def __init__(self, pace: Pace, wait_ms: Millis) -> None:
        """`wait_ms` is its time limit."""
        self._pace = pace
        self._wait_ms = wait_ms
        self._among = 0
        self._begun = 0.0

    def __enter__(self) -> None:
        self._among, self._begun = self._pace.begin(), time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took_ms = 1000 * (time.monotonic() - self._begun)
        self._pace.end(self._among, took_ms, decided=error is None and took_ms < self._wait_ms)
