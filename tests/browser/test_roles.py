"""Pages that are not for everybody: a guest is led to the login, and who may not look is turned away."""

import re

from playwright.sync_api import expect

from tests.browser.screens import OpenScreen, StaffAt
from tests.browser.test_accounts import new_email, register
from tests.crash.cluster import new_booking
from ui.visitor import Role


def test_a_guest_is_led_to_the_login_and_a_traveller_is_turned_away(open_screen: OpenScreen, staff_at: StaffAt) -> None:
    guest = open_screen("JG")
    guest.go("/operator")
    assert "/login" in guest.page.url
    traveller = staff_at("Rui", role=None)
    assert traveller.page.get_by_role("link", name="Operations").count() == 0
    for path in ("/operator", "/operator/flights", f"/operator/bookings/{new_booking()}"):
        traveller.go(path, status=403)
    auditor = staff_at("Eva", role=Role.AUDITOR)
    auditor.go("/operator", status=403)


def test_a_traveller_sees_no_way_to_the_log_and_gets_none(open_screen: OpenScreen) -> None:
    screen = open_screen("AN")
    screen.go("/audit/log")
    expect(screen.page).to_have_url(re.compile("/login"))
    register(screen, new_email())
    screen.go("/audit/log", status=403)
    expect(screen.page.get_by_role("link", name="Audit")).to_have_count(0)
