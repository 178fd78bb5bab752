"""A node that can be told to die (`tests.crash.doomed`), and whose holds can be short: no test waits ten minutes.

`python -m tests.browser.hasty` instead of `passcom serve`; a file in its data folder says how long its holds last.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from airline_node import app, config
from ledger.terms import EXTENDED_MS_MIN, HOLD_MS, CarrierCode, Millis
from tests.crash.cluster import Cluster
from tests.crash.doomed import DoomedJournal, DoomedNode, DoomedPeers

HASTY = (sys.executable, "-m", "tests.browser.hasty")
FILE = "hold_ms"
GAIN_MS_MIN: Millis = 500


@contextmanager
def hasty(nodes: Cluster, carrier: CarrierCode, hold_ms: Millis) -> Iterator[None]:
    """Within the block the bookings that this node takes are held for so long."""
    file = nodes.fleet.data(carrier) / FILE
    file.write_text(str(hold_ms))
    nodes.kill(carrier)
    nodes.start(carrier)
    try:
        yield
    finally:
        file.unlink()
        nodes.kill(carrier)
        nodes.start(carrier)


def serve() -> int:
    file = Path(os.environ["PASSCOM_DATA"], FILE)
    hold_ms, gain_ms = (int(file.read_text()), GAIN_MS_MIN) if file.exists() else (HOLD_MS, EXTENDED_MS_MIN)
    decide, pending = import_module("ledger.coordinator.decide"), import_module("ledger.coordinator.pending")
    with (
        patch.multiple(app, Journal=DoomedJournal, Node=DoomedNode, Peers=DoomedPeers),
        patch.multiple(decide, HOLD_MS=hold_ms, EXTENDED_MS_MIN=gain_ms),
        patch.multiple(pending, HOLD_MS=hold_ms),
    ):
        return app.serve(config.read(os.environ))


if __name__ == "__main__":
    sys.exit(serve())
