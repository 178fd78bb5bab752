"""What a carrier has published, and who follows it."""

import msgspec

from airline_node.availability import Availability, AvailabilityAnswer, FlightNews
from airline_node.itineraries import Board
from airline_node.network import Followed, Network
from ledger.events import FlightScheduled
from ledger.terms import FlightId, Millis

NOW: Millis = 1_796_000_000_000
HOUR: Millis = 3_600_000
FIRST, SECOND, THIRD = (f"JG{number}/2026-12-14" for number in (2001, 2002, 2003))


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Millis:
        return self.now


def schedule(flight: FlightId, *, departure: Millis = NOW + HOUR) -> FlightScheduled:
    return FlightScheduled(
        at=NOW,
        flight=flight,
        origin="SSA",
        destination="GRU",
        departure=departure,
        arrival=departure + 2 * HOUR,
        aircraft="295",
        cabin="AC DF",
        seats=("1A", "1C", "1D", "1F"),
        fare=43_190,
    )


def opened(*flights: FlightId) -> list[tuple[FlightScheduled | None, FlightId, str]]:
    return [(schedule(flight), flight, "....") for flight in flights]


def publisher(*flights: FlightId, clock: Clock | None = None) -> Availability:
    published = Availability(clock or Clock())
    published.publish(opened(*flights))
    return published


def follower(clock: Clock | None = None) -> Followed:
    return Followed("JG", Board(), clock or Clock())


def catch_up(followed: Followed, published: Availability) -> list[FlightNews]:
    """Ask until there is no more; everything that was told."""
    told: list[FlightNews] = []
    more = True
    while more:
        answer = published.since(followed.position, followed.lineage)
        followed.hear(answer)
        told += answer.flights
        more = answer.more
    return told


def seats_of(followed: Followed) -> dict[FlightId, str]:
    return {flight: seats for flight, (_, seats) in followed.flights.items()}


def view(clock: Clock, **addresses: str) -> Network:
    return Network(Availability(clock), "AN", addresses, None, clock)


def answer(*flights: FlightNews, lineage: str = "life", reset: bool = False) -> AvailabilityAnswer:
    return AvailabilityAnswer(lineage=lineage, position=9, reset=reset, more=False, now=NOW, flights=flights)


def news(**changes: object) -> FlightNews:
    changed = msgspec.structs.replace(schedule(FIRST), **changes)
    return FlightNews(flight=FIRST, seats="....", schedule=changed)
