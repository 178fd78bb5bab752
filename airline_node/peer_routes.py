"""The peer port: what other carriers ask of this one.

The rules it holds: who asks is named by its certificate and by nothing in the request; a carrier speaks only for the
bookings that it coordinates, and only of this carrier's flights. An inquiry may also come from another participant,
about the pledge on a flight of its own. One item that breaks this refuses its whole batch, and nothing was done.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Meta, Struct

from airline_node import answers
from airline_node.availability import WAIT_MS_MAX, Availability
from airline_node.certificates import carrier_of_peer
from airline_node.door import JOURNAL, NODE, Fault, body, decoded, in_one_shape, invalid, query, respond_with
from airline_node.evidence import routes as evidence
from airline_node.lines import BATCH_MAX, KINDS
from airline_node.wire import POSITION_MAX, LogWanted
from ledger.messages import Inquire, PeerAnswer, PeerMessage
from ledger.terms import CarrierCode, carrier_of

BODY_BYTES_MAX = 1024 * 1024

ME: web.AppKey[CarrierCode] = web.AppKey("me", str)
PEERS: web.AppKey[frozenset[CarrierCode]] = web.AppKey("peers", frozenset)
AVAILABILITY = web.AppKey("availability", Availability)


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    """One to `BATCH_MAX` messages, all of the kind that the route is named after."""

    items: tuple[PeerMessage, ...]


class Answers(Struct, frozen=True):
    """One to each item, in their order, and each on disk before it is said."""

    answers: Sequence[PeerAnswer]


class AvailabilityWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after` and `lineage` are those of the last answer; `wait` is how many seconds to wait for news."""

    after: Annotated[int, Meta(ge=0, le=POSITION_MAX)] = 0
    lineage: Annotated[str, Meta(max_length=64)] = ""
    wait: Annotated[float, Meta(ge=0, le=WAIT_MS_MAX / 1000)] = 0


_BATCH = msgspec.json.Decoder(Batch)


def add_peer_routes(app: web.Application) -> None:
    """Serve the peers, on an application that holds the keys above, `NODE` and `JOURNAL` by its first request."""
    app.middlewares.append(in_one_shape)
    app.add_routes([web.post(f"/{kind.__struct_config__.tag}", _hears(kind)) for kind in KINDS])
    app.add_routes([web.get("/availability", read_availability), web.get("/log", read_log)])
    for path, serve in EVIDENCE:
        app.add_routes([web.get(path, _for_peers(serve))])
    app.add_routes([web.post("/cosignature", take_cosignature)])


EVIDENCE: Sequence[tuple[str, Handler]] = (
    ("/checkpoint", evidence.read_checkpoint),
    ("/consistency", evidence.read_consistency),
    ("/witnessed", evidence.read_witnessed),
    ("/receipt", evidence.read_part),
)


def _hears(kind: type[PeerMessage]) -> Handler:
    async def hear(request: web.Request) -> web.Response:
        carrier = who(request)
        items = decoded(_BATCH, await body(request, BODY_BYTES_MAX)).items
        if len(items) > BATCH_MAX:
            raise Fault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"a batch has at most {BATCH_MAX} items")
        for index, item in enumerate(items):
            if not isinstance(item, kind):
                raise invalid(f"Not what this route is for - at `$.items[{index}]`")
            if fault := _overreach(item, carrier, request.app[ME]):
                raise Fault(HTTPStatus.FORBIDDEN, "forbidden", f"{fault} - at `$.items[{index}]`")
        return respond_with(Answers(await request.app[NODE].hear(items)))

    return hear


def _overreach(item: PeerMessage, carrier: CarrierCode, me: CarrierCode) -> str | None:
    """What this carrier may not ask of us, in a sentence."""
    mine = carrier_of(item.flight) == me
    match item:
        case Inquire():
            if carrier_of(item.asker) != carrier:
                return f"{carrier} has no pledge on {item.asker}"
            if item.to != me or not (mine or item.coordinator == me):
                return f"{me} neither flies {item.flight} nor coordinates its booking"
        case _:
            if item.coordinator != carrier:
                return f"{carrier} does not coordinate what {item.coordinator} has opened"
            if not mine:
                return f"{me} does not fly {item.flight}"
    return None


async def read_availability(request: web.Request) -> web.Response:
    who(request)
    wanted = query(request, AvailabilityWanted)
    wait_ms = round(wanted.wait * 1000)
    return respond_with(await request.app[AVAILABILITY].poll(wanted.after, wanted.lineage, wait_ms=wait_ms))


async def read_log(request: web.Request) -> web.Response:
    """Events of flights alone: what becomes of a booking is between its traveller and its coordinator."""
    who(request)
    wanted = query(request, LogWanted)
    records = await request.app[JOURNAL].log(wanted.after, wanted.limit, flights_only=True)
    return respond_with(answers.logged(records))


async def take_cosignature(request: web.Request) -> web.Response:
    return await evidence.take_cosignature(request, who(request))


def _for_peers(serve: Handler) -> Handler:
    async def served(request: web.Request) -> web.StreamResponse:
        who(request)
        return await serve(request)

    return served


def who(request: web.Request) -> CarrierCode:
    """The peer whose certificate this is, or a `Fault` of 403."""
    shown = request.transport.get_extra_info("peercert") if request.transport else None
    carrier = carrier_of_peer(shown)
    if carrier is None or carrier not in request.app[PEERS]:
        raise Fault(HTTPStatus.FORBIDDEN, "forbidden", "no certificate of a carrier that is known here")
    return carrier
