"""A seat that was chosen and is somebody else's by now: the page says which one, whenever it comes to know."""

from functools import partial
from urllib.parse import quote, urlencode

import msgspec
import pytest
from playwright.sync_api import expect

from airline_node.answers import SeatsAnswer
from ledger.terms import FlightId, SeatNo
from tests.browser.journeys import button, hold, seats_path, title
from tests.browser.screens import NARROW, WIDE, OpenScreen, Screen
from tests.crash.cluster import SOON_MS_MAX, Cluster, insist, new_booking, until
from tests.thorough import one_in

SEATS = msgspec.json.Decoder(SeatsAnswer)
NONE_SUCH = "There is no seat {} on {}. Please choose another. Your other seats are kept."
GONE = "Seat {}, which you had chosen, is no longer free. Please choose another."
WITH_AND_WITHOUT = pytest.mark.parametrize(
    ("width", "scripts"), one_in(2, [(WIDE, True), (NARROW, False)]), ids=["wide", "phone, without scripts"]
)


def take(nodes: Cluster, flight: FlightId, seat: SeatNo) -> None:
    """Somebody holds it, and Ipê's site has heard of that."""

    def known() -> bool:
        told = nodes.ask("IP", "GET", f"/api/flights/{quote(flight, safe='')}/seats")
        assert told is not None
        return any(one.seat == seat and one.state == "held" for one in SEATS.decode(told.body).seats)

    insist(partial(nodes.hold, new_booking(), "IP", {flight: seat}))
    until(f"{seat} is taken", known, SOON_MS_MAX)


def said(screen: Screen) -> str:
    return screen.page.get_by_role("alert").get_by_role("listitem").inner_text()


@WITH_AND_WITHOUT
def test_an_address_with_a_seat_that_has_gone_says_which_when_it_is_opened_and_when_hold_is_pressed(
    open_screen: OpenScreen, nodes: Cluster, width: int, scripts: bool
) -> None:
    flight, seat, other = nodes.journeys[3][0], *(("11A", "12A") if scripts else ("11C", "12C"))
    take(nodes, flight, seat)
    screen = open_screen("IP", width=width, scripts=scripts)
    screen.go(seats_path((flight,), (seat,)))
    assert said(screen) == GONE.format(seat)
    assert screen.page.locator("#picked").inner_text() == "choose"
    if scripts:
        assert screen.page.evaluate("document.activeElement.id") == "faults"
        screen.assert_accessible()
    screen.expect_status(422)
    button(screen.page, "Hold").click()
    screen.page.wait_for_url("**/bookings")
    assert said(screen) == GONE.format(seat)
    screen.page.locator(f"#s-{other} input").check()
    button(screen.page, "Hold").click()
    title(screen, "Your seats are held")


def test_a_seat_that_goes_while_it_is_looked_at_is_named_when_hold_is_pressed(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    flight = nodes.journeys[3][0]
    screen = open_screen("IP")
    screen.go(seats_path((flight,)))
    screen.page.locator("#s-13A input").check()
    take(nodes, flight, "13A")
    screen.page.locator("#s-13A.gone").wait_for()
    screen.expect_status(422)
    button(screen.page, "Hold").click()
    screen.page.wait_for_url("**/bookings")
    assert said(screen) == GONE.format("13A")


@WITH_AND_WITHOUT
@pytest.mark.thorough
def test_a_seat_that_has_gone_on_another_flight_leads_there_and_is_not_held(
    open_screen: OpenScreen, nodes: Cluster, width: int, scripts: bool
) -> None:
    flights, seat = nodes.journeys[3], "15A" if scripts else "15C"
    take(nodes, flights[0], seat)
    screen = open_screen("IP", width=width, scripts=scripts)
    screen.go(seats_path(flights, (seat, seat, seat), leg=2))
    number = flights[0].partition("/")[0]
    words = f"Seat {seat} on {number}, which you had chosen, is no longer free. Please choose another."
    assert said(screen) == words
    expect(screen.page.get_by_role("button", name="Hold")).to_have_count(0)
    button(screen.page, "Next flight").click()
    expect(screen.page.get_by_text("Flight 1 of 3")).to_be_visible()
    assert said(screen) == GONE.format(seat)


def test_a_party_keeps_the_seats_that_are_still_free(open_screen: OpenScreen, nodes: Cluster) -> None:
    flight = nodes.journeys[3][0]
    take(nodes, flight, "17A")
    screen = open_screen("IP", language="pt-BR")
    screen.go(seats_path((flight,), ("17A.17C",), passengers=2))
    assert said(screen).startswith("O assento 17A, que você tinha escolhido, não está mais livre.")
    assert screen.page.locator("#s-17C input").is_checked()
    assert screen.page.locator("#picked").inner_text() == "17C"


def test_an_address_whose_seats_are_free_says_nothing_of_the_kind(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen, flight = open_screen("IP"), nodes.journeys[4][0]
    screen.go(seats_path((flight,), ("11A",)))
    title(screen, "Choose your seat")
    expect(screen.page.get_by_role("alert")).to_have_count(0)
    hold(screen, (flight,), "11A")
    title(screen, "Your seats are held")


@pytest.mark.thorough
def test_an_address_with_a_seat_that_its_aircraft_does_not_have_says_so_and_keeps_the_others(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    screen, flights = open_screen("IP"), nodes.journeys[5]
    number = flights[1].partition("/")[0]
    screen.go(seats_path(flights, ("11A", "99K", "11A"), leg=2))
    assert said(screen) == NONE_SUCH.format("99K", number)
    assert screen.page.locator("#picked").inner_text() == "11A"
    expect(screen.page.get_by_role("button", name="Hold")).to_have_count(0)
    button(screen.page, "Next flight").click()
    expect(screen.page.get_by_text("Flight 2 of 3")).to_be_visible()
    assert said(screen) == NONE_SUCH.format("99K", number)
    screen.assert_accessible()
    screen.page.locator("#s-12A input").check()
    button(screen.page, "Hold").click()
    title(screen, "Your seats are held")


@pytest.mark.thorough
def test_two_flights_without_a_seat_are_both_named_and_that_the_others_are_kept_is_said_once(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    screen, flights = open_screen("IP"), nodes.journeys[5]
    screen.go(seats_path(flights, ("99K", "99K", "14A"), leg=3))
    told = screen.page.get_by_role("alert").inner_text()
    assert all(f"There is no seat 99K on {flight.partition('/')[0]}." in told for flight in flights[:2])
    assert told.count("Your other seats are kept.") == 1


@pytest.mark.thorough
def test_a_form_with_a_seat_that_its_aircraft_does_not_have_leads_to_that_flight(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    screen, flights = open_screen("IP", language="pt-BR", scripts=False), nodes.journeys[5]
    form = [*(("flight", flight) for flight in flights), *(("seats", seat) for seat in ("13A", "13A", "99K"))]
    body = urlencode([*form, ("passengers", 1)])
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": screen.address}
    told = screen.page.request.post(f"{screen.address}/bookings", data=body, headers=headers)
    assert told.status == 422
    number = flights[2].partition("/")[0]
    assert f"Não existe o assento 99K no voo {number}. Escolha outro." in told.text()
    assert "Voo 3 de 3" in told.text()
