"""A traveller's screen: a browser window at a carrier's site, and what can be demanded of whatever it shows."""

import re
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, Unpack

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

from ledger.terms import CarrierCode
from tests.thorough import size
from ui.visitor import Role

WIDE, NARROW = 1280, 360
HEIGHT = {WIDE: 900, NARROW: 740}
Scheme = Literal["light", "dark"]
SHOWN: tuple[tuple[Scheme, int], ...] = size(
    (("light", WIDE), ("dark", NARROW)),
    (("light", WIDE), ("light", NARROW), ("dark", WIDE), ("dark", NARROW)),
)
"""How a page is shown to axe: each scheme and each width every day, each with each when all is run."""
WEIGHT_BYTES_MAX = 150_000
"""All that a page loads, as it travels, before images."""
PATIENCE_MS = 10_000
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RUN_AXE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map(v => `${v.id}: ${v.help}: ${v.nodes.map(n => n.html.slice(0, 160)).join(" | ")}`);
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

Language = Literal["pt-BR", "en"]


class Looks(TypedDict, total=False):
    """How a screen may differ from a wide, light one with scripts, in English."""

    width: int
    dark: bool
    scripts: bool
    language: Language


class OpenScreen(Protocol):
    def __call__(self, carrier: CarrierCode = "AN", **looks: Unpack[Looks]) -> "Screen": ...


class StaffAt(Protocol):
    def __call__(
        self, name: str, carrier: CarrierCode = "JG", *, role: Role | None = Role.OPERATOR, **looks: Unpack[Looks]
    ) -> "Screen": ...


class Screen:
    """`page` is Playwright's. `complaints` are the errors that the browser's console has shown."""

    def __init__(self, context: BrowserContext, address: str, scripts: bool) -> None:
        self.context = context
        self.address = address
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.scripts = scripts
        self._expected: set[int] = set()
        self._may_lose = False
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))

    def go(self, path: str, *, status: int = 200) -> Response:
        """Open a page of this site; it must answer with this status."""
        self._expected.add(status)
        response = self.page.goto(self.address + path)
        assert response is not None
        assert response.status == status, (path, response.status)
        return response

    def expect_status(self, status: int) -> None:
        """What comes may answer with this status: then the browser's complaint about it is none."""
        self._expected.add(status)

    def expect_lost_connections(self) -> None:
        """The node goes meanwhile: that the browser cannot reach it is no fault of the page."""
        self._may_lose = True

    def assert_accessible(self) -> None:
        """No finding of axe and nothing wider than the screen, light and dark, wide and narrow; then as it was."""
        before = self.page.viewport_size
        for scheme, width in SHOWN:
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size({"width": width, "height": HEIGHT[width]})
            found = self.findings()
            assert not found, (self.page.url, scheme, width, found)
            assert self.page.evaluate(SIDEWAYS) <= 0, f"{self.page.url} scrolls sideways at {width} pixels"
        self.page.emulate_media(color_scheme="null")
        if before:
            self.page.set_viewport_size(before)

    def findings(self) -> list[str]:
        """What axe-core objects to on the page as it is now."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        found: list[str] = self.page.evaluate(RUN_AXE)
        return found

    def weight(self) -> int:
        """Bytes that the page has cost on the wire so far, with all it loads but images."""
        entries: list[dict[str, Any]] = self.page.evaluate(
            """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
               .map(e => ({type: e.initiatorType, name: e.name, bytes: e.transferSize || e.encodedBodySize}))"""
        )
        return sum(int(entry["bytes"]) for entry in entries if not re.search(r"\.(png|jpe?g|svg|webp)$", entry["name"]))

    def save(self, name: str, folder: Path, *, whole: bool = True) -> None:
        """A picture of the page."""
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=whole)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self._may_lose and re.search("net::ERR_|htmx:sse:error|htmx:error", message.text):
            return
        failed = re.search(r"the server responded with a status of (\d+)", message.text)
        if failed and int(failed[1]) in self._expected:
            return
        self.complaints.append(f"{self.page.url}: {message.text}")


def new_screen(
    browser: Browser,
    address: str,
    *,
    width: int = WIDE,
    dark: bool = False,
    scripts: bool = True,
    language: Language = "en",
) -> Screen:
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT.get(width, 900)},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        locale=language,
        timezone_id="America/Sao_Paulo",
        reduced_motion="reduce",
    )
    return Screen(context, address, scripts)
