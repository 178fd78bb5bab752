"""What `passcom recover` shows a person: one sentence, the nodes, and a table of what waits."""

from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airline_node.answers import TransactionAnswer
from airline_node.book.screen import reais, say
from airline_node.recover.heard import SeenTo, Settling
from airline_node.recover.report import NodeFound, Report, Source, Waits, bookings
from ledger.waiting import WaitState

ALARMS = (WaitState.CONFLICT, WaitState.MISMATCH)
ROWS_SHOWN = 100
COLOURS = {Source.NODE: "green", Source.FILES: "yellow", Source.NOTHING: "red"}


def show(report: Report, console: Console, now: datetime) -> None:
    say(console, headline(report))
    for node in report.nodes:
        _show_node(node, console)
    if report.waiting:
        console.print(_table(report, now))
    for one in report.waiting[:ROWS_SHOWN]:
        _explain(one, console)
    for over in report.seen_to[:ROWS_SHOWN]:
        _show_seen_to(over, console)
    if (more := len(report.waiting) - ROWS_SHOWN) > 0:
        say(console, f"{more} more: --json has them all.")
    if report.routine:
        say(console, f"{report.routine} more wait as they should, and end by themselves (--all lists them).")


def headline(report: Report) -> str:
    """The worst of it, in one sentence."""
    blind = [node.carrier for node in report.nodes if node.source is Source.NOTHING]
    alarms = [one for one in report.waiting if one.transaction.state in ALARMS]
    waiting = bookings(one for one in report.waiting)
    if alarms:
        return f"{_count(len(bookings(alarms)), 'booking')} where logs contradict each other: people have to look."
    if blind and not waiting:
        return f"Nothing is known of {' and '.join(blind)}."
    if not waiting:
        return "Everything has come to rest."
    if all(one.settling is Settling.DECIDED for one in report.waiting):
        return f"{_count(len(waiting), 'booking')} decided; what is left of it is in logs that were not read."
    doubt = f"; nothing is known of {' and '.join(blind)}" if blind else ""
    return f"{_count(len(waiting), 'booking')} waiting, {reais(report.at_stake)} at stake{doubt}."


def _show_node(node: NodeFound, console: Console) -> None:
    line = Text(f"  {node.carrier}  ", style="bold")
    line.append(f"{node.source:<8}", style=COLOURS[node.source])
    line.append("".join(filter(str.isprintable, node.detail)), style="default")
    console.print(line, soft_wrap=True)


def _show_seen_to(over: SeenTo, console: Console) -> None:
    broken = f"the pledge of {over.flight}, which {over.coordinator} had sold, was broken by force"
    say(console, f"  {over.locator}, booking {over.booking}: {broken}.")
    say(console, f"      Acknowledged by {over.operator}: {over.note}. Nothing is left to do.")


def _table(report: Report, now: datetime) -> Table:
    table = Table(
        "locator", "at", "state", "seats pinned", "at stake", "since", "said", "next try", box=box.SIMPLE_HEAD
    )
    for one in report.waiting[:ROWS_SHOWN]:
        told = one.transaction
        table.add_row(
            *(Text(told.locator, "bold"), one.at, Text(one.state, _colour(told))),
            *(_seats(told), reais(told.at_stake), _ago(told.since, now), _said(told)),
            "" if told.next_try is None else _next(told.next_try, now),
        )
    return table


def _colour(told: TransactionAnswer) -> str:
    if told.state in ALARMS:
        return "bold red"
    return "yellow" if told.state in (WaitState.IN_DOUBT, WaitState.FORCED, WaitState.UNSETTLED) else "default"


def _seats(told: TransactionAnswer) -> str:
    if told.flight is None:
        return " ".join(dict.fromkeys(one.flight.partition("/")[0] for one in told.standings if one.flight))
    return f"{told.flight} {' '.join(told.seats)}"


def _said(told: TransactionAnswer) -> str:
    """Each carrier's last word, once."""
    words = {(one.carrier, one.said): None for one in told.standings}
    unreachable = {carrier: None for carrier in told.unreachable if (carrier, "silent") not in words}
    said = [f"{carrier} {word}" for carrier, word in words if carrier not in unreachable or word != "unheard"]
    return ", ".join([*said, *(f"{carrier} silent" for carrier in unreachable)])


def _explain(one: Waits, console: Console) -> None:
    """The sentences that do not fit a table: why, what is known elsewhere, and what is safe."""
    told = one.transaction
    say(console, f"  {told.locator} at {one.at}, booking {told.booking}: {told.reason}.")
    if one.verdict:
        say(console, f"      {told.coordinator}'s own files: {one.verdict}.")
    elif one.ask and told.state is WaitState.IN_DOUBT:
        say(console, f"      To be asked: {', '.join(one.ask)}.")
    say(console, f"      Safe: {told.safe}.")
    if told.forcing and told.state is WaitState.IN_DOUBT:
        proposed = told.forcing
        say(console, f"      {proposed.operator} has proposed to break it ({proposed.why}).")


def _ago(then: datetime, now: datetime) -> str:
    return f"{length((now - then).total_seconds())} ago"


def _next(then: datetime, now: datetime) -> str:
    left = (then - now).total_seconds()
    return "now" if left <= 1 else f"in {length(left)}"


def length(seconds: float) -> str:
    """As a person says it: 42 s, 7 min, 3 h, 2 days."""
    s = max(0, round(seconds))
    if s < 120:
        return f"{s} s"
    if s < 2 * 3600:
        return f"{s // 60} min"
    return f"{s // 3600} h" if s < 48 * 3600 else f"{s // 86400} days"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def utc_now() -> datetime:
    return datetime.now(UTC)
