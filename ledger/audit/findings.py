"""The nouns of an audit: what can be wrong, what was found, which events prove it."""

from collections.abc import Set
from enum import StrEnum

from msgspec import Struct

from ledger.events import StreamName
from ledger.terms import BookingId, CarrierCode


class Fault(StrEnum):
    """The kinds of finding. The first block is about what the logs say, the second about the logs themselves."""

    SOLD_TWICE = "sold twice"
    HALF_SOLD = "half sold"
    UNFOUNDED = "unfounded"
    DECIDED_TWICE = "decided twice"
    FORCED = "forced against the decision"
    UNEXPLAINED = "unexplained hold"
    UNKEPT = "acknowledged and missing"
    UNFINISHED = "unfinished"

    DAMAGED = "damaged"
    GAP = "gap"
    REORDERED = "reordered"
    EDITED = "edited"
    DELETED = "deleted"
    ADDED = "added"
    TRUNCATED = "truncated"
    CHANGED = "changed since it was signed"
    FORGED = "forged checkpoint"
    FORKED = "two histories"
    SNAPSHOT = "snapshot differs"
    LIVE = "live state differs"


class Cited(Struct, frozen=True):
    """An event that proves a finding: the log that it is in, and its position there."""

    carrier: CarrierCode
    position: int


class Finding(Struct, frozen=True):
    """One thing that must not be, where it shows, in a sentence what is wrong with it, and the events that prove it."""

    fault: Fault
    stream: StreamName
    detail: str
    evidence: tuple[Cited, ...] = ()


class Promises(Struct, frozen=True):
    """What travellers have heard for certain: who was told yes owns seats, and who was told no owns none."""

    confirmed: Set[BookingId] = frozenset()
    denied: Set[BookingId] = frozenset()


NO_PROMISES = Promises()
