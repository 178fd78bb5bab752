"""What a traveller asks for, in their own words: cities with or without accents, codes, states."""

import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta

from msgspec import Struct
from multidict import MultiMapping

from ledger.terms import PASSENGERS_MAX, AirportCode
from ui.desk import Airport, Desk
from ui.figures import long_day
from ui.language import gettext as _

SUGGESTED_DAYS = 14
"""So far ahead is the date that the form opens with."""
CHOICES_MAX = 6
"""So many airports are offered for words that fit several; whoever means another one types more of it."""


class Asked(Struct, frozen=True, kw_only=True):
    """The form as it was filled in; `faults` has a sentence for each field that cannot be meant.

    An airport that is not clear leaves `choices`: some that fit what was typed.
    """

    origin_words: str
    destination_words: str
    origin: Airport | None
    destination: Airport | None
    day: date
    passengers: int
    faults: Mapping[str, str]
    choices: Mapping[str, tuple[Airport, ...]]


def read(query: MultiMapping[str], desk: Desk) -> Asked:
    """The form from its address. Nothing in it is an error yet if it was not sent at all."""
    first, last = desk.sale.days()
    faults: dict[str, str] = {}
    choices: dict[str, tuple[Airport, ...]] = {}
    ends: dict[str, Airport | None] = {}
    for field in ("from", "to"):
        words = query.get(field, "")
        fitting = matching(words, desk.house.airports)
        ends[field] = fitting[0] if len(fitting) == 1 else None
        if len(fitting) > 1:
            faults[field] = _("Which airport do you mean by “{words}”?").format(words=words)
            choices[field] = fitting[:CHOICES_MAX]
        elif not fitting and field in query:
            faults[field] = _unknown(field, words)
    if ends["from"] and ends["from"] == ends["to"]:
        faults["to"] = _("You are there already: choose another destination.")
    return Asked(
        origin_words=query.get("from", ""),
        destination_words=query.get("to", ""),
        origin=ends["from"],
        destination=ends["to"],
        day=_day(query, first, last, faults),
        passengers=_passengers(query, faults),
        faults=faults,
        choices=choices,
    )


def matching(words: str, airports: Mapping[AirportCode, Airport]) -> tuple[Airport, ...]:
    """The airports that are meant: by label, code, a whole name of city or state, else by how a word begins."""
    sought = folded(words)
    if not sought:
        return ()
    if named := airports.get(label_code(words)) or airports.get(sought.upper()):
        return (named,)
    exact = tuple(airport for airport in airports.values() if sought in _names(airport))
    return exact or tuple(
        airport
        for airport in airports.values()
        if any(f" {sought}" in f" {folded(name)}" for name in (airport.city, airport.state, airport.name))
    )


def _names(airport: Airport) -> set[str]:
    """`São Paulo (Congonhas)` is also just `São Paulo`."""
    return {folded(airport.city), folded(airport.city.partition(" (")[0]), folded(airport.state)}


def label_code(words: str) -> AirportCode:
    """`FEC` of `Feira de Santana (FEC)`, an airport's label."""
    return words[-4:-1].upper() if words.endswith(")") and words[-5:-4] == "(" else ""


def folded(words: str) -> str:
    """Without accents, capitals and punctuation: `são luís` and `Sao Luis` are the same."""
    plain = unicodedata.normalize("NFD", words.casefold())
    letters = "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return " ".join(letters.split())


def _unknown(field: str, words: str) -> str:
    if not words:
        return _("Where do you fly from?") if field == "from" else _("Where do you fly to?")
    return _("We know no airport, city or state called “{words}”.").format(words=words)


def _day(query: MultiMapping[str], first: date, last: date, faults: dict[str, str]) -> date:
    suggested = min(first + timedelta(SUGGESTED_DAYS), last)
    try:
        asked = date.fromisoformat(query["date"]) if "date" in query else suggested
    except ValueError:
        faults["date"] = _("When do you fly? For example {day}.").format(day=suggested.isoformat())
        return suggested
    if not first <= asked <= last:
        faults["date"] = _("Flights are on sale from {first} to {last}.").format(
            first=long_day(first), last=long_day(last)
        )
        return min(max(asked, first), last)
    return asked


def _passengers(query: MultiMapping[str], faults: dict[str, str]) -> int:
    words = query.get("passengers", "1")
    if words.isascii() and words.isdigit() and 1 <= int(words) <= PASSENGERS_MAX:
        return int(words)
    faults["passengers"] = _("From 1 to {most} passengers.").format(most=PASSENGERS_MAX)
    return 1
