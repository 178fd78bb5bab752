"""Three real nodes and a real browser for the tests of this folder, shared by all of them.

    def test_something(open_screen: OpenScreen, nodes: Cluster) -> None:
        screen = open_screen("JG", width=NARROW, dark=True)       # a browser of its own, at Jangada's site
        screen.go("/")
        screen.page.get_by_role("button", name="Search flights").click()
        screen.assert_accessible()

When a test ends, a screen that has written an error to its console fails it.
"""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Unpack

import pytest
from playwright.sync_api import Browser, sync_playwright

from airline_node.staff import set_role
from ledger.terms import CarrierCode
from tests.browser.hasty import HASTY
from tests.browser.screens import Looks, OpenScreen, Screen, StaffAt, new_screen
from tests.crash.cluster import Cluster, new_booking
from tests.thorough import skip
from ui.visitor import Role

HERE = Path(__file__).parent
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
SWITCHES = (
    "--no-sandbox",  # It runs as root in a container.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--metrics-recording-only",
)
PASSWORD = "correct horse battery staple"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        skip(f"there is no {CHROMIUM}: install Debian's chromium and fonts-dejavu-core, or name one in CHROMIUM")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def _three_nodes(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("nodes"), HASTY) as cluster:
        yield cluster


@pytest.fixture
def nodes(_three_nodes: Cluster) -> Cluster:
    """All three run, whatever the test before has done to them."""
    _three_nodes.revive()
    return _three_nodes


@pytest.fixture
def open_screen(browser: Browser, nodes: Cluster) -> Iterator[OpenScreen]:
    """Opens a browser window of its own (no cookies, no history) at a carrier's site."""
    opened: list[Screen] = []

    def open_one(carrier: CarrierCode = "AN", **looks: Unpack[Looks]) -> Screen:
        screen = new_screen(browser, nodes.fleet.address(carrier), **looks)
        opened.append(screen)
        return screen

    yield open_one
    complaints = [complaint for screen in opened for complaint in screen.complaints]
    for screen in opened:
        screen.context.close()
    assert complaints == []


@pytest.fixture
def staff_at(nodes: Cluster, open_screen: OpenScreen) -> StaffAt:
    """Opens a screen at which somebody of a carrier's staff is logged in."""

    def log_in(
        name: str, carrier: CarrierCode = "JG", *, role: Role | None = Role.OPERATOR, **looks: Unpack[Looks]
    ) -> Screen:
        screen, email = open_screen(carrier, **looks), f"{name.lower()}-{new_booking()[:8]}@staff.example"
        screen.go("/register?next=/")
        screen.page.locator("#name").fill(name)
        screen.page.locator("#email").fill(email)
        screen.page.locator("#password").fill(PASSWORD)
        screen.page.locator("form[action='/register'] button").click()
        screen.page.wait_for_url(re.compile(r"/$"))
        if role:
            # Beside the running node, as `passcom grant` does; in a thread, for this one has the driver's loop.
            grant = partial(set_role, nodes.fleet.data(carrier), email, role, granted=True)
            nodes.background(grant).result()
        return screen

    return log_in
