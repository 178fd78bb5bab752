"""The page of one flight's seats, and its stream."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import web

from ledger.terms import FlightId, SeatNo
from ui.desk import Cabin, Desk, Leg
from ui.figures import local, spoken_list
from ui.ids import new_booking_id
from ui.language import gettext as _
from ui.language import ngettext
from ui.page import Refused, desk, fragment, go, read_query, render
from ui.room import Room, Route
from ui.seats.cabin import absent, changed, rows, suggested, taken
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
    """`faults` are a sent form's, and `picked` what it chose on this flight; else it is what the address says."""
    node = desk(request)
    cabin, named = _cabin(node, chosen, number), _had(node, chosen)
    if picked is not None:
        named[number] = tuple(seat for seat in picked if seat in cabin.free)
    return await render(
        request,
        "seats/page.html",
        status=HTTPStatus.OK if faults is None else HTTPStatus.UNPROCESSABLE_ENTITY,
        chosen=chosen,
        number=number,
        leg=chosen.legs[number],
        cabin=cabin,
        rows=rows(cabin),
        named=named,
        undone=[n for n, seats in enumerate(named) if n != number and len(seats) != chosen.passengers],
        parts=timeline(chosen.legs, node.house.airports),
        mark=_mark(node, cabin),
        search=_search(node, chosen),
        booking=new_booking_id(),
        # That a seat cannot be had says more than that one is missing.
        faults={**(faults or {}), **_lost_faults(node, chosen, number, any(named))},
    )


def _search(node: Desk, chosen: Chosen) -> str:
    """Where the journeys are from which this one was chosen."""
    first = chosen.legs[0]
    start, end = node.house.airports[first.origin], node.house.airports[chosen.legs[-1].destination]
    day = local(first.departure, start.zone).date()
    asked = {"from": start.label, "to": end.label, "date": day, "passengers": chosen.passengers}
    return f"/search?{urlencode(asked)}"


def _choose_everywhere(node: Desk, chosen: Chosen) -> web.Response:
    for number in range(len(chosen.legs)):
        chosen = chosen.with_seats(number, suggested(_cabin(node, chosen, number), chosen.passengers))
    undone = next((n for n, seats in enumerate(chosen.seats) if not seats), len(chosen.legs) - 1)
    go("/seats", [*chosen.fields(), ("leg", str(undone))])


def _next(node: Desk, chosen: Chosen) -> list[tuple[str, str]]:
    """The next flight whose seats are not chosen or cannot be had, else the last one, where all can be held."""
    undone = (n for n, seats in enumerate(_had(node, chosen)) if len(seats) != chosen.passengers)
    return [*chosen.fields(), ("leg", str(next(undone, len(chosen.legs) - 1)))]


def _faults(picked: tuple[str, ...], passengers: int) -> dict[str, str]:
    if len(picked) == passengers:
        return {}
    words = ngettext("Choose a seat.", "Choose {count} seats: one for each passenger.", passengers)
    return {"seats": words.format(count=passengers)}


def leg_without(node: Desk, chosen: Chosen) -> int | None:
    """The first flight whose aircraft does not have a seat that is chosen there: an address may say anything."""
    return next((n for n, seats in enumerate(chosen.seats) if absent(_cabin(node, chosen, n), seats)), None)


def _had(node: Desk, chosen: Chosen) -> list[tuple[SeatNo, ...]]:
    """For each flight the seats that are chosen and can be had: they are there, and free."""
    free = [_cabin(node, chosen, n).free for n in range(len(chosen.legs))]
    return [tuple(seat for seat in seats if seat in free[n]) for n, seats in enumerate(chosen.seats)]


def _lost_faults(node: Desk, chosen: Chosen, number: int, others_kept: bool) -> dict[str, str]:
    """What cannot be had. A fault of this flight leads to its seats, one of another flight to that flight's page."""
    faults: dict[str, str] = {}
    for n, (leg, seats) in enumerate(zip(chosen.legs, chosen.seats, strict=True)):
        cabin, here = _cabin(node, chosen, n), n == number
        gone, none_such = taken(cabin, seats), absent(cabin, seats)
        words = [_gone_words(leg, gone, here)] if gone else []
        if none_such:
            words.append(_absent_words(leg, none_such))
        if words:
            faults["seats" if here else f"leg-{n}"] = " ".join(words)
    if others_kept and leg_without(node, chosen) is not None:  # Said once, after all that is gone.
        last = next(reversed(faults))
        faults[last] += " " + _("Your other seats are kept.")
    return faults


def _gone_words(leg: Leg, seats: Sequence[SeatNo], here: bool) -> str:
    if here and len(seats) == 1:
        words = _("Seat {seat}, which you had chosen, is no longer free. Please choose another.")
        return words.format(seat=seats[0])
    words = ngettext(
        "Seat {seats} on {flight}, which you had chosen, is no longer free. Please choose another.",
        "Seats {seats} on {flight}, which you had chosen, are no longer free. Please choose others.",
        len(seats),
    )
    return words.format(seats=spoken_list(list(seats)), flight=leg.number)


def _absent_words(leg: Leg, seats: Sequence[SeatNo]) -> str:
    words = ngettext(
        "There is no seat {seats} on {flight}. Please choose another.",
        "There are no seats {seats} on {flight}. Please choose others.",
        len(seats),
    )
    return words.format(seats=spoken_list(list(seats)), flight=leg.number)


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
