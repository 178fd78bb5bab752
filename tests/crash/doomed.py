"""A real node that kills itself at a named point, as `kill -9` would: no cleaning up, nothing flushed, nobody told.

    python -m tests.crash.doomed

It reads the point from a file in its data folder whenever it comes to one. Without that file it is the production node:
the classes here only look on, from outside, at what passes through the production ones.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from unittest.mock import patch

from airline_node import app, config
from airline_node.journal import Journal
from airline_node.node import Node
from airline_node.peers import Peers
from ledger.events import (
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    HoldReleased,
    PrepareRefused,
    Recorded,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.ledger import Command
from ledger.messages import Acknowledged, Commit, Held, PeerMessage, Pledged, Prepare

DOOM = "doom"
"""The file in the data folder that names the point to die at."""


class Point(StrEnum):
    """Where a node dies."""

    NOWHERE = "nowhere"
    # A coordinator.
    OPENED_UNWRITTEN = "order taken, nothing on disk"
    OPENED = "order on disk, no hold sent"
    GRANT_HEARD = "one hold heard"
    VOTING = "voting on disk, no prepare sent"
    VOTE_HEARD = "one vote heard"
    ONE_ASKED = "one vote heard, the other carrier not asked yet"
    COMMIT_UNWRITTEN = "commit decided, not on disk"
    COMMIT = "commit on disk, nobody told"
    ONE_TOLD = "one carrier has acknowledged, the other was not told yet"
    SETTLED_UNWRITTEN = "all have acknowledged, not settled"
    ABORT_UNWRITTEN = "abort decided, not on disk"
    ABORT = "abort on disk, nobody told"
    CANCELLED = "cancellation on disk, nobody told"
    # A participant.
    HOLD_UNWRITTEN = "hold granted, not on disk"
    HOLD = "hold on disk, not said"
    PLEDGE_UNWRITTEN = "yes decided, not on disk"
    PLEDGE = "yes on disk, not said"
    SALE_UNWRITTEN = "commit heard, not on disk"
    SALE = "sale on disk, not acknowledged"
    RELEASE = "abort on disk, not acknowledged"
    RETURN = "return on disk, not acknowledged"


def _is(*kinds: type[AnyEvent]) -> Callable[[AnyEvent], bool]:
    return lambda event: isinstance(event, kinds)


def _timed(event: AnyEvent) -> bool:
    return isinstance(event, SeatHeld) and event.expires_at is not None


def _pledge(event: AnyEvent) -> bool:
    return isinstance(event, SeatHeld) and event.expires_at is None


BEFORE_WRITING: Mapping[Point, Callable[[AnyEvent], bool]] = {
    Point.OPENED_UNWRITTEN: _is(BookingOpened),
    Point.COMMIT_UNWRITTEN: _is(BookingCommitted),
    Point.SETTLED_UNWRITTEN: _is(BookingSettled),
    Point.ABORT_UNWRITTEN: _is(BookingAborted),
    Point.HOLD_UNWRITTEN: _timed,
    Point.PLEDGE_UNWRITTEN: _pledge,
    Point.SALE_UNWRITTEN: _is(SeatCommitted),
}
AFTER_WRITING: Mapping[Point, Callable[[AnyEvent], bool]] = {
    Point.OPENED: _is(BookingOpened),
    Point.VOTING: _is(VotingStarted),
    Point.COMMIT: _is(BookingCommitted),
    Point.ABORT: _is(BookingAborted),
    Point.CANCELLED: _is(BookingCancelled),
    Point.HOLD: _timed,
    Point.PLEDGE: _pledge,
    Point.SALE: _is(SeatCommitted),
    # An abort that overtook its prepare leaves a closed door instead.
    Point.RELEASE: _is(HoldReleased, PrepareRefused),
    Point.RETURN: _is(SeatReturned),
}
HEARD: Mapping[Point, type[Held | Pledged | Acknowledged]] = {
    Point.GRANT_HEARD: Held,
    Point.VOTE_HEARD: Pledged,
    Point.ONE_ASKED: Pledged,
    Point.ONE_TOLD: Acknowledged,
}
SENT_ONCE: Mapping[Point, type[PeerMessage]] = {Point.ONE_ASKED: Prepare, Point.ONE_TOLD: Commit}
"""Of these messages only the first one leaves."""


class DoomedJournal(Journal):
    async def append(self, records: Sequence[Recorded]) -> int:
        _die_at(BEFORE_WRITING, records)
        position = await super().append(records)
        _die_at(AFTER_WRITING, records)
        return position


class DoomedNode(Node):
    def tell(self, commands: Sequence[Command]) -> None:
        super().tell(commands)
        kind = HEARD.get(_point())
        if kind and any(isinstance(command, kind) for command in commands):
            _die()


class DoomedPeers(Peers):
    def owe(self, machine: str, messages: Sequence[PeerMessage]) -> None:
        kind = SENT_ONCE.get(_point())
        kept_back = [message for message in messages if kind and isinstance(message, kind)][1:]
        super().owe(machine, [message for message in messages if message not in kept_back])


def _die_at(points: Mapping[Point, Callable[[AnyEvent], bool]], records: Sequence[Recorded]) -> None:
    fatal = points.get(_point())
    if fatal and any(fatal(record.event) for record in records):
        _die()


def _point() -> Point:
    try:
        return Point(Path(os.environ["PASSCOM_DATA"], DOOM).read_text())
    except FileNotFoundError:
        return Point.NOWHERE


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with patch.multiple(app, Journal=DoomedJournal, Node=DoomedNode, Peers=DoomedPeers):
        sys.exit(app.serve(config.read(os.environ)))
