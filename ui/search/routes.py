"""The pages of a search."""

from aiohttp import web

from ui.page import desk, read_query, render
from ui.room import Room, Route
from ui.search.asked import read


async def start(request: web.Request) -> web.Response:
    sale = desk(request).sale
    asked = read(read_query(request), desk(request))
    return await render(request, "search/start.html", asked=asked, faults=asked.faults, on_sale=sale.days())


ROOM = Room(routes=(Route("GET", "/", start),))
