"""What a node says to its log: a line each, whatever is in it, and no trouble if it cannot be said."""

import errno
import logging
import os
from collections.abc import Sequence

import orjson
import pytest

from airline_node.logs import AsJson, AsText, BookingLog, Unfailing
from ledger.events import AnyEvent, Recorded
from tests.ledger.given import ANA, JG_FLIGHT, NOW, committed, opened, pledged, proposed, scheduled, seen_to

BOOKING = "b53cea21-3cca-42ee-9e44-d3c035e2a868"


class Terminal:
    """Takes what is written to stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[bytes] = []
        self.trouble: OSError | None = None
        monkeypatch.setattr(os, "write", self._write)

    def _write(self, descriptor: int, lines: bytes) -> int:
        if self.trouble:
            raise self.trouble
        assert descriptor == 2
        self.written.append(lines)
        return len(lines)

    @property
    def lines(self) -> list[dict[str, object]]:
        return [orjson.loads(line) for line in b"".join(self.written).splitlines()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(monkeypatch)


def record(message: str, *words: object, fault: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(fault), fault, fault.__traceback__) if fault else None
    return logging.LogRecord("airline_node.lines", logging.WARNING, __file__, 1, message, words, exc_info)


def say(formatter: logging.Formatter, one: logging.LogRecord) -> None:
    handler = Unfailing()
    handler.setFormatter(formatter)
    handler.emit(one)


def of(*events: AnyEvent) -> Sequence[Recorded]:
    return [Recorded(version, event) for version, event in enumerate(events, 1)]


def test_a_line_is_one_object_with_its_time_and_its_carrier(terminal: Terminal) -> None:
    one = record("%s does not answer", "IP")
    one.created = NOW / 1000
    say(AsJson("JG"), one)
    [line] = terminal.lines
    assert line == {
        "at": "2026-09-21T14:13:20.000Z",
        "level": "warning",
        "carrier": "JG",
        "logger": "airline_node.lines",
        "message": "IP does not answer",
    }


@pytest.mark.parametrize("evil", ["a\nb", "a\r\nb", "\x1b[2J", "\x00", "\x85", "\u2028", "\ud800"])
def test_whatever_a_peer_says_it_is_one_line_of_text(terminal: Terminal, evil: str) -> None:
    say(AsJson("JG"), record("it said %s", evil))
    say(AsText("%(message)s"), record("it said %s", evil.replace("\n", " ")))
    [as_json, as_text] = b"".join(terminal.written).decode().split("\n")[:-1]
    assert orjson.loads(as_json)["message"].startswith("it said")
    assert as_text.isprintable()
    assert as_json.isprintable() or evil in ("\x85", "\u2028"), "JSON leaves these two as they are"


def test_a_fault_is_told_with_where_it_happened_in_the_same_line(terminal: Terminal) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as fault:
        say(AsJson("JG"), record("it failed", fault=fault))
    [line] = terminal.lines
    assert "test_logs.py" in str(line["error"])
    assert "ValueError: two\nlines" in str(line["error"])


@pytest.mark.parametrize("booking", [BOOKING, "01JD3VGJ5Q8T6N0ZK4W2XRA7MC"])
def test_a_line_of_trouble_bears_the_booking_that_it_names(terminal: Terminal, booking: str) -> None:
    say(AsJson("JG"), record(f"to Commit(booking='{booking}', ...) it answered nonsense"))
    [line] = terminal.lines
    assert line["booking"] == booking


def test_every_event_of_a_booking_is_a_line_under_the_same_id_at_every_carrier(terminal: Terminal) -> None:
    BookingLog("AN")(of(opened(), committed()))
    BookingLog("JG")(of(pledged("1A")))
    assert len(terminal.written) == 2, "a batch is one write"
    assert [(line["carrier"], line["event"], line["booking"]) for line in terminal.lines] == [
        ("AN", "booking-opened", ANA),
        ("AN", "booking-committed", ANA),
        ("JG", "seat-held", ANA),
    ]
    assert terminal.lines[2] | {"at": "", "level": ""} == {
        "at": "",
        "level": "",
        "carrier": "JG",
        "event": "seat-held",
        "booking": ANA,
        "flight": JG_FLIGHT,
        "seat": "1A",
        "coordinator": "AN",
    }


def test_neither_a_person_s_name_nor_their_free_text_is_in_a_line_of_a_booking(terminal: Terminal) -> None:
    BookingLog("JG")(of(proposed(), seen_to(), opened()))
    said = b"".join(terminal.written)
    for word in (b"marta", b"the gate closes", b"flew on the next", b"ana's body"):
        assert word not in said


def test_what_is_put_on_sale_is_no_line(terminal: Terminal) -> None:
    BookingLog("JG")(of(scheduled()))
    assert terminal.written == []


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EPIPE, errno.EIO])
def test_a_log_that_cannot_be_written_is_nobody_s_trouble(terminal: Terminal, trouble: int) -> None:
    terminal.trouble = OSError(trouble, os.strerror(trouble))
    say(AsJson("JG"), record("it is lost"))
    BookingLog("JG")(of(opened()))
    terminal.trouble = None
    say(AsJson("JG"), record("this is not"))
    assert [line["message"] for line in terminal.lines] == ["this is not"]
