"""The site's catalogues: `python -m tests.site.catalogues` brings each room's `pt_BR.po` up to date with its pages.

New texts come in empty, for a person to translate; texts that no page says any more go out. A test holds that
nothing is missing, nothing is left over and nothing is marked fuzzy.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import cast

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

UI = Path(__file__).parents[2] / "ui"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
SHARED = ("templates",)
"""Folders whose texts stand in the site's own catalogue, beside the modules of `ui/`."""


def rooms() -> Iterator[Path]:
    """Every folder that has its own catalogue, the site's own first."""
    yield UI
    for folder in sorted(UI.iterdir()):
        if (folder / "__init__.py").exists():
            yield folder


def said(room: Path) -> Catalog:
    """What the room's pages and modules say, as a catalogue without translations."""
    catalogue = Catalog(locale="pt_BR", domain="site", fuzzy=False)
    for file in sorted(_sources(room)):
        method = "jinja2.ext:babel_extract" if file.suffix == ".html" else "python"
        options = {"trimmed": "true", "newstyle_gettext": "true"} if file.suffix == ".html" else {}
        for _line, text, comments, context in extract_from_file(method, file, KEYWORDS, options=options):
            catalogue.add(text, auto_comments=comments, context=context)
    return catalogue


def kept(room: Path) -> Catalog:
    file = room / "pt_BR.po"
    return read_po(BytesIO(file.read_bytes()), locale="pt_BR") if file.exists() else Catalog(locale="pt_BR")


def _sources(room: Path) -> Iterator[Path]:
    if room == UI:
        yield from UI.glob("*.py")
        for shared in SHARED:
            yield from (UI / shared).rglob("*.html")
    else:
        yield from room.rglob("*.py")
        yield from room.rglob("*.html")


def update() -> None:
    for room in rooms():
        old, new = kept(room), said(room)
        for message in new:
            known = old.get(message.id, message.context) if message.id else None
            if known:
                message.string = known.string
        if not len(new):
            continue
        out = BytesIO()
        write_po(out, new, omit_header=False, sort_output=True, no_location=True, width=120)
        lines = [
            line
            for line in out.getvalue().decode().splitlines()
            if not line.startswith(("# ", "#\n"))
            and not any(
                word in line
                for word in (
                    "POT-Creation-Date",
                    "PO-Revision-Date",
                    "Generated-By",
                    "Last-Translator",
                    "Language-Team",
                    "Report-Msgid",
                    "Project-Id",
                )
            )
        ]
        (room / "pt_BR.po").write_text("\n".join(lines).strip("#\n") + "\n", encoding="utf-8")
        missing = sum(bool(message.id) and not translated(message.string) for message in new)
        print(f"{room.name}: {len(new)} texts, {missing} to translate")


def translated(string: object) -> bool:
    """Whether a message has its text, in the plural all of them."""
    return bool(string) and (isinstance(string, str) or all(cast(Iterable[str], string)))


if __name__ == "__main__":
    update()
