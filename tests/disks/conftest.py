"""The fault library, compiled once, and the carriers that live on the disks it fails."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ledger.terms import FlightId
from tests.disks.alone import some_flight
from tests.disks.images import MEMORY
from tests.disks.lives import Lives
from tests.thorough import skip

SOURCE = Path(__file__).with_name("faults.c")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be preloaded."""
    compiler = shutil.which("cc")
    if compiler is None or os.uname().sysname != "Linux":
        skip("disks are broken by a library in C: no compiler `cc` here, or no Linux")
    made = tmp_path_factory.mktemp("library") / "faults.so"
    strict = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror")
    subprocess.run([compiler, *strict, "-o", made, SOURCE, "-ldl", "-lpthread"], check=True)
    return made


@pytest.fixture(scope="session")
def lives(library: Path) -> Iterator[Lives]:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder, Lives(library, Path(folder)) as lives:
        yield lives


@pytest.fixture
def flight() -> FlightId:
    return some_flight()
