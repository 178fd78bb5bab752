"""How much is tried: a few of each kind every day; all there is in CI and with `make test THOROUGH=1`.

A test that takes seconds and has a sibling that shows much the same is marked `thorough`; one that sweeps over many
cases takes their number from `size`. Either way some of each kind is left for every day.
"""

import os
from collections.abc import Iterable, Sequence
from typing import NoReturn, TypeVar

import pytest
from _pytest.mark import ParameterSet

T = TypeVar("T")

THOROUGH = any(os.environ.get(name) not in (None, "", "0", "false") for name in ("CI", "THOROUGH"))


def size(everyday: T, thorough: T) -> T:
    """How much of something to try in this run."""
    return thorough if THOROUGH else everyday


def skip(words: str) -> NoReturn:
    """Leave a test out because something is missing here; CI has all of it, so there that is a failure."""
    if os.environ.get("CI") not in (None, "", "0", "false"):
        pytest.fail(f"may not be skipped in CI: {words}")
    pytest.skip(words)


def one_in(many: int, cases: Iterable[Sequence[object]]) -> list[ParameterSet]:
    """Cases for `parametrize`, of which the first and every `many`-th after it are for every day."""
    return [pytest.param(*case, marks=[pytest.mark.thorough] if n % many else []) for n, case in enumerate(cases)]
