"""An account of one airline at another: the home airline vouches, once, to whom it was asked for, and for its own."""

import asyncio
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from airline_node import certificates
from airline_node.peer_routes import ME, PEERS
from airline_node.people.asking import Asking
from airline_node.people.routes import VOUCHING, add_people_routes
from airline_node.people.vouching import Vouching
from airline_node.vault import Vault
from airline_node.vault.accounts import Register, RemoveAccount, SetRole
from airline_node.vault.codes import CODE_MS, CODES_PER_ACCOUNT_MAX
from ui.people import Silent
from ui.visitor import Account, Role

NOW = 1_800_000_000_000
ANA = Account(id="AN." + "a" * 32, name="Ana Lima", email="ana@example.com")
SECRET = "s" * 43
SITES = {"AN": "https://an.example", "JG": "https://jg.example", "XX": "https://unknown.example"}


def challenge(secret: str) -> str:
    return urlsafe_b64encode(sha256(secret.encode()).digest()).decode().rstrip("=")


class Home:
    """Andorinha, where Ana has her account; Jangada and Ipê come to its peer port."""

    def __init__(self, folder: Path) -> None:
        certificates.make(folder, ["AN", "JG", "IP"])
        self.folder, self.now = folder, NOW
        self.vault = Vault.open(folder / "vault.sqlite")
        self.vouching = Vouching(self.vault.file, Asking({"JG": "https://jg"}, None), SITES, lambda: self.now)
        self.says: Any = None
        app = web.Application()
        app[ME], app[PEERS], app[VOUCHING] = "AN", frozenset({"JG", "IP"}), self.vouching
        add_people_routes(app)
        app.middlewares.append(self._says)
        self.server = TestServer(app, scheme="https")

    @web.middleware
    async def _says(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever it was told to say, instead of what is so."""
        if self.says is not None:
            return web.Response(body=orjson.dumps({"answers": [self.says]}))
        return await handler(request)

    def context(self, carrier: str) -> ssl.SSLContext:
        return certificates.client_context(*certificates.files(self.folder, carrier))

    async def asked_by(self, carrier: str, code: str, secret: str = SECRET) -> Account | None:
        asking = Asking({"AN": str(self.server.make_url("")).rstrip("/")}, self.context(carrier))
        try:
            return await Vouching(self.vault.file, asking, SITES, lambda: self.now).vouched("AN", code, secret)
        finally:
            await asking.close()

    async def code(self, carrier: str = "JG") -> str:
        return await self.vouching.vouch(ANA.id, carrier, challenge(SECRET))


def lived(folder: Path, story: Callable[[Home], Awaitable[None]]) -> None:
    async def main() -> None:
        home = Home(folder)
        await home.vault.file.ask(Register(account=ANA, password_hash="", at=NOW))
        await home.server.start_server(ssl=certificates.server_context(*certificates.files(folder, "AN")))
        try:
            await story(home)
        finally:
            await home.server.close()
            home.vault.close()

    asyncio.run(main())


def test_who_brings_a_code_is_who_the_home_airline_says_without_roles(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        await home.vault.file.ask(SetRole(ANA.email, Role.OPERATOR, True))
        assert await home.asked_by("JG", await home.code()) == ANA
        assert ANA.roles == frozenset()

    lived(tmp_path, story)


def test_a_code_is_good_once(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        code = await home.code()
        told = await asyncio.gather(*(home.asked_by("JG", code) for _ in range(5)))
        assert sorted(told, key=str) == [ANA, None, None, None, None]

    lived(tmp_path, story)


def test_a_code_that_another_airline_tries_is_good_for_nobody(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        code = await home.code("JG")
        assert await home.asked_by("IP", code) is None
        assert await home.asked_by("JG", code) is None

    lived(tmp_path, story)


def test_a_code_without_the_browsers_secret_is_good_for_nobody(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        assert await home.asked_by("JG", await home.code(), secret="t" * 43) is None

    lived(tmp_path, story)


def test_a_code_is_good_for_a_minute(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        code, late = await home.code(), await home.code()
        home.now += CODE_MS
        assert await home.asked_by("JG", code) == ANA
        home.now += 1
        assert await home.asked_by("JG", late) is None

    lived(tmp_path, story)


def test_an_account_that_was_removed_meanwhile_is_nobody(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        code = await home.code()
        await home.vault.file.ask(RemoveAccount(ANA.id))
        assert await home.asked_by("JG", code) is None

    lived(tmp_path, story)


def test_of_many_codes_the_newest_are_good(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        codes = []
        for _ in range(CODES_PER_ACCOUNT_MAX + 2):
            codes.append(await home.code())
            home.now += 1
        good = [await home.asked_by("JG", code) for code in codes]
        assert good == [None] * 2 + [ANA] * CODES_PER_ACCOUNT_MAX

    lived(tmp_path, story)


def test_no_code_can_be_read_in_the_file(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        code = await home.code()
        assert code.encode() not in everything_on_disk(tmp_path)

    lived(tmp_path, story)


def test_an_airline_vouches_for_its_own_accounts_alone(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        home.says = {"account": "IP." + "c" * 32, "name": "Somebody", "email": "some@body"}
        assert await home.asked_by("JG", "c" * 43) is None

    lived(tmp_path, story)


@pytest.mark.parametrize(
    "says",
    [
        {"account": "AN.../../admin", "name": "A", "email": "a@b"},
        {"account": "AN." + "a" * 32, "name": "A\u202e", "email": "a@b"},
        {"account": "AN." + "a" * 32, "name": "A", "email": "a@b", "roles": ["operator"]},
        ["nothing of the kind"],
    ],
)
def test_what_cannot_be_is_trouble_with_that_airline_and_nobody_is_logged_in(tmp_path: Path, says: object) -> None:
    async def story(home: Home) -> None:
        home.says = says
        with pytest.raises(Silent):
            await home.asked_by("JG", "c" * 43)

    lived(tmp_path, story)


def test_an_airline_that_does_not_answer_is_silent(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        nobody = Asking({"AN": "https://127.0.0.1:9"}, home.context("JG"))
        with pytest.raises(Silent):
            await Vouching(home.vault.file, nobody, SITES, lambda: NOW).vouched("AN", "c" * 43, SECRET)
        await nobody.close()

    lived(tmp_path, story)


def test_only_airlines_that_are_peers_and_have_a_site_are_offered(tmp_path: Path) -> None:
    async def story(home: Home) -> None:
        assert home.vouching.others == {"JG": "https://jg.example"}

    lived(tmp_path, story)


def everything_on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())
