"""What carriers tell one another's operators about themselves, over TLS with real certificates."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from airline_node import certificates, neighbours
from airline_node.door import JOURNAL
from airline_node.journal import Journal
from airline_node.neighbours import VITALS, Neighbours, Unheard, add_neighbour_routes
from airline_node.peer_routes import PEERS
from ledger.events import AnyEvent, Recorded
from tests.ledger.given import ANA, JG_FLIGHT, NOW, RUI, pledged, scheduled, sold
from ui.operations import Vitals

WELL = Vitals(now=NOW, inbox=0, holds=2, in_doubt=0, unsettled=0, alarms=0, orders=9, p50_ms=20, p99_ms=None)
LESS_THAN_NOTHING = (
    '{"now":1,"inbox":-1,"holds":0,"in_doubt":0,"unsettled":0,"alarms":0,"orders":0,"p50_ms":0,"p99_ms":0}'
)
HISTORY: tuple[AnyEvent, ...] = (scheduled(), pledged("1A"), pledged("1B", booking=RUI), sold("1A"))


class Town:
    """Jangada's peer port, and Andorinha who asks it. `answers` takes the place of what Jangada says."""

    def __init__(self, folder: Path) -> None:
        certificates.make(folder, ["AN", "JG", "XX"])
        self.folder = folder
        self.journal = Journal.open(str(folder / "ledger.sqlite"))
        self.asked = 0
        self.answers: Callable[[], Awaitable[web.StreamResponse]] | None = None
        app = web.Application(middlewares=[self._instead])
        app[JOURNAL], app[PEERS], app[VITALS] = self.journal, frozenset({"AN"}), lambda: WELL
        add_neighbour_routes(app)
        self.server = TestServer(app, scheme="https")

    def neighbours(self, who: str = "AN") -> Neighbours:
        tls = certificates.client_context(*certificates.files(self.folder, who))
        return Neighbours({"JG": str(self.server.make_url("/"))}, tls)

    @web.middleware
    async def _instead(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.asked += 1
        return await (self.answers() if self.answers else handler(request))


def lived(folder: Path, story: Callable[[Town], Awaitable[None]]) -> None:
    async def main() -> None:
        town = Town(folder)
        tls = certificates.server_context(*certificates.files(folder, "JG"))
        try:
            await town.journal.append([Recorded(version, event) for version, event in enumerate(HISTORY, 1)])
            await town.server.start_server(ssl=tls)
            await story(town)
        finally:
            await town.server.close()
            town.journal.close()

    asyncio.run(main())


def text(words: str, status: int = 200) -> Callable[[], Awaitable[web.StreamResponse]]:
    async def answer() -> web.StreamResponse:
        return web.Response(text=words, status=status)

    return answer


async def silence() -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_node_tells_how_it_is_and_pages_that_ask_together_share_one_question(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        asking = town.neighbours()
        first, second = await asyncio.gather(asking.vitals(), asking.vitals())
        assert first == second == {"JG": WELL}
        assert town.asked == 1

    lived(tmp_path, story)


def test_a_carrier_tells_its_events_of_one_booking_and_of_no_other(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        assert await town.neighbours().claim(ANA, JG_FLIGHT) == (pledged("1A"), sold("1A"))
        assert await town.neighbours().claim("nobody-0000000000000000", JG_FLIGHT) == ()

    lived(tmp_path, story)


@pytest.mark.parametrize(
    ("words", "status", "trouble"),
    [
        ("{}", 200, "cannot be read"),
        ("[" * 100_000, 200, "cannot be read"),
        ("x" * (neighbours.ANSWER_BYTES_MAX + 1), 200, "over"),
        ("", 503, "it answers 503"),
        (LESS_THAN_NOTHING, 200, "cannot be read"),
    ],
)
def test_a_neighbour_that_talks_nonsense_is_unheard_and_no_more(
    tmp_path: Path, words: str, status: int, trouble: str
) -> None:
    async def story(town: Town) -> None:
        town.answers = text(words, status)
        told = (await town.neighbours().vitals())["JG"]
        assert isinstance(told, Unheard)
        assert trouble in str(told)

    lived(tmp_path, story)


def test_a_neighbour_that_tells_of_another_booking_is_not_believed(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        other = '{"events":[{"event":"seat-returned","at":1,"flight":"JG2055/2026-12-14","seat":"1A","booking":"%s"}]}'
        town.answers = text(other % RUI)
        with pytest.raises(Unheard, match="something else"):
            await town.neighbours().claim(ANA, JG_FLIGHT)

    lived(tmp_path, story)


def test_a_silent_neighbour_costs_a_page_a_moment_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ASK_MS_MAX", 20)

    async def story(town: Town) -> None:
        town.answers = silence
        assert str((await town.neighbours().vitals())["JG"]) == "no answer within 20 ms"

    lived(tmp_path, story)


def test_whoever_is_no_peer_is_told_nothing(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        assert isinstance((await town.neighbours("XX").vitals())["JG"], Unheard)
        with pytest.raises(Unheard):
            await town.neighbours("XX").claim(ANA, JG_FLIGHT)

    lived(tmp_path, story)


def test_a_carrier_without_an_address_is_unheard() -> None:
    async def main() -> None:
        with pytest.raises(Unheard, match="no address"):
            await Neighbours({}, ssl.create_default_context()).claim(ANA, JG_FLIGHT)

    asyncio.run(main())
