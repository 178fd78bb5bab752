"""Three designs sell the same journeys to the same travellers, one after the other, and the ratios are printed."""

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from airline_node.bench.goods import Goods, Mode
from airline_node.bench.load import Outcomes
from airline_node.bench.nodes import rest, started
from airline_node.bench.report import latency
from airline_node.bench.run import Wanted, let_loose, plan
from airline_node.timetable import SALE_DAYS, load
from ledger.terms import Millis
from tests.baselines.shops import Shop, Stock, original, two_phase_postgres

OURS = "this one"
REST_MS_MAX: Millis = 30_000
POLL_MS: Millis = 100
PAPER_WIDTH = 120


class Sold(Struct, frozen=True):
    """One design's turn."""

    design: str
    outcomes: Outcomes

    @property
    def per_second(self) -> float:
        return len(self.outcomes.confirmed) / self.outcomes.seconds


def main(
    users: Annotated[int, typer.Option(min=1)] = 256,
    bookings: Annotated[int, typer.Option(min=1)] = 3_000,
    carriers: Annotated[int, typer.Option(min=1, max=3)] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="Each design has so many turns; the middle one counts.")] = 3,
) -> None:
    """Measure this design and two others in one session, in turn."""
    wanted = Wanted(users=users, bookings=bookings, carriers=carriers, mode=Mode.SPREAD)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PAPER_WIDTH
    turns: dict[str, list[Sold]] = {}
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for _ in range(rounds):
            for turn in _round(wanted, progress):
                turns.setdefault(turn.design, []).append(turn)
    middle = {name: sorted(sold, key=lambda one: one.per_second)[rounds // 2] for name, sold in turns.items()}
    console.print(f"{users} users, {bookings} bookings over {carriers} carriers; the middle one of {rounds} turns")
    console.print(_table(middle))


def _round(wanted: Wanted, progress: Progress) -> list[Sold]:
    with TemporaryDirectory(prefix="passcom-baselines-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with started(folder / "nodes") as nodes:
            asked = plan(wanted, nodes[0], _now(), progress)
            addresses = [node.address for node in nodes]
            turns = [Sold(OURS, let_loose(wanted, asked, addresses, OURS, progress)[0])]
            assert rest(nodes), "our nodes do not come to rest"
        stock, names = _stock(asked), list(load().carriers)
        with two_phase_postgres(folder / "postgres", names, stock) as shop:
            turns.append(_turn("PostgreSQL, PREPARE TRANSACTION", shop, wanted, asked, progress))
        with original(folder / "original", names, stock) as shop:
            turns.append(_turn("Flask, one lock, JSON files", shop, wanted, asked, progress))
    return turns


def _turn(design: str, shop: Shop, wanted: Wanted, asked: Goods, progress: Progress) -> Sold:
    seen, _ = let_loose(wanted, asked, shop.addresses, design, progress)
    assert len(seen.confirmed) == len(asked.orders), f"{design} did not sell all: {seen.refusals}, {seen.trouble}"
    seats = sum(len(asked.journeys[order].flights) for order in asked.orders)
    deadline = time.monotonic() + REST_MS_MAX / 1000
    while shop.sold() != seats and time.monotonic() < deadline:
        time.sleep(POLL_MS / 1000)
    assert shop.sold() == seats, f"{design} sold {shop.sold()} seats, not {seats}"
    return Sold(design, seen)


def _stock(asked: Goods) -> Stock:
    """The flights that are asked for, with all their seats, as our own nodes have them on sale."""
    timetable = load()
    wanted = {flight for journey in asked.journeys for flight in journey.flights}
    today, now = timetable.today(_now()), _now()
    plans = (one for carrier in timetable.carriers for one in timetable.departures(carrier, today, SALE_DAYS, at=now))
    return {one.flight: one.seats for one in plans if one.flight in wanted}


def _table(turns: Mapping[str, Sold]) -> Table:
    grid = Table(box=None, pad_edge=False)
    for name in ("design", "bookings/s", "p50 ms", "p99 ms", "refused", "ours is faster by"):
        grid.add_column(name, justify="left" if name == "design" else "right")
    for name, sold in turns.items():
        [answered] = map(latency, sold.outcomes.latencies.values())
        grid.add_row(
            name,
            f"{sold.per_second:,.0f}",
            f"{answered.p50:,.0f}",
            f"{answered.p99:,.0f}",
            f"{len(sold.outcomes.denied):,}",
            f"{turns[OURS].per_second / sold.per_second:,.1f}",
        )
    return grid


def _now() -> Millis:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
