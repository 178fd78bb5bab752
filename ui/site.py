"""The site put together: its rooms, its frame, its files.

A room is a folder with `routes.py`, views and templates; it is part of the site by its line in `ROOMS`.
"""

from http import HTTPStatus
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from ui import accounts, audit, booking, figures, language, operator, search, seats, ticket, trips
from ui.assets import ROOT as ASSETS
from ui.assets import Assets
from ui.desk import Desk
from ui.guard import guarded
from ui.page import DESK, FRAME, Frame, Refused, own_path, read_query
from ui.room import Room
from ui.sessions import SessionStorage, add_sessions, remembered
from ui.streams import STREAMS, Streams

HERE = Path(__file__).parent
NOT_PAGES = "api|health|metrics|static"
"""The first words of addresses that answer in the API's shape, also when there is nothing under them."""
FIGURES = (
    *(
        "money",
        "whole_money",
        "clock",
        "day",
        "short_day",
        "long_day",
        "moment",
        "duration",
        "short_duration",
        "days_later",
    ),
    *("machine_time", "number", "spoken_list"),
)
"""The filters of every template, from `ui.figures`."""
YEAR_S = 365 * 24 * 3600

ROOMS: tuple[Room, ...] = (
    *(search.ROOM, seats.ROOM, booking.ROOM, ticket.ROOM, trips.ROOM, accounts.ROOM),
    *(operator.ROOM, audit.ROOM),
)


def add_site(app: web.Application, desk: Desk, rooms: tuple[Room, ...] = ROOMS) -> None:
    """Serve the site on the node's public application, beside its API. Its streams end when the application does."""
    assets = Assets(desk.house.carriers)
    app[DESK] = desk
    app[FRAME] = Frame(
        headers=[room.header for room in rooms if room.header],
        contexts=[room.context for room in rooms if room.context],
    )
    secure = desk.people.site.startswith("https://")
    add_sessions(app, SessionStorage(desk.people.sessions, desk.house.carrier.code, desk.house.now, secure=secure))
    app[STREAMS] = Streams()
    app.on_shutdown.append(_end_streams)
    _templates(app, desk, assets)
    app.router.add_get(f"{ASSETS}/{{file}}", assets.serve)
    app.router.add_get("/language/{language}", guarded(_choose_language))
    for room in rooms:
        for route in room.routes:
            app.router.add_route(route.method, route.path, guarded(remembered(route.page)))
    # Last: whatever no room has taken is a page that is not there.
    app.router.add_route("*", f"/{{path:(?!(?:{NOT_PAGES})(?:/|$)).*}}", _missing)


def _templates(app: web.Application, desk: Desk, assets: Assets) -> None:
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader([HERE / "templates", HERE]),
        extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        default_helpers=False,
    )
    env.install_gettext_callables(  # type: ignore[attr-defined]  # put there by the extension
        language.gettext, language.ngettext, newstyle=True, pgettext=language.pgettext
    )
    del env.globals["app"]
    env.globals.update(asset=assets.address, house=desk.house, languages=language.LANGUAGES)
    env.filters.update({name: getattr(figures, name) for name in FIGURES})


async def _choose_language(request: web.Request) -> web.Response:
    chosen = request.match_info["language"]
    back = web.HTTPSeeOther(own_path(read_query(request).get("back", "/")))
    if chosen in language.LANGUAGES:
        back.set_cookie(language.COOKIE, chosen, max_age=YEAR_S, samesite="Lax", httponly=True, path="/")
    raise back


async def _missing(request: web.Request) -> web.StreamResponse:
    """Nothing is done here, so it matters not who sent it. A program is told in the API's shape."""
    if "text/html" not in request.headers.get("Accept", ""):
        raise web.HTTPNotFound
    return await _not_found(request)


@guarded
@remembered
async def _not_found(_request: web.Request) -> web.Response:
    raise Refused(HTTPStatus.NOT_FOUND)


async def _end_streams(app: web.Application) -> None:
    app[STREAMS].close()
