"""`passcom book`: buys an itinerary from a node as any partner's program would, over its public API.

The rule it shows: an order has one id, made before it is first sent. Whatever goes wrong on the way (a reset, a
timeout, a node that restarts) the same order goes out again under the same id until its outcome is known, so
that asking twice never buys twice; and "refused" is never said when the truth is "not known yet".
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple, TypeVar

import aiohttp
import msgspec
import orjson
from msgspec import Struct
from rich.console import Console

from airline_node.book.screen import local, reais, say, show_booking, show_options
from airline_node.book.shapes import Booking, Itineraries, Itinerary, Problem
from airline_node.timetable import Timetable, load
from ledger.messages import Status
from ledger.terms import AirportCode, BookingId, Millis
from ui.ids import new_booking_id

SEARCH_DAYS = 30
"""How far ahead an itinerary is looked for when no date is given."""
ANSWER_MS_MAX: Millis = 15_000
OUTCOME_MS_MAX: Millis = 60_000
"""How long the outcome is asked for. A coordinator decides in ten seconds; the rest is for one that restarts."""
RECORDED_MS_MAX: Millis = 3_000
"""How long a decided order is watched while the carriers record it."""
PAUSE_MS: Millis = 200
PAUSE_MS_MAX: Millis = 5_000
ANSWER_BYTES_MAX = 4 * 2**20
ASK_AGAIN = (408, 429)
"""These say "not now"; to any other 4xx the same order would hear the same again."""
JSON = {"Content-Type": "application/json"}

Ask = Callable[[str], str]
"""Puts a question to a person and returns the answer."""
T = TypeVar("T")


class Order(Struct, frozen=True, kw_only=True):
    """What the command line asks for. `choice` counts from 1, as the options are shown."""

    origin: AirportCode
    destination: AirportCode
    passengers: int
    day: date | None = None
    names: tuple[str, ...] = ()
    email: str | None = None
    choice: int | None = None
    yes: bool = False
    hold_only: bool = False


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    REFUSED = 1
    TROUBLE = 2
    UNKNOWN = 3


class Reply(NamedTuple):
    status: int
    body: bytes


class Outcome(NamedTuple):
    """`raw` is the node's own answer, if it was one that settled the matter."""

    code: Exit
    answer: Booking | Problem
    raw: bytes | None = None


class BookTrouble(Exception):
    """The order was never sent: nothing was bought, and the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


# ---- from the command line to the outcome ------------------------------------------------------------------------


def book(
    order: Order, at: str, console: Console, ask: Ask | None, now: Callable[[], Millis], *, as_json: bool = False
) -> Exit:
    """Finds an itinerary at the node at `at`, lets a person choose it, buys or holds it, and says what happened.

    Without `ask` nobody can be asked, and what is not on the command line is missing. With `as_json` the outcome
    is one JSON object on stdout and `console` must be another stream.
    """
    try:
        outcome = _book(order, at.rstrip("/"), console, ask, now)
    except BookTrouble as trouble:
        outcome = Outcome(Exit.TROUBLE, trouble.problem)
    except (KeyboardInterrupt, EOFError):
        outcome = Outcome(Exit.TROUBLE, _no("not-confirmed", "Nothing was bought."))
    if as_json:
        print((outcome.raw or orjson.dumps(msgspec.to_builtins(outcome.answer))).decode(), flush=True)
    elif isinstance(outcome.answer, Problem):
        say(console, outcome.answer.detail)
    else:
        show_booking(outcome.answer, at.rstrip("/"), console)
    return outcome.code


def _book(order: Order, at: str, console: Console, ask: Ask | None, now: Callable[[], Millis]) -> Outcome:
    if ask is None and order.yes:
        _require(len(order.names) == order.passengers, "who-travels", "Give each passenger with --name.")
        _require(order.email is not None, "no-contact", "Give an address for the tickets with --email.")
    timetable = load()
    day, found = asyncio.run(_find(order, at, timetable, now()))
    where = f"from {order.origin} to {order.destination}"
    if not found.itineraries:
        when = f"on {day}" if order.day else f"in the {SEARCH_DAYS} days up to {day}"
        return Outcome(Exit.REFUSED, _no("no-itinerary", f"There is no itinerary {where} {when}."))
    show_options(f"{where} on {day:%a %Y-%m-%d}", found, order.passengers, timetable, console)
    if ask is None and not order.yes:
        raise BookTrouble(_no("not-confirmed", "Nothing was bought: nobody can be asked here. Add --yes to buy."))
    chosen = _choose(order, found.itineraries, ask)
    body = _body(order, chosen, ask)
    booking = new_booking_id()
    say(console, f"{'Holding' if order.hold_only else 'Buying'} it as booking {booking} ...")
    try:
        return asyncio.run(_place_and_follow(at, booking, body, hold_only=order.hold_only))
    except KeyboardInterrupt:
        return _not_known(at, booking)


async def _place_and_follow(at: str, booking: BookingId, body: bytes, *, hold_only: bool) -> Outcome:
    """The outcome, and once it is bought, for a moment, how the carriers record it."""
    outcome = await _place(at, booking, body, hold_only=hold_only)
    if hold_only:
        return outcome
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(RECORDED_MS_MAX / 1000), _session() as http:
            while isinstance(outcome.answer, Booking) and outcome.answer.pending:
                await asyncio.sleep(PAUSE_MS / 1000)
                reply = await _exchange(http.get(f"{at}/api/bookings/{booking}", allow_redirects=False))
                outcome = _outcome(reply, hold_only=hold_only) or outcome
    return outcome


def _choose(order: Order, options: Sequence[Itinerary], ask: Ask | None) -> Itinerary:
    choice = str(order.choice or 1)
    if order.choice is None and not order.yes and ask is not None:
        choice = ask(f"Which one? 1 to {len(options)}: ")
    _require(choice.isdecimal() and 1 <= int(choice) <= len(options), "no-such-option", f"There is no option {choice}.")
    chosen = options[int(choice) - 1]
    if not order.yes and ask is not None:
        what = "Hold" if order.hold_only else "Buy"
        answer = ask(f"{what} option {choice} for {reais(chosen.price)}? (yes/no) ")
        _require(answer.strip().lower() in ("y", "yes"), "not-confirmed", "Nothing was bought.")
    return chosen


def _body(order: Order, chosen: Itinerary, ask: Ask | None) -> bytes:
    """The order as the API wants it; who travels and where to write is asked if it was not said."""
    names, email = list(order.names), order.email
    if ask is not None:
        names += [ask(f"Name of passenger {n}: ") for n in range(len(names) + 1, order.passengers + 1)]
        email = email or ask("E-mail for the tickets: ")
    wanted = {
        "segments": [{"flight": flight.flight, "seats": order.passengers} for flight in chosen.segments],
        "passengers": [{"name": name} for name in names],
        "contact": {"email": email},
        "confirm": not order.hold_only,
    }
    return orjson.dumps(wanted)


# ---- with the node ---------------------------------------------------------------------------------------------


async def _find(order: Order, at: str, timetable: Timetable, now: Millis) -> tuple[date, Itineraries]:
    """The itineraries of the day that was named, or of the first day from tomorrow on that has any."""
    today = local(datetime.fromtimestamp(now // 1000, UTC), order.origin, timetable).date()
    days = [order.day] if order.day else [today + timedelta(n) for n in range(1, SEARCH_DAYS + 1)]
    async with _session() as http:
        for day in days:
            found = await _search(http, at, order, day)
            if found.itineraries:
                break
    return day, found


async def _search(http: aiohttp.ClientSession, at: str, order: Order, day: date) -> Itineraries:
    places = {"origin": order.origin, "destination": order.destination}
    query = places | {"date": str(day), "passengers": str(order.passengers)}
    try:
        reply = await _exchange(http.get(f"{at}/api/itineraries", params=query, allow_redirects=False))
    except aiohttp.ClientConnectorError:
        raise BookTrouble(_no("no-node", f"No node answers at {at}. Start some with: passcom up")) from None
    except (aiohttp.ClientError, TimeoutError) as wrong:
        raise BookTrouble(_no("no-answer", f"No answer from {at}: {str(wrong) or 'it took too long'}")) from None
    found = _decoded(reply, Itineraries) if reply.status == 200 else None
    if found is None:
        raise BookTrouble(_decoded(reply, Problem) or _no("no-answer", f"What answers at {at} is no PASSCOM node."))
    return found


async def _place(at: str, booking: BookingId, body: bytes, *, hold_only: bool) -> Outcome:
    """Sends the order until its outcome is known, always under the same id, or for `OUTCOME_MS_MAX`."""
    sent = voided = 0
    problem: Problem | None = None
    pause_ms = PAUSE_MS

    async def count(*_: object) -> None:
        nonlocal sent
        sent += 1

    # Counted where it happens: the client library by itself sends a PUT again when a connection breaks.
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(count)
    with suppress(TimeoutError):
        async with asyncio.timeout(OUTCOME_MS_MAX / 1000), _session(trace) as http:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    put = http.put(f"{at}/api/bookings/{booking}", data=body, headers=JSON, allow_redirects=False)
                    reply = await _exchange(put)
                    if outcome := _outcome(reply, hold_only=hold_only):
                        return outcome
                    problem = _decoded(reply, Problem)
                    voided += (known := problem is not None and problem.known)
                    if known and 400 <= reply.status < 500 and reply.status not in ASK_AGAIN:
                        break
                await asyncio.sleep(pause_ms / 1000)
                pause_ms = min(2 * pause_ms, PAUSE_MS_MAX)
    if sent > voided:  # one that nobody answered for may have been carried out
        return _not_known(at, booking)
    return Outcome(Exit.TROUBLE, problem or _no("no-node", f"No node answers at {at} any more. Nothing was bought."))


def _outcome(reply: Reply, *, hold_only: bool) -> Outcome | None:
    """What became of the order, if the reply says it. A held seat is no outcome when it was to be bought."""
    if reply.status in (200, 201):
        booking = _decoded(reply, Booking)
        done = (Status.CONFIRMED, Status.HELD) if hold_only else (Status.CONFIRMED,)
        return Outcome(Exit.DONE, booking, reply.body) if booking and booking.status in done else None
    problem = _decoded(reply, Problem) if reply.status == 409 else None
    return Outcome(Exit.REFUSED, problem, reply.body) if problem and problem.known else None


def _not_known(at: str, booking: BookingId) -> Outcome:
    detail = f"Not known yet whether it was bought. Do not book again; look at {at}/api/bookings/{booking}"
    return Outcome(Exit.UNKNOWN, Problem(error="not-known", detail=detail, known=False, booking=booking))


def _session(*traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=ANSWER_MS_MAX / 1000)
    return aiohttp.ClientSession(timeout=timeout, trace_configs=list(traces))


async def _exchange(request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Reply:
    """Raises `aiohttp.ClientError` or `TimeoutError`: the request may have arrived all the same."""
    async with request as answer:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(2**16):
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                raise aiohttp.ClientPayloadError("the answer is too long")
        return Reply(answer.status, bytes(body))


def _decoded(reply: Reply, shape: type[T]) -> T | None:
    try:
        return msgspec.json.decode(reply.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _no(error: str, detail: str) -> Problem:
    return Problem(error=error, detail=detail, known=True)


def _require(condition: bool, error: str, detail: str) -> None:
    if not condition:
        raise BookTrouble(_no(error, detail))
