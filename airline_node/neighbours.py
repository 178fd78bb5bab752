"""What carriers tell one another about themselves, for the other's operators: how they are, and one booking's claim.

    GET /vitals                             how this node is
    GET /claim?flight=...&booking=...       this carrier's events of one booking on one of its flights

Both are for peers' certificates only. The second tells nothing that `/log` does not tell. The answers are for people to
look at: nothing is decided by them, and a neighbour that lies about itself deceives nobody but its own callers.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from airline_node.certificates import peer_host_name
from airline_node.door import JOURNAL, query, respond_with
from airline_node.peer_client import TooLong, body_of, open_session
from airline_node.peer_routes import who
from ledger.events import AnyFlightEvent, flight_stream
from ledger.messages import CheckedBooking, CheckedFlight
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, carrier_of
from ui.operations import Vitals

ASK_MS_MAX: Millis = 1_000
"""A page waits no longer for a neighbour."""
KEEP_MS: Millis = 900
"""An answer serves every page that asks within this time."""
ANSWER_BYTES_MAX = 256 * 1024
CLAIM_EVENTS_MAX = 200
"""Nine passengers' seats, held, pledged, sold and returned, are 36."""

VITALS: web.AppKey[Callable[[], Vitals]] = web.AppKey("vitals")
T = TypeVar("T")


class ClaimWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    flight: CheckedFlight
    booking: CheckedBooking


class ClaimAnswer(Struct, frozen=True):
    events: Annotated[tuple[AnyFlightEvent, ...], Meta(max_length=CLAIM_EVENTS_MAX)]


_VITALS = msgspec.json.Decoder(Vitals)
_CLAIM = msgspec.json.Decoder(ClaimAnswer)


class Unheard(Exception):
    """A neighbour did not tell. The text is a few words."""


# ---- told -----------------------------------------------------------------------------------------------------------


def add_neighbour_routes(app: web.Application) -> None:
    """Serve them on the peers' application, which holds `VITALS` and `JOURNAL` by its first request."""
    app.add_routes([web.get("/vitals", read_vitals), web.get("/claim", read_claim)])


async def read_vitals(request: web.Request) -> web.Response:
    who(request)
    return respond_with(request.app[VITALS]())


async def read_claim(request: web.Request) -> web.Response:
    who(request)
    wanted = query(request, ClaimWanted)
    stream = flight_stream(wanted.flight)
    found = (await request.app[JOURNAL].read([stream]))[stream]
    events = (one.event for one in found if getattr(one.event, "booking", None) == wanted.booking)
    return respond_with({"events": tuple(msgspec.to_builtins(event) for event in events)[-CLAIM_EVENTS_MAX:]})


# ---- asked ----------------------------------------------------------------------------------------------------------


class Neighbours:
    """The other carriers, asked when somebody looks, and otherwise left in peace."""

    def __init__(self, addresses: Mapping[CarrierCode, str], tls: ssl.SSLContext) -> None:
        self._addresses = {carrier: address.rstrip("/") for carrier, address in addresses.items()}
        self._tls = tls
        self._asked: asyncio.Task[Mapping[CarrierCode, Vitals | Unheard]] | None = None
        self._asked_at = 0.0

    async def vitals(self) -> Mapping[CarrierCode, Vitals | Unheard]:
        """How each of them says it is. Pages that ask together share one question."""
        now = asyncio.get_running_loop().time()
        if self._asked is None or now - self._asked_at > KEEP_MS / 1000:
            self._asked, self._asked_at = asyncio.create_task(self._ask_all()), now
        return await asyncio.shield(self._asked)

    async def claim(self, booking: BookingId, flight: FlightId) -> tuple[AnyFlightEvent, ...]:
        """What the flight's carrier has of a booking on it. Raises `Unheard`."""
        told = await self._ask(carrier_of(flight), "/claim", {"flight": flight, "booking": booking}, _CLAIM)
        if any((event.flight, getattr(event, "booking", booking)) != (flight, booking) for event in told.events):
            raise Unheard("it told of something else")
        return told.events

    async def _ask_all(self) -> Mapping[CarrierCode, Vitals | Unheard]:
        async def one(carrier: CarrierCode) -> Vitals | Unheard:
            try:
                return await self._ask(carrier, "/vitals", {}, _VITALS)
            except Unheard as unheard:
                return unheard

        told = await asyncio.gather(*(one(carrier) for carrier in self._addresses))
        return dict(zip(self._addresses, told, strict=True))

    async def _ask(
        self, carrier: CarrierCode, path: str, params: Mapping[str, str], decoder: msgspec.json.Decoder[T]
    ) -> T:
        if carrier not in self._addresses:
            raise Unheard("no address is configured for it")
        try:
            async with (
                asyncio.timeout(ASK_MS_MAX / 1000),
                open_session(self._tls, None) as session,
                session.get(
                    f"{self._addresses[carrier]}{path}",
                    params=params,
                    server_hostname=peer_host_name(carrier),
                    allow_redirects=False,
                ) as answer,
            ):
                body = await body_of(answer, ANSWER_BYTES_MAX)
        except TimeoutError:
            raise Unheard(f"no answer within {ASK_MS_MAX} ms") from None
        except TooLong as trouble:
            raise Unheard(str(trouble)) from None
        except (aiohttp.ClientError, OSError) as trouble:
            raise Unheard("it cannot be reached") from trouble
        if answer.status != 200:
            raise Unheard(f"it answers {answer.status}")
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise Unheard("its answer cannot be read") from fault
