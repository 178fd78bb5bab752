"""The operators' pages: what waits on `/operator`, a booking's messages and what may be done about it, a flight's load.

Everything here begins with the role. Whatever is ordered here is ordered in the account's own name, which stays on
record: so the second operator is another account, and not another spelling. The token is for programs.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from ledger.messages import AcknowledgeMismatch, ConfirmForce, ForceMessage, ProposeForce, Refusal
from ledger.terms import FLIGHT_PATTERN, BookingId, Millis, locator_of
from ledger.waiting import WaitState
from ui.desk import DeskClosed
from ui.language import gettext as _
from ui.operations import Waiting
from ui.operator import loads
from ui.operator.diagram import diagram
from ui.operator.overview import Overview, overview, row
from ui.operator.words import force_word, refusal, why_not_force
from ui.page import Refused, booking_in, desk, fragment, go, read_form, read_query, render
from ui.room import Room, Route
from ui.streams import BEAT, STREAMS, event
from ui.visitor import Role, Visitor, require, visitor

LOOK_S = 2.0
"""The page looks again so often, and is told when it would show something else."""
LOOKS_MAX = 30
"""Then the browser connects anew, and its role is asked for again."""
LOOK_AGAIN_S = 10
"""The same without scripts."""
NAME_MAX = 80
WORDS_MAX = 300
FLIGHTS_SHOWN = 40
HOME_ZONE = ZoneInfo("America/Sao_Paulo")
"""Operators of three carriers compare times on the telephone: one clock for all, Brasília's."""


# ---- what waits ------------------------------------------------------------------------------------------------------


async def show(request: web.Request) -> web.Response:
    await require(request, Role.OPERATOR)
    seen = await _overview(request)
    asked = "asked" in read_query(request)
    return await render(
        request,
        "operator/page.html",
        seen=seen,
        mark=_mark(seen),
        at=_clock(request),
        asked=asked,
        look_again_s=LOOK_AGAIN_S,
    )


async def live(request: web.Request) -> web.StreamResponse:
    await require(request, Role.OPERATOR)
    seen = request.headers.get("Last-Event-ID", read_query(request).get("since", ""))
    return await request.app[STREAMS].serve(request, _changes(request, seen))


async def _changes(request: web.Request, seen: str) -> AsyncGenerator[str, None]:
    """The page's heart, whenever it would look different. It ends now and then: who comes back needs the role still."""
    for _look in range(LOOKS_MAX):
        try:
            told: Overview | None = await _overview(request)
        except DeskClosed:
            told = None  # A node that is busy, or about to end: what the page shows bears its time.
        if told is not None and (mark := _mark(told)) != seen:
            yield event(fragment(request, "operator/changed.html", seen=told, at=_clock(request)), id=mark)
            seen = mark
        else:
            yield BEAT
        await asyncio.sleep(LOOK_S)


async def resume(request: web.Request) -> web.Response:
    await require(request, Role.OPERATOR)
    await read_form(request)
    await desk(request).operations.resume()
    go("/operator?asked")


async def _overview(request: web.Request) -> Overview:
    operations = desk(request).operations
    tiles, waiting = await asyncio.gather(operations.tiles(), operations.waiting())
    return overview(tiles, waiting, desk(request).house.now())


def _mark(seen: Overview) -> str:
    return sha256(msgspec.json.encode(seen)).hexdigest()[:16]


def _clock(request: web.Request) -> str:
    return clock(desk(request).house.now())


def clock(at: Millis) -> str:
    """`03:12:09`, in Brasília."""
    return f"{datetime.fromtimestamp(at / 1000, HOME_ZONE):%H:%M:%S}"


def fine_clock(at: Millis) -> str:
    """`03:12:09.120`: a purchase is over within a blink."""
    return f"{clock(at)}.{at % 1000:03d}"


# ---- one booking ----------------------------------------------------------------------------------------------------


async def show_booking(request: web.Request) -> web.Response:
    known = await require(request, Role.OPERATOR)
    return await _booking_page(request, known, booking_in(request))


async def _booking_page(
    request: web.Request,
    known: Visitor,
    booking: BookingId,
    status: int = HTTPStatus.OK,
    faults: Mapping[str, str] | None = None,
    entered: Mapping[str, str] | None = None,
) -> web.Response:
    operations = desk(request).operations
    accounts, waiting = await asyncio.gather(operations.accounts(booking), operations.waiting())
    mine = [one for one in waiting if one.transaction.booking == booking]
    if not accounts and not mine:
        raise Refused(HTTPStatus.NOT_FOUND, _("This carrier has to do with no such booking."))
    now = desk(request).house.now()
    return await render(
        request,
        "operator/booking.html",
        status=status,
        booking=booking,
        locator=locator_of(booking),
        drawn=diagram(accounts),
        rows=[(row(one, now), one, _actions(one, known, now)) for one in mine],
        clock=clock,
        fine_clock=fine_clock,
        force_word=force_word,
        short_name=short_name,
        faults=faults or {},
        entered=entered or {},
    )


def _actions(one: Waiting, known: Visitor, now: Millis) -> Mapping[str, object]:
    """What this operator may do about one that waits."""
    told, proposed = one.transaction, one.transaction.forcing
    stands = proposed is not None and told.state is WaitState.IN_DOUBT and now < proposed.expires_at
    own = proposed is not None and proposed.operator.casefold() == signature(known).casefold()
    return {
        "no": why_not_force(told) if told.state in (WaitState.IN_DOUBT, WaitState.PLEDGED) else "",
        "propose": told.may_not_force is None and not stands,
        "confirm": told.may_not_force is None and stands and not own,
        "waits_for_second": stands and own,
        "acknowledge": told.state is WaitState.MISMATCH,
    }


async def propose(request: web.Request) -> web.Response:
    return await _order(request, "why")


async def confirm(request: web.Request) -> web.Response:
    return await _order(request)


async def acknowledge(request: web.Request) -> web.Response:
    return await _order(request, "note")


async def _order(request: web.Request, field: str = "") -> web.Response:
    """One of the three orders, in the name of whoever is logged in. Without a fault it leads back to the booking."""
    known = await require(request, Role.OPERATOR)
    booking, form = booking_in(request), await read_form(request)
    flight, words = form.get("flight", ""), form.get(field, "")
    if not re.fullmatch(FLIGHT_PATTERN, flight):
        raise Refused(HTTPStatus.BAD_REQUEST)
    if field and (fault := _fault(words)):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await _booking_page(request, known, booking, status, {field: fault}, {field: words})
    operator = signature(known)
    orders: Mapping[str, ForceMessage] = {
        "why": ProposeForce(booking=booking, flight=flight, operator=operator, why=words),
        "note": AcknowledgeMismatch(booking=booking, flight=flight, operator=operator, note=words),
        "": ConfirmForce(booking=booking, flight=flight, operator=operator),
    }
    answer = await desk(request).operations.operate(orders[field])
    if not isinstance(answer, Refusal):
        go(f"/operator/bookings/{booking}")
    faults = {field or "confirm": refusal(answer.error)}
    return await _booking_page(request, known, booking, HTTPStatus.CONFLICT, faults, {field: words})


def _fault(words: str) -> str:
    if not words:
        return _("Say it in a few words: it stays on record.")
    if len(words) > WORDS_MAX or not words.isprintable():
        return _("One line of at most {max} characters.").format(max=WORDS_MAX)
    return ""


def signature(known: Visitor) -> str:
    """The account, as it stands on record: its id tells two people of one name apart."""
    assert known.account is not None
    own = f" ({known.account.id})"
    return known.account.name[: NAME_MAX - len(own)].strip() + own


def short_name(operator: str) -> str:
    """As people call them: the account's id is for the record."""
    return re.sub(r" \([A-Z]{2}\.\w+\)$", "", operator)


# ---- one flight -----------------------------------------------------------------------------------------------------


async def show_flight(request: web.Request) -> web.Response:
    await require(request, Role.OPERATOR)
    operations, wanted = desk(request).operations, read_query(request).get("flight", "")
    flights = operations.flights()
    load = await operations.load(wanted) if wanted else None
    faults = {"flight": _("No such flight of this carrier’s is on sale.")} if wanted and load is None else {}
    return await render(
        request,
        "operator/flight.html",
        status=HTTPStatus.NOT_FOUND if faults else HTTPStatus.OK,
        wanted=wanted,
        flights=flights[:FLIGHTS_SHOWN],
        view=loads.view(load, desk(request).house.now()) if load else None,
        faults=faults,
    )


async def who_is_visiting(request: web.Request) -> Mapping[str, object]:
    """For the header of every page: a guest costs no look at a session that is not there."""
    return {"operates": (await visitor(request)).may(Role.OPERATOR)}


ROOM = Room(
    routes=(
        Route("GET", "/operator", show),
        Route("GET", "/operator/live", live),
        Route("POST", "/operator/resume", resume),
        Route("GET", "/operator/bookings/{booking}", show_booking),
        Route("POST", "/operator/bookings/{booking}/force", propose),
        Route("POST", "/operator/bookings/{booking}/confirm", confirm),
        Route("POST", "/operator/bookings/{booking}/acknowledge", acknowledge),
        Route("GET", "/operator/flights", show_flight),
    ),
    header="operator/header.html",
    context=who_is_visiting,
)
