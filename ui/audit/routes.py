"""The auditors' pages. Every one of them asks first whether this is an auditor; nothing here changes anything."""

import csv
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from io import StringIO
from typing import Any

import msgspec
import orjson
from aiohttp import web
from multidict import MultiMapping

from ledger.events import BookingEvent, BookingOpened, flight_stream, stream_of
from ledger.history import BookingThen
from ledger.settlement import Coupon
from ledger.terms import BOOKING_PATTERN, FLIGHT_PATTERN, Millis, carrier_of, locator_of
from ledger.tree import leaf_hash, leaf_of
from ui.audit import sieve as sieves
from ui.audit.instant import booking_words, instant, millis, month_of, number_at, state_words, utc, utc_seconds, what
from ui.audit.sieve import PAGE
from ui.language import gettext as _
from ui.logbook import Entry, LogBook
from ui.page import Refused, booking_in, desk, go, read_query, render
from ui.room import Room, Route
from ui.visitor import Role, require, visitor

POSITION_MAX = 10**15
DAY_MS: Millis = 24 * 3_600_000
COUPONS_SHOWN = 500
WORDS: Mapping[str, Any] = {
    "what": what,
    "utc": utc,
    "utc_seconds": utc_seconds,
    "state_words": state_words,
    "booking_words": booking_words,
}
"""What the templates of this room call."""


async def home(request: web.Request) -> web.Response:
    """How far the log is proved, and the ways into it."""
    book = await _book(request)
    query = read_query(request)
    if wanted := query.get("find", ""):
        _find(wanted)
    return await render(
        request, "audit/home.html", proof=await book.proof(), wanted=wanted, unknown=bool(wanted), **WORDS
    )


def _find(wanted: str) -> None:
    """A flight, a booking or a position: go there."""
    if re.fullmatch(FLIGHT_PATTERN, wanted.upper()):
        go(f"/audit/flight/{wanted.upper()}")
    if re.fullmatch("[0-9]{1,15}", wanted):
        go(f"/audit/event/{wanted}")
    if re.fullmatch(BOOKING_PATTERN, wanted):
        go(f"/audit/booking/{wanted}")


async def log(request: web.Request) -> web.Response:
    """The log, some events at a time; each filter is in the address."""
    book, query = await _book(request), read_query(request)
    sieve, me = sieves.read(query), desk(request).house.carrier.code
    faults, page = sieves.faults(sieve, me), None
    end = await book.end()
    if not faults:
        after = await _after(book, query, sieve)
        found = await sieves.sifted(book, sieve, me)
        if found is None:
            page = await _excerpt(book, sieve, after, end)
        elif sieve.flight and not found and not await book.stream(flight_stream(sieve.flight)):
            faults = {"flight": _("This airline has never put such a flight on sale.")}
        elif not found and not sieve.flight and not sieve.tags:
            faults = {"booking": _("This airline took no such booking. Name its flight too, if it was another one's.")}
        else:
            page = sieves.page_of(found, after)
    return await render(
        request,
        "audit/log.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        page=page,
        sieve=sieve,
        end=end,
        faults=faults,
        tags=list(sieves.TAGS),
        stream_of=stream_of,
        **WORDS,
    )


async def _after(book: LogBook, query: MultiMapping[str], sieve: sieves.Sieve) -> int | None:
    """Where a page begins, if that is said: after a position, or else at an instant."""
    if "after" in query:
        return _number(query["after"])
    return None if sieve.moment is None else await book.position_at(sieve.moment - 1)


async def _excerpt(book: LogBook, sieve: sieves.Sieve, after: int | None, end: int) -> sieves.Page:
    """A page of the whole log, which is too long to be sifted here: what is before it is counted in positions."""
    newest = max(0, end - PAGE)
    start = newest if after is None else after
    found = await book.excerpt(start, PAGE, sieve.tags)
    if after is None and not found.entries:
        start, found = 0, await book.excerpt(0, PAGE, sieve.tags)  # A rare kind may have none among the newest.
    earlier = max(0, start - PAGE) if start else None
    return sieves.Page(found.entries, earlier, found.entries[-1].position if found.more else None, newest)


async def event(request: web.Request) -> web.Response:
    """One event, for ever at this address: as it is stored, and the hash that it has in the log's tree."""
    book, position = await _book(request), _number(request.match_info["position"])
    found = await book.excerpt(position - 1, 1, ()) if position else None
    entry = found.entries[0] if found and found.entries else None
    if entry is None or entry.position != position:
        raise Refused(HTTPStatus.NOT_FOUND, _("This log has no event at that position."))
    return await render(
        request,
        "audit/event.html",
        entry=entry,
        tag=_tag(entry),
        stream=stream_of(entry.event),
        body=orjson.dumps(msgspec.to_builtins(entry.event), option=orjson.OPT_INDENT_2).decode(),
        leaf=_leaf(entry).hex(),
        end=await book.end(),
        **WORDS,
    )


def _tag(entry: Entry) -> str:
    return str(type(entry.event).__struct_config__.tag)


def _leaf(entry: Entry) -> bytes:
    body = orjson.dumps(msgspec.to_builtins(entry.event))
    return leaf_hash(leaf_of(_tag(entry), stream_of(entry.event), entry.version, body))


async def flight(request: web.Request) -> web.Response:
    """A flight's seats after the N-th of its events, or at an instant: the page that the scrubber moves through."""
    book, query = await _book(request), read_query(request)
    number = f"{request.match_info['number']}/{request.match_info['date']}"
    if not re.fullmatch(FLIGHT_PATTERN, number):
        raise Refused(HTTPStatus.NOT_FOUND)
    house = desk(request).house
    if carrier_of(number) != house.carrier.code:
        raise Refused(HTTPStatus.NOT_FOUND, _("This flight is another airline's: its log is at that airline's site."))
    entries = await book.stream(flight_stream(number))
    if not entries:
        raise Refused(HTTPStatus.NOT_FOUND, _("This airline has never put such a flight on sale."))
    at = query.get("at", "")
    moment = millis(at) if at else None
    chosen = _number(query.get("n", "")) if moment is None else number_at(entries, moment)
    chosen = min(max(chosen or len(entries), 1), len(entries))
    shown = instant(entries, chosen)
    return await render(
        request, "audit/flight.html", flight=number, shown=shown, at=at, bad_at=bool(at) and moment is None, **WORDS
    )


async def booking(request: web.Request) -> web.Response:
    """A booking's life, as far as this log tells it."""
    book, name = await _book(request), booking_in(request)
    entries, then = await sieves.life(book, name, desk(request).house.carrier.code), BookingThen()
    for entry in entries:
        if isinstance(entry.event, BookingEvent):
            then.hear(entry.event)
    if not entries:
        if sieves.names_own(flight := read_query(request).get("flight", ""), desk(request).house.carrier.code):
            go("/audit/log", [("flight", flight), ("booking", name)])  # Another airline's, which flies on it.
        raise Refused(
            HTTPStatus.NOT_FOUND, _("This airline took no such booking. Look at the site of the airline that did.")
        )
    opened = next((e.event for e in entries if isinstance(e.event, BookingOpened)), None)
    return await render(
        request,
        "audit/booking.html",
        booking=name,
        locator=locator_of(name),
        then=then,
        opened=opened,
        entries=entries,
        stream_of=stream_of,
        **WORDS,
    )


async def settlement(request: web.Request) -> web.StreamResponse:
    """What this airline owes and is owed for a period, as its own log says it; also as CSV."""
    book, query = await _book(request), read_query(request)
    first, last = month_of(datetime.fromtimestamp(desk(request).house.now() / 1000, UTC).date())
    start, end = _day(query.get("from", "")) or first, _day(query.get("to", "")) or last
    if end < start or end - start > timedelta(days=366):
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, _("Choose a period of a day to a year."))
    settled = await book.settlement(_midnight(start), _midnight(end) + DAY_MS)
    if query.get("as") == "csv":
        name = f"settlement-{desk(request).house.carrier.code}-{start}-{end}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(text=_csv(settled.coupons), content_type="text/csv", charset="utf-8", headers=headers)
    return await render(
        request,
        "audit/settlement.html",
        settled=settled,
        start=start,
        end=end,
        me=desk(request).house.carrier.code,
        shown=settled.coupons[:COUPONS_SHOWN],
        **WORDS,
    )


def _csv(coupons: tuple[Coupon, ...]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        (
            "debtor",
            "creditor",
            "fare_centavos",
            "ticket",
            "coupon",
            "flight",
            "seat",
            "booking",
            "sold_at",
            "decided_at",
        )
    )
    for c in coupons:
        places = tuple(f"{one.carrier}:{one.position}" if one else "" for one in (c.sold, c.decided))
        writer.writerow((c.debtor, c.creditor, c.fare, c.ticket, c.coupon, c.flight, c.seat, c.booking, *places))
    return text.getvalue()


async def _book(request: web.Request) -> LogBook:
    await require(request, Role.AUDITOR)
    return desk(request).log


def _number(text: str) -> int:
    return min(int(text), POSITION_MAX) if re.fullmatch("[0-9]{1,18}", text) else 0


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _midnight(day: date) -> Millis:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


async def _who(request: web.Request) -> Mapping[str, object]:
    return {"may_audit": (await visitor(request)).may(Role.AUDITOR)}


ROOM = Room(
    routes=(
        Route("GET", "/audit", home),
        Route("GET", "/audit/log", log),
        Route("GET", "/audit/event/{position}", event),
        Route("GET", "/audit/flight/{number}/{date}", flight),
        Route("GET", "/audit/booking/{booking}", booking),
        Route("GET", "/audit/settlement", settlement),
    ),
    header="audit/header.html",
    context=_who,
)
