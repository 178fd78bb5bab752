"""Who may send a form, and what goes back with every page. The API is not touched by any of it."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from ui.guard import POLICY, same_site
from ui.language import wanted
from ui.page import own_path

HERE = ("Host", "site.example:8101")


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ([("Sec-Fetch-Site", "same-origin")], True),
        ([("Sec-Fetch-Site", "none")], True),
        ([("Sec-Fetch-Site", "same-site")], False),
        ([("Sec-Fetch-Site", "cross-site")], False),
        # What the browser says of the sender outranks what the sender may have set.
        ([("Sec-Fetch-Site", "cross-site"), ("Origin", "http://site.example:8101")], False),
        ([("Origin", "http://site.example:8101")], True),
        ([("Origin", "http://site.example")], False),
        ([("Origin", "http://evil.example")], False),
        ([("Origin", "null")], False),
        ([], False),
    ],
)
def test_a_form_is_taken_from_this_very_site_only(headers: list[tuple[str, str]], ours: bool) -> None:
    assert same_site(make_mocked_request("POST", "/", CIMultiDict([HERE, *headers]))) is ours


def test_the_policy_allows_nothing_unsafe_and_no_other_host() -> None:
    assert "unsafe" not in POLICY
    assert {word for part in POLICY.split("; ") for word in part.split()[1:]} == {"'none'", "'self'"}


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/search?from=FEC", "/search?from=FEC"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
def test_the_way_back_stays_on_this_site(path: str, back: str) -> None:
    assert own_path(path) == back


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        ("", "", "pt"),
        ("", "en-GB,en;q=0.9", "en"),
        ("", "fr,en;q=0.3,pt-BR;q=0.9", "pt"),
        ("", "de", "pt"),
        ("", "en;q=x,pt;q=0.1", "pt"),
        ("language=en", "pt-BR", "en"),
        ("language=xx", "en", "en"),
    ],
)
def test_the_traveller_s_own_choice_of_language_comes_first(cookie: str, header: str, language: str) -> None:
    headers = CIMultiDict([HERE, ("Cookie", cookie), ("Accept-Language", header)])
    assert wanted(make_mocked_request("GET", "/", headers)) == language
