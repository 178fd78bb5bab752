"""`python -m tests.crash --kills N`: real nodes, killed and frozen under load N times, and all promises looked at."""

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.crash.blows import Suffered, suffer
from tests.crash.cluster import Cluster

ROUND = 10
"""So many kills between two looks at all promises."""

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    chosen = parser.parse_args()
    begun, total = time.monotonic(), Suffered()
    columns = (TextColumn("kills"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with TemporaryDirectory() as folder, Cluster(Path(folder)) as cluster, Progress(*columns, console=console) as shown:
        task = shown.add_task("kills", total=chosen.kills)
        while total.kills < chosen.kills:
            count = min(ROUND, chosen.kills - total.kills)
            suffered = suffer(cluster, count, lambda kills: shown.advance(task, kills))
            for name in Suffered.__struct_fields__:
                setattr(total, name, getattr(total, name) + getattr(suffered, name))
    for name in Suffered.__struct_fields__:
        console.print(f"{getattr(total, name):12,}  {name}")
    console.print(f"every promise was kept, in {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
