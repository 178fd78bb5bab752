"""The README's own commands, run as they are written: three airlines are started and one purchase is made.

Added to them are only other ports and another folder, so that a reader's own nodes are left alone.
"""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_readme_names_the_two_commands_that_the_ci_runs() -> None:
    assert re.findall(r"^make (\w+)", README, re.MULTILINE)[:2] == ["run", "test"]
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.thorough
def test_the_purchase_that_the_readme_shows_is_made_by_its_own_commands(tmp_path: Path) -> None:
    [purchase] = re.findall(r"^\$ \.venv/bin/(passcom book .*)$", README, re.MULTILINE)
    [shown] = re.findall(r"<!-- example -->\n```text\n(.*?)```", README, re.DOTALL)
    with airlines(tmp_path) as at:
        bought = subprocess.run(
            f"{ROOT}/.venv/bin/{purchase} --at {at}",
            shell=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
        )
    assert bought.returncode == 0, bought.stdout + bought.stderr
    assert settled(bought.stdout) == settled(shown)


def settled(output: str) -> list[str]:
    """The purchase itself, without what changes from one purchase to the next: numbers, ids."""
    bought = output[output.index("Buying it as booking") :]
    changing = r"(?<=booking )\S+|(?<=locator )\w{6}|\d+"
    return [" ".join(re.sub(changing, "*", line).split()) for line in bought.splitlines() if line.strip(" ─")]


@contextmanager
def airlines(folder: Path) -> Iterator[str]:
    """`make run`, until the block ends. Gives the first node's address."""
    base = free_ports()
    make = subprocess.Popen(
        ["make", "run", f"ARGS=--port-base {base} --data {folder}/airlines"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
    )
    assert make.stdout is not None
    told: list[str] = []
    try:
        for line in make.stdout:
            told.append(line)
            if line.startswith("Ctrl-C"):
                break
        assert told, "make run said nothing"
        assert told[-1].startswith("Ctrl-C"), "".join(told)
        yield f"http://127.0.0.1:{base + 1}"
    finally:
        os.killpg(make.pid, signal.SIGINT)
        make.stdout.close()
        make.wait(30)


def free_ports() -> int:
    """A port base whose six ports nobody uses now."""
    for base in range(20_000, 32_000, 200):
        try:
            for port in (*range(base + 1, base + 4), *range(base + 101, base + 104)):
                with socket.socket() as tried:
                    tried.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")
