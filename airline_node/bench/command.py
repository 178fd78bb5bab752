"""`passcom bench`: the words of the command line."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Annotated, NoReturn

import msgspec
import orjson
import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from airline_node.bench.crew import BenchTrouble
from airline_node.bench.goods import Mode
from airline_node.bench.grow import grow
from airline_node.bench.nodes import elsewhere, journal, started
from airline_node.bench.page import page
from airline_node.bench.report import Report, growth_table, report, table, title
from airline_node.bench.run import BOOKINGS_MAX, LOADERS_MAX, USERS_MAX, Wanted, audited, measure
from airline_node.fleet import FleetTrouble, Tokens
from airline_node.timetable import load
from ledger.terms import Millis

FOUND = 1
"""The exit code when the audit finds anything."""
TROUBLE = 2
PAPER_WIDTH = 120
"""Columns, where no terminal says how many there are."""


def bench(
    users: Annotated[int, typer.Option(min=1, max=USERS_MAX, help="Travellers at once, a third at each node.")] = 1_500,
    bookings: Annotated[int, typer.Option(min=1, max=BOOKINGS_MAX, help="How many they place.")] = 20_000,
    carriers: Annotated[int, typer.Option(min=1, max=len(load().carriers), help="Airlines in each itinerary.")] = 3,
    mode: Annotated[Mode, typer.Option(help="Many flights; one that everybody wants; or with second thoughts.")] = (
        Mode.SPREAD
    ),
    loaders: Annotated[int, typer.Option(min=1, max=LOADERS_MAX, help="Processes that the travellers live in.")] = 1,
    at: Annotated[
        list[str] | None, typer.Option(help="A node that runs already, once for each; else three are started.")
    ] = None,
    tokens: Annotated[Path, typer.Option(help="The tokens of those nodes.")] = Path(".passcom/tokens.json"),
    data: Annotated[
        Path | None, typer.Option(help="Folder of the nodes started here; else one that is removed.")
    ] = None,
    growing: Annotated[
        bool, typer.Option("--grow", help="Measure too what grows with users, carriers, flights, events. Takes long.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report there, as one HTML file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Measure how fast the nodes sell, and audit every promise that they made.

    Exit code 0: nothing is wrong. 1: the audit found something. 2: nothing could be measured.
    """
    wanted = Wanted(users=users, bookings=bookings, carriers=carriers, mode=mode, loaders=loaders)
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = PAPER_WIDTH
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        with _folder(data) as folder, _progress(console) as progress:
            shown = _elsewhere(wanted, at, tokens, progress) if at else _here(wanted, folder / "run", progress)
            if growing:
                shown = replace(shown, growth=tuple(grow(folder / "grow", _now, progress)))
        if html:
            html.write_text(page(shown), encoding="utf-8")
    except (BenchTrouble, FleetTrouble, OSError) as trouble:
        print(trouble, file=sys.stderr)
        raise typer.Exit(TROUBLE) from None
    _show(shown, console)
    if as_json:
        print(orjson.dumps(msgspec.to_builtins(shown)).decode(), flush=True)
    raise typer.Exit(exit_code(shown))


def exit_code(shown: Report) -> int:
    """What the shell is told of a run that came to its end."""
    return FOUND if shown.audit.findings else 0


def _here(wanted: Wanted, folder: Path, progress: Progress) -> Report:
    """On nodes of our own; the audit reads their files when they have ended."""
    with started(folder) as nodes:
        measured = measure(wanted, nodes, _now(), progress)
    logs = {node.name: journal(node.data) for node in nodes if node.data}
    return report(measured, audited(logs, measured, progress), _now())


def _elsewhere(wanted: Wanted, at: Sequence[str], tokens: Path, progress: Progress) -> Report:
    """On nodes that somebody else has started; the audit asks them for their logs."""
    try:
        known = msgspec.json.decode(tokens.read_bytes(), type=Tokens)
    except msgspec.DecodeError as wrong:
        raise BenchTrouble(f"{tokens} holds no tokens: {wrong}") from None
    nodes = elsewhere(at, known)
    measured = measure(wanted, nodes, _now(), progress)
    return report(measured, audited({node.name: node.log() for node in nodes}, measured, progress), _now())


def _show(shown: Report, console: Console) -> None:
    console.print(title(shown), style="bold")
    console.print(table(shown))
    for growth in shown.growth:
        console.print("", growth_table(growth), sep="\n")
    for warning in shown.warnings:
        console.print(warning, style="bold yellow")
    for finding in shown.audit.findings:
        console.print(f"{finding.fault}, {finding.stream}: {finding.detail}", markup=False, style="bold red")


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Through every block, so that no node is left behind."""
    raise SystemExit(TROUBLE)


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
    else:
        with TemporaryDirectory(prefix="passcom-bench-") as name:
            yield Path(name)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _now() -> Millis:
    return time.time_ns() // 1_000_000
