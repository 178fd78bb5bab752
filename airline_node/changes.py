"""Who looks at what: an event for every page that watches a flight or a booking, set when that has changed.

It tells that there is something new, never what: whoever is woken looks for themselves, and so misses nothing.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Changes:
    """Costs a dictionary look-up for each change, and nothing while nobody watches."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watch(self, *names: str) -> Iterator[asyncio.Event]:
        """Within the block the event is set whenever one of these changes. Clear it before you look."""
        woken = asyncio.Event()
        for name in names:
            self._watchers.setdefault(name, set()).add(woken)
        try:
            yield woken
        finally:
            for name in names:
                self._watchers[name].discard(woken)
                if not self._watchers[name]:
                    del self._watchers[name]

    def tell(self, names: Iterable[str]) -> None:
        """These have changed."""
        if self._watchers:
            for name in names:
                for woken in self._watchers.get(name, ()):
                    woken.set()
