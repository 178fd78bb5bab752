"""The pages of a search."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from ledger.terms import Centavos
from ui.desk import Desk, Journey
from ui.page import desk, read_query, render
from ui.room import Room, Route
from ui.search import results
from ui.search.asked import Asked, read
from ui.timeline import timeline

STRIP_DAYS = 7
NEAREST_DAYS = 2
"""So many other days with seats are proposed where a day has none."""


async def start(request: web.Request) -> web.Response:
    return await _form(request, read(read_query(request), desk(request)), status=200)


async def search(request: web.Request) -> web.Response:
    query, node = read_query(request), desk(request)
    asked = read(query, node)
    if asked.faults or asked.origin is None or asked.destination is None:
        return await _form(request, asked, status=422)
    wanted = asked.origin.code, asked.destination.code, asked.day, asked.passengers
    found = node.sale.search(*wanted)
    filters = results.filters_of(query, node.house.carriers)
    airports = node.house.airports
    order = results.order_of(query)
    return await render(
        request,
        "search/results.html",
        asked=asked,
        faults={},
        on_sale=node.sale.days(),
        strip=[day async for day in _strip(node, asked)],
        silent=node.sale.silent(),
        order=order,
        firsts={each.value: results.ordered(found, each)[:1] for each in results.Order},
        found=found,
        shown=results.ordered(results.shown(found, filters, airports), order),
        choices=results.choices(found, filters, airports, node.house.carriers),
        filters=filters,
        parts=lambda journey: timeline(journey.legs, airports),
        seats_left=results.seats_left,
        seats_address=lambda journey: _seats(journey, asked.passengers),
        here_with=lambda **changes: _here(query, **changes),
        search_for=lambda airport: _here(query, to=airport.label),
        nothing=None if found else node.sale.nothing(*wanted),
        nearest=[] if found else [day async for day in _nearest(node, asked)],
    )


async def _form(request: web.Request, asked: Asked, *, status: int) -> web.Response:
    on_sale = desk(request).sale.days()
    return await render(
        request,
        "search/start.html",
        status=status,
        asked=asked,
        faults=asked.faults,
        on_sale=on_sale,
        here_with=lambda **changes: _here(read_query(request), **changes),
    )


class Day(NamedTuple):
    day: date
    lowest: Centavos | None
    address: str


async def _strip(node: Desk, asked: Asked) -> AsyncIterator[Day]:
    """Seven days around the one that was asked for, as far as they are on sale."""
    first, last = node.sale.days()
    begin = max(first, min(asked.day - timedelta(STRIP_DAYS // 2), last - timedelta(STRIP_DAYS - 1)))
    for n in range(STRIP_DAYS):
        yield await _day(node, asked, begin + timedelta(n))


async def _nearest(node: Desk, asked: Asked) -> AsyncIterator[Day]:
    """The days with seats that lie closest to the one that was asked for."""
    first, last = node.sale.days()
    others = [first + timedelta(n) for n in range((last - first).days + 1)]
    found = 0
    for other in sorted(others, key=lambda day: (abs(day - asked.day), day)):
        if found == NEAREST_DAYS:
            return
        if (day := await _day(node, asked, other)).lowest is not None:
            found += 1
            yield day


async def _day(node: Desk, asked: Asked, day: date) -> Day:
    await asyncio.sleep(0)  # A search takes tens of milliseconds: others have their turn between two.
    assert asked.origin is not None
    assert asked.destination is not None
    ends = asked.origin.code, asked.destination.code
    query = {"from": asked.origin.label, "to": asked.destination.label, "date": day, "passengers": asked.passengers}
    return Day(day, node.sale.lowest(*ends, day, asked.passengers), f"/search?{urlencode(query)}")


def _seats(journey: Journey, passengers: int) -> str:
    flights = [("flight", leg.flight) for leg in journey.legs]
    return f"/seats?{urlencode([*flights, ('passengers', str(passengers))])}"


def _here(query: MultiMapping[str], **changes: str) -> str:
    """This search, with something else about it."""
    kept = [(name, value) for name, value in query.items() if name not in changes]
    return f"/search?{urlencode([*kept, *changes.items()])}"


ROOM = Room(routes=(Route("GET", "/", start), Route("GET", "/search", search)))
