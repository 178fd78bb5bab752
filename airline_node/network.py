"""The network as this node sees it: every carrier's flights and free seats, followed as they are published.

Searching, drawing seats and checking a request at the door read what is here and never wait. The rule: what a
peer says is checked before it is believed, and a bad answer is trouble with that peer: logged, asked again, and
never more than that. A carrier that falls silent keeps its last known flights, and `stale` says since when.
"""

import asyncio
import logging
import random
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import aiohttp
import msgspec
from msgspec.structs import replace

from airline_node.availability import (
    FLIGHTS_PER_CARRIER_MAX,
    FREE,
    PAST_KEPT_MS,
    SEATS_PER_FLIGHT_MAX,
    Availability,
    AvailabilityAnswer,
    FlightNews,
)
from airline_node.certificates import peer_host_name
from airline_node.itineraries import Board, Offer
from airline_node.peer_client import body_of, open_session
from ledger.events import FlightScheduled
from ledger.terms import SEAT_PATTERN, CarrierCode, Centavos, FlightId, Millis, SeatNo, carrier_of

FOLLOW_WAIT_MS = 5_000
"""How long a peer may hold its answer back while it has no news."""
FOLLOW_TIMEOUT_MS = FOLLOW_WAIT_MS + 5_000
FOLLOW_PAUSE_MS = 50
"""Between two questions. What changes together is gathered where it is published (`seatmaps.PUBLISH_MS`), not here."""
CATCH_UP_PAUSE_MS = 10
"""The same while a peer has more to tell, so that even an endless tale leaves time for others."""
STALE_MS = 10_000
RETRY_MS_MIN = 250
RETRY_MS_MAX = 2_000
ANSWER_BYTES_MAX = 4 * 1024 * 1024
LAYOUTS_MAX = 256
TIME_MAX: Millis = 4_102_444_800_000
"""The year 2100."""
FARE_MAX: Centavos = 10**9
NAMES_MAX = 32
"""Characters of an aircraft's code and its cabin's columns."""
AIRPORT = re.compile("[A-Z]{3}")
SEAT = re.compile(SEAT_PATTERN)
CABIN = re.compile("[A-K]+( [A-K]+)*")
WORDS_MAX = 300
"""Characters of a trouble that reach the log."""

# ValueError is what msgspec and `BadAnswer` raise, and UnicodeDecodeError; RecursionError is what msgspec makes of
# ten thousand brackets.
TROUBLE = (aiohttp.ClientError, OSError, ValueError, RecursionError)

_ANSWER = msgspec.json.Decoder(AvailabilityAnswer)
log = logging.getLogger(__name__)


class BadAnswer(ValueError):
    """A peer said what cannot be so."""


class Network:
    """All carriers' flights, this one's included, on one `board`.

    `addresses` are the peers' (`https://host:port`); `tls` is None only where addresses are plain, in tests.
    """

    def __init__(
        self,
        own: Availability,
        me: CarrierCode,
        addresses: Mapping[CarrierCode, str],
        tls: ssl.SSLContext | None,
        now: Callable[[], Millis],
        chance: Callable[[], float] = random.random,
        changed: Callable[[Iterable[FlightId]], None] = lambda _flights: None,
    ) -> None:
        """`changed` is told which flights have just been heard of."""
        self.own = own
        self.board = Board()
        self._me = me
        self._addresses = dict(addresses)
        self._tls = tls
        self._chance = chance
        self._followed = {carrier: Followed(carrier, self.board, now, changed) for carrier in (me, *addresses)}

    def publish(self, changes: Iterable[tuple[FlightScheduled | None, FlightId, str]]) -> None:
        """Own flights have changed, durably: tell the followers, and see it here before this returns."""
        self.own.publish(changes)
        mine, more = self._followed[self._me], True
        while more:
            answer = self.own.since(mine.position, mine.lineage)
            mine.hear(answer)
            more = answer.more

    def seats(self, flight: FlightId) -> tuple[FlightScheduled, str] | None:
        """A flight and one letter for each of its seats (see `FlightNews`), departed ones for a while too."""
        followed = self._followed.get(carrier_of(flight))
        return followed.flights.get(flight) if followed else None

    def revision(self, flight: FlightId) -> int:
        """How often its seats have changed since this node first heard of it; 0 for one that is not known."""
        followed = self._followed.get(carrier_of(flight))
        return followed.revisions.get(flight, 0) if followed else 0

    def own_flights(self) -> Mapping[FlightId, tuple[FlightScheduled, str]]:
        """This carrier's own, as it has published them."""
        return self._followed[self._me].flights

    def flights(self, carrier: CarrierCode) -> Mapping[FlightId, tuple[FlightScheduled, str]]:
        """All flights of one carrier, as `seats` tells of each."""
        followed = self._followed.get(carrier)
        return followed.flights if followed else {}

    def segment(self, flight: FlightId) -> FlightScheduled | None:
        """A flight as its carrier put it on sale."""
        known = self.seats(flight)
        return known[0] if known else None

    def stale(self, now: Millis) -> dict[CarrierCode, float]:
        """The peers that have been silent for longer than STALE_MS, and for how many seconds."""
        silent_ms = {carrier: now - self._followed[carrier].heard_at for carrier in self._addresses}
        return {carrier: age_ms / 1000 for carrier, age_ms in silent_ms.items() if age_ms > STALE_MS}

    def lag(self, now: Millis) -> dict[CarrierCode, float]:
        """For how many seconds each peer's flights have not been heard of: while all is well, a poll's length."""
        return {carrier: max(0, now - self._followed[carrier].heard_at) / 1000 for carrier in self._addresses}

    @property
    def ready(self) -> bool:
        """Every peer has been heard to the end once. A search works before that, on what is known."""
        return all(self._followed[carrier].whole for carrier in self._addresses)

    async def run(self) -> None:
        """Follow every peer, until cancelled."""
        async with (
            open_session(self._tls, FOLLOW_TIMEOUT_MS, limit=len(self._addresses)) as session,
            asyncio.TaskGroup() as followers,
        ):
            for carrier, address in self._addresses.items():
                followers.create_task(self._follow(session, address, self._followed[carrier]))

    async def _follow(self, session: aiohttp.ClientSession, address: str, followed: "Followed") -> None:
        trouble, retry_ms = "", RETRY_MS_MIN
        while True:
            try:
                answer = await _ask(session, address, followed)
                followed.hear(answer)
            except TROUBLE as error:
                if trouble != (words := str(error) or type(error).__name__):
                    trouble = words
                    log.warning("the flights of %s cannot be followed: %s", followed.carrier, words[:WORDS_MAX])
                pause_ms = retry_ms * (1 + self._chance() / 2)
                retry_ms = min(2 * retry_ms, RETRY_MS_MAX)
            else:
                if trouble:
                    log.info("the flights of %s are followed again", followed.carrier)
                pause_ms = CATCH_UP_PAUSE_MS if answer.more else FOLLOW_PAUSE_MS
                trouble, retry_ms = "", RETRY_MS_MIN
            await asyncio.sleep(pause_ms / 1000)


class Followed:
    """One carrier's flights, as it last told them."""

    def __init__(
        self,
        carrier: CarrierCode,
        board: Board,
        now: Callable[[], Millis],
        changed: Callable[[Iterable[FlightId]], None] = lambda _flights: None,
    ) -> None:
        self.carrier = carrier
        self.flights: dict[FlightId, tuple[FlightScheduled, str]] = {}
        self.revisions: dict[FlightId, int] = {}
        self.lineage = ""
        self.position = 0
        self.whole = False
        self.heard_at = now()
        self._board = board
        self._now = now
        self._changed = changed
        self._not_told_again: set[FlightId] = set()

    def hear(self, answer: AvailabilityAnswer) -> None:
        """Take in what has changed. Raises ValueError if it cannot be so; the next question is then for everything."""
        expected, self.lineage = self.lineage, ""
        if answer.reset:
            self._not_told_again = set(self.flights)
        elif answer.lineage != expected:
            raise BadAnswer("another lineage, but no reset")
        for news in answer.flights:
            self._take(news)
        if any(news.schedule for news in answer.flights):
            self._drop_past()
        if not answer.more:
            self._drop(self._not_told_again)
            self.whole = True
        self.lineage, self.position, self.heard_at = answer.lineage, answer.position, self._now()
        self._changed(news.flight for news in answer.flights)

    def _take(self, news: FlightNews) -> None:
        known = self.flights.get(news.flight)
        if news.schedule is not None:
            schedule = self._checked(news.flight, news.schedule)
        elif known is not None:
            schedule = known[0]
        else:
            return  # It left long ago and was forgotten here; over there its last bookings are still being settled.
        if len(news.seats) != len(schedule.seats):
            raise BadAnswer(f"{news.flight} has {len(schedule.seats)} seats, not {len(news.seats)}")
        if known is None and len(self.flights) >= FLIGHTS_PER_CARRIER_MAX:
            raise BadAnswer(f"more than {FLIGHTS_PER_CARRIER_MAX} flights")
        self._not_told_again.discard(news.flight)
        if known is None or known[1] != news.seats:
            self.revisions[news.flight] = self.revisions.get(news.flight, 0) + 1
        self.flights[news.flight] = schedule, news.seats
        self._board.put(_offer(schedule, news.seats.count(FREE)))

    def _checked(self, flight: FlightId, schedule: FlightScheduled) -> FlightScheduled:
        """As it was told, if it is one of this carrier's and can be so. Flights of one aircraft share their seats."""
        if not (schedule.flight == flight and carrier_of(flight) == self.carrier):
            raise BadAnswer(f"{flight} with the schedule of {schedule.flight} from {self.carrier}")
        if not (
            AIRPORT.fullmatch(schedule.origin)
            and AIRPORT.fullmatch(schedule.destination)
            and 0 <= schedule.departure < schedule.arrival <= TIME_MAX
            and 0 <= schedule.fare <= FARE_MAX
            and len(schedule.aircraft) + len(schedule.cabin) <= NAMES_MAX
            and CABIN.fullmatch(schedule.cabin)
        ):
            raise BadAnswer(f"a flight that cannot be: {schedule}")
        return replace(schedule, seats=_layout(schedule.seats))

    def _drop_past(self) -> None:
        kept_from = self._now() - PAST_KEPT_MS
        self._drop({flight for flight, (schedule, _) in self.flights.items() if schedule.departure < kept_from})

    def _drop(self, flights: set[FlightId]) -> None:
        for flight in flights:
            self.flights.pop(flight, None)
            self.revisions.pop(flight, None)
            self._board.drop(flight)


async def _ask(session: aiohttp.ClientSession, address: str, followed: Followed) -> AvailabilityAnswer:
    async with session.get(
        f"{address}/availability",
        params={"after": followed.position, "lineage": followed.lineage, "wait": FOLLOW_WAIT_MS // 1000},
        server_hostname=peer_host_name(followed.carrier),
        allow_redirects=False,
    ) as response:
        if response.status != 200:
            raise BadAnswer(f"HTTP {response.status}")
        return _ANSWER.decode(await body_of(response, ANSWER_BYTES_MAX))


@lru_cache(LAYOUTS_MAX)
def _layout(seats: tuple[SeatNo, ...]) -> tuple[SeatNo, ...]:
    """One copy for all flights of an aircraft, looked at once: ten thousand flights would else hold a million names."""
    if not (0 < len(seats) == len(set(seats)) <= SEATS_PER_FLIGHT_MAX and all(map(SEAT.fullmatch, seats))):
        raise BadAnswer("a cabin that cannot be")
    return seats


def _offer(schedule: FlightScheduled, free: int) -> Offer:
    return Offer(
        flight=schedule.flight,
        origin=schedule.origin,
        destination=schedule.destination,
        departure=schedule.departure,
        arrival=schedule.arrival,
        fare=schedule.fare,
        free=free,
    )
