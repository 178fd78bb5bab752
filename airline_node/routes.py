"""The public port: travellers, partners, operators, auditors.

A route does three things: turns bytes into a command, hands it to the node, turns the answer into bytes. The rules it
holds: travellers' names are in the vault before the node hears of their booking; nobody without the token sees what
operators and auditors see; a client that goes away changes nothing, for its order is in the node's inbox by then.
"""

import logging
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from http import HTTPStatus
from importlib.metadata import version

from aiohttp import web
from msgspec import UNSET
from prometheus_client import CONTENT_TYPE_LATEST

from airline_node import answers, wire
from airline_node.control_routes import CONTROL, CONTROL_ROUTES
from airline_node.door import (
    JOURNAL,
    LATER,
    NO_STORE,
    NODE,
    Answer,
    Fault,
    body,
    encoded,
    in_one_shape,
    invalid,
    query,
    respond,
    respond_with,
)
from airline_node.evidence import routes as evidence
from airline_node.evidence.receipts import Receipt
from airline_node.evidence.routes import OFFICE
from airline_node.itineraries import search
from airline_node.journal import POSITIONS, JournalDamaged
from airline_node.metrics import exposition
from airline_node.network import Network
from airline_node.openapi import Route, document
from airline_node.people.public_routes import PEOPLE_ROUTES
from airline_node.taken import TakenAnswer, TakenWanted, taken
from airline_node.timetable import Airport, Timetable
from airline_node.tokens import TOKENS, let_in
from airline_node.vault import Travellers, Vault
from ledger.messages import BookingView, CancelBooking, ConfirmBooking, ExtendBooking, ReadBooking, TravellerCommand
from ledger.terms import AirportCode, BookingId, Millis

BODY_BYTES_MAX = 64 * 1024

log = logging.getLogger(__name__)

NETWORK = web.AppKey("network", Network)
VAULT = web.AppKey("vault", Vault)
TIMETABLE = web.AppKey("timetable", Timetable)
NOW: web.AppKey[Callable[[], Millis]] = web.AppKey("now")
CLOSED: web.AppKey[Callable[[], str | None]] = web.AppKey("closed")
"""Why the node takes no orders at the moment (it starts, it drains), in a sentence; None while it takes them."""


def add_public_routes(app: web.Application) -> None:
    """Serve `ROUTES` on an application that holds every key above, `NODE` and `JOURNAL` by its first request."""
    app.middlewares.append(in_one_shape)
    app.add_routes([web.route(route.method, route.path, route.serve) for route in ROUTES])


# ---- bookings ----------------------------------------------------------------------------------------------------


async def open_booking(request: web.Request) -> web.Response:
    app = request.app
    _be_open(request)
    turn = app[NODE].turn()  # Whoever has none costs as little as can be; a body that is slow to come takes none up.
    command, travellers = wire.open_booking(
        _booking(request),
        await body(request, BODY_BYTES_MAX),
        network=app[NETWORK],
        airports=app[TIMETABLE].airports,
        now=app[NOW](),
        fingerprint=app[VAULT].fingerprint,
    )
    with turn:
        # Whatever is objected to opens no booking, and so there is nobody to remember.
        if command.objection is None:
            await _keep(app[VAULT], command.booking, travellers)
        return respond(answers.booking_answer(command, await app[NODE].handle(command)))


async def confirm_booking(request: web.Request) -> web.Response:
    return await _order(request, ConfirmBooking(_booking(request)))


async def extend_booking(request: web.Request) -> web.Response:
    return await _order(request, ExtendBooking(_booking(request)))


async def cancel_booking(request: web.Request) -> web.Response:
    return await _order(request, CancelBooking(_booking(request)))


async def read_booking(request: web.Request) -> web.Response:
    command = ReadBooking(_booking(request))
    told = await request.app[NODE].handle(command)
    known = await request.app[VAULT].travellers(command.booking) if isinstance(told, BookingView) else None
    return respond(answers.booking_answer(command, told, known.passengers if known else UNSET))


async def read_receipt(request: web.Request) -> web.Response:
    return respond_with(await evidence.receipt_of(request, _booking(request)))


async def _keep(vault: Vault, booking: BookingId, travellers: Travellers) -> None:
    """Remember who travels. The vault keeps whoever came first, so others may not travel in their name."""
    if await vault.keep(booking, travellers) not in (travellers, None):
        raise Fault(HTTPStatus.UNPROCESSABLE_ENTITY, "booking-id-reused", "this id is another order's: take a new one")


async def _order(request: web.Request, command: TravellerCommand) -> web.Response:
    _be_open(request)
    with request.app[NODE].turn():
        return respond(answers.booking_answer(command, await request.app[NODE].handle(command)))


def _booking(request: web.Request) -> BookingId:
    return wire.booking_id(request.match_info["booking"])


def _be_open(request: web.Request) -> None:
    if why := request.app[CLOSED]():
        raise Fault(HTTPStatus.SERVICE_UNAVAILABLE, "closed", why, LATER)


# ---- what is on sale ---------------------------------------------------------------------------------------------


async def read_itineraries(request: web.Request) -> web.Response:
    network, airports, now = request.app[NETWORK], request.app[TIMETABLE].airports, request.app[NOW]()
    wanted = query(request, wire.ItinerariesWanted)
    for code in (wanted.origin, wanted.destination):
        if code not in airports:
            raise invalid(f"{code} is no airport of this network; {_near(code, airports)}")
    found = search(
        network.board,
        airports,
        origin=wanted.origin,
        destination=wanted.destination,
        date=wanted.date,
        passengers=wanted.passengers,
        now=now,
    )
    return respond_with(answers.itineraries(found, network.stale(now)))


async def read_seats(request: web.Request) -> web.Response:
    known = request.app[NETWORK].seats(request.match_info["flight"])
    if known is None:
        raise Fault(HTTPStatus.NOT_FOUND, "no-such-flight", "it is not on sale, as far as this carrier knows")
    return respond_with(answers.seats(*known, request.app[TIMETABLE].aircraft))


def _near(code: AirportCode, airports: Mapping[AirportCode, Airport]) -> str:
    near = get_close_matches(code, airports, n=5, cutoff=0.3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(airports))}"


# ---- for auditors ------------------------------------------------------------------------------------------------


async def read_log(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].auditor, request.app[TOKENS].operator)
    wanted = query(request, wire.LogWanted)
    journal = request.app[JOURNAL]
    try:
        if wanted.stream:
            told = [one for one in await journal.history(wanted.stream) if one[0] > wanted.after][: wanted.limit]
        else:
            told = await journal.log(wanted.after, wanted.limit)
    except JournalDamaged as damaged:
        log.error("the log cannot be told any more: %s", damaged)
        raise Fault(HTTPStatus.INTERNAL_SERVER_ERROR, "journal-damaged", str(damaged)) from damaged
    return respond(Answer(HTTPStatus.OK, encoded(answers.logged(told)), {**NO_STORE, POSITIONS: journal.positions}))


async def read_checkpoints(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].auditor, request.app[TOKENS].operator)
    return respond_with(await evidence.checkpoints_of(request))


async def read_taken(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].auditor, request.app[TOKENS].operator)
    return respond_with(taken(request.app[NETWORK].own_flights(), query(request, TakenWanted).after))


async def read_leaves(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].auditor, request.app[TOKENS].operator)
    return respond_with(await evidence.leaves_of(request))


# ---- for whoever runs the node -----------------------------------------------------------------------------------


async def live(request: web.Request) -> web.Response:
    """The process answers. One that can no longer write ends by itself."""
    return respond_with(_health(request))


async def ready(request: web.Request) -> web.Response:
    _be_open(request)
    return respond_with(_health(request))


def _health(request: web.Request) -> answers.Health:
    return answers.Health(ready=request.app[CLOSED]() is None, network=request.app[NETWORK].ready)


async def read_metrics(request: web.Request) -> web.Response:
    office = request.app.get(OFFICE)
    told = exposition(request.app[CONTROL], office.figures() if office else {})
    return web.Response(body=told, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def read_openapi(_request: web.Request) -> web.Response:
    return respond_with(document(ROUTES, version("passcom")))


# ---- the table ---------------------------------------------------------------------------------------------------

ROUTES = (
    Route(
        method="GET",
        path="/api/itineraries",
        summary="Ways from here to there on a day, over all carriers; the best by price, duration and connections.",
        serve=read_itineraries,
        query=wire.ItinerariesWanted,
        answers={200: answers.ItinerariesAnswer},
        problems=(422,),
    ),
    Route(
        method="GET",
        path="/api/flights/{flight}/seats",
        summary="The seats of a flight of any carrier.",
        serve=read_seats,
        answers={200: answers.SeatsAnswer},
        problems=(404,),
    ),
    Route(
        method="PUT",
        path="/api/bookings/{booking}",
        summary="Hold these seats, or buy them in one step. Idempotent by id: repeat it until the outcome is known.",
        serve=open_booking,
        body=wire.BookingWanted,
        answers={201: answers.BookingAnswer, 202: answers.BookingAnswer},
        problems=(400, 408, 409, 413, 422, 503),
    ),
    Route(
        method="POST",
        path="/api/bookings/{booking}/confirm",
        summary="Buy what is held.",
        serve=confirm_booking,
        answers={200: answers.BookingAnswer, 202: answers.BookingAnswer},
        problems=(404, 409, 422, 503),
    ),
    Route(
        method="POST",
        path="/api/bookings/{booking}/extend",
        summary="Hold the seats for ten minutes from now, as far as `extensible_until` allows.",
        serve=extend_booking,
        answers={200: answers.BookingAnswer, 202: answers.BookingAnswer},
        problems=(404, 409, 422, 503),
    ),
    Route(
        method="POST",
        path="/api/bookings/{booking}/cancel",
        summary="Give the booking back, held or bought.",
        serve=cancel_booking,
        answers={200: answers.BookingAnswer, 202: answers.BookingAnswer},
        problems=(404, 409, 422, 503),
    ),
    Route(
        method="GET",
        path="/api/bookings/{booking}",
        summary="How the booking stands, with its passengers' names.",
        serve=read_booking,
        answers={200: answers.BookingAnswer, 202: answers.BookingAnswer},
        problems=(404, 422, 503),
    ),
    *CONTROL_ROUTES,
    Route(
        method="GET",
        path="/api/bookings/{booking}/receipt",
        summary="The booking's events, each proved to be in its carrier's signed log: `passcom verify` checks it.",
        serve=read_receipt,
        answers={200: Receipt},
        problems=(404, 422, 503),
    ),
    Route(
        method="GET",
        path="/api/checkpoint",
        summary="How far this carrier's log goes, signed by it and cosigned by the others (C2SP tlog-checkpoint).",
        serve=evidence.read_public_checkpoint,
        answers={200: "text/plain"},
        problems=(404,),
    ),
    *PEOPLE_ROUTES,
    Route(
        method="GET",
        path="/api/log",
        summary="The events of this node after a position, in their order. `Passcom-Positions: counted` says that "
        "positions have no gaps, `rising` that they may have some (the journal is in PostgreSQL).",
        serve=read_log,
        query=wire.LogWanted,
        answers={200: tuple[answers.LoggedEvent, ...]},
        problems=(401, 422, 503),
        token=True,
    ),
    Route(
        method="GET",
        path="/api/checkpoints",
        summary="What this carrier has signed and cosigned, newest first, and its alarms.",
        serve=read_checkpoints,
        answers={200: evidence.CheckpointsAnswer},
        problems=(401, 404, 503),
        token=True,
    ),
    Route(
        method="GET",
        path="/api/taken",
        summary="The seats of this carrier's flights that are held or sold, some flights at a time.",
        serve=read_taken,
        query=TakenWanted,
        answers={200: TakenAnswer},
        problems=(401, 422, 503),
        token=True,
    ),
    Route(
        method="GET",
        path="/api/leaves",
        summary="The hashes of the log's events, as they were when they were written.",
        serve=read_leaves,
        query=evidence.LeavesWanted,
        answers={200: evidence.LeavesAnswer},
        problems=(401, 404, 422, 503),
        token=True,
    ),
    Route(
        method="GET",
        path="/health/live",
        summary="The process answers.",
        serve=live,
        answers={200: answers.Health},
    ),
    Route(
        method="GET",
        path="/health/ready",
        summary="The node takes orders.",
        serve=ready,
        answers={200: answers.Health},
        problems=(503,),
    ),
    Route(
        method="GET",
        path="/metrics",
        summary="The node's figures for Prometheus.",
        serve=read_metrics,
        answers={200: "text/plain"},
    ),
    Route(
        method="GET",
        path="/api/openapi.json",
        summary="This document.",
        serve=read_openapi,
        answers={200: dict},
    ),
)
"""Every public route: what is not in this table is not served."""
