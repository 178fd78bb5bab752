"""What happened in a world, entry by entry, and how a person reads it."""

from collections.abc import Iterator
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct

from ledger.messages import BookingView
from ledger.terms import Segment
from tests.simulator.network import Place


class Entry(NamedTuple):
    """`at` counts seconds from the beginning of the world."""

    at: float
    who: Place
    what: str
    about: object

    def __str__(self) -> str:
        return f"{self.at:11.3f} {self.who} {self.what:<8} {words(self.about)}"


class Trace(list[Entry]):
    """In the order in which it happened."""

    def note(self, at: float, who: Place, what: str, about: object) -> None:
        self.append(Entry(at, who, what, about))

    def digest(self) -> str:
        """One number for all that happened, the same for the same seed anywhere."""
        return sha256("\n".join(map(repr, self)).encode()).hexdigest()

    def lines(self, about: str = "") -> Iterator[str]:
        """For people: everything that mentions this word."""
        return (line for line in map(str, self) if about in line)


def words(thing: object) -> str:
    """Without what is empty and what is always the same."""
    match thing:
        case BookingView():
            return f"{thing.booking} {thing.status}" + (f": {thing.detail}" if thing.detail else "")
        case Segment():
            return f"{thing.flight}[{','.join(thing.seats)}]"
        case Struct():
            fields = [(name, getattr(thing, name)) for name in thing.__struct_fields__]
            told = [f"{name}={words(value)}" for name, value in fields if value not in (None, (), "", 0, False)]
            return " ".join([type(thing).__name__, *told])
        case tuple() | list():
            return f"({', '.join(map(words, thing))})"
        case Enum():
            return str(thing.value)
        case _:
            return str(thing)
