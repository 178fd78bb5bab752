"""What other carriers may ask about people, on the peer port.

The rules: who asks is named by its certificate. A code is answered to the carrier it was made for; trips to whoever
knows the account's id; names are taken of this carrier's own flights, under the teller's own tickets. One item that
breaks this refuses its whole batch, and nothing was done.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from airline_node.door import Fault, body, decoded, respond_with
from airline_node.peer_routes import BODY_BYTES_MAX, ME, who
from airline_node.people.asking import ITEMS_MAX
from airline_node.people.manifest import Manifest, Names
from airline_node.people.trips import Trips, TripsTold, TripsWanted
from airline_node.people.vouching import Vouch, Vouching
from ledger.terms import CarrierCode, carrier_of

VOUCHING = web.AppKey("vouching", Vouching)
TRIPS = web.AppKey("trips", Trips)
MANIFEST = web.AppKey("manifest", Manifest)
PREFIXES: web.AppKey[dict[CarrierCode, str]] = web.AppKey("prefixes", dict)
"""Whose tickets begin with what."""


class Answers(Struct, frozen=True):
    """One to each item, in their order."""

    answers: Sequence[object]


class _Vouches(Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[tuple[Vouch, ...], Meta(max_length=ITEMS_MAX)]


class _TripsWanted(Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[tuple[TripsWanted, ...], Meta(max_length=ITEMS_MAX)]


class _Names(Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[tuple[Names, ...], Meta(max_length=ITEMS_MAX)]


_VOUCHES = msgspec.json.Decoder(_Vouches)
_TRIPS_WANTED = msgspec.json.Decoder(_TripsWanted)
_NAMES = msgspec.json.Decoder(_Names)


def add_people_routes(app: web.Application) -> None:
    """On the peers' application, which holds the keys above by its first request."""
    app.add_routes([web.post("/vouch", vouch), web.post("/trips", trips), web.post("/manifest", manifest)])


async def vouch(request: web.Request) -> web.Response:
    carrier = who(request)
    items = decoded(_VOUCHES, await body(request, BODY_BYTES_MAX)).items
    return respond_with(Answers([await request.app[VOUCHING].answer(item, carrier) for item in items]))


async def trips(request: web.Request) -> web.Response:
    who(request)
    items = decoded(_TRIPS_WANTED, await body(request, BODY_BYTES_MAX)).items
    return respond_with(Answers([TripsTold(await request.app[TRIPS].here(item.account)) for item in items]))


async def manifest(request: web.Request) -> web.Response:
    carrier = who(request)
    items = decoded(_NAMES, await body(request, BODY_BYTES_MAX)).items
    for index, item in enumerate(items):
        if fault := _overreach(item, request.app[PREFIXES].get(carrier, ""), request.app[ME]):
            raise Fault(HTTPStatus.FORBIDDEN, "forbidden", f"{fault} - at `$.items[{index}]`")
    return respond_with(Answers(await request.app[MANIFEST].hear(carrier, items)))


def _overreach(names: Names, prefix: str, me: CarrierCode) -> str | None:
    """What this carrier may not tell us, in a sentence."""
    for passenger in names.passengers:
        if carrier_of(passenger.flight) != me:
            return f"{me} does not fly {passenger.flight}"
        if not prefix or not passenger.ticket.startswith(prefix):
            return f"{passenger.ticket} is no ticket of the carrier that tells it"
    return None
