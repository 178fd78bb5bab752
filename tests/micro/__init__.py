"""What single parts cost: `pytest tests/micro --benchmark-enable --benchmark-sort=name`. Else each runs once, untimed.

The fixture `benchmark` is pytest-benchmark's; here is as much of its type as is used.
"""

from collections.abc import Callable, Mapping
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Benchmark(Protocol):
    def __call__(self, measured: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Time calls that change nothing; answers what the last of them did."""

    def pedantic(
        self,
        measured: Callable[..., T],
        /,
        *,
        setup: Callable[[], tuple[tuple[object, ...], Mapping[str, object]]],
        rounds: int,
    ) -> T:
        """Time calls that use up what `setup` makes for each of them."""
