"""What `passcom recover` found, as it is printed with `--json`: node by node, and everything that waits."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from airline_node import answers
from airline_node.answers import TransactionAnswer
from airline_node.control import ROUTINE
from airline_node.recover.files import Files, Verdict
from airline_node.recover.heard import SeenTo, Settling, hear, seen_to, settling, unread
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

    `verdict` is what the coordinator's own files say of it, where they were read. `settling` is what the logs that were
    read say of a decided booking whose coordinator was not asked.
    """

    at: CarrierCode
    transaction: TransactionAnswer
    ask: tuple[CarrierCode, ...]
    verdict: Verdict | None
    settling: Settling | None = None

    @property
    def state(self) -> str:
        return self.settling or self.transaction.state


class Report(Struct, frozen=True, kw_only=True):
    """`waiting` is what should have come to rest, oldest first, or everything if so asked; `total` counts it all,
    also what is too much to list. `at_stake` adds up each booking once, in centavos. `routine` counts what waits as it
    should, and with nothing else waiting anywhere all `rests`. `seen_to` are mismatches that are over, of coordinators
    whose files were read.
    """

    nodes: tuple[NodeFound, ...]
    waiting: tuple[Waits, ...]
    total: int
    routine: int
    rests: bool
    at_stake: Centavos
    seen_to: tuple[SeenTo, ...] = ()
    currency: str = answers.CURRENCY


class Looked(Struct, frozen=True, kw_only=True):
    """What one node has told, or its files. `total` counts more than `told` where that was too much to list.

    `beside` are the files of a node that was asked, read too for what only they say.
    """

    node: NodeFound
    told: tuple[TransactionAnswer, ...] = ()
    total: int = 0
    files: Files | None = None
    beside: Files | None = None


def report(looked: Iterable[Looked], now: Millis, *, everything: bool) -> Report:
    every = list(looked)
    files = {one.files.carrier: one.files for one in every if one.files}
    read = files | {one.beside.carrier: one.beside for one in every if one.beside}
    hear(read, now)
    live = {one.node.carrier for one in every if one.files is None or one.files.at_work}
    waits = [
        Waits(
            at=one.node.carrier,
            transaction=told,
            ask=_ask(told, one.node.carrier),
            verdict=files[told.coordinator].verdict(told.booking, now) if told.coordinator in files else None,
        )
        for one in every
        for told in (told_by(one.files) if one.files else one.told)
    ]
    waits = [_as_read(one, read) if one.at in files else one for one in waits]
    waits.sort(key=lambda w: (w.transaction.since, w.transaction.booking, w.transaction.flight or ""))
    routine = [w for w in waits if _is_routine(w, live)]
    shown = [w for w in waits if everything or w not in routine]
    return Report(
        nodes=tuple(one.node for one in every),
        waiting=tuple(shown),
        total=sum(one.total for one in every if not one.files) + sum(one.at in files for one in waits),
        routine=len(routine),
        rests=len(routine) == len(waits) and all(node.node.source is not Source.NOTHING for node in every),
        at_stake=_at_stake(shown),
        seen_to=tuple(seen_to(files.values(), read)),
    )


def _is_routine(one: Waits, live: set[CarrierCode]) -> bool:
    if one.settling is Settling.RECORDED:
        return True
    return one.transaction.state in (ROUTINE if one.at in live else MERELY_HELD)


def _as_read(one: Waits, read: Mapping[CarrierCode, Files]) -> Waits:
    """A coordinator's files do not have what its carriers have acknowledged, and so cannot say what it waits for."""
    told = one.transaction
    if told.flight is not None or told.state is not WaitState.UNSETTLED:
        return one
    booking = read[one.at].ledger.bookings[told.booking]
    how_far = settling(booking, read)
    if how_far is Settling.RECORDED:
        reason, safe = "every carrier has it on disk", f"wait: {one.at} settles it when it starts"
    elif others := unread(booking, read):
        behind = tuple(carrier for carrier in told.waits_for if carrier not in others)
        known = f"not recorded at {' and '.join(behind)}; " if behind else ""
        reason = f"{known}whether it is recorded or seen to at {' and '.join(others)} is not in this log, but in theirs"
        safe = f"wait: {one.at} asks when it starts. To know it before, have {' and '.join(others)} looked at too"
    else:
        return one
    return replace(one, settling=how_far, transaction=replace(told, reason=f"{booking.phase}; {reason}", safe=safe))


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
