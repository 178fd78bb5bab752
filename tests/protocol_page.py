"""The generated tables of docs/protocol.md. `python -m tests.protocol_page` writes them, the test compares."""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args

from msgspec import Struct
from msgspec.structs import fields

from ledger.coordinator import state as coordinator
from ledger.events import AnyBookingEvent, AnyFlightEvent
from ledger.messages import ForceState, PeerAnswer, PeerMessage
from ledger.participant import forcing
from ledger.participant import state as participant

PAGE = Path(__file__).parent.parent / "docs" / "protocol.md"
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str) -> str:
    """The page with every generated block as the code has it now."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{TABLES[block[2]]()}\n{block[3]}", page)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def _holds() -> str:
    moves = list(participant.Move)
    return _table(
        ["state", *moves],
        [[state, *(participant.NEXT.get((state, move), "") for move in moves)] for state in participant.HoldState],
    )


def _forcing() -> str:
    moves = list(dict.fromkeys(move for _, move in forcing.NEXT))
    return _table(
        ["state", *moves],
        [[state, *(forcing.NEXT.get((state, move), "") for move in moves)] for state in ForceState],
    )


def _bookings() -> str:
    events = get_args(AnyBookingEvent)
    return _table(
        ["phase", *(f"`{event.__name__}`" for event in events)],
        [[phase, *(coordinator.NEXT.get((phase, event), "") for event in events)] for phase in coordinator.Phase],
    )


def _events() -> str:
    return _table(
        ["event", "tag", "stream", "fields", "meaning"],
        [
            [*_named(event), stream, _fields(event, {"at", stream}), _meaning(event)]
            for stream, union in (("flight", AnyFlightEvent), ("booking", AnyBookingEvent))
            for event in get_args(union)
        ],
    )


def _messages() -> str:
    return _table(
        ["message", "tag", "fields", "meaning"],
        [
            [*_named(message), _fields(message, {"booking", "flight"}), _meaning(message)]
            for union in (PeerMessage, PeerAnswer)
            for message in get_args(union)
        ],
    )


def _named(struct: type[Struct]) -> tuple[str, str]:
    return f"`{struct.__name__}`", f"`{struct.__struct_config__.tag}`"


def _fields(struct: type[Struct], left_out: set[str]) -> str:
    return ", ".join(f"`{field.encode_name}`" for field in fields(struct) if field.encode_name not in left_out)


def _meaning(struct: type[Struct]) -> str:
    """The first sentence of its docstring, if it has one of its own."""
    text = inspect.cleandoc(struct.__dict__.get("__doc__") or "")
    return re.split(r"(?<=[.?!])\s", text.replace("\n", " "), maxsplit=1)[0]


TABLES: dict[str, Callable[[], str]] = {
    "holds": _holds,
    "forcing": _forcing,
    "bookings": _bookings,
    "events": _events,
    "messages": _messages,
}

if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
