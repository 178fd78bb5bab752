"""Sessions: a browser's token opens its own row, for a while, and only here."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp_session import get_session, session_middleware

from airline_node.people.sessions import Sessions
from airline_node.vault import Vault, sessions
from airline_node.vault.accounts import Register, RemoveAccount, SetRole
from airline_node.vault.sessions import AGE_MS_MAX, IDLE_MS, TOUCH_MS
from ui.sessions import STORAGE, SessionStorage, log_in, log_out
from ui.visitor import Account, Role, require, visitor

NOW = 1_800_000_000_000
ANA = Account(id="AN." + "a" * 32, name="Ana Lima", email="ana@example.com")
BIA = Account(id="JG." + "b" * 32, name="Bia Sá", email="bia@example.com")
PLAIN, SECURE = "passcom-AN-plain-http", "__Host-passcom-AN"


class Site:
    """A few pages before a real vault, and a browser. Its clock stands still unless it is moved."""

    def __init__(self, vault: Vault, *, secure: bool = False) -> None:
        self.vault, self.now = vault, NOW
        self.rows = Sessions(vault.file, "AN")
        storage = SessionStorage(self.rows, "AN", lambda: self.now, secure=secure)
        app = web.Application(middlewares=[session_middleware(storage)])
        app[STORAGE] = storage
        app.add_routes(
            [
                web.get("/", self.front),
                web.get("/staff", self.staff),
                web.post("/remember", self.remember),
                web.post("/login/{who}", self.log_in),
                web.post("/logout", self.log_out),
            ]
        )
        self.server = TestServer(app)
        self.browser = TestClient(self.server, cookie_jar=CookieJar(unsafe=True))

    async def front(self, request: web.Request) -> web.Response:
        return web.Response(text=(await visitor(request)).name or "guest")

    async def staff(self, request: web.Request) -> web.Response:
        return web.Response(text=(await require(request, Role.AUDITOR)).name)

    async def remember(self, request: web.Request) -> web.Response:
        (await get_session(request))["cart"] = await request.text()
        return web.Response()

    async def log_in(self, request: web.Request) -> web.Response:
        await log_in(request, ANA if request.match_info["who"] == "ana" else BIA)
        return web.Response()

    async def log_out(self, request: web.Request) -> web.Response:
        await log_out(request)
        return web.Response()

    async def sees(self, token: str | None = None) -> str:
        """The front page, in this browser or in one that has that token and nothing else."""
        if token is None:
            return await (await self.browser.get("/")).text()
        async with ClientSession(cookies={PLAIN: token}, cookie_jar=CookieJar(unsafe=True)) as other:
            return await (await other.get(self.server.make_url("/"))).text()

    @property
    def token(self) -> str | None:
        jar = self.browser.session.cookie_jar.filter_cookies(self.server.make_url("/"))
        return jar[PLAIN].value if PLAIN in jar else None


def lived(vault: Vault, story: Callable[[Site], Awaitable[None]], *, secure: bool = False) -> None:
    async def main() -> None:
        site = Site(vault, secure=secure)
        await vault.file.ask(Register(account=ANA, password_hash="", at=NOW))
        async with site.browser:
            await story(site)

    asyncio.run(main())


def test_a_guest_of_whom_nothing_must_be_remembered_gets_no_cookie_and_no_row(vault: Vault) -> None:
    async def story(site: Site) -> None:
        assert "Set-Cookie" not in (await site.browser.get("/")).headers
        assert rows(vault) == 0

    lived(vault, story)


def test_the_cookie_is_for_this_site_and_for_no_script(vault: Vault) -> None:
    async def plain(site: Site) -> None:
        told = (await site.browser.post("/remember", data="FEC-CGB")).headers["Set-Cookie"]
        assert told.startswith(f"{PLAIN}=")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} == set(told.split("; ")[1:])

    async def secure(site: Site) -> None:
        told = (await site.browser.post("/remember", data="FEC-CGB")).headers["Set-Cookie"]
        assert told.startswith(f"{SECURE}=")
        assert {"HttpOnly", "SameSite=Lax", "Path=/", "Secure"} == set(told.split("; ")[1:])

    lived(vault, plain)
    lived(vault, secure, secure=True)


def test_only_the_hash_of_a_token_is_kept(vault: Vault, path: Path) -> None:
    async def story(site: Site) -> None:
        await site.browser.post("/login/ana")
        assert site.token
        everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert site.token.encode() not in everything

    lived(vault, story)


def test_a_login_gets_a_new_token_and_the_old_one_opens_nothing(vault: Vault) -> None:
    async def story(site: Site) -> None:
        await site.browser.post("/remember", data="FEC-CGB")
        before = site.token
        await site.browser.post("/login/ana")
        assert before
        assert site.token
        assert before != site.token
        assert (await site.sees(), await site.sees(before)) == ("Ana Lima", "guest")
        assert rows(vault) == 1

    lived(vault, story)


def test_a_token_that_was_brought_along_is_never_adopted(vault: Vault) -> None:
    async def story(site: Site) -> None:
        site.browser.session.cookie_jar.update_cookies({PLAIN: "chosen-by-somebody-else"}, site.server.make_url("/"))
        await site.browser.post("/login/ana")
        assert site.token != "chosen-by-somebody-else"
        assert await site.sees("chosen-by-somebody-else") == "guest"

    lived(vault, story)


def test_after_a_logout_the_token_opens_nothing_anywhere(vault: Vault) -> None:
    async def story(site: Site) -> None:
        await site.browser.post("/login/ana")
        token = site.token
        assert token
        await site.browser.post("/logout")
        assert site.token is None
        assert (await site.sees(), await site.sees(token)) == ("guest", "guest")
        assert rows(vault) == 0

    lived(vault, story)


def test_a_session_that_nobody_uses_is_over_and_one_in_use_goes_on(vault: Vault) -> None:
    async def story(site: Site) -> None:
        await site.browser.post("/login/ana")
        for _ in range(3):
            site.now += IDLE_MS
            assert await site.sees() == "Ana Lima"
        site.now += IDLE_MS + 1
        assert await site.sees() == "guest"

    lived(vault, story)


def test_even_one_in_use_is_over_after_a_day(vault: Vault) -> None:
    async def story(site: Site) -> None:
        await site.browser.post("/login/ana")
        while site.now + IDLE_MS <= NOW + AGE_MS_MAX:
            site.now += IDLE_MS
            assert await site.sees() == "Ana Lima"
        site.now = NOW + AGE_MS_MAX + 1
        assert await site.sees() == "guest"

    lived(vault, story)


def test_looking_at_pages_writes_once_a_minute_at_most(vault: Vault) -> None:
    async def story(site: Site) -> None:
        await site.browser.post("/login/ana")
        before = asked(vault, "SELECT total_changes()")
        for _ in range(20):
            site.now += TOUCH_MS // 19
            await site.sees()
        assert asked(vault, "SELECT total_changes()") - before == 1

    lived(vault, story)


def test_what_an_account_may_do_is_asked_anew_each_time(vault: Vault) -> None:
    async def story(site: Site) -> None:
        async def status() -> int:
            return (await site.browser.get("/staff", allow_redirects=False)).status

        assert await status() == 303
        await site.browser.post("/login/ana")
        assert await status() == 403
        await vault.file.ask(SetRole("ana@example.com", Role.OPERATOR, True))
        assert await status() == 200, "an operator may see what an auditor sees"
        await vault.file.ask(SetRole("ana@example.com", Role.OPERATOR, False))
        assert await status() == 403
        await vault.file.ask(RemoveAccount(ANA.id))
        assert await status() == 303

    lived(vault, story)


def test_a_guest_is_shown_the_way_to_the_login_and_back(vault: Vault) -> None:
    async def story(site: Site) -> None:
        response = await site.browser.get("/staff?after=7", allow_redirects=False)
        assert response.headers["Location"] == "/login?next=/staff?after%3D7"

    lived(vault, story)


def test_another_airlines_account_is_a_traveller_here_and_nothing_more(vault: Vault) -> None:
    async def story(site: Site) -> None:
        await site.browser.post("/login/bia")
        assert await site.sees() == "Bia Sá"
        assert (await site.browser.get("/staff", allow_redirects=False)).status == 403

    lived(vault, story)


def test_one_login_more_than_an_account_may_have_ends_the_oldest(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SESSIONS_PER_ACCOUNT_MAX", 3)

    async def story(site: Site) -> None:
        for number in range(5):
            await site.rows.open(f"token-{number}", ANA, b"{}", NOW + number)
        open_ = [number for number in range(5) if await site.rows.load(f"token-{number}", NOW + 5)]
        assert open_ == [2, 3, 4]

    lived(vault, story)


def test_guests_make_room_for_guests_and_never_end_a_travellers_session(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 8)

    async def story(site: Site) -> None:
        await site.rows.open("ana", ANA, b"{}", NOW)
        for number in range(20):
            await site.rows.open(f"guest-{number}", None, b"{}", NOW + number)
        assert rows(vault) == 5
        assert await site.rows.load("ana", NOW + 20)

    lived(vault, story)


def test_sessions_that_are_over_leave_the_file(vault: Vault) -> None:
    async def story(site: Site) -> None:
        await site.rows.open("old", None, b"{}", NOW)
        await site.rows.open("new", None, b"{}", NOW + IDLE_MS + 1)
        assert rows(vault) == 1

    lived(vault, story)


def rows(vault: Vault) -> int:
    return asked(vault, "SELECT count(*) FROM sessions")


def asked(vault: Vault, sql: str) -> int:
    count = vault.file.connection.exec_driver_sql(sql).scalar_one()
    vault.file.connection.rollback()
    return int(count)
