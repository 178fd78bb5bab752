"""The checks bite: each known fault, planted into the production code, is caught within `SEEDS_MAX` worlds.

`python -m tests.simulator --planted` prints how many worlds each took, and what gave it away.
"""

import pytest

from ledger.participant import decide
from tests.simulator.planted import FAULTS, SEEDS_MAX, Fault, Swap, planted, seeds_until_caught
from tests.thorough import one_in

# Wrong code may refuse to end, and be ended by the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.slow
@pytest.mark.parametrize("fault", one_in(7, ([fault] for fault in FAULTS)), ids=[fault.name for fault in FAULTS])
def test_the_fault_is_caught(fault: Fault) -> None:
    seeds, violation = seeds_until_caught(fault)
    assert violation, f"not caught in {SEEDS_MAX:,} worlds"
    print(f"caught in world {seeds}: {violation}")


def test_no_fault_outlasts_its_block() -> None:
    right = decide.__code__
    with planted(next(fault for fault in FAULTS if "tombstone" in fault.name)):
        assert decide.__code__ is not right
    assert decide.__code__ is right


def test_a_fault_whose_line_is_gone_must_be_planted_anew() -> None:
    gone = Fault("gone", (Swap("ledger.participant.decide:decide", "a line that nobody wrote", "pass"),))
    with pytest.raises(AssertionError, match="0 times"), planted(gone):
        pass
