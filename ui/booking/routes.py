"""A booking's page: one address from the hold to the ticket, whatever becomes of it. Who has the address may see it."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus

import msgspec
from aiohttp import web
from msgspec import structs
from multidict import MultiMapping

from ledger.messages import BookingView, Refusal, Status
from ledger.terms import BOOKING_PATTERN, BookingId, Millis
from ui.booking import payment
from ui.booking.instead import Instead, instead
from ui.booking.lanes import PROGRESS, Step, lanes
from ui.desk import Desk, Order
from ui.ids import new_booking_id
from ui.language import gettext as _
from ui.page import Refused, booking_in, desk, fragment, go, read_form, read_query, render
from ui.room import Room, Route
from ui.seats.chosen import Chosen, leg_number, read, seat_names
from ui.seats.routes import leg_without, seats_page
from ui.streams import BEAT, STREAMS, event
from ui.timeline import timeline
from ui.visitor import visitor

BEAT_S = 5.0
AT_ONCE_MS: Millis = 1
PATIENT_MS: Millis = 4_000
"""So long a page without scripts waits for the carriers, before it shows how far they are and looks again."""
LOOK_AGAIN_S = 2
EXTENSION_S = 0.5
UNDER_WAY = frozenset({Status.HOLDING, Status.CONFIRMING})


# ---- hold --------------------------------------------------------------------------------------------------------


async def hold(request: web.Request) -> web.StreamResponse:
    """One press holds every seat at every carrier. Pressed twice, it is still one order."""
    form, node = await read_form(request), desk(request)
    chosen = read(form, node.sale)
    if chosen is None:
        raise Refused(HTTPStatus.NOT_FOUND, _("These flights are no longer on sale together. Please search again."))
    number = leg_number(form, chosen)
    faults = {"seats": _("Choose a seat for each passenger.")}
    if "leg" in form:
        if len(picked := seat_names(form.getall("seat", []))) != chosen.passengers:
            return await seats_page(request, chosen, number, faults, picked)
        chosen = chosen.with_seats(number, picked)
    if not chosen.whole:
        undone = next(n for n, seats in enumerate(chosen.seats) if len(seats) != chosen.passengers)
        return await seats_page(request, chosen, undone, faults)
    if (without := leg_without(node, chosen)) is not None:
        return await seats_page(request, chosen, without, {})
    booking, wait_ms = form.get("booking", ""), _wait_ms(form)
    if not re.match(BOOKING_PATTERN, booking):
        booking = new_booking_id()
    told = await node.bookings.hold(_order(booking, chosen), wait_ms)
    if isinstance(told, Refusal) and told.error == "booking-id-reused":
        # Back to the seats, and other ones chosen: what was held before is let go, and this is a new order.
        before = await node.bookings.read(booking)
        if isinstance(before, BookingView) and before.status in (Status.HOLDING, Status.HELD):
            await node.bookings.cancel(booking)
        booking = new_booking_id()
        told = await node.bookings.hold(_order(booking, chosen), wait_ms)
    if isinstance(told, Refusal):
        raise Refused(HTTPStatus.CONFLICT, _("These flights can no longer be sold together. Please search again."))
    go(f"/bookings/{booking}")


def _order(booking: BookingId, chosen: Chosen) -> Order:
    return Order(booking=booking, legs=chosen.legs, seats=chosen.seats, passengers=chosen.passengers)


def _wait_ms(form: MultiMapping[str]) -> Millis:
    return AT_ONCE_MS if "live" in form else PATIENT_MS


# ---- the page ----------------------------------------------------------------------------------------------------


async def show(request: web.Request) -> web.Response:
    booking = booking_in(request)
    view = await _known(desk(request), booking)
    return await _page(request, view, await _blank(request, view))


async def pay(request: web.Request) -> web.Response:
    """Names and payment at once: if all is well the order is confirmed, and this page shows it happen."""
    booking, form, node = booking_in(request), await read_form(request), desk(request)
    view = await _known(node, booking)
    if view.status is not Status.HELD:
        go(f"/bookings/{booking}")
    paid = payment.read(form, len(view.segments[0].seats))
    if paid.faults:
        return await _page(request, view, paid, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if account := (await visitor(request)).account:
        # Before it is bought: what is bought is then on the list of their trips, whatever happens in between.
        await node.people.trips.add(account.id, booking)
    await node.bookings.buy(booking, paid.travellers, _wait_ms(form))
    go(f"/bookings/{booking}")


async def _blank(request: web.Request, view: BookingView) -> payment.Paid:
    """The form with what is known already: who was named for this booking, else who is logged in."""
    passengers = len(view.segments[0].seats) or 1
    if names := await desk(request).bookings.names(view.booking):
        return payment.blank(passengers, names.passengers, names.email)
    if account := (await visitor(request)).account:
        return payment.blank(passengers, (account.name,), account.email)
    return payment.blank(passengers)


async def extend(request: web.Request) -> web.Response:
    """More time. The page's stream shows it; without scripts the page is drawn anew, with what was filled in."""
    booking, form, node = booking_in(request), await read_form(request), desk(request)
    await _known(node, booking)
    view = await node.bookings.extend(booking)
    if "HX-Request" in request.headers:
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if isinstance(view, Refusal) or view.status is not Status.HELD:
        go(f"/bookings/{booking}")
    # The press is answered before every carrier is; what they say a moment later is worth that moment.
    with node.house.watch(booking) as woken, suppress(TimeoutError):
        async with asyncio.timeout(EXTENSION_S):
            await woken.wait()
    filled = structs.replace(payment.read(form, len(view.segments[0].seats)), faults={})
    return await _page(request, await _known(node, booking), filled)


async def to_booking(request: web.Request) -> web.Response:
    """Whoever reloads a page that a form has led to."""
    go(f"/bookings/{booking_in(request)}")


async def let_go(request: web.Request) -> web.Response:
    """The traveller gives a hold back. What is bought is given back elsewhere, after a quote."""
    booking, node = booking_in(request), desk(request)
    view = await _known(node, booking)
    if view.status in (Status.HOLDING, Status.HELD):
        await node.bookings.cancel(booking)
    go(f"/bookings/{booking}")


async def _page(
    request: web.Request, view: BookingView, paid: payment.Paid, status: int = HTTPStatus.OK
) -> web.Response:
    return await render(
        request,
        "booking/page.html",
        status=status,
        mark=_mark(desk(request), view) if not _is_over(view) or _instead(desk(request), view) else None,
        look_again_s=LOOK_AGAIN_S if view.status in UNDER_WAY or view.pending else None,
        **_stage(desk(request), view, paid),
    )


def _stage(node: Desk, view: BookingView, paid: payment.Paid) -> Mapping[str, object]:
    """What the page and its stream draw a booking from."""
    passengers = len(view.segments[0].seats) or 1
    return {
        "view": view,
        "lanes": lanes(view, node.sale.silent()),
        "progress": PROGRESS,
        "Step": Step,
        "parts": timeline(view.segments, node.house.airports),
        "passengers": passengers,
        "paid": paid,
        "faults": paid.faults,
        "instead": _instead(node, view),
        "now": node.house.now(),
    }


# ---- live --------------------------------------------------------------------------------------------------------


async def live(request: web.Request) -> web.StreamResponse:
    """What becomes of a booking while somebody looks at it."""
    booking, node = booking_in(request), desk(request)
    await _known(node, booking)
    seen = request.headers.get("Last-Event-ID", read_query(request).get("since", ""))
    return await request.app[STREAMS].serve(request, _changes(request, node, booking, seen))


async def _changes(request: web.Request, node: Desk, booking: BookingId, seen: str) -> AsyncGenerator[str, None]:
    """The booking's stage, whenever it is another than the page has. After the beat too: a carrier may fall silent."""
    view = await _known(node, booking)
    with node.house.watch(booking) as woken:
        while True:
            woken.clear()
            view = await _known(node, booking)
            if (mark := _mark(node, view)) != seen:
                yield _drawn(request, node, view, seen, await _blank(request, view))
                seen = mark
            if _is_over(view):
                break
            yield await _beat(woken)
    # The booking itself stands still, and is no longer looked at; what is proposed in its place may go, or come free.
    with node.house.watch(*(segment.flight for segment in view.segments)) as woken:
        while view.status in (Status.REFUSED, Status.EXPIRED):
            woken.clear()
            if (mark := _mark(node, view)) != seen:
                yield _drawn(request, node, view, seen, await _blank(request, view))
                seen = mark
            yield await _beat(woken)
    yield event("", name="over")


async def _beat(woken: asyncio.Event) -> str:
    """Until something happens, or it is time for a sign of life."""
    with suppress(TimeoutError):
        async with asyncio.timeout(BEAT_S):
            await woken.wait()
    return BEAT


def _drawn(request: web.Request, node: Desk, view: BookingView, seen: str, paid: payment.Paid) -> str:
    # Only while somebody fills in the form is less than all of it drawn anew.
    whole = view.status is not Status.HELD or not seen.startswith(f"{Status.HELD}.")
    stage = _stage(node, view, paid)
    return event(fragment(request, "booking/changed.html", whole=whole, **stage), id=_mark(node, view))


def _is_over(view: BookingView) -> bool:
    """Nothing of it moves by itself any more, and a page need not watch."""
    return view.status not in (*UNDER_WAY, Status.HELD) and not view.pending


def _mark(node: Desk, view: BookingView) -> str:
    """What a page has seen: the status, and everything else that is drawn."""
    silent = [lane.carrier for lane in lanes(view, node.sale.silent()) if lane.silent]
    proposed = _instead(node, view)
    chosen = proposed.chosen.fields() if proposed else []
    return f"{view.status}.{sha256(msgspec.json.encode((view, silent, chosen))).hexdigest()[:16]}"


def _instead(node: Desk, view: BookingView) -> Instead | None:
    if view.status not in (Status.REFUSED, Status.EXPIRED):
        return None
    return instead(node, view, len(view.segments[0].seats) or 1)


async def _known(node: Desk, booking: BookingId) -> BookingView:
    told = await node.bookings.read(booking)
    if isinstance(told, Refusal):
        raise Refused(
            HTTPStatus.NOT_FOUND,
            _("No booking with this address is known at {name}.").format(name=node.house.carrier.name),
        )
    if not told.segments:  # It was asked about elsewhere before it came here, and so never came to anything.
        raise Refused(HTTPStatus.NOT_FOUND)
    return told


ROOM = Room(
    routes=(
        Route("POST", "/bookings", hold),
        Route("GET", "/bookings/{booking}", show),
        Route("GET", "/bookings/{booking}/live", live),
        Route("POST", "/bookings/{booking}/pay", pay),
        Route("POST", "/bookings/{booking}/extend", extend),
        Route("POST", "/bookings/{booking}/release", let_go),
        *(Route("GET", f"/bookings/{{booking}}/{form}", to_booking) for form in ("pay", "extend", "release")),
    )
)
