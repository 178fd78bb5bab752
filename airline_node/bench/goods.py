"""What the network can sell, found as a traveller finds it; and from that, who is to buy what.

Rule: `spread` and `mixed` never ask for more seats than were free, so that every refusal among them is a finding;
`hot` asks for one flight again and again, so that nearly all are refused.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import permutations
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from airline_node.answers import ItinerariesAnswer
from airline_node.bench.crew import BenchTrouble
from airline_node.bench.load import Journey
from airline_node.bench.nodes import Node
from airline_node.timetable import SALE_DAYS, Timetable
from ledger.terms import AirportCode, FlightId, Millis

SHARE_MAX: Final = 10
"""Bookings of one itinerary in the first round: so that many flights are asked for, not a few until they are full."""
PAIR_DAYS: Final = range(2, 9)
"""From the day after tomorrow on: far enough ahead that every flight of it is still to come."""

Pair: TypeAlias = tuple[AirportCode, AirportCode]

_ITINERARIES = msgspec.json.Decoder(ItinerariesAnswer)


class Mode(StrEnum):
    SPREAD = "spread"
    """Many flights, every day that is on sale."""
    HOT = "hot"
    """Everybody wants one flight."""
    MIXED = "mixed"
    """Search, hold, hesitate, confirm or cancel."""


class Goods(Struct, frozen=True):
    """`orders` are indices into `journeys`, one a booking, in the order in which they are placed."""

    journeys: tuple[Journey, ...]
    orders: tuple[int, ...]


def goods(
    node: Node,
    timetable: Timetable,
    *,
    bookings: int,
    carriers: int,
    mode: Mode,
    now: Millis,
    chance: random.Random,
    found: Callable[[int], None],
) -> Goods:
    """So many orders of itineraries over so many carriers, one passenger each. `found` is told how many so far.

    Raises `BenchTrouble` if the network cannot sell that many.
    """
    today = timetable.today(now)
    day, pairs = _pairs(node, timetable, carriers, today)
    if mode is Mode.HOT:
        return _hot(node, carriers, chance.choice(pairs), day, bookings)
    # Today is left out: some of its flights would leave while they are being sold.
    searches = [(*pair, today + timedelta(day)) for pair in pairs for day in range(1, SALE_DAYS)]
    chance.shuffle(searches)
    stock = Stock(bookings)
    for origin, destination, day in searches:
        for journey, free in _search(node, carriers, origin, destination, day):
            stock.take(journey, free, SHARE_MAX)
        found(len(stock.orders))
        if stock.full:
            break
    stock.take_more()
    found(len(stock.orders))
    if not stock.full:
        raise BenchTrouble(
            f"The network can sell {len(stock.orders)} such bookings in {SALE_DAYS} days, not {bookings}: "
            f"ask for fewer --bookings, or for another number of --carriers."
        )
    chance.shuffle(stock.orders)
    return Goods(tuple(stock.journeys), tuple(stock.orders))


class Stock:
    """What has been set aside so far, and what is left of each flight."""

    def __init__(self, bookings: int) -> None:
        self.journeys: list[Journey] = []
        self.orders: list[int] = []
        self._left: dict[FlightId, int] = {}
        self._bookings = bookings

    @property
    def full(self) -> bool:
        return len(self.orders) >= self._bookings

    def take(self, journey: Journey, free: Sequence[int], share: int) -> None:
        for flight, seats in zip(journey.flights, free, strict=True):
            self._left.setdefault(flight, seats)
        self.journeys.append(journey)
        self._set_aside(len(self.journeys) - 1, share)

    def take_more(self) -> None:
        """All that is left, where the first round was not enough."""
        for index in range(len(self.journeys)):
            self._set_aside(index, self._bookings)

    def _set_aside(self, index: int, share: int) -> None:
        flights = self.journeys[index].flights
        count = min(share, self._bookings - len(self.orders), *(self._left[flight] for flight in flights))
        for flight in flights:
            self._left[flight] -= count
        self.orders += [index] * count


def _hot(node: Node, carriers: int, pair: Pair, day: date, bookings: int) -> Goods:
    """All itineraries from here to there that have the flight which most of them have."""
    journeys = [journey for journey, _ in _search(node, carriers, *pair, day)]
    [(wanted, _)] = Counter(flight for journey in journeys for flight in journey.flights).most_common(1)
    chosen = tuple(journey for journey in journeys if wanted in journey.flights)
    return Goods(chosen, tuple(n % len(chosen) for n in range(bookings)))


def _pairs(node: Node, timetable: Timetable, carriers: int, today: date) -> tuple[date, list[Pair]]:
    """From where to where an itinerary goes over so many carriers, on the first day that has any."""
    for day in (today + timedelta(days) for days in PAIR_DAYS):
        pairs = [pair for pair in permutations(timetable.airports, 2) if any(_search(node, carriers, *pair, day))]
        if pairs:
            return day, pairs
    raise BenchTrouble(f"No itinerary goes over {carriers} carriers.")


def _search(
    node: Node, carriers: int, origin: AirportCode, destination: AirportCode, day: date
) -> Iterator[tuple[Journey, list[int]]]:
    """The itineraries over so many carriers, and the free seats of each of their flights."""
    path = f"/api/itineraries?origin={origin}&destination={destination}&date={day}"
    for itinerary in _ITINERARIES.decode(node.ask(path)).itineraries:
        if len(itinerary.carriers) == carriers:
            flights = tuple(offer.flight for offer in itinerary.segments)
            yield Journey(flights, path), [offer.free for offer in itinerary.segments]
