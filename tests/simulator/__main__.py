"""`python -m tests.simulator --seeds N --from K`: live through N worlds, and print how to replay a bad one."""

import os
import sys
from argparse import ArgumentParser
from collections import Counter
from multiprocessing import get_context

from rich.console import Console
from rich.progress import Progress

from tests.simulator.planted import FAULTS, seeds_until_caught
from tests.simulator.run import LEVELS, PINNED, Level, end, live, live_many, missing, report
from tests.simulator.world import World

REPORTS_MAX = 3
"""So many failures are told at length; one is enough to begin with."""

console = Console(markup=False, highlight=False, soft_wrap=True)


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many worlds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--level", choices=LEVELS, default="direct", help="how much of the code runs; see the modules")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at the same time")
    parser.add_argument("--transcript", action="store_true", help="print all that happens in the first world only")
    parser.add_argument("--without", default="", help="with --transcript: parts to leave out, with commas between")
    parser.add_argument("--about", default="", help="with --transcript: only the lines with this word")
    parser.add_argument("--digest", action="store_true", help="print one number for all that happens in each world")
    parser.add_argument("--planted", action="store_true", help="plant each known fault; print when it was caught")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.transcript:
        without = frozenset(filter(None, chosen.without.split(",")))
        return print_transcript(LEVELS[chosen.level](chosen.first, without), chosen.about)
    if chosen.digest:
        return print_digests(seeds, chosen.level)
    if chosen.planted:
        return print_planted(chosen.processes)
    return run(seeds, chosen.processes, chosen.level)


def run(seeds: range, processes: int, level: Level) -> int:
    counts: Counter[str] = Counter()
    broken = [seed for seed in PINNED if level == "direct" and live(seed).violation]
    with Progress(console=console) as progress:
        task = progress.add_task("worlds", total=len(seeds))
        for tally in live_many(seeds, processes, level):
            progress.advance(task, tally.seeds)
            counts.update(tally.counts)
            for ending in tally.broken:
                broken.append(ending.seed)
                if len(broken) <= REPORTS_MAX:
                    progress.console.print(report(ending.seed, level))
    for name, number in sorted(counts.items()):
        console.print(f"{number:12,}  {name}")
    lacking = missing(counts, len(seeds), level)
    for name in lacking:
        console.print(f"too rare for this run to prove anything: {name}")
    console.print(f"{len(seeds):,} worlds, {len(broken):,} with a violation {sorted(broken)[:20] or ''}")
    return 1 if broken or lacking else 0


def print_transcript(world: World, about: str) -> int:
    violation = end(world).violation
    for line in world.trace.lines(about):
        print(line)
    print(f"seed {world.seed}: {violation or 'all held'}")
    return 1 if violation else 0


def print_digests(seeds: range, level: Level) -> int:
    for seed in seeds:
        world = LEVELS[level](seed)
        end(world)
        print(seed, world.trace.digest())
    return 0


def print_planted(processes: int) -> int:
    """The proof that the checks bite."""
    missed = 0
    with get_context("spawn").Pool(processes) as pool:
        for fault, (seeds, violation) in zip(FAULTS, pool.imap(seeds_until_caught, FAULTS, 1), strict=True):
            missed += not violation
            console.print(f"{seeds if violation else 'missed':>7}  {fault.name}: {violation[:150]}")
    console.print(f"{len(FAULTS)} faults planted, {missed} not caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
