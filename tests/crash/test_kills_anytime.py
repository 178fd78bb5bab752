"""`kill -9` of any node, or of several, at any moment, under load: whatever was promised is there afterwards.

`python -m tests.crash --kills 1000` does the same for as long as you like.
"""

import pytest

from tests.crash.blows import suffer
from tests.crash.cluster import Cluster
from tests.thorough import size

pytestmark = pytest.mark.slow

KILLS = size(3, 5)


def test_whoever_dies_whenever_every_booking_is_whole_and_every_seat_has_one_history(cluster: Cluster) -> None:
    suffered = suffer(cluster, KILLS)
    assert suffered.kills >= KILLS
    print(suffered)
