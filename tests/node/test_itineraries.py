"""What a traveller is offered: the search against a slower one that cannot be wrong, and the rules one by one."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from airline_node.itineraries import (
    ITINERARIES_MAX,
    JOURNEY_MAX_MS,
    LAYOVER_MAX_MS,
    Board,
    Itinerary,
    Offer,
    connection_fault,
    search,
)
from airline_node.timetable import Airport, load
from ledger.terms import SEGMENTS_MAX, Millis, Segment
from tests.thorough import size

NETWORK = load()
MONDAY = date(2026, 12, 14)
MINUTE = 60_000
HOUR = 60 * MINUTE


def airport(mct_minutes: int, tz: str = "UTC") -> Airport:
    return Airport(city="Salvador", name="Salvador Airport", tz=tz, mct_minutes=mct_minutes)


AIRPORTS = {
    "AAA": airport(30),
    "BBB": airport(60),
    "CCC": airport(0),
    "DDD": airport(90),
    "EEE": airport(30),
    "FFF": airport(30),
}
MIDNIGHT = int(datetime(2026, 12, 14, tzinfo=UTC).timestamp() * 1000)


def offer(number: int, route: str, departs: float, hours: float, fare: int = 100, free: int = 9) -> Offer:
    """`AAA-BBB`, departing so many hours after Monday's first midnight in UTC."""
    departure = MIDNIGHT + round(departs * HOUR)
    day = (MONDAY + timedelta(days=int(departs // 24))).isoformat()
    return Offer(
        flight=f"AN{number:04d}/{day}",
        origin=route[:3],
        destination=route[4:],
        departure=departure,
        arrival=departure + round(hours * HOUR),
        fare=fare,
        free=free,
    )


def board_of(offers: Iterable[Offer]) -> Board:
    board = Board()
    for each in offers:
        board.put(each)
    return board


def found(
    *offers: Offer, origin: str = "AAA", destination: str = "BBB", passengers: int = 1, now: Millis = 0
) -> list[Itinerary]:
    return search(
        board_of(offers),
        AIRPORTS,
        origin=origin,
        destination=destination,
        date=MONDAY,
        passengers=passengers,
        now=now,
    )


def numbers(itineraries: Iterable[Itinerary]) -> list[list[int]]:
    return [[int(offer.flight[2:6]) for offer in itinerary.segments] for itinerary in itineraries]


def segment(offer: Offer) -> Segment:
    return Segment(
        flight=offer.flight,
        origin=offer.origin,
        destination=offer.destination,
        departure=offer.departure,
        arrival=offer.arrival,
        fare=offer.fare,
    )


# ---- the search is exact ------------------------------------------------------------------------------------------


def every_path(path: list[Offer], offers: Sequence[Offer], destination: str) -> Iterator[list[Offer]]:
    """The rules of an itinerary and nothing else: try every flight after every other."""
    if path and path[-1].destination == destination:
        yield path
    if len(path) == SEGMENTS_MAX:
        return
    for onward in offers:
        if path:
            visited = [before.origin for before in path]
            layover = onward.departure - path[-1].arrival
            if connection_fault([segment(path[-1]), segment(onward)], AIRPORTS) or layover > LAYOVER_MAX_MS:
                continue
            if onward.arrival - path[0].departure > JOURNEY_MAX_MS or onward.destination in visited:
                continue
        yield from every_path([*path, onward], offers, destination)


def merit(path: Sequence[Offer]) -> tuple[int, int, int]:
    return sum(leg.fare for leg in path), path[-1].arrival - path[0].departure, len(path)


def brute_force(offers: Sequence[Offer], passengers: int, now: Millis) -> set[tuple[str, ...]]:
    usable = [each for each in offers if each.free >= passengers and each.departure > now]
    first = [each for each in usable if each.origin == "AAA" and each.departure < MIDNIGHT + 24 * HOUR]
    paths = [path for start in first for path in every_path([start], usable, "BBB")]
    merits = {merit(path) for path in paths}
    best = {
        mine for mine in merits if not any(all(a <= b for a, b in zip(o, mine, strict=True)) for o in merits - {mine})
    }
    return {tuple(leg.flight for leg in path) for path in paths if merit(path) in best}


ROUTES = ["AAA-CCC", "CCC-DDD", "DDD-EEE", "EEE-BBB"] * 4 + [
    f"{start}-{end}" for start in AIRPORTS for end in AIRPORTS if start != end
]


@st.composite
def networks(draw: st.DrawFn) -> list[Offer]:
    """Mostly long ways round, few fares, a coarse clock: much is equal, connections are just made or just missed."""
    return [
        offer(
            number,
            draw(st.sampled_from(ROUTES)),
            draw(st.sampled_from(range(80))) / 2,
            draw(st.sampled_from([29, 30, 31, 60, 180, 660])) / 60,
            draw(st.sampled_from([0, 100, 200, 300])),
            draw(st.sampled_from([0, 1, 2, 9])),
        )
        for number in range(draw(st.sampled_from([4, 20, 60])))
    ]


@pytest.mark.slow
@settings(max_examples=size(100, 300), deadline=None)
@given(offers=networks(), passengers=st.integers(1, 2), now=st.integers(-1, 10))
def test_the_search_finds_exactly_what_trying_everything_finds(offers: list[Offer], passengers: int, now: int) -> None:
    the_time = MIDNIGHT + now * HOUR
    itineraries = found(*offers, passengers=passengers, now=the_time)
    told = [tuple(leg.flight for leg in itinerary.segments) for itinerary in itineraries]
    expected = brute_force(offers, passengers, the_time)
    assert len(told) == min(len(expected), ITINERARIES_MAX)
    assert set(told) <= expected
    for itinerary in itineraries:
        assert itinerary.price == passengers * sum(leg.fare for leg in itinerary.segments)


# ---- what is best ---------------------------------------------------------------------------------------------------


def test_cheaper_shorter_and_more_direct_each_have_their_place() -> None:
    direct = offer(1, "AAA-BBB", 8, 3, fare=500)
    slow = offer(2, "AAA-BBB", 8, 9, fare=400)
    cheap = [offer(3, "AAA-CCC", 8, 2, fare=150), offer(4, "CCC-BBB", 11, 2, fare=150)]
    dear_and_slow = offer(5, "AAA-BBB", 9, 9, fare=450)
    assert numbers(found(direct, slow, *cheap, dear_and_slow)) == [[3, 4], [2], [1]]


def test_equals_are_all_offered_the_earlier_first() -> None:
    assert numbers(found(*(offer(n, "AAA-BBB", 20 - n, 2) for n in (1, 2, 3)))) == [[3], [2], [1]]


@pytest.mark.parametrize("segments", [1, 2, 3, 4])
def test_equals_whose_connections_could_not_be_shorter_are_all_offered(segments: int) -> None:
    # Here what the search expects at least of the rest of a journey is what the rest takes: it must not expect more.
    layover = {"CCC": 0, "DDD": 1.5, "EEE": 0.5}
    way = ["AAA", *list(layover)[: segments - 1], "BBB"]
    offers = []
    for start in (2, 3):
        departs: float = start
        for leg, (origin, destination) in enumerate(pairwise(way)):
            offers.append(offer(10 * start + leg, f"{origin}-{destination}", departs, 1))
            departs += 1 + layover.get(destination, 0)
    assert numbers(found(*offers)) == [[10 * start + leg for leg in range(segments)] for start in (2, 3)]


def test_the_answer_has_a_limit_and_keeps_the_best() -> None:
    offers = [offer(n, "AAA-BBB", 1, 1 + n / 10, fare=1000 - n) for n in range(ITINERARIES_MAX + 5)]
    itineraries = found(*offers)
    assert len(itineraries) == ITINERARIES_MAX
    assert itineraries[0].price == min(each.fare for each in offers)


def test_the_price_is_for_all_passengers() -> None:
    [itinerary] = found(offer(1, "AAA-CCC", 8, 1, 150), offer(2, "CCC-BBB", 10, 1, 200), passengers=3)
    assert itinerary.price == 1050
    assert itinerary.connections == 1
    assert itinerary.duration_ms == 3 * HOUR


def test_each_carrier_of_an_itinerary_is_named_once() -> None:
    legs = [offer(1, "AAA-CCC", 8, 1), offer(2, "CCC-DDD", 10, 1), offer(3, "DDD-BBB", 14, 1)]
    flights = ["IP4001/2026-12-14", "AN1001/2026-12-14", "IP4002/2026-12-14"]
    segments = tuple(replace(leg, flight=flight) for flight, leg in zip(flights, legs, strict=True))
    assert Itinerary(segments=segments, price=300).carriers == ("IP", "AN")


# ---- what is possible ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "offered"), [(89, False), (90, True), (12 * 60, True), (12 * 60 + 1, False)])
def test_a_layover_is_neither_below_the_minimum_nor_over_the_longest(minutes: int, offered: bool) -> None:
    landing = offer(1, "AAA-DDD", 8, 1)
    onward = offer(2, "DDD-BBB", 9 + minutes / 60, 1)
    assert bool(found(landing, onward)) == offered


@pytest.mark.parametrize(("last_leg", "offered"), [(12, True), (12.1, False)])
def test_a_journey_has_a_longest_duration(last_leg: float, offered: bool) -> None:
    legs = [offer(1, "AAA-CCC", 2, 1), offer(2, "CCC-EEE", 15, 1), offer(3, "EEE-BBB", 26, last_leg)]
    assert numbers(found(*legs)) == ([[1, 2, 3]] if offered else [])


def test_an_itinerary_has_at_most_four_segments() -> None:
    route = ["AAA-CCC", "CCC-DDD", "DDD-EEE", "EEE-FFF", "FFF-BBB"]
    chain = [offer(number, leg, 1 + 3 * number, 1) for number, leg in enumerate(route)]
    assert numbers(found(*chain, destination="FFF")) == [[0, 1, 2, 3]]
    assert found(*chain, destination="BBB") == []


def test_no_airport_is_visited_twice() -> None:
    round_trip = [offer(1, "AAA-CCC", 1, 1), offer(2, "CCC-DDD", 3, 1), offer(3, "DDD-CCC", 6, 1)]
    last = offer(4, "CCC-BBB", 15, 1)
    assert found(*round_trip, last) == [], "waiting in CCC is too long, and going round to pass the time is no journey"


def test_a_flight_that_has_departed_is_not_offered() -> None:
    flight = offer(1, "AAA-BBB", 8, 1)
    assert found(flight, now=flight.departure - 1)
    assert not found(flight, now=flight.departure)


def test_a_flight_without_a_seat_for_everybody_is_not_offered() -> None:
    assert found(offer(1, "AAA-BBB", 8, 1, free=2), passengers=2)
    assert not found(offer(1, "AAA-BBB", 8, 1, free=2), passengers=3)


def test_the_date_is_the_one_at_the_origin() -> None:
    airports = {"AAA": airport(30, "America/Rio_Branco"), "BBB": airport(30)}
    late_on_monday = offer(1, "AAA-BBB", 28.9, 3)
    board = board_of([late_on_monday, offer(2, "AAA-BBB", 29, 3), offer(3, "AAA-BBB", 4.9, 3)])
    [itinerary] = search(board, airports, origin="AAA", destination="BBB", date=MONDAY, passengers=1, now=0)
    assert itinerary.segments == (late_on_monday,)


def test_nowhere_to_go_is_an_empty_answer() -> None:
    flight = offer(1, "AAA-BBB", 8, 1)
    assert found(flight, destination="AAA") == []
    assert found(flight, destination="XXX") == []
    assert found(flight, origin="XXX") == []
    for day in (date.min, date.max):
        board = board_of([flight])
        assert search(board, AIRPORTS, origin="AAA", destination="BBB", date=day, passengers=1, now=0) == []


def test_flights_to_airports_that_nobody_knows_are_passed_over() -> None:
    legs = offer(1, "AAA-XXX", 8, 1), offer(2, "XXX-BBB", 10, 1)
    assert found(*legs) == []
    assert numbers(found(*legs, offer(3, "AAA-BBB", 8, 6))) == [[3]]


@pytest.mark.parametrize("wrong", [{"arrival": MIDNIGHT}, {"destination": "AAA"}, {"fare": -1}, {"free": -1}])
def test_a_flight_that_cannot_be_is_no_offer(wrong: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match="AN0001/2026-12-14: "):
        replace(offer(1, "AAA-BBB", 0, 1), **wrong)


# ---- connections --------------------------------------------------------------------------------------------------


def test_segments_that_connect_have_no_fault() -> None:
    landing = segment(offer(1, "AAA-DDD", 8, 1))
    assert connection_fault([], AIRPORTS) is None
    assert connection_fault([landing], AIRPORTS) is None
    assert connection_fault([landing, segment(offer(2, "DDD-BBB", 10.5, 1))], AIRPORTS) is None


@pytest.mark.parametrize(
    ("onward", "fault"),
    [
        (offer(2, "DDD-BBB", 9 + 20 / 60, 1), "the connection in Salvador (DDD) would be 20 minutes; it needs 90"),
        (offer(2, "DDD-BBB", 8.5, 1), "in Salvador (DDD) AN0002/2026-12-14 departs before AN0001/2026-12-14 arrives"),
        (offer(2, "CCC-BBB", 12, 1), "AN0001/2026-12-14 arrives in DDD, but AN0002/2026-12-14 departs from CCC"),
    ],
)
def test_a_connection_that_cannot_be_made_is_told_in_a_sentence(onward: Offer, fault: str) -> None:
    assert connection_fault([segment(offer(1, "AAA-DDD", 8, 1)), segment(onward)], AIRPORTS) == fault


def test_there_is_no_connection_in_an_unknown_airport() -> None:
    legs = [segment(offer(1, "AAA-XXX", 8, 1)), segment(offer(2, "XXX-BBB", 12, 1))]
    assert connection_fault(legs, AIRPORTS) == "there are no connections in XXX: it is not an airport of this network"


# ---- the board ----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    words=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["AAA-BBB", "CCC-BBB"]), st.integers(0, 3), st.booleans())
    )
)
def test_the_board_knows_the_latest_word_on_every_flight(words: list[tuple[int, str, int, bool]]) -> None:
    board, known = Board(), dict[str, Offer]()
    for turn, (number, route, departs, dropped) in enumerate(words):
        word = offer(number, route, departs, 1, free=turn)
        if dropped:
            board.drop(word.flight)
            known.pop(word.flight, None)
        else:
            board.put(word)
            known[word.flight] = word
        assert board.get(word.flight) == known.get(word.flight)
    assert len(board) == len(known)
    for origin in ("AAA", "CCC"):
        expected = [each for each in known.values() if each.origin == origin and each.departure < MIDNIGHT + 2 * HOUR]
        told = board.departing(origin, MIDNIGHT, MIDNIGHT + 2 * HOUR)
        assert told == sorted(expected, key=lambda each: (each.departure, each.flight))


# ---- the network of the three carriers ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> Board:
    return board_of(
        Offer(
            flight=flight.flight,
            origin=flight.origin,
            destination=flight.destination,
            departure=flight.departure,
            arrival=flight.arrival,
            fare=flight.fare,
            free=len(flight.seats),
        )
        for carrier in NETWORK.carriers
        for flight in NETWORK.departures(carrier, date(2026, 12, 1), at=0)
    )


def on_sale(board: Board, origin: str, destination: str, passengers: int = 1) -> list[Itinerary]:
    way = {"origin": origin, "destination": destination}
    return search(board, NETWORK.airports, **way, date=MONDAY, passengers=passengers, now=0)


def test_from_feira_de_santana_to_cuiaba_takes_three_carriers(network: Board) -> None:
    found = on_sale(network, "FEC", "CGB")
    assert [offer.flight[:6] for offer in found[0].segments] == ["IP4001", "JG2055", "AN1117"]
    assert found[0].carriers == ("IP", "JG", "AN")
    assert found[0].price == 76970


@pytest.mark.parametrize("origin", ["FEN", "NAT", "JPA"])
def test_to_the_falls_of_iguacu_takes_three_carriers(network: Board, origin: str) -> None:
    found = on_sale(network, origin, "IGU")
    assert found
    assert {len(set(itinerary.carriers)) for itinerary in found} == {3}


def test_what_the_search_offers_the_door_accepts(network: Board) -> None:
    for origin in ("FEC", "MAO", "GRU", "RBR"):
        for destination in NETWORK.airports:
            for itinerary in on_sale(network, origin, destination, 2):
                assert connection_fault([segment(leg) for leg in itinerary.segments], NETWORK.airports) is None


@pytest.mark.slow
def test_no_pair_of_airports_takes_fifty_milliseconds(network: Board) -> None:
    assert len(network) > 11_000
    for origin in NETWORK.airports:
        for destination in NETWORK.airports:
            # Of this process alone: what is measured is the search, not what else the machine does.
            start = process_time()
            on_sale(network, origin, destination)
            assert process_time() - start < 0.050, (origin, destination)
