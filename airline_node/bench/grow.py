"""What a booking costs as things grow: users, carriers, flights on sale, events in the log. One of them at a time.

Rule: what stands in one table was measured in one session, each row on nodes of its own size.
"""

import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import Final

from rich.progress import Progress

from airline_node.bench.crew import BenchTrouble, Crew
from airline_node.bench.goods import Mode
from airline_node.bench.longlog import fill
from airline_node.bench.nodes import Node, rest, started
from airline_node.bench.report import Growth, GrowthRow, latency
from airline_node.bench.run import SEED, Wanted, let_loose, plan
from airline_node.timetable import SALE_DAYS, load
from airline_node.up import SERVE
from ledger.terms import CarrierCode, Millis

USERS: Final = (16, 128, 512, 1_500)
CARRIERS: Final = (1, 2, 3)
FLIGHTS: Final = (400, 10_000, 50_000)
EVENTS: Final = (0, 1_000_000, 5_000_000)
"""In the log of each node."""
USERS_ELSE: Final = 256
BOOKINGS: Final = 4_000
BOOKINGS_SMALL: Final = 1_000
"""So many can be sold on the smallest network too."""
SEARCHES: Final = 200
ALONE: Final = "AN"

COST: Final = ("bookings/s", "p50 ms", "p99 ms", "CPU ms per order, all nodes")


def grow(folder: Path, clock: Callable[[], Millis], progress: Progress) -> Iterator[Growth]:
    """One table after another; `folder` is used by each, and left empty."""
    yield users(USERS, folder, clock, progress)
    yield carriers(CARRIERS, folder, clock, progress)
    yield flights(FLIGHTS, folder, clock, progress)
    yield events(EVENTS, folder, clock, progress)


def users(
    sizes: Sequence[int], folder: Path, clock: Callable[[], Millis], progress: Progress, bookings: int = BOOKINGS
) -> Growth:
    """One network, more and more travellers at once."""
    with _emptied(folder), started(folder) as nodes:
        rows = tuple(GrowthRow(size, _cost(nodes, size, 3, bookings, clock, progress)) for size in sizes)
    return Growth(title="Users at once", axis="users", columns=COST, rows=rows)


def carriers(
    sizes: Sequence[int], folder: Path, clock: Callable[[], Millis], progress: Progress, bookings: int = BOOKINGS
) -> Growth:
    """One network, itineraries over more and more carriers."""
    with _emptied(folder), started(folder) as nodes:
        rows = tuple(GrowthRow(size, _cost(nodes, USERS_ELSE, size, bookings, clock, progress)) for size in sizes)
    return Growth(title="Carriers in an itinerary", axis="carriers", columns=COST, rows=rows)


def flights(
    sizes: Sequence[int], folder: Path, clock: Callable[[], Millis], progress: Progress, bookings: int = BOOKINGS_SMALL
) -> Growth:
    """Networks of several sizes: what selling and searching cost on them, and a node's start and memory."""
    rows = []
    for size in sizes:
        command = (sys.executable, "-m", "airline_node.bench.sized", str(size))
        with _emptied(folder):
            with started(folder, command) as nodes:
                searching = _searches(nodes[0], clock())
                cost = _cost(nodes, USERS_ELSE, 3, bookings, clock, progress)
            rows.append(GrowthRow(size, (*cost, *searching, *start_alone(folder, command))))
    columns = (*COST, "search p50 ms", "search p99 ms", "s to ready", "MiB")
    return Growth(title="Flights on sale", axis="flights", columns=columns, rows=tuple(rows))


def events(
    sizes: Sequence[int], folder: Path, clock: Callable[[], Millis], progress: Progress, bookings: int = BOOKINGS
) -> Growth:
    """Longer and longer logs: a start and its memory, without a snapshot and with one; what selling costs then."""
    rows = []
    for size in sizes:
        with _emptied(folder):
            write_logs(size, folder, list(load().carriers), progress)
            replaying, from_snapshot = start_alone(folder, SERVE), start_alone(folder, SERVE)
            with started(folder):
                pass  # The others replay theirs too, and leave snapshots: else they would draw them while they sell.
            with started(folder) as nodes:
                cost = _cost(nodes, USERS_ELSE, 3, bookings, clock, progress)
        rows.append(GrowthRow(size, (*cost, *replaying, *from_snapshot)))
    starts = ("s to ready, replaying", "MiB", "s to ready, snapshot", "MiB then")
    return Growth(title="Events in each log", axis="events", columns=(*COST, *starts), rows=tuple(rows))


# ---- one figure after another -----------------------------------------------------------------------------------


def _cost(
    nodes: Sequence[Node], users: int, carriers: int, bookings: int, clock: Callable[[], Millis], progress: Progress
) -> tuple[float, ...]:
    """The figures of `COST`."""
    wanted = Wanted(users=users, bookings=bookings, carriers=carriers, mode=Mode.SPREAD)
    asked = plan(wanted, nodes[0], clock(), progress)
    before = sum(node.spent().cpu_seconds or 0 for node in nodes)
    seen, _ = let_loose(wanted, asked, [node.address for node in nodes], f"{users} users", progress)
    if len(seen.confirmed) < bookings:
        raise BenchTrouble(f"Not everything was sold to {users} users: {seen.refusals}, {seen.trouble}")
    rest(nodes)
    cpu_ms = (sum(node.spent().cpu_seconds or 0 for node in nodes) - before) * 1000
    [answered] = map(latency, seen.latencies.values())
    return len(seen.confirmed) / seen.seconds, answered.p50, answered.p99, cpu_ms / bookings


def _searches(node: Node, now: Millis) -> tuple[float, float]:
    """Milliseconds of a search, over HTTP and with nothing else to do: the median, and one in a hundred."""
    timetable, chance = load(), random.Random(SEED)  # noqa: S311 - the same searches again
    pairs, today = list(permutations(timetable.airports, 2)), timetable.today(now)
    micros = []
    for _ in range(SEARCHES):
        origin, destination = chance.choice(pairs)
        day = today.fromordinal(today.toordinal() + chance.randrange(1, SALE_DAYS))
        begun = time.perf_counter_ns()
        node.ask(f"/api/itineraries?origin={origin}&destination={destination}&date={day}")
        micros.append((time.perf_counter_ns() - begun) // 1000)
    found = latency(micros)
    return found.p50, found.p99


def start_alone(folder: Path, command: Sequence[str]) -> tuple[float, float]:
    """Seconds until one node takes orders while its peers are down, and the MiB that it has then."""
    begun = time.perf_counter()
    with started(folder, command, [ALONE]) as [node]:
        seconds = time.perf_counter() - begun
        return seconds, (node.spent().resident_bytes or 0) / 2**20


def write_logs(events: int, folder: Path, names: Sequence[CarrierCode], progress: Progress) -> None:
    """So many events into the log of each of these carriers, which has none yet, as `folder` keeps them."""
    bar = progress.add_task(f"Writing {events:,} events to each log", total=events * len(names))
    with Crew[str](fill, [(folder / name, name, events) for name in names]) as crew:
        crew.results(lambda count: progress.update(bar, completed=count))


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for found in folder.iterdir():
            if found.is_dir():
                shutil.rmtree(found)
