"""Why a search comes back empty: never a shrug, always the nearest thing to what was asked."""

from collections.abc import Mapping
from datetime import date, timedelta

from airline_node.itineraries import LAYOVER_MAX_MS, Board, Offer, search
from airline_node.network import TIME_MAX as ENDLESS
from airline_node.timetable import Airport
from ledger.terms import AirportCode, Millis
from ui.desk import Nothing, ShortConnection


def why_nothing(
    board: Board,
    airports: Mapping[AirportCode, Airport],
    *,
    origin: AirportCode,
    destination: AirportCode,
    day: date,
    passengers: int,
    now: Millis,
) -> Nothing:
    """The day's own reason: all gone, all full, or two flights that miss one another by minutes."""

    def found(at: Millis, seats: int) -> bool:
        wanted = {"origin": origin, "destination": destination}
        return bool(search(board, airports, **wanted, date=day, passengers=seats, now=at))

    start, end = (airports[origin].instant(when) for when in (day, day + timedelta(days=1)))
    departing = board.departing(origin, start, end)
    return Nothing(
        flown_at_all=bool(departing),
        sold_out=found(now, 0),
        short=_nearest_miss(board, airports, departing, destination),
        onward=tuple(dict.fromkeys(offer.destination for offer in departing or board.departing(origin, now, ENDLESS))),
        departed=start <= now < end and found(start, passengers),
    )


def _nearest_miss(
    board: Board, airports: Mapping[AirportCode, Airport], departing: list[Offer], destination: AirportCode
) -> ShortConnection | None:
    """Of two flights that together would do it, and leave too little time between them, those that leave the most."""
    misses = [
        ShortConnection(
            airport=before.destination,
            minutes=(after.departure - before.arrival) // 60_000,
            needed=airports[before.destination].mct_minutes,
            before=before.flight,
            after=after.flight,
        )
        for before in departing
        if before.destination in airports and before.destination != destination
        for after in board.departing(before.destination, before.arrival, before.arrival + LAYOVER_MAX_MS)
        if after.destination == destination and after.departure < airports[before.destination].ready_at(before.arrival)
    ]
    return max(misses, key=lambda miss: miss.minutes - miss.needed, default=None)
