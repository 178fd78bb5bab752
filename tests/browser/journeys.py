"""A traveller who buys: the steps that the tests of the purchase share."""

from datetime import date
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page

from ledger.terms import BookingId, FlightId, SeatNo
from tests.browser.screens import Screen
from tests.crash.cluster import Cluster


def travel_day(nodes: Cluster, which: int = 0) -> date:
    """A day on which FEC to CGB is flown by all three carriers; `which` tells the days of different tests apart."""
    return date.fromisoformat(nodes.journeys[which][0].partition("/")[2])


def seats_path(flights: tuple[FlightId, ...], seats: tuple[SeatNo, ...] = (), leg: int = 0, passengers: int = 1) -> str:
    """The address of a leg's seats, with one seat a leg chosen already."""
    fields = [*(("flight", flight) for flight in flights), *(("seats", seat) for seat in seats)]
    return f"/seats?{urlencode([*fields, ('passengers', passengers), ('leg', leg)])}"


def hold(screen: Screen, flights: tuple[FlightId, ...], *seats: SeatNo) -> BookingId:
    """Choose these seats, one a leg, and hold them; the id of the booking whose page is open then."""
    screen.go(seats_path(flights, seats, leg=len(flights) - 1))
    button(screen.page, "Hold").click()
    screen.page.wait_for_url("**/bookings/*")
    return screen.page.url.rpartition("/")[2]


def fill_in(page: Page, name: str = "Ana Lima") -> None:
    page.get_by_label("Full name").fill(name)
    page.get_by_label("E-mail for the ticket").fill("ana@example.com")
    page.get_by_label("Pix").check()


def pay(page: Page) -> None:
    button(page, "Pay").click()


def button(page: Page, words: str) -> Locator:
    """The button that begins with these words."""
    return page.get_by_role("button", name=words).first


def title(screen: Screen, words: str) -> None:
    """Wait until the page says this above all."""
    screen.page.locator("h1", has_text=words).wait_for()
