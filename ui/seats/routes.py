"""The page of one flight's seats, and its stream."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from uuid import uuid4

from aiohttp import web

from ledger.terms import FlightId, SeatNo
from ui.desk import Cabin, Desk
from ui.figures import spoken_list
from ui.language import gettext as _
from ui.language import ngettext
from ui.page import Refused, desk, fragment, go, read_query, render
from ui.room import Room, Route
from ui.seats.cabin import changed, rows, suggested, taken
from ui.seats.chosen import Chosen, leg_number, read, seat_names
from ui.streams import BEAT, STREAMS, event
from ui.timeline import timeline

BEAT_S = 15.0


async def seats(request: web.Request) -> web.Response:
    """One flight's seats. What was pressed comes back to this address, and leads on to the next flight."""
    query, node = read_query(request), desk(request)
    chosen = read(query, node.sale)
    if chosen is None or node.sale.fault(chosen.legs):
        raise Refused(HTTPStatus.NOT_FOUND, _("These flights are no longer on sale together. Please search again."))
    number = leg_number(query, chosen)
    if "everywhere" in query:
        return _choose_everywhere(node, chosen)
    if "choose" in query:
        chosen = chosen.with_seats(number, suggested(_cabin(node, chosen, number), chosen.passengers))
    elif "picked" in query:
        picked = seat_names(query.getall("seat", []))
        if faults := _faults(picked, chosen.passengers):
            return await seats_page(request, chosen, number, faults, picked)
        go("/seats", _next(node, chosen.with_seats(number, picked)))
    return await seats_page(request, chosen, number)


async def seats_page(
    request: web.Request,
    chosen: Chosen,
    number: int,
    faults: Mapping[str, str] | None = None,
    picked: Sequence[SeatNo] | None = None,
) -> web.Response:
    """`faults` are a form's, and `picked` what it chose on this flight; else it is what the address says."""
    node = desk(request)
    cabin, gone = _cabin(node, chosen, number), _gone(node, chosen)
    named = [tuple(seat for seat in seats if seat not in lost) for seats, lost in zip(chosen.seats, gone, strict=True)]
    if picked is not None:
        named[number] = tuple(seat for seat in picked if seat in cabin.free)
    return await render(
        request,
        "seats/page.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        chosen=chosen,
        number=number,
        leg=chosen.legs[number],
        cabin=cabin,
        rows=rows(cabin),
        named=named,
        undone=[n for n, seats in enumerate(named) if n != number and len(seats) != chosen.passengers],
        parts=timeline(chosen.legs, node.house.airports),
        mark=_mark(node, cabin),
        booking=uuid4(),
        # That a seat has gone says more than that one is missing.
        faults={**(faults or {}), **_gone_faults(chosen, number, gone)},
    )


def _choose_everywhere(node: Desk, chosen: Chosen) -> web.Response:
    for number in range(len(chosen.legs)):
        chosen = chosen.with_seats(number, suggested(_cabin(node, chosen, number), chosen.passengers))
    undone = next((n for n, seats in enumerate(chosen.seats) if not seats), len(chosen.legs) - 1)
    go("/seats", [*chosen.fields(), ("leg", str(undone))])


def _next(node: Desk, chosen: Chosen) -> list[tuple[str, str]]:
    """The next flight whose seats are not chosen or have gone, else the last one, where all can be held."""
    gone = _gone(node, chosen)
    undone = (n for n, seats in enumerate(chosen.seats) if not seats or gone[n])
    return [*chosen.fields(), ("leg", str(next(undone, len(chosen.legs) - 1)))]


def _faults(picked: tuple[str, ...], passengers: int) -> dict[str, str]:
    if len(picked) == passengers:
        return {}
    words = ngettext("Choose a seat.", "Choose {count} seats: one for each passenger.", passengers)
    return {"seats": words.format(count=passengers)}


def _gone(node: Desk, chosen: Chosen) -> list[tuple[SeatNo, ...]]:
    """For each flight the seats that were chosen and that somebody else has by now."""
    return [taken(_cabin(node, chosen, n), seats) for n, seats in enumerate(chosen.seats)]


def _gone_faults(chosen: Chosen, number: int, gone: Sequence[Sequence[SeatNo]]) -> dict[str, str]:
    """A fault of this flight leads to its seats, one of another flight to that flight's page."""
    faults = {}
    for n, (leg, seats) in enumerate(zip(chosen.legs, gone, strict=True)):
        if n == number and len(seats) == 1:
            words = _("Seat {seat}, which you had chosen, is no longer free. Please choose another.")
            faults["seats"] = words.format(seat=seats[0])
        elif seats:
            words = ngettext(
                "Seat {seats} on {flight}, which you had chosen, is no longer free. Please choose another.",
                "Seats {seats} on {flight}, which you had chosen, are no longer free. Please choose others.",
                len(seats),
            )
            faults["seats" if n == number else f"leg-{n}"] = words.format(
                seats=spoken_list(list(seats)), flight=leg.number
            )
    return faults


def _cabin(node: Desk, chosen: Chosen, number: int) -> Cabin:
    cabin = node.sale.cabin(chosen.legs[number].flight)
    if cabin is None:
        raise Refused(HTTPStatus.NOT_FOUND, _("This flight is no longer on sale. Please search again."))
    return cabin


# ---- live --------------------------------------------------------------------------------------------------------


async def live(request: web.Request) -> web.StreamResponse:
    """What becomes of the seats while somebody looks at them."""
    query, node = read_query(request), desk(request)
    flight = query.get("flight", "")
    if node.sale.cabin(flight) is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    several = query.get("passengers", "1") != "1"
    seen = request.headers.get("Last-Event-ID", query.get("since", ""))
    return await request.app[STREAMS].serve(request, _changes(request, node, flight, several, seen))


async def _changes(
    request: web.Request, node: Desk, flight: FlightId, several: bool, seen: str
) -> AsyncGenerator[str, None]:
    """Every change after `seen`. A page that has seen something else, or another life of the node, gets all seats."""
    shown: Cabin | None = None
    with node.house.watch(flight) as woken:
        while (cabin := node.sale.cabin(flight)) is not None:
            woken.clear()
            if shown is None:
                told = (
                    [] if seen == _mark(node, cabin) else [s for row in rows(cabin) for b in row.blocks for s in b if s]
                )
            else:
                told = changed(shown, cabin)
            if told:
                html = fragment(request, "seats/changed.html", seats=told, cabin=cabin, several=several)
                yield event(html, id=_mark(node, cabin))
            shown = cabin
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await woken.wait()
                    continue
            yield BEAT


def _mark(node: Desk, cabin: Cabin) -> str:
    """`boot.revision`: what a page has seen."""
    return f"{node.house.boot}.{cabin.revision}"


ROOM = Room(routes=(Route("GET", "/seats", seats), Route("GET", "/seats/live", live)))
