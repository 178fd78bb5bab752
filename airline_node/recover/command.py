"""`passcom recover`: the words of the command line."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from airline_node.answers import TransactionAnswer
from airline_node.book.screen import say
from airline_node.recover.nodes import Place, RecoverTrouble, look, places, resume
from airline_node.recover.report import Report, Source, report
from airline_node.recover.screen import show, utc_now
from ledger.terms import Millis

WAITS = 1
"""The exit code while something waits that should have come to rest, or a node could not be looked at."""
TROUBLE = 2
WAIT_S = 30
LOOK_MS: Millis = 500
AGAIN_MS: Millis = 5_000
"""While it is watched, everything is asked for again so often."""
PAPER_WIDTH = 140


def recover(
    at: Annotated[list[str] | None, typer.Option(help="A node's public address; once for each.")] = None,
    token: Annotated[
        str, typer.Option(envvar="PASSCOM_OPERATOR_TOKEN", help="Its operators' token.", show_envvar=True)
    ] = "",
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A node's data folder, read as it lies there, once for each; or one that holds all of them."),
    ] = None,
    journal: Annotated[
        str, typer.Option(envvar="PASSCOM_JOURNAL", help="A journal in PostgreSQL, read as it lies there.")
    ] = "",
    again: Annotated[bool, typer.Option("--resume", help="Ask about everything now, and watch it settle.")] = False,
    wait: Annotated[int, typer.Option(min=0, max=3600, help="With --resume: seconds to watch.")] = WAIT_S,
    everything: Annotated[bool, typer.Option("--all", help="List also what waits as it should.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
) -> None:
    """What waits on a node, or on all of them: why, since when, for whom, and what is safe to do.

    It changes nothing but with --resume, and may be run twice, or beside a node that lives. Exit code 0: everything has
    come to rest. 1: something waits, or a node could not be looked at. 2: there was nothing to look at.
    """
    console = Console(stderr=as_json, highlight=False, width=None if sys.stdout.isatty() else PAPER_WIDTH)
    try:
        every = places(at or [], data or [], token, journal)
    except RecoverTrouble as trouble:
        say(console, str(trouble))
        raise typer.Exit(TROUBLE) from None
    found = _watch(every, wait, console, everything=everything) if again else _look(every, console, everything)
    if as_json:
        print(orjson.dumps(msgspec.to_builtins(found)).decode(), flush=True)
    else:
        show(found, console, utc_now())
    blind = all(node.source is Source.NOTHING for node in found.nodes)
    raise typer.Exit(TROUBLE if blind else 0 if found.rests else WAITS)


def _look(every: Sequence[Place], console: Console, everything: bool = False) -> Report:
    with _progress(console) as bars:
        names = {place: place.folder or "the database" for place in every}
        tasks = {place: bars.add_task(f"Reading {name}", total=None, visible=False) for place, name in names.items()}

        def read(place: Place, done: int, total: int) -> None:
            bars.update(tasks[place], completed=done, total=total, visible=True)

        looked = look(every, read)
    return report(looked, now(), everything=everything)


def _watch(every: Sequence[Place], wait_s: int, console: Console, *, everything: bool) -> Report:
    """Has everything asked for, and looks until it has come to rest or `wait_s` are over."""
    begun, asked = time.monotonic(), 0.0
    first = found = _look(every, console, everything)
    seen = {_key(w.at, w.transaction): w.transaction.locator for w in first.waiting}
    with _progress(console) as bars:
        bar = bars.add_task("Settling", total=len(seen) or 1)
        while not asked or (not found.rests and time.monotonic() - begun < wait_s):
            if not asked or time.monotonic() - asked > AGAIN_MS / 1000:
                resume(every)
                asked = time.monotonic()
            time.sleep(LOOK_MS / 1000)
            found = report(look(every, lambda *_: None), now(), everything=everything)
            waiting = {_key(w.at, w.transaction): w.transaction.locator for w in found.waiting}
            for key in seen.keys() - waiting.keys():
                say(bars.console, f"{seen[key]} has come to rest at {key[0]}.")
            for key in seen.keys() - waiting.keys():
                del seen[key]
                bars.advance(bar)
            seen |= waiting
            bars.update(bar, total=max(1, len(seen) + int(bars.tasks[0].completed)))
    return found


def _key(at: str, told: TransactionAnswer) -> tuple[str, str, str]:
    return at, told.booking, told.flight or ""


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def now() -> Millis:
    return time.time_ns() // 1_000_000
