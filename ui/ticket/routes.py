"""The pages of what was bought. Whoever has a booking's address may see it, print it and give it back."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import web

from ledger.events import AnyBookingEvent
from ledger.messages import BookingView, Refusal, SegmentView, Status
from ledger.terms import FlightId, Millis, SeatNo, TicketNo
from ui.desk import Airport, Carrier, Desk
from ui.figures import days_later, duration, local
from ui.language import gettext as _
from ui.page import Refused, booking_in, desk, go, read_form, render
from ui.room import Room, Route
from ui.ticket import boarding, calendar
from ui.ticket.history import bought_at, cancelled_at, history
from ui.ticket.refund import Quote, quote

HERE = ZoneInfo("America/Sao_Paulo")
"""What happened to an order is told in Brasília's time: it happened at no airport."""
BOUGHT = frozenset({Status.CONFIRMED, Status.CANCELLED})


class Flight(NamedTuple):
    """One segment as it is printed. `wait_minutes` is the time at its destination until the next one leaves."""

    flight: FlightId
    carrier: Carrier
    origin: Airport
    destination: Airport
    departure: Millis
    arrival: Millis
    seats: tuple[SeatNo, ...]
    minutes: int
    wait_minutes: int | None
    recorded: bool

    @property
    def number(self) -> str:
        return self.flight.partition("/")[0]

    @property
    def overnight(self) -> int:
        """Days later, by the airports' calendars, that it lands."""
        return days_later(self.arrival, self.destination.zone, local(self.departure, self.origin.zone).date())


class Pass(NamedTuple):
    """One passenger's coupon for one flight."""

    passenger: str
    ticket: TicketNo
    coupon: int
    flight: Flight
    seat: SeatNo
    picture: boarding.Picture


# ---- pages -------------------------------------------------------------------------------------------------------


async def show(request: web.Request) -> web.Response:
    node, view = desk(request), await _bought(request)
    events = await node.history.of(view.booking)
    names = await node.bookings.names(view.booking)
    flights = tuple(_flights(view, node))
    given_back = cancelled_at(events)
    return await render(
        request,
        "ticket/page.html",
        view=view,
        cancelled=view.status is Status.CANCELLED,
        flights=flights,
        passes=list(_passes(view, flights, names.passengers if names else ())),
        names=names,
        happened=list(history(events, node.house.carriers)),
        here_zone=HERE,
        refunded=_quote(view, events, node, given_back) if given_back is not None else None,
        quote=_quote(view, events, node, node.house.now()) if view.status is Status.CONFIRMED else None,
        proved=node.log.signs,
    )


async def trip_file(request: web.Request) -> web.Response:
    """For the traveller's own calendar."""
    node, view = desk(request), await _bought(request)
    cancelled = view.status is Status.CANCELLED
    legs = [_leg(view, flight, node) for flight in _flights(view, node)]
    return web.Response(
        body=calendar.calendar(legs, cancelled=cancelled, now=node.house.now()),
        headers={
            "Content-Type": "text/calendar; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{view.locator}.ics"',
        },
    )


async def show_quote(request: web.Request) -> web.Response:
    return await _quote_page(request, await _bought(request))


async def cancel(request: web.Request) -> web.Response:
    """Give it back at the quote that the traveller has seen: if another rule has come into force, they see it first."""
    view, form, node = await _bought(request), await read_form(request), desk(request)
    if view.status is Status.CANCELLED:
        go(f"/bookings/{view.booking}/ticket")
    events = await node.history.of(view.booking)
    now = _quote(view, events, node, node.house.now())
    if now is None or form.get("refund") != str(now.refund):
        return await _quote_page(request, view, changed=True)
    if not isinstance(await node.bookings.cancel(view.booking), Refusal):
        go(f"/bookings/{view.booking}/ticket")
    return await _quote_page(request, await _bought(request), changed=True)


async def _quote_page(request: web.Request, view: BookingView, *, changed: bool = False) -> web.Response:
    node = desk(request)
    if view.status is Status.CANCELLED:
        go(f"/bookings/{view.booking}/ticket")
    events = await node.history.of(view.booking)
    flights = tuple(_flights(view, node))
    return await render(
        request,
        "ticket/cancel.html",
        status=HTTPStatus.CONFLICT if changed else HTTPStatus.OK,
        view=view,
        flights=flights,
        quote=_quote(view, events, node, node.house.now()),
        changed=changed,
        first=flights[0],
    )


# ---- what they show ----------------------------------------------------------------------------------------------


async def _bought(request: web.Request) -> BookingView:
    """The booking, if it was ever bought; if not, the way to its own page."""
    booking = booking_in(request)
    view = await desk(request).bookings.read(booking)
    if isinstance(view, Refusal):
        raise Refused(HTTPStatus.NOT_FOUND, _("We know no booking with this address."))
    if view.status not in BOUGHT or not view.tickets:
        go(f"/bookings/{booking}")
    return view


def _quote(view: BookingView, events: tuple[AnyBookingEvent, ...], node: Desk, now: Millis) -> Quote | None:
    at, first = bought_at(events), view.segments[0]
    if at is None:
        return None
    zone = node.house.airports[first.origin].zone
    return quote(price=view.total, bought_at=at, departure=first.departure, zone=zone, now=now)


def _flights(view: BookingView, node: Desk) -> Iterator[Flight]:
    airports: Mapping[str, Airport] = node.house.airports
    for segment, after in pairwise((*view.segments, None)):
        assert segment is not None
        yield Flight(
            flight=segment.flight,
            carrier=node.house.carriers[segment.carrier],
            origin=airports[segment.origin],
            destination=airports[segment.destination],
            departure=segment.departure,
            arrival=segment.arrival,
            seats=segment.seats,
            minutes=(segment.arrival - segment.departure) // 60_000,
            wait_minutes=None if after is None else (after.departure - segment.arrival) // 60_000,
            recorded=_recorded(segment),
        )


def _recorded(segment: SegmentView) -> bool:
    return segment.state not in ("asked", "held")


def _passes(view: BookingView, flights: tuple[Flight, ...], names: tuple[str, ...]) -> Iterator[Pass]:
    """Passenger by passenger. Names that were erased are not on it; the ticket's number still is."""
    for place, ticket in enumerate(view.tickets):
        name = names[place] if place < len(names) else ""
        for number, flight in enumerate(flights, 1):
            coupon = boarding.Coupon(
                passenger=name,
                locator=view.locator,
                origin=flight.origin.code,
                destination=flight.destination.code,
                flight=flight.flight,
                seat=flight.seats[place],
                number=number,
            )
            drawn = boarding.picture(boarding.boarding_code(coupon))
            yield Pass(name, ticket, number, flight, flight.seats[place], drawn)


def _leg(view: BookingView, flight: Flight, node: Desk) -> calendar.Leg:
    words = (
        _("Locator {locator}").format(locator=view.locator),
        _("Seats: {seats}").format(seats=", ".join(flight.seats)),
        _("Flown by {airline}").format(airline=flight.carrier.name),
        _("Flight time {time}").format(time=duration(flight.minutes)),
        f"{node.people.site}/bookings/{view.booking}/ticket",
    )
    return calendar.Leg(
        uid=f"{view.booking}-{flight.number}@{node.house.carrier.code.lower()}.passcom",
        title=f"{flight.number} {flight.origin.city} – {flight.destination.city}",
        place=flight.origin.label,
        words="\n".join(words),
        departure=flight.departure,
        departs_in=flight.origin.zone,
        arrival=flight.arrival,
        arrives_in=flight.destination.zone,
    )


ROOM = Room(
    routes=(
        Route("GET", "/bookings/{booking}/ticket", show),
        Route("GET", "/bookings/{booking}/trip.ics", trip_file),
        Route("GET", "/bookings/{booking}/cancel", show_quote),
        Route("POST", "/bookings/{booking}/cancel", cancel),
    )
)
