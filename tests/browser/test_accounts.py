"""Accounts as travellers use them: one at any of the three airlines, and what they bought wherever they look."""

import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.journeys import button, fill_in, hold, pay, title
from tests.browser.screens import NARROW, WEIGHT_BYTES_MAX, WIDE, OpenScreen, Screen
from tests.crash.cluster import Cluster
from tests.thorough import one_in

PASSWORD = "um trem para as estrelas"


def new_email() -> str:
    return f"ana{time.time_ns()}@example.com"


def register(screen: Screen, email: str, name: str = "Ana Lima") -> None:
    screen.go("/register")
    screen.page.get_by_label("Name").fill(name)
    log_in(screen, email, "Create an account")


def log_in(screen: Screen, email: str, press: str = "Log in", password: str = PASSWORD) -> None:
    screen.page.get_by_label("E-mail address").fill(email)
    screen.page.get_by_label("Password").fill(password)
    screen.page.get_by_role("main").get_by_role("button", name=press, exact=True).click()


def who(page: Page) -> str:
    """Whom the header greets."""
    return page.get_by_role("banner").locator(".who").inner_text().replace("Account:", "").strip()


def session_cookies(screen: Screen) -> dict[str, dict[str, object]]:
    return {
        str(cookie["name"]): dict(cookie) for cookie in screen.context.cookies() if "passcom" in str(cookie["name"])
    }


@pytest.mark.parametrize(
    ("width", "dark", "scripts"),
    one_in(3, [(WIDE, False, True), (NARROW, True, True), (WIDE, True, False)]),
    ids=["wide", "phone, dark", "without scripts"],
)
def test_an_account_of_one_airline_works_at_another_and_neither_sees_the_others_password(
    open_screen: OpenScreen, width: int, dark: bool, scripts: bool
) -> None:
    email = new_email()
    home = open_screen("AN", width=width, dark=dark, scripts=scripts)
    register(home, email)
    assert who(home.page) == "Ana"
    button(home.page, "Log out").click()
    home.page.get_by_role("link", name="Log in").wait_for()

    jangada = open_screen("JG", width=width, dark=dark, scripts=scripts)
    sent: list[str] = []
    jangada.page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
    jangada.go("/trips")
    assert "/login?next=/trips" in jangada.page.url
    button(jangada.page, "Continue with Andorinha").click()
    title(jangada, "Log in")
    assert jangada.page.url.startswith(home.address), "the password is asked for at home"
    log_in(jangada, email)
    title(jangada, "Log in at Jangada Aérea?")
    assert jangada.page.get_by_role("main").get_by_text(email).is_visible()
    button(jangada.page, "Agree and continue").click()
    title(jangada, "My trips")
    assert jangada.page.url == f"{jangada.address}/trips"
    assert who(jangada.page) == "Ana"
    at_jangada = urlsplit(jangada.address).netloc
    assert not [request for request in sent if at_jangada in request and "estrelas" in request]
    assert any("estrelas" in request for request in sent), "it was sent, to its own airline"


@pytest.mark.thorough
def test_who_does_not_agree_is_nobody_there(open_screen: OpenScreen) -> None:
    email = new_email()
    register(open_screen("IP"), email)
    screen = open_screen("AN")
    screen.go("/login")
    button(screen.page, "Continue with Ipê").click()
    log_in(screen, email)
    title(screen, "Log in at Andorinha")
    screen.page.get_by_role("link", name="Do not agree").click()
    screen.page.wait_for_url(f"{screen.address}/login")
    assert screen.page.get_by_role("banner").get_by_role("link", name="Log in").is_visible()


@pytest.mark.thorough
def test_a_login_that_another_browser_has_begun_is_refused(open_screen: OpenScreen) -> None:
    """Else a link could log somebody in as somebody else."""
    thief, victim = open_screen("JG"), open_screen("JG")
    email = new_email()
    register(open_screen("AN"), email)
    thief.go("/login")
    button(thief.page, "Continue with Andorinha").click()
    log_in(thief, email)
    title(thief, "Log in at Jangada")
    home = "{0.scheme}://{0.netloc}".format(urlsplit(thief.page.url))
    fields: dict[str, str | float | bool] = {
        name: thief.page.locator(f"[name={name}]").input_value() for name in ("for", "state", "challenge")
    }
    agreed = thief.page.request.post(f"{home}/vouch", form=fields, headers={"Origin": home}, max_redirects=0)
    link = agreed.headers["location"]
    assert link.startswith(f"{victim.address}/login/back?code=")
    victim.go(link.removeprefix(victim.address), status=400)
    assert "was not begun in this browser" in victim.page.content()
    victim.go("/")
    assert victim.page.get_by_role("banner").get_by_role("link", name="Log in").is_visible()


@pytest.mark.thorough
def test_by_keyboard_alone_somebody_registers_logs_out_and_in_again(open_screen: OpenScreen) -> None:
    email = new_email()
    screen = open_screen("AN")
    screen.go("/register?next=/account")
    keys = screen.page.keyboard
    tab_to(screen.page, "name")
    for text in ("Ana Lima", email, PASSWORD):
        keys.type(text)
        keys.press("Tab")
    keys.press("Enter")
    title(screen, "Your account")
    screen.page.get_by_role("banner").get_by_role("button", name="Log out").focus()
    keys.press("Enter")
    screen.page.get_by_role("banner").get_by_role("link", name="Log in").wait_for()
    screen.go("/login?next=/account")
    tab_to(screen.page, "email")
    for text in (email, PASSWORD):
        keys.type(text)
        keys.press("Tab")
    keys.press("Enter")
    title(screen, "Your account")


def tab_to(page: Page, field: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == field:
            return
    raise AssertionError(f"the Tab key never comes to {field}")


@pytest.mark.thorough
def test_a_wrong_password_and_an_unknown_address_look_alike_and_the_form_forgets_no_address(
    open_screen: OpenScreen,
) -> None:
    email = new_email()
    screen = open_screen("AN")
    register(screen, email)
    button(screen.page, "Log out").click()
    screen.expect_status(422)
    shown = []
    for address in (email, f"un{email}"):
        screen.go("/login")
        log_in(screen, address, password="something else entirely")
        screen.page.get_by_role("alert").wait_for()
        assert screen.page.get_by_label("E-mail address").input_value() == address
        shown.append(screen.page.get_by_role("main").inner_text())
    assert shown[0] == shown[1]
    assert "do not belong together" in shown[0]
    assert screen.page.evaluate("document.activeElement.id") == "faults"
    screen.assert_accessible()


def test_a_guest_gets_no_cookie_until_something_must_be_remembered(open_screen: OpenScreen) -> None:
    screen = open_screen("AN")
    for path in ("/", "/login", "/register", "/trips", "/search?from=FEC&to=CGB"):
        screen.page.goto(screen.address + path)
    assert session_cookies(screen) == {}
    screen.complaints.clear()
    register(screen, new_email())
    [(name, cookie)] = session_cookies(screen).items()
    assert name == "passcom-AN-plain-http"
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"], cookie["path"]) == (True, "Lax", False, "/")
    before = cookie["value"]
    button(screen.page, "Log out").click()
    screen.page.get_by_role("banner").get_by_role("link", name="Log in").wait_for()
    assert session_cookies(screen) == {}
    screen.context.add_cookies([{"name": name, "value": str(before), "url": screen.address}])
    screen.go("/")
    assert screen.page.get_by_role("banner").get_by_role("link", name="Log in").is_visible(), "it was ended, not hidden"


@pytest.mark.thorough
def test_every_page_about_accounts_is_accessible_and_light(open_screen: OpenScreen) -> None:
    screen = open_screen("JG")

    def check() -> None:
        screen.assert_accessible()
        assert screen.weight() < WEIGHT_BYTES_MAX, screen.page.url

    for path in ("/login", "/register"):
        screen.go(path)
        check()
    screen.expect_status(422)
    screen.page.get_by_role("main").get_by_role("button").click()
    screen.page.get_by_role("alert").wait_for()
    check()
    register(screen, new_email())
    for path in ("/trips", "/account"):
        screen.go(path)
        check()
    screen.go("/account")
    screen.page.get_by_text("Remove this account").first.click()
    check()
    screen.page.get_by_role("main").get_by_role("button", name="Remove this account").click()
    screen.page.get_by_role("alert").wait_for()
    check()
    screen.page.get_by_label("Yes, remove my account").check()
    screen.page.get_by_role("main").get_by_role("button", name="Remove this account").click()
    title(screen, "Your account is removed")
    check()


@pytest.mark.thorough
def test_what_is_bought_with_an_account_is_on_its_list_at_every_airline_and_a_silent_one_is_named(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    email = new_email()
    home = open_screen("AN")
    register(home, email, "Ana Souza")
    booking = hold(home, nodes.journeys[2], "14A", "14A", "14A")
    title(home, "Your seats are held")
    assert home.page.get_by_label("Full name").input_value() == "Ana Souza"
    assert home.page.get_by_label("E-mail for the ticket").input_value() == email
    fill_in(home.page, "Ana Souza")
    pay(home.page)
    title(home, "Confirmed")
    nodes.told.confirmed.add(booking)

    ipe = open_screen("IP")
    ipe.go("/trips")
    button(ipe.page, "Continue with Andorinha").click()
    log_in(ipe, email)
    button(ipe.page, "Agree").click()
    title(ipe, "My trips")
    trip = ipe.page.locator(".trip")
    assert trip.count() == 1
    assert "Feira de Santana" in trip.inner_text()
    assert "Sold by Andorinha" in trip.inner_text()
    assert trip.get_by_role("link").get_attribute("href") == f"{home.address}/bookings/{booking}/ticket"
    ipe.assert_accessible()

    nodes.kill("AN")
    ipe.go("/trips")
    assert "Andorinha Linhas Aéreas does not answer" in ipe.page.get_by_role("status").inner_text()
    assert ipe.page.locator(".trip").count() == 0
    assert ipe.page.get_by_text("No trip ahead of you").count() == 0, "nobody knows that while an airline is silent"
    ipe.assert_accessible()
    nodes.start("AN")
    ipe.go("/trips")
    ipe.page.locator(".trip").get_by_role("link").click()
    title(ipe, "Feira de Santana")
    assert ipe.page.url == f"{home.address}/bookings/{booking}/ticket"
