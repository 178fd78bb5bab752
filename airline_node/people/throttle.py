"""How long whoever guesses has to wait.

The rules: the first tries are free; then each failure doubles the wait, up to a bound. A try that comes too early is
refused without being counted, so that hammering does not make the wait longer. A try counts as failed from its
beginning until it has succeeded: a hundred at once are a hundred. What is counted is in memory alone, and forgotten
after an hour.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable

from msgspec import Struct

from ledger.terms import Millis

KEYS_MAX = 20_000
"""Past it the one that has been quiet for the longest is forgotten."""
FORGET_MS = 3_600_000
WAIT_MS_MIN = 1_000


class _Tries(Struct):
    failed: int
    last: Millis


class Throttle:
    """`free` tries, then waits that double up to `wait_ms_max`."""

    def __init__(self, free: int, wait_ms_max: Millis) -> None:
        self._free = free
        self._wait_ms_max = wait_ms_max
        self._tries: OrderedDict[Hashable, _Tries] = OrderedDict()

    def wait_ms(self, key: Hashable, now: Millis) -> Millis:
        """How long until this key may try; 0: now."""
        tries = self._tries.get(key)
        if tries is None or now - tries.last > FORGET_MS or tries.failed < self._free:
            return 0
        # Sixteen doublings are past every bound here.
        wait_ms = min(WAIT_MS_MIN << min(tries.failed - self._free, 16), self._wait_ms_max)
        return max(0, tries.last + wait_ms - now)

    def begin(self, key: Hashable, now: Millis) -> None:
        """A try, which has failed until it is said to have succeeded."""
        tries = self._tries.pop(key, None)
        if tries is None or now - tries.last > FORGET_MS:
            tries = _Tries(0, now)
        tries.failed, tries.last = tries.failed + 1, now
        self._tries[key] = tries
        while len(self._tries) > KEYS_MAX:
            self._tries.popitem(last=False)

    def succeeded(self, key: Hashable) -> None:
        """Whoever knows the password need not wait for earlier slips."""
        self._tries.pop(key, None)

    def undo(self, key: Hashable) -> None:
        """A try that was neither right nor wrong, or that says nothing about the others of this key."""
        if tries := self._tries.get(key):
            tries.failed = max(0, tries.failed - 1)


def neighbourhood(address: str) -> str:
    """Whom an address stands for: itself; of IPv6 its /64, which is one customer's."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        return (
            known.ipv4_mapped.compressed if known.ipv4_mapped else str(ipaddress.ip_network((known, 64), strict=False))
        )
    return str(known)
