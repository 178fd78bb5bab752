"""What the auditors' pages need of a node: its own log, read-only, and what was signed of it."""

from typing import Protocol

from msgspec import Struct

from ledger.events import AnyEvent, StreamName
from ledger.settlement import Settlement
from ledger.terms import CarrierCode, Millis


class Entry(Struct, frozen=True):
    """An event of the log: its position there, and the `version`-th of its stream."""

    position: int
    version: int
    event: AnyEvent


class Excerpt(Struct, frozen=True):
    """Some events in the log's order. `more` says that others like them follow the last one."""

    entries: tuple[Entry, ...]
    more: bool


class Proof(Struct, frozen=True):
    """How far the log is proved. `witnesses` gives the second at which each carrier cosigned the newest checkpoint.

    `note` is that checkpoint as it is signed, empty before the first; `alarms` are what people must look at.
    """

    signed: bool
    events: int
    size: int
    note: str
    witnesses: dict[CarrierCode, int]
    alarms: tuple[str, ...]


class LogBook(Protocol):
    """The node's own log. Raises `DeskClosed` while it cannot be read."""

    @property
    def signs(self) -> bool:
        """Whether this log is signed, so that there are receipts."""

    async def excerpt(self, after: int, limit: int, tags: tuple[str, ...]) -> Excerpt:
        """Events after a position; with `tags`, of these kinds alone."""

    async def stream(self, stream: StreamName) -> tuple[Entry, ...]:
        """One flight's or booking's events, all of them."""

    async def position_at(self, instant: Millis) -> int:
        """The last position that was written by then, by the events' own times."""

    async def end(self) -> int:
        """The last position."""

    async def proof(self) -> Proof: ...

    async def settlement(self, start: Millis, end: Millis) -> Settlement:
        """What this carrier's own log says that it owes and is owed, for flights that depart in this period."""
