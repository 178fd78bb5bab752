"""A traveller's receipt: the events that make up a booking, each proved to be in its carrier's signed log.

It needs nobody's word to be checked, only the carriers' public keys: the events as they are hashed, for each its way to
the root, the root's checkpoint with its signatures. With it a traveller can show, whatever a carrier says later, that
the sale was in the log, and that the other carriers had seen that log.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from airline_node.evidence.keys import PublicKey
from airline_node.evidence.notes import NOTE_BYTES_MAX, BadNote, opened, witnesses
from airline_node.evidence.witness import PROOF_MAX, HashText
from airline_node.rows import DECODER, TAGS
from ledger.events import (
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    SeatCommitted,
    SeatReturned,
    stream_of,
)
from ledger.terms import BookingId, CarrierCode, FlightId, Locator, SeatNo, carrier_of, locator_of
from ledger.tree import included, leaf_hash

FORMAT: Final = "passcom-receipt/1"
EVENTS_MAX: Final = 1_000
LOGS_MAX: Final = 8
RECEIPT_BYTES_MAX: Final = 4 * 1024 * 1024


class ProvedEvent(Struct, frozen=True):
    """An event as it is hashed, which place it has in its log (from 0), and its way to the root."""

    index: Annotated[int, Meta(ge=0)]
    leaf: str
    proof: Annotated[tuple[HashText, ...], Meta(max_length=PROOF_MAX)]


class LogReceipt(Struct, frozen=True):
    """What one carrier's log has of the booking, under one checkpoint."""

    carrier: CarrierCode
    checkpoint: Annotated[str, Meta(max_length=NOTE_BYTES_MAX)]
    events: Annotated[tuple[ProvedEvent, ...], Meta(max_length=EVENTS_MAX)]


class Receipt(Struct, frozen=True):
    """`missing` names the carriers that did not answer, or have not signed yet: ask again."""

    format: Literal["passcom-receipt/1"]
    booking: BookingId
    locator: Locator
    logs: Annotated[tuple[LogReceipt, ...], Meta(max_length=LOGS_MAX)]
    missing: tuple[CarrierCode, ...]


class BadReceipt(ValueError):
    """It proves nothing; the message names the first thing that is wrong with it."""


class Seen(Struct, frozen=True):
    """A log as a receipt shows it: who has signed how far it goes, and who has cosigned that and at which second."""

    carrier: CarrierCode
    size: int
    witnesses: Mapping[CarrierCode, int]
    events: tuple[tuple[int, AnyEvent], ...]


class Proved(Struct, frozen=True):
    """What a receipt has proved. `gaps` says what it leaves open, each in a sentence."""

    booking: BookingId
    locator: Locator
    status: Literal["confirmed", "cancelled", "not sold", "undecided"]
    logs: tuple[Seen, ...]
    gaps: tuple[str, ...]


_DECODER = msgspec.json.Decoder(Receipt)


def check(text: bytes, keys: Mapping[CarrierCode, PublicKey]) -> Proved:
    """Everything in it, with these public keys and nothing else. Raises `BadReceipt`."""
    if len(text) > RECEIPT_BYTES_MAX:
        raise BadReceipt(f"a receipt of over {RECEIPT_BYTES_MAX} bytes")
    try:
        receipt = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise BadReceipt(f"it is no receipt: {wrong}") from None
    if receipt.locator != locator_of(receipt.booking):
        raise BadReceipt(f"{receipt.locator} is not the locator of {receipt.booking}")
    carriers = [log.carrier for log in receipt.logs]
    if len(set(carriers)) < len(carriers):
        raise BadReceipt("one carrier's log twice")
    logs = tuple(_check_log(log, receipt.booking, keys) for log in receipt.logs)
    return _told(receipt, logs)


def _check_log(log: LogReceipt, booking: BookingId, keys: Mapping[CarrierCode, PublicKey]) -> Seen:
    if log.carrier not in keys:
        raise BadReceipt(f"no key of {log.carrier} is known")
    try:
        note = opened(log.checkpoint, keys[log.carrier])
        cosigned = witnesses(note, keys)
    except BadNote as wrong:
        raise BadReceipt(f"the checkpoint of {log.carrier}: {wrong}") from None
    events = []
    for proved in log.events:
        leaf, checkpoint = proved.leaf.encode(), note.checkpoint
        proof = [b64decode(step) for step in proved.proof]
        if not included(leaf_hash(leaf), proved.index, checkpoint.size, proof, checkpoint.root):
            raise BadReceipt(
                f"event {proved.index + 1} of {log.carrier} is not in the log that {log.carrier} has signed"
            )
        events.append((proved.index, _event(leaf, log.carrier, booking)))
    return Seen(log.carrier, note.checkpoint.size, cosigned, tuple(events))


def _event(leaf: bytes, carrier: CarrierCode, booking: BookingId) -> AnyEvent:
    tag, _, rest = leaf.partition(b"\n")
    stream, _, rest = rest.partition(b"\n")
    _, _, body = rest.partition(b"\n")
    try:
        event: AnyEvent = DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise BadReceipt(f"an event of {carrier} that cannot be read: {wrong}") from None
    if TAGS[type(event)].encode() != tag or stream_of(event).encode() != stream:
        raise BadReceipt(f"an event of {carrier} that is not where it belongs")
    if getattr(event, "booking", None) != booking:
        raise BadReceipt(f"an event of {carrier} that is not of this booking")
    return event


def _told(receipt: Receipt, logs: tuple[Seen, ...]) -> Proved:
    every = [(seen.carrier, event) for seen in logs for _, event in seen.events]
    opening = next(((by, event) for by, event in every if isinstance(event, BookingOpened)), None)
    decision = next((event for _, event in every if isinstance(event, BookingCommitted | BookingAborted)), None)
    cancelled = any(isinstance(event, BookingCancelled) for _, event in every)
    gaps = [f"{carrier}'s log is not in it" for carrier in receipt.missing]
    gaps += [f"{seen.carrier}'s checkpoint bears no cosignature" for seen in logs if not seen.witnesses]
    if opening is None or decision is None:
        return Proved(receipt.booking, receipt.locator, "undecided", logs, (*gaps, "the decision is not in it"))
    if isinstance(decision, BookingAborted):
        return Proved(receipt.booking, receipt.locator, "not sold", logs, tuple(gaps))
    wanted = {(s.flight, seat) for s, seats in zip(opening[1].segments, decision.seats, strict=False) for seat in seats}
    final = SeatReturned if cancelled else SeatCommitted
    # A carrier speaks of its own flights alone.
    shown: set[tuple[FlightId, SeatNo]] = {
        (event.flight, event.seat) for by, event in every if isinstance(event, final) and carrier_of(event.flight) == by
    }
    word = "given back" if cancelled else "sold"
    gaps += [f"that {seat} of {flight} was {word} is not in it" for flight, seat in sorted(wanted - shown)]
    return Proved(receipt.booking, receipt.locator, "cancelled" if cancelled else "confirmed", logs, tuple(gaps))


def proved_event(index: int, leaf: bytes, proof: Sequence[bytes]) -> ProvedEvent:
    return ProvedEvent(index, leaf.decode(), tuple(b64encode(step).decode() for step in proof))
