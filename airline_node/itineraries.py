"""Itinerary search over what all carriers have on sale.

Rule: an itinerary is offered unless another one is at least as good in price, in duration and in
connections, and better in one of them. The search is exact: what it leaves out early, it leaves out because
even the cheapest and the shortest way on from there is beaten by an itinerary already found.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from datetime import date as Date
from datetime import timedelta
from itertools import pairwise
from typing import TypeAlias

from msgspec import Struct

from airline_node.timetable import Airport
from ledger.terms import SEGMENTS_MAX, AirportCode, CarrierCode, Centavos, FlightId, Millis, Segment, carrier_of

LAYOVER_MAX_MS = 12 * 3_600_000
"""From an arrival to the next departure: a night between two flights is offered, a day is not."""
JOURNEY_MAX_MS = 36 * 3_600_000
"""From the first departure to the last arrival."""
ITINERARIES_MAX = 40
"""The most that one search answers."""


class Offer(Struct, frozen=True, kw_only=True):
    """What is known of one flight on sale. `fare` is for one passenger, `free` counts seats.

    Raises `ValueError` for a flight that cannot be: the search leans on time going forward.
    """

    flight: FlightId
    origin: AirportCode
    destination: AirportCode
    departure: Millis
    arrival: Millis
    fare: Centavos
    free: int

    def __post_init__(self) -> None:
        if not (self.origin != self.destination and self.departure < self.arrival):
            raise ValueError(f"{self.flight}: it must arrive elsewhere, and after it departs")
        if not (self.fare >= 0 and self.free >= 0):
            raise ValueError(f"{self.flight}: neither a fare nor a number of seats is negative")


class Itinerary(Struct, frozen=True, kw_only=True):
    """A path through the network. `price` is for all passengers of the search."""

    segments: tuple[Offer, ...]
    price: Centavos

    @property
    def duration_ms(self) -> Millis:
        return self.segments[-1].arrival - self.segments[0].departure

    @property
    def connections(self) -> int:
        return len(self.segments) - 1

    @property
    def carriers(self) -> tuple[CarrierCode, ...]:
        """Each once, in the order of travel."""
        return tuple(dict.fromkeys(carrier_of(offer.flight) for offer in self.segments))


class Board:
    """Everything on sale, as it is known here: each airport's departures in order of time.

    A change of nothing but free seats, the change that comes many times a second, touches one dictionary
    entry. It grows with what is put on it: whoever follows the carriers bounds that, and drops what has departed.
    """

    def __init__(self) -> None:
        self._offers: dict[FlightId, Offer] = {}
        self._departures: dict[AirportCode, list[tuple[Millis, FlightId]]] = {}

    def __len__(self) -> int:
        return len(self._offers)

    def get(self, flight: FlightId) -> Offer | None:
        return self._offers.get(flight)

    def put(self, offer: Offer) -> None:
        """The latest word on this flight; what was known before is forgotten."""
        known = self._offers.get(offer.flight)
        if known is None or (known.origin, known.departure) != (offer.origin, offer.departure):
            self.drop(offer.flight)
            insort(self._departures.setdefault(offer.origin, []), (offer.departure, offer.flight))
        self._offers[offer.flight] = offer

    def drop(self, flight: FlightId) -> None:
        """Forget a flight, known or not."""
        if known := self._offers.pop(flight, None):
            departures = self._departures[known.origin]
            del departures[bisect_left(departures, (known.departure, flight))]

    def airports(self) -> list[AirportCode]:
        """Wherever a flight has departed from."""
        return list(self._departures)

    def departing(self, origin: AirportCode, start: Millis, end: Millis) -> list[Offer]:
        """The flights that leave an airport from `start` until before `end`, in order of departure."""
        departures = self._departures.get(origin, [])
        span = slice(bisect_left(departures, (start, "")), bisect_left(departures, (end, "")))
        return [self._offers[flight] for _, flight in departures[span]]


def search(
    board: Board,
    airports: Mapping[AirportCode, Airport],
    *,
    origin: AirportCode,
    destination: AirportCode,
    date: Date,
    passengers: int,
    now: Millis,
) -> list[Itinerary]:
    """The best itineraries that leave `origin` on `date`, local there, with a free seat for every passenger.

    Best by price, duration and connections; several that are equal in all three are all offered. At most
    `ITINERARIES_MAX`, in this order: cheaper, shorter, fewer connections, earlier departure, flight numbers.
    Connections respect `connection_fault`, no airport is visited twice, flights that have departed by `now` are out.
    """
    # The last of all dates has no next one, which is where it would end.
    if origin == destination or not {origin, destination} <= airports.keys() or date == Date.max:
        return []
    start, end = (airports[origin].instant(day) for day in (date, date + timedelta(days=1)))
    on_sale = [
        offer
        for airport in board.airports()
        if airport in airports
        for offer in board.departing(airport, max(start, now + 1), end + JOURNEY_MAX_MS)
        if offer.free >= passengers
    ]
    found = _Search(on_sale, airports, destination).leaving(origin, end)
    return sorted((Itinerary(segments=path, price=price * passengers) for (price, _, _), path in found), key=_order)[
        :ITINERARIES_MAX
    ]


def connection_fault(segments: Sequence[Segment], airports: Mapping[AirportCode, Airport]) -> str | None:
    """What is wrong where one segment follows another, in a sentence for the traveller; None if all connect."""
    for before, after in pairwise(segments):
        code = before.destination
        if after.origin != code:
            return f"{before.flight} arrives in {code}, but {after.flight} departs from {after.origin}"
        airport = airports.get(code)
        if airport is None:
            return f"there are no connections in {code}: it is not an airport of this network"
        place = f"{airport.city} ({code})"
        if after.departure < before.arrival:
            return f"in {place} {after.flight} departs before {before.flight} arrives"
        if after.departure < airport.ready_at(before.arrival):
            minutes = (after.departure - before.arrival) // 60_000
            return f"the connection in {place} would be {minutes} minutes; it needs {airport.mct_minutes}"
    return None


_Path: TypeAlias = tuple[Offer, ...]
_Merit: TypeAlias = tuple[Centavos, Millis, int]
"""Price for one passenger, duration, connections: less is better in each."""


class _Search:
    """One search: the flights it may use, the least that the rest of a journey costs, and what it has found."""

    def __init__(
        self, on_sale: Iterable[Offer], airports: Mapping[AirportCode, Airport], destination: AirportCode
    ) -> None:
        self._airports = airports
        self._departures: dict[AirportCode, list[Offer]] = {}
        for offer in on_sale:
            self._departures.setdefault(offer.origin, []).append(offer)
        self._rest = self._least_rest(destination)
        self._found: list[tuple[_Merit, _Path]] = []

    def leaving(self, origin: AirportCode, end: Millis) -> list[tuple[_Merit, _Path]]:
        """All that is best and leaves before `end`: direct flights first, for they rule out most of the others."""
        for remaining in range(SEGMENTS_MAX):
            for offer in self._between(origin, 0, end - 1):
                self._take((), offer, 0, remaining)
        return self._found

    def _take(self, path: _Path, offer: Offer, price: Centavos, remaining: int) -> None:
        rest = self._rest[remaining].get(offer.destination)
        if rest is None or any(offer.destination == before.origin for before in path):
            return
        path = (*path, offer)
        price += offer.fare
        duration = offer.arrival - path[0].departure
        merit = (price + rest[0], duration + rest[1], len(path) - 1 + remaining)
        if merit[1] > JOURNEY_MAX_MS or any(_beats(best, merit) for best, _ in self._found):
            return
        if not remaining:
            self._found = [(best, other) for best, other in self._found if not _beats(merit, best)]
            self._found.append((merit, path))
            return
        ready = self._airports[offer.destination].ready_at(offer.arrival)
        for onward in self._between(offer.destination, ready, offer.arrival + LAYOVER_MAX_MS):
            self._take(path, onward, price, remaining - 1)

    def _between(self, airport: AirportCode, earliest: Millis, latest: Millis) -> list[Offer]:
        departures = self._departures.get(airport, [])
        return departures[
            bisect_left(departures, earliest, key=_departure) : bisect_right(departures, latest, key=_departure)
        ]

    def _least_rest(self, destination: AirportCode) -> list[dict[AirportCode, tuple[Centavos, Millis]]]:
        """For each number of segments still to fly: the least fare and the least time from an airport to the end."""
        routes: dict[tuple[AirportCode, AirportCode], tuple[Centavos, Millis]] = {}
        for offers in self._departures.values():
            for offer in offers:
                known = routes.get((offer.origin, offer.destination), (offer.fare, JOURNEY_MAX_MS))
                least = min(known[0], offer.fare), min(known[1], offer.arrival - offer.departure)
                routes[offer.origin, offer.destination] = least
        rest = [{destination: (0, 0)}]
        for _ in range(SEGMENTS_MAX - 1):
            longer: dict[AirportCode, tuple[Centavos, Millis]] = {}
            for (start, end), (fare, flying) in routes.items():
                if beyond := rest[-1].get(end):
                    way = fare + beyond[0], self._airports[start].ready_at(flying) + beyond[1]
                    known = longer.get(start, way)
                    longer[start] = min(known[0], way[0]), min(known[1], way[1])
            rest.append(longer)
        return rest


def _departure(offer: Offer) -> Millis:
    return offer.departure


def _beats(better: _Merit, worse: _Merit) -> bool:
    return better != worse and better[0] <= worse[0] and better[1] <= worse[1] and better[2] <= worse[2]


def _order(itinerary: Itinerary) -> tuple[Centavos, Millis, int, Millis, list[FlightId]]:
    flights = [offer.flight for offer in itinerary.segments]
    return itinerary.price, itinerary.duration_ms, itinerary.connections, itinerary.segments[0].departure, flights
