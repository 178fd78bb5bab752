"""One carrier's life on a disk that may fail: the production journal, snapshots, vault and node, without their doors.

    python -m tests.disks.carrier

takes one `Life` a line, lives it in a fork of its own and answers with one `Death`. A fork costs 20 ms where a start
costs half a second, and so thousands of lives can be lived. In each one a traveller asks for the steps of `SCRIPT`, one
after the other, and what the node acknowledges is on standard output before the next is asked. The clock stands still,
so that a life which was interrupted must end exactly like one which was not.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

import msgspec
import orjson
from msgspec import Struct
from msgspec.structs import replace

from airline_node import thinker, writer
from airline_node import vault as vault_module
from airline_node.app import TROUBLE
from airline_node.config import LEDGER
from airline_node.journal import Journal, sqlite
from airline_node.node import Node
from airline_node.rebuild import rebuild
from airline_node.vault import Contact, Passenger, Travellers, Vault, VaultTrouble
from ledger.messages import (
    BookingView,
    CancelBooking,
    ConfirmBooking,
    OpenBooking,
    PeerMessage,
    ReadBooking,
    TravellerCommand,
)
from ledger.terms import BookingId
from snapshots.store import SnapshotStore
from tests.crash.agreement import Told, findings
from tests.ledger.given import NOW, open_booking, scheduled, segment

OUT, HOME = "AN1001/2026-12-14", "AN1002/2026-12-21"
PREFIX = "981"
ATTEMPTS = 3
"""So often a traveller asks again after an answer that nothing has happened."""
LIFE_S_MAX = 20
BUG = 3
"""The exit code of a life that ended in no way that its author thought of."""
NORMAL = {"synchronous": 1}
FAST = {"wal_autocheckpoint": 24}
"""Pages of the log before SQLite moves them into the file: it happens a few times even in a short life."""
PICTURE_EVENTS = 12

log = logging.getLogger(__name__)


class Life(Struct, frozen=True, kw_only=True):
    """What to live, in a folder. `known` steps were acknowledged in earlier lives: they are read back first.

    `fault` is a kind and a number as `faults.c` has them: `e 17`. With `careless` SQLite does not fsync each commit.
    """

    folder: str
    known: int = 0
    fault: str = ""
    careless: bool = False

    @property
    def disk(self) -> Path:
        return Path(self.folder, "disk")

    @property
    def record(self) -> Path:
        return Path(self.folder, "record")

    @property
    def heard(self) -> Path:
        return Path(self.folder, "heard")

    @property
    def said(self) -> Path:
        return Path(self.folder, "said")


class Heard(Struct, frozen=True):
    """What a traveller was told: of a step of the script, or of a booking that was read back, with who travels."""

    step: int | None
    view: BookingView
    names: Travellers | None = None


class Death(Struct, frozen=True, kw_only=True):
    """How it ended: the exit code (a signal's number is negative), the log, and what travellers heard."""

    code: int
    said: str
    heard: tuple[Heard, ...]


# ---- what travellers do -------------------------------------------------------------------------------------------


def _id(number: int) -> BookingId:
    return f"booking-{number:012d}"


def _round(first: int) -> list[TravellerCommand]:
    """Four bookings: one goes out and home, one thinks it over, one comes too late, one changes their minds."""
    there_and_back, held, late, cancelled = (_id(first + n) for n in range(4))
    row = 1 + first // 4
    return [
        open_booking(segment(OUT, f"{row}A"), segment(HOME), booking=there_and_back, confirm=True),
        open_booking(segment(OUT, f"{row}B"), booking=held),
        open_booking(segment(HOME), segment(OUT, f"{row}A"), booking=late, confirm=True),
        ConfirmBooking(held),
        open_booking(segment(OUT, f"{row}C", f"{row}D"), booking=cancelled, passengers=2, confirm=True),
        CancelBooking(cancelled),
    ]


SCRIPT: Sequence[TravellerCommand] = [step for first in range(0, 8, 4) for step in _round(first)]
CABIN = tuple(f"{row}{column}" for row in range(1, 7) for column in "ABCDEF")


def travellers(booking: BookingId) -> Travellers:
    return Travellers((Passenger(f"Ana {booking}"),), Contact(f"{booking}@example.com"))


class Nobody:
    """The way to peers, of a carrier that has none."""

    def owe(self, machine: str, messages: Sequence[PeerMessage]) -> None:
        assert not messages, messages


# ---- a life -------------------------------------------------------------------------------------------------------


def live(life: Life) -> int:
    """The exit code, as `airline_node.app.serve` has it."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    with hurried(careless=life.careless):
        try:
            asyncio.run(_live(life.disk, life.known))
        except TROUBLE as trouble:
            log.critical("AN stops: %s", trouble)
            return 1
    return 0


@contextmanager
def hurried(*, careless: bool = False) -> Iterator[None]:
    """Everything that happens to a disk now and then happens often within this block."""
    with ExitStack() as patches:
        for module in (sqlite, vault_module):
            patches.enter_context(patch.dict(module.PRAGMAS, FAST | NORMAL if careless else FAST))
        patches.enter_context(patch.object(thinker, "PICTURE_EVENTS", PICTURE_EVENTS))
        patches.enter_context(patch.object(writer, "FULL_RETRY_MS", 2))
        yield


async def _live(folder: Path, known: int) -> None:
    with ExitStack() as open_files:
        journal = open_files.enter_context(closing(Journal.open(str(folder / LEDGER))))
        store = SnapshotStore(folder / "snapshots")
        rebuilt = await rebuild("AN", PREFIX, journal, store)
        vault = open_files.enter_context(closing(Vault.open(folder / "vault.sqlite")))
        node = Node(
            rebuilt.ledger,
            journal,
            lambda: NOW,
            Nobody(),
            position=rebuilt.position,
            replayed=rebuilt.replayed,
            written=lambda _: None,
            keep=store.write,
        )
        running = asyncio.create_task(node.run())
        travelling = asyncio.create_task(_travel(node, vault, known))
        await asyncio.wait([running, travelling], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            travelling.cancel()
            await running
        try:
            await travelling
        finally:
            node.close()
            await running
        for fault in findings({"AN": [recorded.event for _, recorded in journal.replay()]}, Told()):
            log.critical("the log is wrong: %s", fault)


async def _travel(node: Node, vault: Vault, known: int) -> None:
    """Read back what is known, then go on with the script."""
    await node.open_sales([scheduled(OUT, CABIN), scheduled(HOME, CABIN)])
    for booking in sorted({command.booking for command in SCRIPT[:known]}):
        # One that is not known any more is not heard of.
        if isinstance(view := await node.handle(ReadBooking(booking)), BookingView):
            _hear(Heard(None, view, await vault.travellers(booking)))
    for step, command in enumerate(SCRIPT[known:], known):
        if isinstance(command, OpenBooking):
            await _keep(vault, command.booking)
            command = replace(command, body_hash=vault.fingerprint(command.booking.encode()))
        view = await node.handle(command)
        assert isinstance(view, BookingView), view
        _hear(Heard(step, view))


async def _keep(vault: Vault, booking: BookingId) -> None:
    """As `airline_node.routes` does it for a traveller who asks again."""
    for _ in range(ATTEMPTS):
        try:
            await vault.keep(booking, travellers(booking))
            return
        except VaultTrouble as trouble:
            log.error("a request could not be served: %s", trouble)
    raise VaultTrouble("the vault fails again and again", known=False)


def _hear(heard: Heard) -> None:
    """In one write, and so whole in the record of the disk too."""
    os.write(sys.stdout.fileno(), orjson.dumps(msgspec.to_builtins(heard)) + b"\n")


# ---- a life a line --------------------------------------------------------------------------------------------------


def main() -> None:
    gc.freeze()  # Or every fork would copy what the collector touches.
    for line in sys.stdin.buffer:
        life = _LIFE.decode(line)
        life.disk.mkdir(parents=True, exist_ok=True)
        child = os.fork() or _live_here(life)
        _, status = os.waitpid(child, 0)
        death = Death(
            code=os.waitstatus_to_exitcode(status),
            said=life.said.read_text(),
            heard=tuple(map(_HEARD.decode, life.heard.read_bytes().splitlines(keepends=True))),
        )
        sys.stdout.buffer.write(orjson.dumps(msgspec.to_builtins(death)) + b"\n")
        sys.stdout.flush()


def _live_here(life: Life) -> NoReturn:
    """In a process of its own, which ends here."""
    code = BUG
    try:
        signal.alarm(LIFE_S_MAX)
        for path, stream in ((life.heard, sys.stdout), (life.said, sys.stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
        if life.fault:
            plan = Path(life.folder, "plan")
            plan.write_text(f"{life.disk} {life.fault} {life.record}")
            os.environ["FAULTS_PLAN"] = str(plan)
        code = live(life)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


_LIFE = msgspec.json.Decoder(Life)
_HEARD = msgspec.json.Decoder(Heard)

if __name__ == "__main__":
    main()
