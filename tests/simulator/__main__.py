"""`python -m tests.simulator --seeds N --from K`: live through N worlds, and print how to replay a bad one."""

import sys
from argparse import ArgumentParser
from collections import Counter

from rich.console import Console
from rich.progress import track

from tests.simulator.checker import Violation
from tests.simulator.run import live, missing
from tests.simulator.world import World

FAILURES_MAX = 10
"""So many are printed; one is enough to begin with."""


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many worlds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--transcript", action="store_true", help="print all that happens in the first world only")
    parser.add_argument("--about", default="", help="with --transcript: only the lines with this word")
    parser.add_argument("--digest", action="store_true", help="print one number for all that happens in each world")
    chosen = parser.parse_args()
    if chosen.transcript:
        return print_transcript(chosen.first, chosen.about)
    if chosen.digest:
        return print_digests(range(chosen.first, chosen.first + chosen.seeds))
    return run(range(chosen.first, chosen.first + chosen.seeds))


def run(seeds: range) -> int:
    console = Console()
    counts: Counter[str] = Counter()
    failures = 0
    for seed in track(seeds, "worlds", console=console):
        ending = live(seed)
        counts.update(ending.counts)
        if ending.violation:
            failures += 1
            if failures <= FAILURES_MAX:
                console.print(str(ending), markup=False, highlight=False)
    for name, number in sorted(counts.items()):
        console.print(f"{number:10,}  {name}", markup=False, highlight=False)
    lacking = missing(counts, len(seeds))
    for name in lacking:
        console.print(f"never happened, so nothing is proved: {name}", markup=False)
    console.print(f"{len(seeds):,} worlds, {failures:,} with a violation")
    return 1 if failures or lacking else 0


def print_transcript(seed: int, about: str) -> int:
    world = World(seed)
    violation = ""
    try:
        world.live()
    except Violation as found:
        violation = str(found)
    for line in world.transcript():
        if about in line:
            print(line)
    print(f"seed {seed}: {violation or 'all held'}")
    return 1 if violation else 0


def print_digests(seeds: range) -> int:
    for seed in seeds:
        world = World(seed)
        try:
            world.live()
        except Violation as found:
            world.note("--", "ends", found)
        print(seed, world.digest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
