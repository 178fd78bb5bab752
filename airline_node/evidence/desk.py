"""Where receipts are made out: by the coordinator, from its own log and those of the carriers that fly the booking."""

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, Protocol

import aiohttp
import msgspec
from msgspec import Struct

from airline_node.certificates import peer_host_name
from airline_node.evidence.notary import Notary
from airline_node.evidence.receipts import EVENTS_MAX, FORMAT, LogReceipt, ProvedEvent, Receipt, proved_event
from airline_node.peer_client import body_of, open_session
from airline_node.rows import DECODER
from ledger.events import BookingOpened, StreamName, booking_stream, flight_stream
from ledger.terms import BookingId, CarrierCode, FlightId, carrier_of, locator_of
from ledger.tree import leaf_hash

COVER_MS: Final = 2_500
"""How long a receipt may wait for a checkpoint that covers it, and for its cosignatures."""
PEER_MS_MAX: Final = 4_000
REQUESTS_MAX: Final = 8
"""Under way at once, to all carriers together; more wait."""
ANSWER_BYTES_MAX: Final = 1024 * 1024

log = logging.getLogger(__name__)


class PeerReceipt(Struct, frozen=True):
    """A carrier's part of a receipt; null while it has not signed that far."""

    log: LogReceipt | None


class Evidence(Protocol):
    """What is asked of the journal."""

    async def evidence(self, streams: Sequence[StreamName]) -> list[tuple[int, bytes]]: ...


_PEER_RECEIPT = msgspec.json.Decoder(PeerReceipt)


class ReceiptDesk:
    """Makes receipts out. `start` it before the first is asked for, `close` it at the end."""

    def __init__(
        self,
        carrier: CarrierCode,
        notary: Notary,
        journal: Evidence,
        addresses: Mapping[CarrierCode, str],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._carrier = carrier
        self._notary = notary
        self._journal = journal
        self._addresses = addresses
        self._tls = tls
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        self._session = open_session(self._tls, PEER_MS_MAX, limit=REQUESTS_MAX)
        self._opened.push_async_callback(self._session.close)

    async def close(self) -> None:
        await self._opened.aclose()

    async def receipt(self, booking: BookingId) -> Receipt | None:
        """Of a booking that was taken here; None if none was. Waits up to `PEER_MS_MAX` for who is slow."""
        events = await self._journal.evidence([booking_stream(booking)])
        if not events:
            return None
        flights = _flights(events)
        others = sorted({carrier_of(flight) for flight in flights} - {self._carrier})
        asked = [self._ask(carrier, booking, flights) for carrier in others]
        own, *theirs = await asyncio.gather(self.own(booking, flights, events), *asked)
        logs = dict(zip((self._carrier, *others), (own, *theirs), strict=True))
        return Receipt(
            format=FORMAT,
            booking=booking,
            locator=locator_of(booking),
            logs=tuple(part for part in logs.values() if part),
            missing=tuple(carrier for carrier, part in logs.items() if part is None),
        )

    async def own(
        self, booking: BookingId, flights: Sequence[FlightId], events: Sequence[tuple[int, bytes]] = ()
    ) -> LogReceipt | None:
        """What this carrier's log has of a booking on these flights; None if nothing of it is signed yet."""
        mine = [flight_stream(flight) for flight in flights if carrier_of(flight) == self._carrier]
        told = [event for event in await self._journal.evidence(mine) if _is_of(booking, event[1])] if mine else []
        found = [*events, *told][:EVENTS_MAX]
        places = [(self._notary.index_of(leaf_hash(leaf), position), leaf) for position, leaf in found]
        indexed = [(index, leaf) for index, leaf in places if index is not None]
        if not indexed:
            return None
        note = await self._notary.covering(max(index for index, _ in indexed) + 1, COVER_MS)
        if note is None:
            return None
        proved: list[ProvedEvent] = []
        for index, leaf in sorted(indexed):
            if (proof := self._notary.inclusion(index, note.checkpoint)) is None:
                return None
            proved.append(proved_event(index, leaf, proof))
        return LogReceipt(self._carrier, str(note), tuple(proved))

    async def _ask(self, carrier: CarrierCode, booking: BookingId, flights: Sequence[FlightId]) -> LogReceipt | None:
        theirs = ",".join(flight for flight in flights if carrier_of(flight) == carrier)
        try:
            async with self._session.get(
                f"{self._addresses[carrier]}/receipt",
                params={"booking": booking, "flights": theirs},
                server_hostname=peer_host_name(carrier),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    return None
                return _PEER_RECEIPT.decode(await body_of(response, ANSWER_BYTES_MAX)).log
        except (aiohttp.ClientError, OSError, ValueError, KeyError) as trouble:
            log.info("%s has no part of a receipt for us: %r", carrier, trouble)
            return None


def _flights(events: Sequence[tuple[int, bytes]]) -> tuple[FlightId, ...]:
    for _, leaf in events:
        event = DECODER.decode(leaf.split(b"\n", 3)[3])
        if isinstance(event, BookingOpened):
            return tuple(segment.flight for segment in event.segments)
    return ()


def _is_of(booking: BookingId, leaf: bytes) -> bool:
    if booking.encode() not in leaf:
        return False
    return getattr(DECODER.decode(leaf.split(b"\n", 3)[3]), "booking", None) == booking
