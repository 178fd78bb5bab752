"""What all carriers sell, for the pages: the same network view and the same search that the API has."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from airline_node.desk.nothing import why_nothing
from airline_node.itineraries import Itinerary, Offer, search
from airline_node.network import Network
from airline_node.timetable import SALE_DAYS, Timetable
from airline_node.wire import SegmentWanted, in_this_world
from ledger.messages import Refusal
from ledger.terms import AirportCode, CarrierCode, Centavos, FlightId, Millis
from ui.desk import Cabin, Journey, Leg, Nothing

LOWEST_KEPT_MS = 15_000
LOWEST_KEPT_MAX = 5_000


class NodeSale:
    """See `ui.desk.Sale`."""

    def __init__(self, network: Network, timetable: Timetable, now: Callable[[], Millis]) -> None:
        self._network = network
        self._timetable = timetable
        self._now = now
        self._lowest: dict[tuple[AirportCode, AirportCode, date, int], tuple[Millis, Centavos | None]] = {}

    def search(self, origin: AirportCode, destination: AirportCode, day: date, passengers: int) -> tuple[Journey, ...]:
        return tuple(map(self._journey, self._found(origin, destination, day, passengers)))

    def lowest(self, origin: AirportCode, destination: AirportCode, day: date, passengers: int) -> Centavos | None:
        asked, now = (origin, destination, day, passengers), self._now()
        known = self._lowest.get(asked)
        if known is None or now - known[0] > LOWEST_KEPT_MS:
            if len(self._lowest) >= LOWEST_KEPT_MAX:
                self._lowest.clear()
            found = self._found(*asked)
            known = self._lowest[asked] = now, found[0].price if found else None
        return known[1]

    def days(self) -> tuple[date, date]:
        today = self._timetable.today(self._now())
        return today, today + timedelta(SALE_DAYS - 1)

    def leg(self, flight: FlightId) -> Leg | None:
        known = self._network.board.get(flight)
        return self._leg(known) if known else None

    def cabin(self, flight: FlightId) -> Cabin | None:
        known = self._network.seats(flight)
        if known is None:
            return None
        schedule, letters = known
        aircraft = self._timetable.aircraft.get(schedule.aircraft)
        return Cabin(
            flight=flight,
            aircraft=aircraft.name if aircraft else schedule.aircraft,
            columns=schedule.cabin,
            seats=schedule.seats,
            letters=letters,
            exits=aircraft.exits if aircraft else (),
            revision=self._network.revision(flight),
        )

    def fault(self, legs: tuple[Leg, ...]) -> Refusal | None:
        wanted = [SegmentWanted(flight=leg.flight) for leg in legs]
        airports = self._timetable.airports
        return in_this_world(wanted, network=self._network, airports=airports, now=self._now())[1]

    def nothing(self, origin: AirportCode, destination: AirportCode, day: date, passengers: int) -> Nothing:
        return why_nothing(
            self._network.board,
            self._timetable.airports,
            origin=origin,
            destination=destination,
            day=day,
            passengers=passengers,
            now=self._now(),
        )

    def silent(self) -> Mapping[CarrierCode, float]:
        return self._network.stale(self._now())

    def _found(self, origin: AirportCode, destination: AirportCode, day: date, passengers: int) -> list[Itinerary]:
        return search(
            self._network.board,
            self._timetable.airports,
            origin=origin,
            destination=destination,
            date=day,
            passengers=passengers,
            now=self._now(),
        )

    def _journey(self, itinerary: Itinerary) -> Journey:
        return Journey(legs=tuple(map(self._leg, itinerary.segments)), price=itinerary.price)

    def _leg(self, offer: Offer) -> Leg:
        schedule = self._network.segment(offer.flight)
        aircraft = self._timetable.aircraft.get(schedule.aircraft) if schedule else None
        return Leg(
            flight=offer.flight,
            origin=offer.origin,
            destination=offer.destination,
            departure=offer.departure,
            arrival=offer.arrival,
            fare=offer.fare,
            free=offer.free,
            aircraft=aircraft.name if aircraft else "",
        )
