"""The site's two languages: English, which the code is written in, and Brazilian Portuguese from catalogues.

Each room has its own catalogue, `pt_BR.po` beside its pages (`python -m tests.site.catalogues` keeps them). They are
read when the site is put together: no compiled file can be older than its source. The language of the page that is
being made is in a context variable, so that views, templates and macros all say `_("...")` and nothing else.
"""

from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path

from aiohttp import web
from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

ROOM = Path(__file__).parent
COOKIE = "language"
LANGUAGES = {"pt": "pt_BR", "en": "en"}
"""What the cookie and the address say, and the locale that is meant. The first one is for everybody else."""

_language: ContextVar[str] = ContextVar("language", default="pt")


def speak(language: str) -> None:
    """From here on, in this task, pages are made in this language."""
    assert language in LANGUAGES
    _language.set(language)


def spoken() -> str:
    return _language.get()


def locale() -> Locale:
    return Locale.parse(LANGUAGES[_language.get()])


def gettext(text: str) -> str:
    """The text in the language of the page."""
    return catalogue(_language.get()).ugettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """One or the other, by the language's own rule."""
    return catalogue(_language.get()).ungettext(one, many, count)


def pgettext(context: str, text: str) -> str:
    """The same English word may be two in Portuguese: `context` tells which is meant."""
    return catalogue(_language.get()).upgettext(context, text)


def wanted(request: web.Request) -> str:
    """The traveller's own choice; without one, what the browser asks for."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else _accepted(request.headers.get("Accept-Language", ""))


def _accepted(header: str) -> str:
    """The first language of ours by weight (RFC 9110, 12.5.4)."""
    offers = sorted(_weighed(header), key=lambda offer: -offer[0])
    ours = (tag for _, tag in offers if tag in LANGUAGES)
    return next(ours, next(iter(LANGUAGES)))


def _weighed(header: str) -> Iterator[tuple[float, str]]:
    for offer in header[:200].split(","):
        tag, _, weight = offer.partition(";q=")
        try:
            yield float(weight or 1), tag.strip().partition("-")[0].lower()
        except ValueError:
            continue


@cache
def catalogue(language: str) -> NullTranslations:
    """All rooms' words in one."""
    whole = NullTranslations()
    if language != "en":
        for file in sorted(ROOM.rglob(f"{LANGUAGES[language]}.po")):
            compiled = BytesIO()
            write_mo(compiled, read_po(BytesIO(file.read_bytes()), locale=LANGUAGES[language]))
            compiled.seek(0)
            room = Translations(compiled)
            whole = whole.merge(room) if isinstance(whole, Translations) else room
    return whole
