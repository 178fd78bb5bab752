"""The page of a traveller's trips."""

from typing import NamedTuple

from aiohttp import web

from ledger.messages import Status
from ledger.terms import Millis
from ui.desk import Airport, Carrier, Desk
from ui.page import desk, render
from ui.people import Trip
from ui.room import Room, Route
from ui.visitor import Role, require

NEVER_WAS = frozenset({Status.REFUSED, Status.EXPIRED})
"""What came to nothing is no trip."""
OPEN = frozenset({Status.HOLDING, Status.HELD, Status.CONFIRMING})


class Shown(NamedTuple):
    """A trip as the page shows it. `address` is its page at the airline that sold it; empty: that site is not known."""

    trip: Trip
    origin: Airport
    destination: Airport
    seller: Carrier
    carriers: tuple[Carrier, ...]
    address: str
    elsewhere: bool
    waits: bool


async def show(request: web.Request) -> web.Response:
    known = await require(request, Role.TRAVELLER)
    assert known.account is not None
    node = desk(request)
    found = await node.people.trips.of(known.account.id)
    shown = [one for trip in found.trips if (one := _shown(trip, node)) is not None]
    ahead, past = _in_order(shown, node.house.now())
    return await render(
        request,
        "trips/list.html",
        ahead=ahead,
        past=past,
        silent=[node.house.carriers[code] for code in found.silent if code in node.house.carriers],
        Status=Status,
    )


def _in_order(shown: list[Shown], now: Millis) -> tuple[list[Shown], list[Shown]]:
    """What lies ahead, the next departure first; then what is past or was given back, the last one first."""
    ahead = [one for one in shown if one.trip.status is not Status.CANCELLED and one.trip.segments[-1].arrival > now]
    past = [one for one in shown if one not in ahead]
    return (
        sorted(ahead, key=lambda one: one.trip.segments[0].departure),
        sorted(past, key=lambda one: -one.trip.segments[0].departure),
    )


def _shown(trip: Trip, node: Desk) -> Shown | None:
    """None for what is no trip, and for airports or carriers that nobody here has heard of."""
    airports, carriers = node.house.airports, node.house.carriers
    origin, destination = airports.get(trip.segments[0].origin), airports.get(trip.segments[-1].destination)
    flown = [carriers.get(code) for code in dict.fromkeys(segment.flight[:2] for segment in trip.segments)]
    known = [carrier for carrier in flown if carrier is not None]
    if trip.status in NEVER_WAS or origin is None or destination is None or len(known) < len(flown):
        return None
    own = trip.seller == node.house.carrier.code
    site = "" if own else node.people.vouching.others.get(trip.seller)
    page = f"/bookings/{trip.booking}" + ("" if trip.status in OPEN else "/ticket")
    return Shown(
        trip=trip,
        origin=origin,
        destination=destination,
        seller=carriers[trip.seller],
        carriers=tuple(known),
        address="" if site is None else site + page,
        elsewhere=not own,
        waits=trip.status in OPEN,
    )


ROOM = Room(routes=(Route("GET", "/trips", show),))
