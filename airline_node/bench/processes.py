"""What a process of this machine has used so far, as Linux counts it; unknown on other systems."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

AFTER_NAME: Final = b") "
"""A process may be called anything: its fields are counted from the end of its name (proc(5))."""
UTIME, STIME, RSS_PAGES = 11, 12, 21


class Usage(Struct, frozen=True):
    """CPU since the process began, in its own code and in the kernel's for it, and the memory it has now."""

    cpu_seconds: float
    resident_bytes: int


def usage(pid: int) -> Usage | None:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(AFTER_NAME)[2].split()
        ticks = int(fields[UTIME]) + int(fields[STIME])
        return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(fields[RSS_PAGES]) * os.sysconf("SC_PAGE_SIZE"))
    return None
