"""How the product is set up in a world: its limits sometimes so small that a few orders reach them, its log silent."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType

from airline_node import lines, node, thinker

SMALL: tuple[tuple[ModuleType, str, tuple[int, ...]], ...] = (
    (node, "INBOX_MAX", (3, 1_000)),
    (node, "INBOX_PEERS_MAX", (12, 1_000)),
    (node, "BATCH_MAX", (1, 3, 1_000)),
    (thinker, "PICTURE_EVENTS", (10, 30, 1_000)),
    (thinker, "PICTURE_PIECES", (1, 2, 32)),
    (lines, "BATCH_MAX", (1, 4, 100)),
)
"""What each may be. A batch of a line must fit into a peer's inbox, or it would never be taken."""


@contextmanager
def small_limits(chance: Random) -> Iterator[None]:
    before = [(module, name, getattr(module, name)) for module, name, _ in SMALL]
    for module, name, choices in SMALL:
        setattr(module, name, chance.choice(choices))
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


@contextmanager
def silent_logs() -> Iterator[None]:
    """Trouble is all there is: nobody wants to read about it, nor to wait until it is written."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
