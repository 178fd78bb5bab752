"""The pages about accounts on a whole node, without a browser: what guessers, proxies and programs meet."""

import asyncio
import dataclasses
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar

from airline_node.config import Config
from airline_node.people import passwords
from airline_node.people.accounts import FREE_TRIES
from airline_node.staff import set_role
from tests.node.business import Configs, lived, open_for_business
from ui.visitor import Role

pytestmark = pytest.mark.slow

ANA = {"name": "Ana Lima", "email": "ana@example.com", "password": "um trem para as estrelas"}


class Browser:
    """Forms, cookies and redirects, and where it comes from if a proxy says so."""

    def __init__(self, session: ClientSession, config: Config, said: str = "") -> None:
        self._session, self._site = session, f"http://{config.listen}"
        self._headers = {"Origin": self._site, "Accept": "text/html"} | ({"X-Forwarded-For": said} if said else {})

    async def get(self, path: str) -> ClientResponse:
        return await self._session.get(self._site + path, headers=self._headers, allow_redirects=False)

    async def post(self, path: str, form: Mapping[str, str], **headers: str) -> ClientResponse:
        return await self._session.post(
            self._site + path, data=form, headers=self._headers | headers, allow_redirects=False
        )


def new_session() -> ClientSession:
    return ClientSession(cookie_jar=CookieJar(unsafe=True))


def test_a_guesser_hears_how_long_to_wait_and_the_owner_behind_the_same_proxy_does_not_wait(configs: Configs) -> None:
    config = dataclasses.replace(configs["AN"], proxies=frozenset({"127.0.0.1"}))

    async def story() -> None:
        async with open_for_business(config), new_session() as one, new_session() as other:
            owner, guesser = Browser(one, config, "203.0.113.5"), Browser(other, config, "6.6.6.6, 198.51.100.7")
            assert (await owner.post("/register", ANA)).status == HTTPStatus.SEE_OTHER
            wrong = ANA | {"password": "something else"}
            told = [(await guesser.post("/login", wrong)).status for _ in range(FREE_TRIES)]
            assert told == [HTTPStatus.UNPROCESSABLE_ENTITY] * FREE_TRIES
            late = await guesser.post("/login", ANA)
            assert (late.status, late.headers["Retry-After"]) == (HTTPStatus.TOO_MANY_REQUESTS, "1")
            # What stands before the last word may have been written by the guesser: it buys no more tries.
            elsewhere = Browser(other, config, "7.7.7.7, 198.51.100.7")
            assert (await elsewhere.post("/login", ANA)).status == HTTPStatus.TOO_MANY_REQUESTS
            await owner.post("/logout", {})
            back = await owner.post("/login", ANA)
            assert back.status == HTTPStatus.SEE_OTHER

    lived(story)


def test_what_a_browser_says_of_its_own_address_buys_no_tries(configs: Configs) -> None:
    config = configs["AN"]

    async def story() -> None:
        async with open_for_business(config), new_session() as session:
            tries = [Browser(session, config, f"198.51.100.{n}").post("/login", ANA) for n in range(FREE_TRIES + 4)]
            told = [(await one).status for one in tries]
            # On a slow machine the first wait of a second may be over by the next try; those after it are longer.
            assert HTTPStatus.TOO_MANY_REQUESTS in told[FREE_TRIES:]

    lived(story)


def test_a_login_that_finds_the_pool_full_says_so_and_the_form_is_still_there(
    configs: Configs, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configs["AN"]

    async def story() -> None:
        async with open_for_business(config), new_session() as session:
            browser = Browser(session, config)
            monkeypatch.setattr(passwords, "WAITING_MAX", 0)
            told = await browser.post("/login", ANA)
            text = await told.text()
            assert told.status == HTTPStatus.SERVICE_UNAVAILABLE
            assert 'value="ana@example.com"' in text
            assert ANA["password"] not in text

    lived(story)


def test_a_role_that_is_granted_beside_the_running_node_is_there_with_the_next_page(configs: Configs) -> None:
    config = configs["AN"]

    async def story() -> None:
        async with open_for_business(config), new_session() as session:
            browser = Browser(session, config)
            await browser.post("/register", ANA)
            for granted in (True, False):
                await asyncio.to_thread(set_role, config.data, ANA["email"], Role.OPERATOR, granted=granted)
                shown = await (await browser.get("/account")).text()
                assert bool(re.search(r"operador", shown)) is granted

    lived(story)


def test_programs_get_no_cookie_and_cost_no_session(configs: Configs, authority: Path) -> None:
    config = configs["AN"]

    async def story() -> None:
        async with open_for_business(config) as client, new_session() as session:
            await Browser(session, config).post("/register", ANA)
            for path in ("/health/ready", "/api/openapi.json", "/metrics"):
                response = await session.get(f"http://{config.listen}{path}")
                assert "Set-Cookie" not in response.headers
            assert (await client.ask("GET", config, "/health/ready")).status == HTTPStatus.OK

    lived(story)


def test_a_form_from_another_site_logs_nobody_in_or_out(configs: Configs) -> None:
    config = configs["AN"]

    async def story() -> None:
        async with open_for_business(config), new_session() as session:
            browser = Browser(session, config)
            await browser.post("/register", ANA)
            for path in ("/login", "/logout", "/register", "/account/remove", "/vouch", "/login/with/JG"):
                told = await browser.post(path, ANA, Origin="https://evil.example")
                assert told.status == HTTPStatus.FORBIDDEN, path
            assert (await browser.get("/account")).status == HTTPStatus.OK

    lived(story)


def test_a_login_leads_to_a_page_of_this_site_and_nowhere_else(configs: Configs) -> None:
    config = configs["AN"]
    elsewhere = ("https://evil.example/", "//evil.example", "/\\evil.example", "/\nevil", "javascript:x")

    async def story() -> None:
        async with open_for_business(config):
            for number, onward in enumerate(elsewhere):
                async with new_session() as session:
                    ana = ANA | {"email": f"ana{number}@example.com"}
                    told = await Browser(session, config).post("/register", ana | {"next": onward})
                    assert (told.status, told.headers["Location"]) == (HTTPStatus.SEE_OTHER, "/"), onward

    lived(story)


def test_a_browser_is_sent_to_configured_sites_only(configs: Configs) -> None:
    sites = {"AN": "http://an.example", "JG": "https://jg.example"}
    config = dataclasses.replace(configs["AN"], sites=sites)
    token = "x" * 43

    async def story() -> None:
        async with open_for_business(config), new_session() as session:
            browser = Browser(session, config)
            sent = await browser.post("/login/with/JG", {"next": "/trips"})
            assert sent.headers["Location"].startswith("https://jg.example/vouch?for=AN&state=")
            assert (await browser.post("/login/with/IP", {})).status == HTTPStatus.NOT_FOUND, "it has no site"
            await browser.post("/register", ANA)
            for asked in (f"for=XX&state={token}&challenge={token}", f"for=JG&state=short&challenge={token}", ""):
                assert (await browser.get(f"/vouch?{asked}")).status == HTTPStatus.BAD_REQUEST
            fields = {"for": "JG", "state": token, "challenge": token, "redirect_uri": "https://evil.example"}
            agreed = await browser.post("/vouch", fields)
            assert agreed.headers["Location"].startswith("https://jg.example/login/back?code=")

    lived(story)
