"""What others may ask about a log's past: peers over the peer port, travellers and auditors over the public one."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from airline_node.door import Fault, body, decoded, invalid, query, respond_with
from airline_node.evidence.desk import PeerReceipt
from airline_node.evidence.notes import SIZE_MAX, BadNote
from airline_node.evidence.office import Office
from airline_node.evidence.receipts import Receipt
from airline_node.evidence.shelf import Alarm
from airline_node.evidence.witness import CheckpointAnswer, Cosigned, ProofAnswer
from ledger.messages import CheckedBooking
from ledger.terms import CARRIER_PATTERN, FLIGHT_PATTERN, SEGMENTS_MAX, BookingId, CarrierCode
from ledger.tree import Hash

BODY_BYTES_MAX: Final = 4 * 1024
FLIGHTS_TEXT_MAX: Final = 32 * SEGMENTS_MAX

OFFICE = web.AppKey("office", Office)
"""Not there: this node has no signing key, and nothing to show."""

_COSIGNED = msgspec.json.Decoder(Cosigned)


class CheckpointWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after: Annotated[int, Meta(ge=0, le=SIZE_MAX)] = 0


class WitnessedWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    carrier: Annotated[CarrierCode, Meta(pattern=CARRIER_PATTERN)]


class ConsistencyWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    old: Annotated[int, Meta(ge=0, le=SIZE_MAX)]
    new: Annotated[int, Meta(ge=0, le=SIZE_MAX)]


class ReceiptWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    booking: CheckedBooking
    flights: Annotated[str, Meta(max_length=FLIGHTS_TEXT_MAX)]


def office_of(request: web.Request) -> Office:
    """Or a `Fault` of 404."""
    if (office := request.app.get(OFFICE)) is None:
        raise Fault(HTTPStatus.NOT_FOUND, "not-signed", "this carrier does not sign its log")
    return office


# ---- the peer port: `who` was asked for by the caller ----------------------------------------------------------------


async def read_checkpoint(request: web.Request) -> web.Response:
    """The newest, with the proof that it continues what the peer has cosigned."""
    notary, after = office_of(request).notary, query(request, CheckpointWanted).after
    note = notary.newest
    if note is None:
        return respond_with(CheckpointAnswer(None, ()))
    size = note.checkpoint.size
    # A peer that has seen a longer log than this one shall see the shorter: it knows what to think of it.
    proof = _texts(notary.consistency(after, size)) if 0 < after < size else ()
    return respond_with(CheckpointAnswer(str(note), proof))


async def read_consistency(request: web.Request) -> web.Response:
    wanted = query(request, ConsistencyWanted)
    try:
        return respond_with(ProofAnswer(_texts(office_of(request).notary.consistency(wanted.old, wanted.new))))
    except BadNote as wrong:
        raise Fault(HTTPStatus.NOT_FOUND, "no-such-size", str(wrong)) from None


async def read_witnessed(request: web.Request) -> web.Response:
    """The newest checkpoint of another carrier's log that was cosigned here."""
    note = office_of(request).witness.seen(query(request, WitnessedWanted).carrier)
    return respond_with(CheckpointAnswer(str(note) if note else None, ()))


async def take_cosignature(request: web.Request, carrier: CarrierCode) -> web.Response:
    office, given = office_of(request), decoded(_COSIGNED, await body(request, BODY_BYTES_MAX))
    try:
        taken = await office.notary.cosigned(carrier, given.size, given.line)
    except BadNote as wrong:
        raise invalid(str(wrong)) from None
    if not taken:
        raise Fault(HTTPStatus.CONFLICT, "too-late", "newer checkpoints have been signed since")
    return respond_with({})


async def read_part(request: web.Request) -> web.Response:
    """What this carrier's log has of a booking, for the receipt that its coordinator makes out."""
    wanted = query(request, ReceiptWanted)
    flights = [flight for flight in wanted.flights.split(",") if flight][:SEGMENTS_MAX]
    if not all(re.fullmatch(FLIGHT_PATTERN, flight) for flight in flights):
        raise invalid("Flights are written AN1001/2026-12-14, with commas between them - at `$.flights`")
    return respond_with(PeerReceipt(await office_of(request).desk.own(wanted.booking, flights)))


# ---- the public port -------------------------------------------------------------------------------------------------


async def receipt_of(request: web.Request, booking: BookingId) -> Receipt:
    """The receipt of a booking that was taken here, or a `Fault` of 404."""
    made = await office_of(request).desk.receipt(booking)
    if made is None:
        raise Fault(HTTPStatus.NOT_FOUND, "no-such-booking", "no booking of this id was taken here")
    return made


async def read_public_checkpoint(request: web.Request) -> web.Response:
    """As the signed note that it is: anybody may keep it."""
    if (note := office_of(request).notary.newest) is None:
        raise Fault(HTTPStatus.NOT_FOUND, "not-signed", "nothing has been signed yet")
    return web.Response(text=str(note), headers={"Cache-Control": "no-store"})


CHECKPOINTS_MAX: Final = 2_000


class CheckpointsAnswer(Struct, frozen=True):
    """What this carrier has signed of its own log and cosigned of the others', the newest first, and its alarms."""

    notes: tuple[str, ...]
    alarms: tuple[Alarm, ...]


async def checkpoints_of(request: web.Request) -> CheckpointsAnswer:
    shelf = office_of(request).shelf
    kept, alarms = await shelf.soon(shelf.every, CHECKPOINTS_MAX), await shelf.soon(shelf.alarms)
    return CheckpointsAnswer(tuple(str(one.note) for one in kept), tuple(alarms))


LEAVES_MAX: Final = 4_096


class LeavesWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after: Annotated[int, Meta(ge=0, le=SIZE_MAX, description="How many you have.")] = 0


class LeavesAnswer(Struct, frozen=True):
    """The hashes of the next events, 32 bytes each, in base64; nothing at the end of the log."""

    leaves: str


async def leaves_of(request: web.Request) -> LeavesAnswer:
    """As they were when the events were written, so that an auditor can name the event that was changed since."""
    notary, after = office_of(request).notary, query(request, LeavesWanted).after
    return LeavesAnswer(b64encode(await asyncio.to_thread(notary.leaves, after, LEAVES_MAX)).decode())


def _texts(hashes: Sequence[Hash]) -> tuple[str, ...]:
    return tuple(b64encode(one).decode() for one in hashes)
