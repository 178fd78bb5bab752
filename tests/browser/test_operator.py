"""The operators' pages against three real nodes, one of which dies with a decision that nobody else knows."""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ledger.terms import BookingId, locator_of
from tests.browser.screens import NARROW, Screen, StaffAt
from tests.crash.cluster import DOOMED, SOON_MS_MAX, TOKENS, Cluster, insist, new_booking, until
from tests.crash.doomed import Point

PICTURES = os.environ.get("PASSCOM_PICTURES")
"""A folder to keep pictures of the pages in, for whoever changes how they look."""
SEEN_MS = 20_000


@pytest.fixture(scope="module")
def _doomed(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("doomed"), DOOMED) as cluster:
        yield cluster


@pytest.fixture
def nodes(_doomed: Cluster) -> Cluster:
    """Of their own: they die at named points, and operators leave their marks."""
    _doomed.revive()
    return _doomed


def keep(screen: Screen, name: str) -> None:
    if PICTURES:
        screen.save(name, Path(PICTURES))


def die_with_the_decision(nodes: Cluster) -> BookingId:
    """Andorinha commits a booking and dies before it tells anybody."""
    booking = new_booking()
    with nodes.doomed("AN", Point.COMMIT):
        nodes.background(partial(nodes.buy, booking))
    return booking


def nobody_knows(nodes: Cluster, booking: BookingId) -> None:
    """Jangada has found out that nobody who can be reached knows the decision."""

    def stuck() -> bool:
        nodes.ask("JG", "POST", "/api/transactions/resume", token=TOKENS.operator)
        [one] = [one for one in nodes.waiting("JG") if one.booking == booking]
        return one.may_not_force is None

    until("nobody knows", stuck, SOON_MS_MAX)


# ---- all is well ----------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_when_all_is_well_one_sentence_says_so(staff_at: StaffAt, nodes: Cluster) -> None:
    booking = new_booking()
    insist(partial(nodes.buy, booking, "JG"))
    marta = staff_at("Marta")
    marta.go("/")
    marta.page.get_by_role("link", name="Operations").click()
    expect(marta.page.get_by_role("heading", level=1)).to_have_text("Everything is normal.", timeout=SEEN_MS)
    assert marta.page.locator(".tile").count() == 3
    expect(marta.page.locator(".tile.bad")).to_have_count(0)
    expect(marta.page.get_by_text("99 of 100 orders")).to_have_count(3)
    marta.assert_accessible()
    keep(marta, "operator-normal")
    marta.go(f"/operator/bookings/{booking}")
    expect(marta.page.locator(".diagram .decides").first).to_be_visible()
    assert "settled: every carrier has recorded it" in marta.page.locator("table.log").inner_text()
    marta.assert_accessible()
    keep(marta, "operator-booking-settled")


@pytest.mark.thorough
def test_a_flight_s_load_shows_its_holds_by_their_age(staff_at: StaffAt, nodes: Cluster) -> None:
    [flight] = [flight for flight in nodes.journey if flight.startswith("JG")]
    booking = new_booking()
    insist(partial(nodes.hold, booking, "JG", {flight: None}))
    marta = staff_at("Marta", width=NARROW)
    marta.go("/operator/flights")
    expect(marta.page.locator(".flights li").first).to_have_text(re.compile(r"^JG\d{4} [A-Z]{3}–[A-Z]{3} .*\d\d:\d\d$"))
    marta.assert_accessible()
    marta.page.get_by_label("Flight and day").fill(flight)
    marta.page.get_by_role("button", name="Show").click()
    expect(marta.page.get_by_role("row", name=re.compile("under 1 min"))).to_contain_text("1")
    expect(marta.page.get_by_role("link", name=locator_of(booking))).to_be_visible()
    marta.assert_accessible()
    keep(marta, "operator-flight-narrow")
    marta.go("/operator/flights?flight=JG9999/2026-01-01", status=404)
    expect(marta.page.get_by_role("alert")).to_contain_text("No such flight")
    insist(partial(nodes.cancel, booking, "JG"))


@pytest.mark.thorough
def test_a_booking_that_this_carrier_has_nothing_to_do_with_is_not_found(staff_at: StaffAt) -> None:
    marta = staff_at("Marta")
    marta.go(f"/operator/bookings/{new_booking()}", status=404)
    marta.go("/operator/bookings/nonsense", status=404)


# ---- at night -------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_partner_s_death_is_seen_without_touching_the_page_and_so_is_its_return(
    staff_at: StaffAt, nodes: Cluster
) -> None:
    marta = staff_at("Marta", language="pt-BR", dark=True)
    marta.go("/operator")
    title = marta.page.get_by_role("heading", level=1)
    expect(title).to_have_text("Está tudo normal.", timeout=SEEN_MS)
    booking = die_with_the_decision(nodes)
    expect(title).to_contain_text("AN não responde", timeout=SEEN_MS)
    expect(marta.page.locator("[data-carrier=AN].tile")).to_have_class(re.compile("bad"))
    marta.page.get_by_role("button", name="Perguntar de novo agora").click()
    case = marta.page.locator(".case", has_text=locator_of(booking))
    expect(case).to_contain_text("Só a AN conhece a decisão", timeout=SEEN_MS)
    expect(title).to_contain_text("em jogo")
    order = marta.page.locator(".case, .tile").evaluate_all("all => all.map(one => one.classList[1])")
    assert order == ["case", "tile", "tile", "tile"], "what waits stands above the carriers"
    keep(marta, "operator-in-doubt-dark-pt")
    marta.assert_accessible()
    nodes.start("AN")
    expect(title).to_have_text("Está tudo normal.", timeout=2 * SEEN_MS)
    nodes.assert_at_rest()


@pytest.mark.thorough
def test_two_operators_break_a_pledge_and_see_to_the_mismatch_without_scripts(
    staff_at: StaffAt, nodes: Cluster
) -> None:
    booking = die_with_the_decision(nodes)
    nobody_knows(nodes, booking)
    marta, jose = (staff_at(name, scripts=False) for name in ("Marta", "José"))
    eva = staff_at("Eva")  # She looks at the same pages with scripts on, without which axe does not run.
    here = f"/operator/bookings/{booking}"

    eva.go(here)
    eva.page.locator("summary", has_text="Break the pledge").click()
    eva.assert_accessible()
    assert_faults_are_accessible(eva, "Reason", "Propose to break it")
    marta.go(here)
    marta.page.locator("summary", has_text="Break the pledge").click()
    marta.page.get_by_label("Reason").fill("   ")
    marta.expect_status(422)
    marta.page.get_by_role("button", name="Propose to break it").click()
    expect(marta.page.get_by_role("alert")).to_contain_text("it stays on record")
    marta.page.get_by_label("Reason").fill("the gate closes")
    marta.page.get_by_role("button", name="Propose to break it").click()
    expect(marta.page.get_by_text("A second operator has to confirm it.")).to_be_visible()
    assert marta.page.get_by_role("button", name="Confirm").count() == 0, "nobody confirms their own proposal"
    keep(marta, "operator-proposed")

    eva.go(here)
    expect(eva.page.get_by_role("button", name=re.compile("Confirm, and free"))).to_be_visible()
    eva.assert_accessible()
    jose.go(here)
    keep(jose, "operator-to-confirm")
    jose.page.get_by_role("button", name=re.compile("Confirm, and free")).click()
    expect(jose.page.locator(".case")).to_contain_text("pledge broken, decision unknown")

    nodes.start("AN")
    until("it comes to light", partial(is_mismatch, nodes, booking), SOON_MS_MAX)
    marta.go("/operator")
    expect(marta.page.get_by_role("heading", level=1)).to_contain_text("two logs")
    keep(marta, "operator-alarm")
    marta.go(here)
    keep(marta, "operator-mismatch")
    eva.go("/operator")
    eva.assert_accessible()
    eva.go(here)
    eva.assert_accessible()
    assert_faults_are_accessible(eva, "What was done for the traveller", "The traveller was seen to")
    marta.page.get_by_label("What was done for the traveller").fill("flew on the next")
    marta.page.get_by_role("button", name="The traveller was seen to").click()
    expect(marta.page.get_by_text("Nothing of it waits at this carrier.")).to_be_visible()
    assert "the traveller was seen to" in marta.page.locator("table.log").inner_text()


def assert_faults_are_accessible(screen: Screen, field: str, press: str) -> None:
    """The form comes back with a fault when nothing is said in its field, and axe looks at that too."""
    screen.expect_status(422)
    screen.page.get_by_label(field).fill("   ")
    screen.page.get_by_role("button", name=press).click()
    expect(screen.page.get_by_role("alert")).to_contain_text("it stays on record")
    screen.assert_accessible()


def is_mismatch(nodes: Cluster, booking: BookingId) -> bool:
    return any(one.booking == booking and one.state == "mismatch" for one in nodes.waiting("JG"))
