"""What holds for every page of the site, whoever makes it."""

from tests.browser.screens import NARROW, WEIGHT_BYTES_MAX, OpenScreen


def test_the_start_page_is_accessible_light_and_dark_wide_and_narrow(open_screen: OpenScreen) -> None:
    screen = open_screen()
    screen.go("/")
    screen.assert_accessible()
    assert 5_000 < screen.weight() < WEIGHT_BYTES_MAX


def test_a_planted_fault_is_found(open_screen: OpenScreen) -> None:
    """Else the tests above could not fail."""
    screen = open_screen()
    screen.go("/")
    screen.page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert any(found.startswith("button-name") for found in screen.findings())


def test_a_page_that_is_not_there_says_so_in_the_site_s_look(open_screen: OpenScreen) -> None:
    screen = open_screen("JG", width=NARROW)
    screen.go("/no/such/page", status=404)
    assert "There is no such page" in screen.page.locator("h1").inner_text()
    screen.assert_accessible()


def test_the_language_is_changed_on_any_page_and_stays(open_screen: OpenScreen) -> None:
    screen = open_screen(language="en")
    screen.go("/?from=FEC")
    screen.page.get_by_role("link", name="Português").click()
    assert screen.page.url.endswith("/?from=FEC")
    assert screen.page.locator("html").get_attribute("lang") == "pt-BR"
    screen.go("/")
    assert screen.page.get_by_role("button", name="Buscar voos").is_visible()


def test_the_first_tab_leads_past_the_header(open_screen: OpenScreen) -> None:
    screen = open_screen()
    screen.go("/")
    screen.page.keyboard.press("Tab")
    screen.page.keyboard.press("Enter")
    assert screen.page.evaluate("document.activeElement.id") == "content"
