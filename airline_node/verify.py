"""`passcom verify`: what a traveller's receipt proves, anywhere, with the carriers' public keys and nothing else."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airline_node.evidence import keys
from airline_node.evidence.keys import KeyTrouble
from airline_node.evidence.receipts import RECEIPT_BYTES_MAX, BadReceipt, Proved, check
from ledger.terms import Millis

PROVED, DISPROVED, UNREADABLE = 0, 1, 2


def verify(receipt: Path, keys_file: Path, console: Console) -> int:
    """The exit code: 0 it holds, 1 it does not, 2 it or the keys could not be read."""
    try:
        public = keys.read_public(keys_file)
        with receipt.open("rb") as file:
            text = file.read(RECEIPT_BYTES_MAX + 1)
    except (KeyTrouble, OSError) as trouble:
        console.print(Text(f"The receipt was not checked: {trouble}"))
        return UNREADABLE
    try:
        proved = check(text, public)
    except BadReceipt as wrong:
        console.print(Text(f"This receipt proves nothing: {wrong}."))
        return DISPROVED
    show(proved, console)
    return PROVED


def show(proved: Proved, console: Console) -> None:
    console.print(Text(f"Booking {proved.locator} ({proved.booking})"), soft_wrap=True)
    console.print(Text(f"is {proved.status}: every event below is in a log that its carrier has signed."))
    table = Table("log", "event", "at (UTC)", "what", box=None)
    for seen in proved.logs:
        for number, (index, event) in enumerate(seen.events):
            words = (type(event).__name__, getattr(event, "flight", ""), getattr(event, "seat", ""))
            carrier = "" if number else seen.carrier
            table.add_row(carrier, f"{index + 1} of {seen.size}", _instant(event.at), Text(" ".join(words)))
    console.print(table)
    for seen in proved.logs:
        cosigned = ", ".join(f"{who} at {_second(at_s)}" for who, at_s in sorted(seen.witnesses.items()))
        console.print(Text(f"{seen.carrier}'s log was cosigned by {cosigned or 'nobody'}."))
    for gap in proved.gaps:
        console.print(Text(f"Open: {gap}."))


def _instant(at: Millis) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%d %b %H:%M:%S")


def _second(at_s: int) -> str:
    # A time that a broken witness signed may be none that a calendar has.
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "at no time"
