"""Nothing on the site is left in English for a Portuguese reader, and nothing is translated that nobody says."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest

from tests.site.catalogues import kept, rooms, said, translated

FIELD = re.compile(r"%\(\w+\)s|\{\w+\}")


@pytest.mark.parametrize("room", list(rooms()), ids=lambda room: room.name)
def test_a_room_s_catalogue_has_all_that_its_pages_say_and_no_more(room: Path) -> None:
    asked, has = said(room), kept(room)
    wanted = {(message.id, message.context) for message in asked if message.id}
    assert {(message.id, message.context) for message in has if message.id} == wanted
    assert [message.id for message in has if message.id and not translated(message.string)] == []
    assert [message.id for message in has if message.id and message.fuzzy] == []


@pytest.mark.parametrize("room", list(rooms()), ids=lambda room: room.name)
def test_a_translation_fills_in_what_its_text_does(room: Path) -> None:
    for message in kept(room):
        if not message.id:
            continue
        texts, strings = _texts(message.id), _texts(message.string)
        allowed = {field for text in texts for field in FIELD.findall(text)}
        assert {field for string in strings for field in FIELD.findall(string)} <= allowed, message.id
        assert set(FIELD.findall(texts[-1])) <= set(FIELD.findall(strings[-1])), message.id


def test_no_two_rooms_translate_the_same_text_differently() -> None:
    """All catalogues become one: of two translations one would win everywhere. `pgettext` tells meanings apart."""
    found: dict[tuple[object, str | None], set[str]] = {}
    for message in (message for room in rooms() for message in kept(room) if message.id):
        found.setdefault((str(message.id), message.context), set()).add(str(message.string))
    assert {text: strings for text, strings in found.items() if len(strings) > 1} == {}


def _texts(text: object) -> list[str]:
    """The singular and the plural, or the one that there is."""
    return [text] if isinstance(text, str) else list(cast(Iterable[str], text))
