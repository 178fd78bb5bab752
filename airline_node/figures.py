"""How long things take, counted while they happen: buckets for Prometheus, the last ones for a person."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import Final

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
"""Upper bounds. A healthy purchase takes a few hundredths of a second, and nobody waits longer than the last one."""
RECENT: Final = 1_000
"""Of so many last ones the percentiles are."""


class Timings:
    """Durations of one kind of thing, in seconds. To note one costs under a microsecond."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._recent: deque[float] = deque(maxlen=RECENT)

    def note(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self._buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._recent.append(seconds)

    def percentile(self, share: float) -> float | None:
        """Of the last RECENT, by nearest rank; None if there were none yet."""
        if not self._recent:
            return None
        ranked = sorted(self._recent)
        return ranked[min(len(ranked) - 1, max(0, round(share * len(ranked)) - 1))]

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Prometheus' buckets: each upper bound, and how many took no longer."""
        so_far = 0
        for bound, here in zip((*map(str, BUCKETS_S), "+Inf"), self._buckets, strict=True):
            so_far += here
            yield bound, so_far
