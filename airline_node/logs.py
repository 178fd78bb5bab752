"""What a node says to its log: for a person at a terminal a text, for a machine one JSON object a line.

    {"at":"2026-11-25T03:12:09.120Z","level":"warning","carrier":"JG","logger":"airline_node.lines","message":"..."}
    {"at":"2026-11-25T03:12:09.131Z","level":"info","carrier":"JG","event":"seat-held","booking":"01JD...","flight":"..."}

Lines of the second kind follow a booking through all nodes: each durable event of a booking and of its claims is one,
and the booking's id is the same everywhere. They hold what the events hold, and so no traveller's name. A whole batch
of them is one write, 3 µs a line. A log that cannot be written never stops a node: it may lie on the same full disk.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from traceback import format_exception
from typing import Final

import orjson
from msgspec.structs import fields

from airline_node.rows import TAGS
from ledger.events import AnyEvent, FlightScheduled, Recorded
from ledger.terms import CarrierCode, Millis

STDERR: Final = 2
MESSAGE_MAX: Final = 4_000
"""Characters of a message; a traceback's last ones are kept."""
BOOKING: Final = re.compile(r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b|\b[0-9A-HJKMNP-TV-Z]{26}\b")
"""A UUID or a ULID in a message is a booking's id: there is nothing else here that has one."""
TOLD: Final = ("booking", "flight", "seat", "reason", "coordinator", "decision")
"""Fields of an event that a line repeats, where it has them. Free text and operators' names stay in the journal."""
TOLD_OF: Final = {
    kind: (tag, tuple(name for name in TOLD if name in {field.name for field in fields(kind)}))
    for kind, tag in TAGS.items()
}


class Kind(StrEnum):
    """PASSCOM_LOG."""

    TEXT = "text"
    JSON = "json"
    QUIET = "quiet"
    """JSON, and of bookings only what is trouble."""


def default() -> Kind:
    return Kind.TEXT if sys.stderr.isatty() else Kind.JSON


def set_up(kind: Kind, carrier: CarrierCode) -> None:
    """From now on everything that is logged goes to stderr in this form."""
    handler = Unfailing()
    if kind is Kind.TEXT:
        handler.setFormatter(AsText("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    else:
        handler.setFormatter(AsJson(carrier))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class Unfailing(logging.Handler):
    """Straight to stderr, unbuffered. What cannot be written is lost, and nobody is hurt."""

    def emit(self, record: logging.LogRecord) -> None:
        write((self.format(record) + "\n").encode(errors="backslashreplace"))


def write(lines: bytes) -> None:
    with suppress(OSError):  # No room, or nobody who listens: the node has better things to do than to die of it.
        os.write(STDERR, lines)


class AsText(logging.Formatter):
    """For people. Control characters of a message, which may be a peer's, do not reach their terminal."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(letter if letter.isprintable() or letter == "\n" else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return ascii(letter)[1:-1]


def _encodable(text: str) -> str:
    """Half a character, as a peer may send it, is no text."""
    return text.encode(errors="backslashreplace").decode()


class AsJson(logging.Formatter):
    """One object a line, whatever is in the message: JSON escapes line feeds and control characters."""

    def __init__(self, carrier: CarrierCode) -> None:
        super().__init__()
        self._carrier = carrier

    def format(self, record: logging.LogRecord) -> str:
        message = _encodable(record.getMessage())
        line: dict[str, object] = {
            "at": _instant(round(record.created * 1000)),
            "level": record.levelname.lower(),
            "carrier": self._carrier,
            "logger": record.name,
            "message": message[:MESSAGE_MAX],
        }
        if found := BOOKING.search(message):
            line["booking"] = found[0]
        if record.exc_info and record.exc_info[1]:
            line["error"] = _encodable("".join(format_exception(record.exc_info[1])))[-MESSAGE_MAX:]
        return orjson.dumps(line, default=str).decode()


class BookingLog:
    """Told of every durable batch; says each event of a booking."""

    def __init__(self, carrier: CarrierCode) -> None:
        self._carrier = carrier

    def __call__(self, records: Sequence[Recorded]) -> None:
        lines = [orjson.dumps(self._line(one.event)) for one in records if not isinstance(one.event, FlightScheduled)]
        if lines:
            write(b"\n".join(lines) + b"\n")

    def _line(self, event: AnyEvent) -> Mapping[str, object]:
        tag, told = TOLD_OF[type(event)]
        line: dict[str, object] = {"at": _instant(event.at), "level": "info", "carrier": self._carrier, "event": tag}
        for name in told:
            line[name] = getattr(event, name)
        return line


def _instant(at: Millis) -> str:
    return f"{_second(at // 1000)}.{at % 1000:03d}Z"


@lru_cache(4)
def _second(at: int) -> str:
    """Events of a batch happen in the same second, and to write a date costs more than all the rest of a line."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"
