"""More travellers than three nodes can serve: they go on selling at their best, and turn all others away at once.

`python -m tests.doors.overload` finds the best rate at which a closed crowd is sold journeys over two airlines, lets
travellers come at a multiple of it whatever becomes of them, and shows what of the best is still sold.
"""

import resource
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from airline_node.bench.crew import Crew
from airline_node.bench.goods import Goods, Mode
from airline_node.bench.load import Outcomes
from airline_node.bench.nodes import Node, journal, rest, started
from airline_node.bench.run import Wanted, let_loose, plan
from ledger.audit import Audit, Finding, Promises
from ledger.terms import Millis
from tests.doors.arrivals import Answered, Arrivals, arrive
from tests.doors.lone import most_files

CARRIERS = 2
WARM_MS: Millis = 3_000
"""Before that, what an overload does has not shown yet."""
KEPT_MIN = 0.9

console = Console(highlight=False, width=130)


class Overload(Struct, frozen=True, kw_only=True):
    """How it went. Rates are of sold journeys a second.

    `kept` is the part of the best rate that is still sold; `kept_cpu` the same of what the nodes sell for a second of
    their processors' time, turning away included, which other programs on the machine disturb less.
    """

    best: float
    offered: float
    kept: float
    kept_cpu: float
    answered: Answered
    findings: Sequence[Finding]


def overload(folder: Path, *, users: int, bookings: int, times: float, seconds: float, progress: Progress) -> Overload:
    """Three nodes of our own at their best, then under so many times that; and what their logs say of it."""
    with started(folder) as nodes:
        wanted = Wanted(users=users, bookings=bookings, carriers=CARRIERS, mode=Mode.SPREAD)
        asked = plan(wanted, nodes[0], time.time_ns() // 1_000_000, progress)
        crowd = Goods(asked.journeys, asked.orders[: bookings // 5])
        before = _cpu_seconds(nodes)
        seen, _ = let_loose(wanted, crowd, [node.address for node in nodes], "At their best", progress)
        assert rest(nodes), "the nodes do not come to rest"
        best, between = len(seen.confirmed) / seen.seconds, _cpu_seconds(nodes)
        work = Arrivals(
            addresses=tuple(node.address for node in nodes),
            per_second=times * best,
            seconds=seconds,
            journeys=asked.journeys,
            orders=asked.orders[bookings // 5 :],
        )
        answered = _offer(work, progress)
        assert rest(nodes), "the nodes do not come to rest"
        after = _cpu_seconds(nodes)
    window_s = seconds - WARM_MS / 1000
    sold = sum(WARM_MS <= at < 1000 * seconds for at, _ in answered.sold.values())
    return Overload(
        best=best,
        offered=answered.came / seconds,
        kept=sold / window_s / best,
        kept_cpu=len(answered.sold) / (after - between) / (len(seen.confirmed) / (between - before)),
        answered=answered,
        findings=_findings(nodes, seen, answered),
    )


def _cpu_seconds(nodes: Sequence[Node]) -> float:
    return sum(seconds for node in nodes if (seconds := node.spent().cpu_seconds) is not None)


def _offer(work: Arrivals, progress: Progress) -> Answered:
    bar = progress.add_task(f"{work.per_second:.0f} a second", total=round(work.per_second * work.seconds))
    with Crew[Answered](arrive, [(work,)]) as crew:
        crew.first()
        crew.go_on()
        [answered] = crew.results(lambda came: progress.update(bar, completed=came))
    return answered


def _findings(nodes: Sequence[Node], seen: Outcomes, answered: Answered) -> list[Finding]:
    """What the logs of nodes that have ended have against what their travellers were told."""
    audit = Audit()
    for node in nodes:
        assert node.data is not None
        for event in journal(node.data):
            audit.hear(node.name, event)
    confirmed = frozenset(seen.confirmed) | answered.sold.keys()
    return audit.findings(Promises(confirmed, frozenset(seen.denied) | answered.shed.keys()), at_rest=True)


def table(rounds: Sequence[Overload]) -> Table:
    shown = Table(
        "best/s", "offered/s", "kept", "by cpu", "sold", "503", "else", "p50 ms", "p99 ms", "503 p99", "late ms"
    )
    for one in rounds:
        told = one.answered
        sold, shed = (sorted(ms for _, ms in each.values()) or [0] for each in (told.sold, told.shed))
        shown.add_row(
            *(f"{figure:,.0f}" for figure in (one.best, one.offered)),
            f"{one.kept:.0%}",
            f"{one.kept_cpu:.0%}",
            *(f"{figure:,}" for figure in (len(told.sold), len(told.shed), told.other.total())),
            *(str(ms[int(share * len(ms))]) for ms, share in ((sold, 0.5), (sold, 0.99), (shed, 0.99))),
            str(told.late_ms_max),
        )
    return shown


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.doors.overload", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=float, default=3.0, help="the best rate")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--users", type=int, default=256, help="in the closed crowd that finds the best rate")
    parser.add_argument("--bookings", type=int, default=60_000, help="that are on sale in all")
    chosen = vars(parser.parse_args())
    resource.setrlimit(resource.RLIMIT_NOFILE, most_files())
    rounds = []
    with Progress(console=console) as progress:
        for _ in progress.track(range(chosen.pop("rounds")), description="Rounds"):
            with TemporaryDirectory() as folder:
                rounds.append(overload(Path(folder), progress=progress, **chosen))
    console.print(table(rounds))
    for one in rounds:
        for what, times in one.answered.other.items():
            console.print(f"{times:8,}  {what}")
        for finding in one.findings:
            console.print(finding)
    kept = sorted(one.kept for one in rounds)[len(rounds) // 2]
    console.print(f"median: {kept:.0%} of the best is kept, and at least {KEPT_MIN:.0%} must be")
    return 0 if kept >= KEPT_MIN and not any(one.findings or one.answered.other for one in rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
