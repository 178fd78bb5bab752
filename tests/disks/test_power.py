"""The power goes at any moment: whatever the disk kept of the writes, nothing acknowledged is lost.

From one record of writes and fsyncs, thousands of the images that the rules of the disk allow are made and opened.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.disks.carrier import SCRIPT, Life
from tests.disks.images import Cuts, Image, Survey, images, survey
from tests.disks.lives import CREWS, Lives
from tests.disks.recording import SAID, SHARED_MEMORY, SYNCED, calls
from tests.thorough import size

pytestmark = pytest.mark.slow

TIMES = 10 if os.environ.get("PASSCOM_DISKS") == "all" else 1
SURVEYS, DRAWS = size(2, 4) * TIMES, size(1, 8)
IMAGES_MIN = 31
"""So many different ones has each draw of a survey at least."""
LIVED_ON = size(20, 60) * TIMES
FAILED_ONE_IN = size(8, 1)
"""Of so many fsyncs one fails, or is not come to."""
FAILED_IMAGES_MIN = 4
"""So many has each failed fsync at least, taken together."""
SHOWN = 5


@pytest.fixture(scope="module")
def surveyors() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(CREWS, get_context("spawn")) as pool:
        yield pool


def half_way(lives: Lives, *, careless: bool) -> int:
    """How many calls a life makes until half of what it promises is said."""
    whole = lives.new(fault="- 0", careless=careless)
    assert lives.live(whole).code == 0
    record = [*calls(whole.record)]
    said = [number for number, call in enumerate(record) if call.op == SAID]
    return sum(call.op != SAID for call in record[: said[len(said) // 2]])


def two_lives(lives: Lives, *, careless: bool = False) -> tuple[Life, int]:
    """A record of selling, a kill half-way, a start again and an orderly end; and at which call it was killed."""
    killed_at = half_way(lives, careless=careless)
    first = killed_before(lives, killed_at, careless=careless)
    return first, killed_at


def killed_before(lives: Lives, call: int, *, careless: bool = False) -> Life:
    """A record of selling, a kill before this call, a start again and an orderly end."""
    first = lives.new(fault=f"b {call}", careless=careless)
    known = len(lives.live(first).heard)
    shared_memory(first).mkdir()
    for path in first.disk.glob(f"*{SHARED_MEMORY}"):
        shutil.copy(path, shared_memory(first))
    second = Life(folder=first.folder, known=known, fault="- 0", careless=careless)
    assert lives.live(second).code == 0
    return first


def shared_memory(life: Life) -> Path:
    """SQLite's, as it was between the two lives: it may be on the disk, or not, whatever happened since."""
    return Path(life.folder, "shared memory")


def surveyed(pool: ProcessPoolExecutor, lives: Lives, cuts: Sequence[Cuts]) -> Survey:
    found = [*pool.map(survey, cuts, repeat(lives.promised))]
    return Survey(
        sum(each.images for each in found),
        [lost for each in found for lost in each.lost],
        [stopped for each in found for stopped in each.stopped],
    )


def test_after_a_power_cut_everything_acknowledged_is_there(lives: Lives, surveyors: ProcessPoolExecutor) -> None:
    life, killed_at = two_lives(lives)
    cuts = Cuts(record=life.record, disk=life.disk, seed=0, draws=DRAWS)
    later = replace(cuts, first=killed_at + len(SCRIPT), stale=shared_memory(life))
    seeds = [replace(each, seed=seed) for seed in range(SURVEYS // 2) for each in (cuts, later)]
    found = surveyed(surveyors, lives, seeds)
    print(f"{found.images} images after a power cut")
    assert not found.lost, "\n".join(found.lost[:SHOWN])
    assert not found.stopped, "\n".join(found.stopped[:SHOWN])
    assert found.images > IMAGES_MIN * DRAWS * SURVEYS


def test_after_a_power_cut_the_node_goes_on_as_if_nothing_had_happened(lives: Lives) -> None:
    life, _ = two_lives(lives)
    cuts = Cuts(record=life.record, disk=life.disk, seed=4711, draws=DRAWS)
    drawn = [*images(cuts)]

    def live_on(image: Image) -> Iterator[str]:
        after = lives.new()
        image.write(after.disk)
        yield from (f"{image.where}: {wrong}" for wrong in lives.wrong(after, image.known))

    wrong = list(lives.each(live_on, drawn[:: max(1, len(drawn) // LIVED_ON)]))
    assert not wrong, "\n".join(wrong[:SHOWN])


def test_what_a_killed_node_had_not_fsynced_is_on_the_disk_before_its_successor_speaks_of_it(
    lives: Lives, surveyors: ProcessPoolExecutor
) -> None:
    """A kill leaves what was written where everybody can read it, and a power cut takes it away all the same."""
    assert_kept_from_each_fsync_on(lives, surveyors, lambda number: killed_before(lives, number))


def test_without_an_fsync_a_commit_the_same_power_cuts_lose_bookings(
    lives: Lives, surveyors: ProcessPoolExecutor
) -> None:
    """Else the tests above would prove nothing."""
    life, _ = two_lives(lives, careless=True)
    cuts = [Cuts(record=life.record, disk=life.disk, seed=seed, every=size(3, 1)) for seed in range(CREWS)]
    found = surveyed(surveyors, lives, cuts)
    print(f"synchronous=NORMAL: {len(found.lost)} of {found.images} images have lost what was acknowledged")
    assert len(found.lost) > found.images // 10


def test_what_a_failed_fsync_may_have_lost_was_never_acknowledged(lives: Lives, surveyors: ProcessPoolExecutor) -> None:
    def failed_at(number: int) -> Life:
        life = lives.new(fault=f"e {number}")
        lives.live(life)
        return life

    assert_kept_from_each_fsync_on(lives, surveyors, failed_at)


def assert_kept_from_each_fsync_on(lives: Lives, surveyors: ProcessPoolExecutor, lived: Callable[[int], Life]) -> None:
    """Power cuts in the lives in which something has happened at each fsync of an undisturbed one."""
    undisturbed = lives.new(fault="- 0")
    assert lives.live(undisturbed).code == 0
    cuts = []
    for number in fsyncs(undisturbed)[::FAILED_ONE_IN]:
        life = lived(number)
        cuts.append(Cuts(record=life.record, disk=life.disk, seed=number, first=number, every=10 // TIMES))
    found = surveyed(surveyors, lives, cuts)
    print(f"{found.images} images after a power cut in {len(cuts)} lives")
    assert not found.lost, "\n".join(found.lost[:SHOWN])
    assert not found.stopped, "\n".join(found.stopped[:SHOWN])
    assert found.images > FAILED_IMAGES_MIN * len(cuts)


def fsyncs(life: Life) -> list[int]:
    """Their numbers, as a plan counts."""
    made = [call for call in calls(life.record) if call.op != SAID]
    return [number for number, call in enumerate(made, 1) if call.op == SYNCED]
