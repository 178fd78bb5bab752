"""The operators' page keeps itself up to date, also on a bad night."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from aiohttp import web

from tests.ledger.given import NOW
from ui import language
from ui.desk import DeskClosed
from ui.operations import Tile, Vitals
from ui.operator import routes
from ui.operator.overview import Overview, overview
from ui.streams import BEAT

WELL = Vitals(now=NOW, inbox=0, holds=0, in_doubt=0, unsettled=0, alarms=0, orders=0, p50_ms=None, p99_ms=None)
JANGADA, ANDORINHA = Tile(carrier="JG", vitals=WELL), Tile(carrier="AN", vitals=None, lag_ms=0)


@pytest.fixture(autouse=True)
def _english() -> None:
    language.speak("en")


def normal() -> Overview:
    return overview({"JG": JANGADA}, [], NOW)


def silent() -> Overview:
    return overview({"JG": JANGADA, "AN": ANDORINHA}, [], NOW)


def sent(monkeypatch: pytest.MonkeyPatch, looks: Sequence[Overview | Exception], seen: str) -> list[str]:
    """What the stream sends to a page that has `seen` this, while the node answers its looks one after the other."""
    left = list(looks)

    async def look(_request: object) -> Overview:
        told = left.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    monkeypatch.setattr(routes, "_overview", look)
    monkeypatch.setattr(routes, "_clock", lambda _request: "03:12:09")
    monkeypatch.setattr(routes, "fragment", lambda _request, _template, *, seen, at: f"{at} {seen.headline.words}")
    monkeypatch.setattr(routes, "LOOK_S", 0)
    monkeypatch.setattr(routes, "LOOKS_MAX", len(looks))

    async def main() -> list[str]:
        return [line async for line in routes._changes(cast(web.Request, None), seen)]

    return asyncio.run(main())


def test_a_page_is_sent_what_it_does_not_show_yet_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, changed = sent(monkeypatch, [normal(), normal(), silent()], seen="")
    assert first == f"id: {routes._mark(normal())}\ndata: 03:12:09 Everything is normal.\n\n"
    assert again == BEAT
    assert "AN does not answer." in changed


def test_a_page_that_shows_it_already_is_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(monkeypatch, [normal()], seen=routes._mark(normal())) == [BEAT]


def test_a_node_that_is_too_busy_to_answer_for_a_moment_does_not_end_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = sent(monkeypatch, [normal(), DeskClosed("the inbox is full"), silent()], seen=routes._mark(normal()))
    assert told[:2] == [BEAT, BEAT]
    assert "AN does not answer." in told[2]


def test_the_stream_ends_so_that_the_role_is_asked_for_again() -> None:
    assert 30 <= routes.LOOK_S * routes.LOOKS_MAX <= 120
