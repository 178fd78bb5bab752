"""Whether a journal's file is whole: looked at beside what else a start has to do. It takes a second a million events.

SQLite lets Python's lock go meanwhile, so on a second core it costs a start nothing but the wait for the verdict.
"""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from airline_node.journal.trouble import JournalTrouble, reported


class PageCheck:
    """Finds a torn page, and an index that hides rows, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._thread = ThreadPoolExecutor(1, "journal-check")
        self._verdict = self._thread.submit(self._look)

    def wait(self) -> None:
        """Blocks until it is through. Raises `JournalTrouble` if the file is not whole."""
        verdict = self._verdict.result()
        if verdict != "ok":
            raise JournalTrouble(f"the journal is damaged: {verdict}", known=True)

    def close(self) -> None:
        """Leaves neither thread nor file behind; one that is not through is given up."""
        self._connection.interrupt()
        self._thread.shutdown(cancel_futures=True)
        self._connection.close()

    def _look(self) -> str:
        with reported(f"the journal {self._path} cannot be read", known=True):
            self._connection.execute("PRAGMA cell_size_check=1")
            [verdict] = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
            return str(verdict)
