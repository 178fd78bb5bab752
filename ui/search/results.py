"""What a search found, in the order and with the filters that the traveller chose. Pure: no page, no node."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct
from multidict import MultiMapping

from ledger.terms import AirportCode, CarrierCode
from ui.desk import Airport, Journey
from ui.figures import local

FEW_SEATS = 9
"""So few left are worth a word."""


class Order(StrEnum):
    BEST = "best"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"


class Daytime(StrEnum):
    """When the journey begins, local there."""

    NIGHT = "night"
    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"


class Filters(Struct, frozen=True, kw_only=True):
    """What is ticked; nothing ticked in a group lets everything through. Stops of 2 mean two or more."""

    stops: frozenset[int] = frozenset()
    carriers: frozenset[CarrierCode] = frozenset()
    daytimes: frozenset[Daytime] = frozenset()


class Choice(Struct, frozen=True, kw_only=True):
    """One box of a filter and how many journeys it would let through, given the other groups."""

    value: str
    count: int
    ticked: bool


STOPS_MOST = 2
NOON, EVENING_AT, MORNING_AT = 12, 18, 5


def order_of(query: MultiMapping[str]) -> Order:
    return next((order for order in Order if order == query.get("sort")), Order.BEST)


def filters_of(query: MultiMapping[str], carriers: Iterable[CarrierCode]) -> Filters:
    """Whatever makes no sense is not ticked."""
    return Filters(
        stops=frozenset(n for n in range(STOPS_MOST + 1) if str(n) in query.getall("stops", [])),
        carriers=frozenset(code for code in carriers if code in query.getall("carrier", [])),
        daytimes=frozenset(part for part in Daytime if part in query.getall("time", [])),
    )


def ordered(journeys: Sequence[Journey], order: Order) -> list[Journey]:
    """Best weighs price and time alike, each against the least there is."""
    if not journeys:
        return []
    cheapest = max(1, min(journey.price for journey in journeys))
    fastest = max(1, min(journey.minutes for journey in journeys))

    def badness(journey: Journey) -> tuple[float, ...]:
        match order:
            case Order.BEST:
                merit = journey.price / cheapest + journey.minutes / fastest + len(journey.legs) / 10
            case Order.CHEAPEST:
                merit = journey.price
            case Order.FASTEST:
                merit = journey.minutes
        return merit, journey.price, journey.minutes, journey.departure

    return sorted(journeys, key=badness)


def shown(journeys: Sequence[Journey], filters: Filters, airports: Mapping[AirportCode, Airport]) -> list[Journey]:
    tests = _tests(filters, airports)
    return [journey for journey in journeys if all(test(journey) for test in tests.values())]


def choices(
    journeys: Sequence[Journey],
    filters: Filters,
    airports: Mapping[AirportCode, Airport],
    carriers: Iterable[CarrierCode],
) -> dict[str, list[Choice]]:
    """The boxes of each group that would let anything through; a group that changes nothing is left out."""
    tests = _tests(filters, airports)

    def group(name: str, boxes: Iterable[tuple[str, bool, Callable[[Journey], bool]]]) -> list[Choice]:
        others = [test for other, test in tests.items() if other != name]
        kept = [journey for journey in journeys if all(test(journey) for test in others)]
        counted = [Choice(value=value, count=sum(map(fits, kept)), ticked=ticked) for value, ticked, fits in boxes]
        return [choice for choice in counted if choice.count or choice.ticked]

    def by_stops(n: int) -> Callable[[Journey], bool]:
        return lambda journey: stops(journey) == n

    def by_carrier(code: CarrierCode) -> Callable[[Journey], bool]:
        return lambda journey: code in journey.carriers

    def by_time(part: Daytime) -> Callable[[Journey], bool]:
        return lambda journey: daytime(journey, airports) is part

    groups = {
        "stops": group("stops", [(str(n), n in filters.stops, by_stops(n)) for n in range(STOPS_MOST + 1)]),
        "carrier": group("carrier", [(code, code in filters.carriers, by_carrier(code)) for code in carriers]),
        "time": group("time", [(part.value, part in filters.daytimes, by_time(part)) for part in Daytime]),
    }
    every = len(journeys)
    return {
        name: boxes for name, boxes in groups.items() if any(choice.ticked or choice.count != every for choice in boxes)
    }


def stops(journey: Journey) -> int:
    return min(len(journey.legs) - 1, STOPS_MOST)


def daytime(journey: Journey, airports: Mapping[AirportCode, Airport]) -> Daytime:
    hour = local(journey.departure, airports[journey.legs[0].origin].zone).hour
    if hour < MORNING_AT:
        return Daytime.NIGHT
    if hour < NOON:
        return Daytime.MORNING
    return Daytime.AFTERNOON if hour < EVENING_AT else Daytime.EVENING


def seats_left(journey: Journey) -> int | None:
    """Those on the fullest flight, if they are few."""
    least = min(leg.free for leg in journey.legs)
    return least if least <= FEW_SEATS else None


def _tests(filters: Filters, airports: Mapping[AirportCode, Airport]) -> dict[str, Callable[[Journey], bool]]:
    return {
        "stops": lambda journey: not filters.stops or stops(journey) in filters.stops,
        "carrier": lambda journey: not filters.carriers or bool(filters.carriers & set(journey.carriers)),
        "time": lambda journey: not filters.daytimes or daytime(journey, airports) in filters.daytimes,
    }
