"""What a folder owes to the names in it."""

import os
from pathlib import Path


def keep_names(folder: Path) -> None:
    """The names of all files in a folder are on the disk when this returns. Raises `OSError` if that failed.

    For a file that was made or moved, and for every file of SQLite's that is opened, once its write-ahead log exists:
    SQLite does the same when it first writes to a new log, and takes no notice where it fails. A power cut then takes
    the log away, with all that was committed to it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
