"""The commands `passcom audit` and `passcom settle`."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from airline_node.audit import page
from airline_node.audit.run import audit as audit_logs
from airline_node.audit.run import settle as settle_logs
from airline_node.audit.sources import Source, SourceTrouble, is_node, open_sources
from airline_node.audit.travel import When, booking_then, counts, flight_then, free_counts, when
from airline_node.evidence import keys
from airline_node.evidence.keys import KeyTrouble
from ledger.terms import CarrierCode, Millis

NOTHING, FOUND, TROUBLE = 0, 1, 2
GC_ALLOCATIONS = 50_000
"""Between two looks at the young garbage, as in a node: of a million events nearly nothing stays."""

Places = Annotated[
    list[str] | None,
    typer.Argument(
        help="Logs: a folder of `passcom up`, a node's folder or file, postgresql://, http://node.",
        show_default=".passcom",
    ),
]
Token = Annotated[
    str, typer.Option(help="The auditor's token of running nodes.", envvar="PASSCOM_AUDITOR_TOKEN", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV on standard output.")]


def audit(
    places: Places = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every event again and check all that was signed.")
    ] = False,
    keys_file: Annotated[
        Path | None,
        typer.Option("--keys", help="The carriers' public keys.", show_default="keys/log-keys there, or in .passcom"),
    ] = None,
    at: Annotated[str | None, typer.Option(help="As it was then: 2026-12-01T10:00Z, or a position of one log.")] = None,
    flight: Annotated[str | None, typer.Option(help="Show this flight's seats (now, or --at).")] = None,
    booking: Annotated[str | None, typer.Option(help="Show this booking's life (to now, or --at).")] = None,
    at_rest: Annotated[
        bool, typer.Option("--at-rest", help="Nothing may be under way: report what is unfinished.")
    ] = False,
    token: Token = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Replay carriers' logs and report what is wrong, with the events that prove it; or show what was at an instant.

    Exit code 0: nothing is wrong. 1: something is. 2: it could not be read.
    """
    console = Console(stderr=as_json or as_csv, highlight=False)
    spare_the_collector()
    named = places or [".passcom"]
    try:
        with _opened(named, token) as sources:
            if at is not None or flight is not None or booking is not None:
                _show_then(sources, at, flight, booking, console, as_json=as_json)
                raise typer.Exit(NOTHING)
            public = keys.read_public(keys_file or _keys_of(named)) if verify else None
            with _progress(sources, console) as bars:
                audited = audit_logs(sources, public, bars.read, at_rest=at_rest, compared=bars.compare)
    except (SourceTrouble, KeyTrouble) as trouble:
        _give_up(trouble)
    if as_json:
        print(page.as_json(audited))
    elif as_csv:
        print(page.findings_csv(audited.findings), end="")
    else:
        page.show(audited, console)
    raise typer.Exit(FOUND if audited.findings else NOTHING)


def settle(
    places: Places = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of departures, UTC.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of departures, UTC.")
    ] = None,
    token: Token = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """What the carriers owe one another, from their logs alone: sold by one, flown by another.

    Exit code 0: settled. 1: some coupons are disputed. 2: a log could not be read.
    """
    console = Console(stderr=as_json or as_csv, highlight=False)
    spare_the_collector()
    first, last = (_millis(day) if day else None for day in (start, end))
    try:
        with _opened(places or [".passcom"], token) as sources, _progress(sources, console) as bars:
            settled = settle_logs(
                sources, first or 0, (last + page.DAY_MS) if last is not None else page.NEVER, bars.read
            )
    except SourceTrouble as trouble:
        _give_up(trouble)
    if as_json:
        print(page.settlement_json(settled))
    elif as_csv:
        print(page.coupons_csv(settled.coupons), end="")
    else:
        page.show_settlement(settled, console)
    raise typer.Exit(FOUND if settled.disputed else NOTHING)


def _show_then(
    sources: Sequence[Source],
    at: str | None,
    flight: str | None,
    booking: str | None,
    console: Console,
    *,
    as_json: bool,
) -> None:
    try:
        then = when(at) if at is not None else When()
    except ValueError:
        raise typer.BadParameter(f"{at!r} is neither an instant like 2026-12-01T10:00Z nor a position") from None
    if then.position is not None and len(sources) > 1 and flight is None:
        raise typer.BadParameter("a position is one log's: name that log alone, or --flight")
    if flight is not None:
        seats, last = flight_then(sources, flight, then)
        if as_json:
            print(page.as_json({"flight": flight, "last": last, "counts": counts(seats), "seats": seats.seats}))
        else:
            page.show_flight(flight, seats, last, console)
    if booking is not None:
        state, life = booking_then(sources, booking, then)
        if as_json:
            print(page.as_json({"booking": booking, "state": state.state, "settled": state.settled, "life": life}))
        else:
            page.show_booking(booking, state, life, console)
    if flight is None and booking is None:
        flights = free_counts(sources, then)
        if as_json:
            print(page.as_json({name: counts(one) for name, one in sorted(flights.items())}))
        else:
            page.show_counts(flights, console)


@contextmanager
def _opened(places: Sequence[str], token: str) -> Iterator[list[Source]]:
    with ExitStack() as undo:
        sources = open_sources(places, token)
        for source in sources:
            undo.enter_context(closing(source))
        yield sources


def _keys_of(places: Sequence[str]) -> Path:
    for place in places:
        for folder in (Path(place), Path(place).parent, Path(place).parent.parent):
            if (path := folder / "keys" / keys.KEYS_FILE).exists():
                return path
    here = Path(".passcom") / "keys" / keys.KEYS_FILE
    if here.exists() and all(is_node(place) for place in places):
        return here
    raise KeyTrouble(f"--verify needs the carriers' public keys: --keys {keys.KEYS_FILE}")


class Bars:
    """How far each log is read, and each running node's flights are compared."""

    def __init__(self, progress: Progress, sources: Sequence[Source]) -> None:
        self._progress = progress
        self._read = {s.carrier: progress.add_task(f"Reading {s.carrier}", total=s.count() or None) for s in sources}
        self._compared: dict[CarrierCode, TaskID] = {}

    def read(self, carrier: CarrierCode, count: int) -> None:
        self._progress.advance(self._read[carrier], count)

    def compare(self, carrier: CarrierCode, done: int, total: int) -> None:
        if carrier not in self._compared:
            self._compared[carrier] = self._progress.add_task(f"Comparing {carrier}'s seats", total=total or None)
        self._progress.update(self._compared[carrier], completed=done)


@contextmanager
def _progress(sources: Sequence[Source], console: Console) -> Iterator[Bars]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bars(progress, sources)


def spare_the_collector() -> None:
    """For the whole process, which reads and then ends."""
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)


def _millis(day: datetime) -> Millis:
    return round(day.replace(tzinfo=UTC).timestamp() * 1000)


def _give_up(trouble: Exception) -> NoReturn:
    print(trouble, file=sys.stderr)
    raise typer.Exit(TROUBLE)
