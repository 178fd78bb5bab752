"""A log of a million events, audited: how fast against plain reading of the same file, and with how much memory.

python -m tests.audit [--events 1000000] [--folder DIR]      keeps the log in DIR, and takes the one that is there
"""

import argparse
import tempfile
from pathlib import Path

from tests.audit.long import measured, written


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        written(folder, asked.events)
        for line in measured(folder):
            print(line)


main()
