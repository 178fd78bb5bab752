"""A ticket: on the screen, on paper, in a calendar; its history, and how it is given back."""

import re
from http import HTTPStatus
from pathlib import Path

import pytest
from icalendar import Calendar

from ledger.terms import CarrierCode
from tests.browser.journeys import button, fill_in, hold, pay, title
from tests.browser.screens import NARROW, WEIGHT_BYTES_MAX, WIDE, OpenScreen, Screen
from tests.crash.cluster import Cluster, insist, new_booking
from tests.thorough import one_in

PAGE = re.compile(rb"/Type\s*/Page\b")


def bought(nodes: Cluster, carrier: CarrierCode, row: int) -> str:
    """The address of a ticket over three airlines, bought where this carrier's programs buy."""
    booking = new_booking()
    wanted = dict.fromkeys(nodes.journeys[3], f"{row}A")
    assert insist(lambda: nodes.buy(booking, carrier, wanted)).status == HTTPStatus.CREATED
    return f"/bookings/{booking}"


def bought_on_the_site(screen: Screen, nodes: Cluster, row: int) -> str:
    """The same by a traveller, whose page of the purchase is then open."""
    seat = f"{row}A"
    booking = hold(screen, nodes.journeys[3], seat, seat, seat)
    title(screen, "Your seats are held")
    fill_in(screen.page)
    pay(screen.page)
    title(screen, "Confirmed")
    screen.page.locator(".lane.issued").nth(2).wait_for()
    nodes.told.confirmed.add(booking)
    return f"/bookings/{booking}"


@pytest.mark.parametrize(
    ("width", "scripts"), one_in(2, [(WIDE, True), (NARROW, False)]), ids=["wide", "phone without scripts"]
)
def test_a_ticket_has_a_coupon_with_its_boarding_code_for_every_flight(
    open_screen: OpenScreen, nodes: Cluster, width: int, scripts: bool
) -> None:
    screen = open_screen("AN", width=width, scripts=scripts)
    address = bought_on_the_site(screen, nodes, 3 if scripts else 4)
    screen.page.get_by_role("link", name="Open your ticket").click()
    title(screen, "Feira de Santana")
    assert screen.page.url.endswith(f"{address}/ticket")
    passes = screen.page.locator(".pass")
    assert passes.count() == 3
    for number, (origin, destination) in enumerate((("FEC", "SSA"), ("SSA", "BSB"), ("BSB", "CGB"))):
        words = passes.nth(number).inner_text()
        assert "Ana Lima" in words
        assert origin in words
        assert destination in words
        assert f"coupon {number + 1}" in words
        assert passes.nth(number).get_by_role("img").locator("svg").is_visible()
    assert screen.page.get_by_role("button", name="Print").count() == (1 if scripts else 0)
    if scripts:
        assert screen.weight() < WEIGHT_BYTES_MAX


def test_a_ticket_of_three_flights_prints_on_one_clean_page(
    open_screen: OpenScreen, nodes: Cluster, tmp_path: Path
) -> None:
    screen = open_screen("AN", dark=True)
    screen.go(f"{bought(nodes, 'AN', 5)}/ticket")
    paper = tmp_path / "ticket.pdf"
    screen.page.pdf(path=paper, format="A4", prefer_css_page_size=True)
    assert len(PAGE.findall(paper.read_bytes())) == 1
    screen.page.emulate_media(media="print")
    shown = screen.page.locator("body").inner_text()
    assert "Cuiabá" in shown
    for screen_only in ("What has happened", "Add to calendar", "My trips", "Log in"):
        assert screen_only not in shown
    ink = screen.page.evaluate("getComputedStyle(document.querySelector('.pass .who')).color")
    paper_colour = screen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper_colour == "rgb(255, 255, 255)"
    assert max(map(int, re.findall(r"\d+", ink)[:3])) < 100, "dark mode does not print light words on white"


def test_the_calendar_has_every_flight_at_its_airports_own_time(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("AN")
    address = bought(nodes, "AN", 6)
    screen.go(f"{address}/ticket")
    clocks = screen.page.locator(".itinerary .hour time").all_inner_texts()
    with screen.page.expect_download() as loading:
        screen.page.get_by_role("link", name="Add to calendar").click()
    file = Path(loading.value.path()).read_bytes()
    events = Calendar.from_ical(file).walk("VEVENT")
    shown = [f"{event.decoded(edge):%H:%M}" for event in events for edge in ("DTSTART", "DTEND")]
    assert shown == clocks
    assert loading.value.suggested_filename.endswith(".ics")


def test_a_trip_is_given_back_in_two_steps_by_keyboard_and_its_history_says_so(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    screen = open_screen("IP")
    address = bought_on_the_site(screen, nodes, 7)
    screen.go(f"{address}/ticket")
    screen.page.get_by_role("link", name="Cancel this trip").focus()
    screen.page.keyboard.press("Enter")
    title(screen, "Cancel this trip?")
    screen.assert_accessible()
    refund = screen.page.locator(".sum .total dd").inner_text()
    giving_back = button(screen.page, "Cancel the trip and get")
    assert refund in giving_back.inner_text()
    giving_back.focus()
    screen.page.keyboard.press("Enter")
    screen.page.get_by_text("This trip is cancelled.").wait_for()
    booking = address.rpartition("/")[2]
    nodes.told.confirmed.discard(booking)
    nodes.told.denied.add(booking)
    assert refund in screen.page.get_by_role("status").inner_text()
    assert screen.page.locator(".pass").count() == 0
    happened = screen.page.locator(".happened h3").all_inner_texts()
    assert happened[:3] == ["You chose your seats", "You bought it", "Confirmed"]
    assert "Cancelled" in happened
    screen.assert_accessible()
    screen.go(f"{address}/cancel")
    assert screen.page.url.endswith("/ticket"), "what is given back is not given back again"


@pytest.mark.thorough
def test_a_quote_that_is_not_the_present_one_cancels_nothing(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("JG")
    address = bought(nodes, "JG", 8)
    screen.go(f"{address}/cancel")
    screen.page.evaluate("document.querySelector('[name=refund]').value = '1'")
    screen.expect_status(409)
    button(screen.page, "Cancel the trip").click()
    screen.page.get_by_role("alert").wait_for()
    assert "Nothing is cancelled yet" in screen.page.get_by_role("alert").inner_text()
    screen.assert_accessible()
    screen.go(f"{address}/ticket")
    assert screen.page.locator(".pass").count() == 3


@pytest.mark.thorough
def test_a_ticket_is_accessible_light_and_dark_wide_and_narrow(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("JG", language="pt-BR")
    screen.go(f"{bought(nodes, 'JG', 10)}/ticket")
    title(screen, "Feira de Santana")
    assert "O que aconteceu" in screen.page.locator("main").inner_text()
    screen.assert_accessible()


@pytest.mark.thorough
def test_what_was_never_bought_has_no_ticket(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("AN")
    booking = hold(screen, nodes.journeys[3], "14A", "14A", "14A")
    title(screen, "Your seats are held")
    screen.go(f"/bookings/{booking}/ticket")
    assert screen.page.url.endswith(f"/bookings/{booking}")
    screen.go("/bookings/nobody-knows-this-address/ticket", status=404)
    screen.go("/bookings/x/ticket", status=404)
