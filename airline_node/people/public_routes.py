"""What operators ask of a node about people: who is on board, and that names be erased.

Only whoever bears the operators' token gets in.
"""

import re
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from airline_node import answers, wire
from airline_node.door import NODE, Fault, respond_with
from airline_node.openapi import Route
from airline_node.people.routes import MANIFEST
from airline_node.tokens import TOKENS, let_in
from ledger.messages import ReadBooking, Refusal
from ledger.terms import FLIGHT_PATTERN, BookingId


class NamesErased(Struct, frozen=True):
    """Gone from this carrier's disk; the carriers that were told hear of it as soon as they can be reached."""

    booking: BookingId


async def read_manifest(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].operator)
    flight = request.match_info["flight"]
    if not re.fullmatch(FLIGHT_PATTERN, flight):
        raise Fault(HTTPStatus.NOT_FOUND, "no-such-flight", "no flight is called that")
    return respond_with(answers.manifest(flight, await request.app[MANIFEST].of(flight)))


async def erase_names(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].operator)
    booking = wire.booking_id(request.match_info["booking"])
    if isinstance(await request.app[NODE].handle(ReadBooking(booking)), Refusal):
        raise Fault(HTTPStatus.NOT_FOUND, "no-such-booking", "no booking with this id is known here")
    await request.app[MANIFEST].erase(booking)
    return respond_with(NamesErased(booking))


PEOPLE_ROUTES = (
    Route(
        method="GET",
        path="/api/flights/{flight}/manifest",
        summary="Who is on board of one of this carrier's flights, as far as the sellers have told their names.",
        serve=read_manifest,
        answers={200: answers.ManifestAnswer},
        problems=(401, 404, 503),
        token=True,
    ),
    Route(
        method="DELETE",
        path="/api/bookings/{booking}/passengers",
        summary="Erase the names and the address of a booking sold here, here and at the carriers that fly it.",
        serve=erase_names,
        answers={200: NamesErased},
        problems=(401, 404, 422, 503),
        token=True,
    ),
)
