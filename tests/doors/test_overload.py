"""More travellers than three nodes can serve: whoever is not sold a journey is told at once that nothing has happened.

What of the best rate is still sold, and that nobody waits for longer than votes may take, is measured on a quiet
machine by `python -m tests.doors.overload`: on one that others use too, some orders run into that time.
"""

from pathlib import Path

import pytest
from rich.progress import Progress

from tests.doors.overload import overload

TIMES = 3.0
SECONDS = 7.0
TOO_LATE = {"409 no-answer", "202 confirming"}
"""What carriers had no time to vote on, and what was still being decided when its traveller was answered."""


@pytest.mark.thorough
def test_an_overload_is_sold_to_or_turned_away_and_no_booking_is_lost(tmp_path: Path) -> None:
    with Progress(disable=True) as progress:
        seen = overload(tmp_path, users=96, bookings=30_000, times=TIMES, seconds=SECONDS, progress=progress)
    print(f"{len(seen.answered.sold)} sold, {len(seen.answered.shed)} turned away, {seen.kept:.0%} of the best")
    assert seen.answered.other.keys() <= TOO_LATE
    assert not seen.findings
    assert seen.answered.sold, "a run in which nothing was sold proves nothing"
    assert seen.answered.shed, "it was no overload"
