"""The auditors' pages in a browser, over the log of a node that sells: with keys alone, without scripts, for axe."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from airline_node.evidence.keys import KEYS_FILE, read_public
from airline_node.evidence.receipts import check
from ledger.events import SeatCommitted
from tests.browser.screens import WEIGHT_BYTES_MAX, OpenScreen, StaffAt
from tests.crash.cluster import Cluster, insist, new_booking
from ui.visitor import Role

PATHS = ("/audit", "/audit/log", "/audit/event/1", "/audit/settlement")


@pytest.fixture
def bought(nodes: Cluster) -> tuple[str, str]:
    """A booking over all three carriers, taken by Andorinha, and Andorinha's own flight in it."""
    booking = new_booking()
    reply = insist(lambda: nodes.buy(booking, "AN"))
    assert reply.status in (200, 201), reply.body
    [flight] = [flight for flight in nodes.journey if flight.startswith("AN")]
    return booking, flight


def colour_of(page: Page, seat: str) -> str:
    return str(page.locator(seat).first.evaluate("seat => getComputedStyle(seat).backgroundColor"))


def test_the_receipt_on_a_ticket_is_downloaded_and_proves_the_journey(
    open_screen: OpenScreen, nodes: Cluster, bought: tuple[str, str], tmp_path: Path
) -> None:
    booking, _ = bought
    screen = open_screen("AN")
    screen.go(f"/bookings/{booking}/ticket")
    with screen.page.expect_download() as download:
        screen.page.get_by_role("link", name="Signed receipt").click()
    path = tmp_path / "receipt.json"
    download.value.save_as(path)
    proved = check(path.read_bytes(), read_public(nodes.fleet.keys / KEYS_FILE))
    assert (proved.booking, proved.status) == (booking, "confirmed")
    assert {
        event.flight for seen in proved.logs for _, event in seen.events if isinstance(event, SeatCommitted)
    } == set(nodes.journey)


def test_an_auditor_scrubs_through_a_flight_by_keys_alone(
    staff_at: StaffAt, nodes: Cluster, bought: tuple[str, str]
) -> None:
    _, flight = bought
    screen = staff_at("Rui", "AN", role=Role.AUDITOR)
    screen.go("/")
    screen.page.get_by_role("link", name="Audit").click()
    screen.page.get_by_label("A flight, a booking").fill(flight)
    screen.page.keyboard.press("Enter")
    page = screen.page
    expect(page).to_have_url(re.compile(f"/audit/flight/{flight}$"))
    last = int(page.locator("#instant").get_attribute("data-number") or 0)
    assert last >= 3
    expect(page.locator("#then")).to_contain_text("sold")
    expect(page.locator("td.then-sold.then-changed")).to_have_count(1)
    assert colour_of(page, "td.then-sold") != colour_of(page, "td.then-free")

    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#then")).to_contain_text("pledged")
    expect(page.locator("td.then-pledged.then-changed")).to_have_count(1)
    expect(page).to_have_url(re.compile(f"n={last - 1}$"))
    page.keyboard.press("Home")
    expect(page.locator("#then")).to_contain_text("put on sale")
    expect(page.locator("td.then-sold")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "n"
    expect(page.locator(".rules .holds")).to_have_count(4)
    page.reload()
    expect(page.locator("#which")).to_have_text("1")


@pytest.mark.thorough
def test_without_scripts_the_same_is_done_by_links(staff_at: StaffAt, nodes: Cluster, bought: tuple[str, str]) -> None:
    booking, flight = bought
    screen = staff_at("Rui", "AN", role=Role.AUDITOR, scripts=False)
    screen.go(f"/audit/booking/{booking}")
    page = screen.page
    expect(page.locator(".lines tbody tr")).to_have_count(6)
    page.get_by_role("link", name=flight).first.click()
    page.get_by_role("link", name="Event before").click()
    expect(page.locator("#then")).to_contain_text("pledged")
    page.get_by_role("link", name=re.compile("^Event [0-9]+$")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Event [0-9]+$"))
    page.get_by_role("link", name="In the log").click()
    expect(page.locator(".lines tbody tr").first).to_be_visible()


@pytest.mark.thorough
def test_every_page_of_the_audit_is_accessible_light_and_translated(
    staff_at: StaffAt, nodes: Cluster, bought: tuple[str, str], tmp_path: Path
) -> None:
    booking, flight = bought
    screen = staff_at("Rui", "AN", role=Role.AUDITOR)
    filtered, refused = f"/audit/log?flight={flight}&booking={booking}", "/audit/log?flight=1001&booking=x&at=soon"
    for path in (*PATHS, f"/audit/flight/{flight}", f"/audit/booking/{booking}", filtered, refused):
        screen.go(path, status=422 if path == refused else 200)
        screen.assert_accessible()
        assert screen.weight() < WEIGHT_BYTES_MAX
        screen.save(re.sub("[^A-Za-z0-9]+", "-", path.strip("/")), tmp_path)
    screen.go(f"/language/pt?back=/audit/flight/{flight}")
    expect(screen.page.get_by_role("heading", name="O que precisa valer")).to_be_visible()
