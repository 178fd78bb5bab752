"""One node as a process: `passcom serve`, or `python -m airline_node.serve`, which loads only what a node needs.

Its journal is looked at while the rest of the program is being loaded: that takes a second, too.
"""

import logging
import os
import sys

from airline_node import config, logs
from airline_node.journal import Journal, JournalTrouble

NO_START = 2
UNTIL_EOF = "--until-eof"
"""To be told to end also by the end of its standard input: by the death of whoever started it, however that came."""

log = logging.getLogger(__name__)


def main() -> int:
    """Run the node that the environment describes. The exit code: 2 for an environment that describes none."""
    try:
        told = config.read(os.environ)
    except config.ConfigTrouble as trouble:
        print(trouble, file=sys.stderr)
        return NO_START
    logs.set_up(told.log, told.carrier)
    try:
        journal = Journal.begin(told.journal)
    except JournalTrouble as trouble:
        log.critical("%s stops: %s", told.carrier, trouble)
        return 1

    from airline_node import app

    return app.serve(told, journal, until_eof=UNTIL_EOF in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
