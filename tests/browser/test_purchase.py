"""The whole purchase over three airlines, in every way that travellers use a site."""

import pytest
from playwright.sync_api import Page

from tests.browser.journeys import button, fill_in, hold, pay, title, travel_day
from tests.browser.screens import NARROW, WEIGHT_BYTES_MAX, WIDE, OpenScreen
from tests.crash.cluster import Cluster
from tests.thorough import one_in

TABS_MAX = 60


@pytest.mark.parametrize(
    ("carrier", "width", "dark", "scripts"),
    one_in(
        4,
        [("AN", NARROW, True, False), ("AN", WIDE, False, True), ("JG", NARROW, False, True), ("IP", WIDE, True, True)],
    ),
    ids=["without scripts", "mouse", "phone", "dark"],
)
def test_a_trip_over_three_airlines_is_bought(
    open_screen: OpenScreen, nodes: Cluster, carrier: str, width: int, dark: bool, scripts: bool
) -> None:
    screen = open_screen(carrier, width=width, dark=dark, scripts=scripts)
    page = screen.page
    screen.go("/")
    page.get_by_role("combobox", name="From").fill("feira de santana")
    page.get_by_role("combobox", name="To", exact=True).fill("CUIABA")
    page.get_by_label("Departure").fill(travel_day(nodes).isoformat())
    _leave_form_and_search(page)
    title(screen, "Cuiabá")
    page.locator(".journey", has_text="IP40").first.get_by_role("link", name="Choose seats").click()
    for _ in range(2):
        _pick_a_free_seat(page)
        button(page, "Next flight").click()
    _pick_a_free_seat(page)
    button(page, "Hold").click()
    title(screen, "Your seats are held")
    fill_in(page)
    pay(page)
    title(screen, "Confirmed")
    page.locator(".lane.issued").nth(2).wait_for()
    if scripts:
        assert screen.weight() < WEIGHT_BYTES_MAX
    booking = page.url.rpartition("/")[2]
    nodes.told.confirmed.add(booking)
    reply = nodes.read(booking, carrier)
    assert reply is not None
    assert reply.booking.status == "confirmed"
    assert len({segment.carrier for segment in reply.booking.segments}) == 3


@pytest.mark.thorough
def test_a_trip_is_bought_by_keyboard_alone(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("AN")
    page, keys = screen.page, screen.page.keyboard

    def tab_to(selector: str) -> None:
        """Press Tab until this has the focus, as somebody does who sees where it is."""
        for _ in range(TABS_MAX):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            keys.press("Tab")
        raise AssertionError(f"{TABS_MAX} tabs did not come to {selector}")

    screen.go("/")
    tab_to("#from")
    keys.type("feira de s")
    keys.press("ArrowDown")
    keys.press("Enter")
    assert page.locator("#from").input_value() == "Feira de Santana (FEC)"
    tab_to("#to")
    keys.type("cuiaba")
    keys.press("ArrowDown")
    keys.press("Enter")
    page.locator("#date").fill(travel_day(nodes, 1).isoformat())  # The browser's own widget, in the browser's own way.
    tab_to("#passengers")
    tab_to("form.search button")
    keys.press("Enter")
    title(screen, "Cuiabá")
    tab_to(".journey a.button")
    keys.press("Enter")
    title(screen, "Choose your seat")
    tab_to(".cabin input")
    before = page.evaluate("document.activeElement.value")
    keys.press("ArrowDown")
    keys.press("ArrowRight")
    chosen = page.evaluate("document.activeElement.value")
    assert chosen[:-1] != before[:-1], "down is another row"
    assert chosen[-1] != before[-1], "right is another letter"
    assert page.locator("#picked").inner_text() == chosen
    tab_to("button[name=everywhere]")
    keys.press("Enter")
    page.locator("button[name=booking]").wait_for()
    tab_to("button[name=booking]")
    keys.press("Enter")
    title(screen, "Your seats are held")
    tab_to("#name-1")
    keys.type("Ana Lima")
    tab_to("#email")
    keys.type("ana@example.com")
    tab_to("[name=method]")
    keys.press("Space")
    tab_to("form.pay button")
    keys.press("Enter")
    title(screen, "Confirmed")


@pytest.mark.thorough
def test_every_page_of_the_purchase_is_accessible_and_light(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen()
    day = travel_day(nodes, 1)

    def check() -> None:
        screen.assert_accessible()
        assert screen.weight() < WEIGHT_BYTES_MAX, screen.page.url

    screen.go(f"/search?from=FEC&to=CGB&date={day}&passengers=1")
    check()
    screen.page.get_by_role("link", name="Choose seats").first.click()
    title(screen, "Choose your seat")
    check()
    button(screen.page, "Choose on all flights for me").click()
    button(screen.page, "Hold").click()
    title(screen, "Your seats are held")
    check()
    screen.expect_status(422)
    pay(screen.page)
    screen.page.get_by_role("alert").wait_for()
    check()
    fill_in(screen.page)
    pay(screen.page)
    title(screen, "Confirmed")
    check()


def test_a_search_that_finds_nothing_says_why(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("AN")
    screen.go(f"/search?from=RBR&to=MCZ&date={travel_day(nodes)}&passengers=1")
    reason = screen.page.locator(".nothing .lead")
    reason.get_by_text("No flights from Rio Branco connect to Maceió that day").wait_for()
    screen.assert_accessible()


def test_what_is_not_clear_is_asked_again(open_screen: OpenScreen) -> None:
    screen = open_screen("JG", width=NARROW)
    screen.go("/search?from=sao+paulo&to=nowhere", status=422)
    screen.page.get_by_role("alert").wait_for()
    assert "Which airport" in screen.page.get_by_role("alert").inner_text()
    screen.assert_accessible()
    screen.page.get_by_role("link", name="São Paulo (Guarulhos) (GRU)").click()
    screen.page.get_by_role("alert").get_by_text("One thing needs your attention").wait_for()
    assert screen.page.locator("#from").input_value() == "São Paulo (Guarulhos) (GRU)"


def test_a_form_with_faults_leads_to_each_and_forgets_nothing(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen()
    hold(screen, nodes.journeys[1], "9A", "9A", "9A")
    screen.expect_status(422)
    screen.page.get_by_label("Full name").fill("Ana Lima")
    screen.page.get_by_label("Card", exact=False).first.check()
    screen.page.get_by_label("Card number").fill("4242 4242 4242 4241")
    pay(screen.page)
    summary = screen.page.get_by_role("alert")
    assert screen.page.evaluate("document.activeElement.id") == "faults"
    summary.get_by_role("link", name="Check the card number").click()
    assert screen.page.evaluate("document.activeElement.id") == "card-number"
    assert screen.page.get_by_label("Full name").input_value() == "Ana Lima"
    assert screen.page.get_by_label("Card number").input_value() == ""


def _leave_form_and_search(page: Page) -> None:
    page.keyboard.press("Escape")
    button(page, "Search flights").click()


def _pick_a_free_seat(page: Page) -> None:
    page.locator(".cabin .free input").first.check()
