"""What `passcom recover` found, as it is printed with `--json`: node by node, and everything that waits."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from airline_node import answers
from airline_node.answers import TransactionAnswer
from airline_node.control import ROUTINE
from airline_node.recover.files import Files, Verdict
from ledger.terms import BookingId, CarrierCode, Centavos, Millis
from ledger.waiting import WaitState

MERELY_HELD = frozenset({WaitState.HELD})
"""What ends by itself even at a node that is down: nobody else's decision hangs on it."""


class Source(StrEnum):
    NODE = "node"
    """The node itself has answered."""
    FILES = "files"
    """Its files were read: it does not run, or was not to be asked."""
    NOTHING = "nothing"


class NodeFound(Struct, frozen=True, kw_only=True):
    """One node, how it was looked at, and in a sentence what there is to say about that."""

    carrier: CarrierCode
    source: Source
    detail: str


class Waits(Struct, frozen=True, kw_only=True):
    """One booking that waits at one node. `ask` names who may know, the coordinator first.

    `verdict` is what the coordinator's own files say of it, where they were read.
    """

    at: CarrierCode
    transaction: TransactionAnswer
    ask: tuple[CarrierCode, ...]
    verdict: Verdict | None


class Report(Struct, frozen=True, kw_only=True):
    """`waiting` is what should have come to rest, oldest first, or everything if so asked; `total` counts it all,
    also what is too much to list. `at_stake` adds up each booking once, in centavos. `routine` counts what waits as it
    should, and with nothing else waiting anywhere all `rests`.
    """

    nodes: tuple[NodeFound, ...]
    waiting: tuple[Waits, ...]
    total: int
    routine: int
    rests: bool
    at_stake: Centavos
    currency: str = answers.CURRENCY


class Looked(Struct, frozen=True, kw_only=True):
    """What one node, or its files, has told. `total` counts more than `told` where that was too much to list."""

    node: NodeFound
    told: tuple[TransactionAnswer, ...] = ()
    total: int = 0
    files: Files | None = None


def report(looked: Iterable[Looked], now: Millis, *, everything: bool) -> Report:
    every = list(looked)
    files = {one.files.carrier: one.files for one in every if one.files}
    live = {one.node.carrier for one in every if one.files is None or one.files.at_work}
    waits = [
        Waits(
            at=one.node.carrier,
            transaction=told,
            ask=_ask(told, one.node.carrier),
            verdict=files[told.coordinator].verdict(told.booking, now) if told.coordinator in files else None,
        )
        for one in every
        for told in one.told
    ]
    waits.sort(key=lambda w: (w.transaction.since, w.transaction.booking, w.transaction.flight or ""))
    routine = [w for w in waits if w.transaction.state in (ROUTINE if w.at in live else MERELY_HELD)]
    shown = [w for w in waits if everything or w not in routine]
    return Report(
        nodes=tuple(one.node for one in every),
        waiting=tuple(shown),
        total=sum(one.total for one in every),
        routine=len(routine),
        rests=len(routine) == len(waits) and all(node.node.source is not Source.NOTHING for node in every),
        at_stake=_at_stake(shown),
    )


def told_by(files: Files) -> tuple[TransactionAnswer, ...]:
    """Of a node that is not asked: whom it cannot reach, and when it would ask again, nobody knows."""
    return answers.transactions(files.carrier, files.waiting(), lambda _one: ((), None)).transactions


def _ask(told: TransactionAnswer, at: CarrierCode) -> tuple[CarrierCode, ...]:
    if told.state is WaitState.IN_DOUBT:
        carriers = dict.fromkeys([told.coordinator, *(standing.carrier for standing in told.standings)])
        return tuple(carrier for carrier in carriers if carrier != at)
    return told.waits_for


def _at_stake(waits: Sequence[Waits]) -> Centavos:
    """A booking's price where its coordinator tells it, else the seats that are pinned: never both."""
    whole = {w.transaction.booking: w.transaction.at_stake for w in waits if w.transaction.flight is None}
    parts = sum(w.transaction.at_stake for w in waits if w.transaction.booking not in whole)
    return sum(whole.values()) + parts


def bookings(waits: Iterable[Waits]) -> set[BookingId]:
    return {w.transaction.booking for w in waits}
