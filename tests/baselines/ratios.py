"""Every ratio that this design must reach, in one run: `python -m tests.baselines.ratios` (needs the extra `bench`).

What is compared is measured in turn, in one session, round after round, and the middle round counts: so that whatever
else the machine does meanwhile is the same for both.

    selling     ours, PostgreSQL, the original design and an empty handler, all running, asked one after the other
    batching    our nodes, and nodes that send each message in a request of its own
    starts      one node after a short log, and after a long one with its snapshot
    long logs   nodes with nothing in their logs, and with five million events in each

The long logs are written once, to the folder that `--logs` names: later runs find them there.
"""

import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Annotated, Final, NoReturn, TypeAlias

import msgspec
import orjson
import typer
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from airline_node.answers import SeatsAnswer
from airline_node.bench.crew import Crew
from airline_node.bench.empty import empty
from airline_node.bench.goods import Goods, Mode
from airline_node.bench.grow import start_alone, write_logs
from airline_node.bench.load import Journey, Outcomes
from airline_node.bench.nodes import Node, journal, rest, started
from airline_node.bench.report import BUSY_MAX, latency
from airline_node.bench.run import Wanted, let_loose, plan
from airline_node.config import Address
from airline_node.fleet import HOST
from airline_node.timetable import SALE_DAYS, load
from airline_node.up import SERVE
from ledger.audit import Audit, Promises
from ledger.events import FlightScheduled
from ledger.terms import CarrierCode, FlightId, Millis, carrier_of
from tests.baselines.shops import original, two_phase_postgres

USERS: Final = 256
CROWD: Final = 1_500
CABIN: Final = 180
ALONE: Final = "AN"
HEARD_MS: Final[Millis] = 1_000
"""After this every node has heard what the others have sold."""
PAPER_WIDTH: Final = 150
UNBATCHED: Final = (sys.executable, "-m", "airline_node.bench.unbatched")

Figures: TypeAlias = Mapping[str, float]
"""What one round has shown, by the names of `BARS`."""


class Counts(Struct, frozen=True, kw_only=True):
    """How many are asked for in one turn: enough for seconds, few enough for minutes. And the events in the logs."""

    two: int = 6_000
    three: int = 4_000
    crowd: int = 15_000
    postgres: int = 2_500
    original: int = 240
    empty: int = 20_000
    unbatched: int = 3_000
    short_log: int = 10_000
    long_log: int = 1_000_000
    longest_log: int = 5_000_000


class Bar(Struct, frozen=True):
    """What must be reached: at least `must`, or with `most` no more than that."""

    what: str
    must: float
    aim: float
    most: bool = False

    def holds(self, value: float) -> bool:
        return value <= self.must if self.most else value >= self.must


POSTGRES = Bar("two-carrier bookings/s : two-phase commit over PostgreSQL", 6, 12)
EMPTY = Bar("two-carrier bookings/s, 256 users : empty aiohttp handler on one core", 0.20, 0.40)
ORIGINAL = Bar("three-carrier bookings/s : the original design", 80, 200)
CROWDED = Bar("throughput at 1,500 users : at 256 users", 0.9, 1.0)
SLOWEST = Bar("p99 at 1,500 users : mean (users / throughput)", 3, 2, most=True)
THREE = Bar("three-carrier : two-carrier bookings/s", 0.75, 0.9)
BATCHED = Bar("batched : one request per message between nodes", 3, 4)
WRONG = Bar("1,500 users at once: errors, lost, oversold, half sold", 0, 0, most=True)
HOT = Bar("hot flight, 1,500 users, 180 seats: seats sold", CABIN, CABIN)
START = Bar("start with 1 million events and a snapshot : with 10,000 events", 2, 1.1, most=True)
LONG = Bar("throughput with 5 million events in each log : with empty ones", 0.9, 1.0)
BARS = (POSTGRES, EMPTY, ORIGINAL, CROWDED, SLOWEST, THREE, BATCHED, WRONG, HOT, START, LONG)


class Reached(Struct, frozen=True, kw_only=True):
    """A bar and what was measured for it, round by round."""

    what: str
    must: float
    aim: float
    median: float
    rounds: tuple[float, ...]
    holds: bool


class Session:
    """What all sessions share: how much is asked, where files go, and who is told how far it is."""

    def __init__(self, folder: Path, logs: Path, rounds: int, counts: Counts, progress: Progress) -> None:
        self.folder = folder
        self.logs = logs
        self.counts = counts
        self.progress = progress
        self.notes: list[str] = []
        self._rounds = rounds

    def rounds(self, what: str) -> Iterator[int]:
        yield from self.progress.track(range(self._rounds), description=what)

    def sell(
        self, nodes: Sequence[Node], users: int, bookings: int, carriers: int, goods: Goods | None = None
    ) -> tuple[Goods, Outcomes]:
        """On our nodes. Comes back when nothing is unfinished and every node has heard what the others sold."""
        wanted = Wanted(users=users, bookings=bookings, carriers=carriers, mode=Mode.SPREAD)
        asked = goods or plan(wanted, nodes[0], now(), self.progress)
        seen = self.let_loose(users, asked, [node.address for node in nodes], "this design")
        assert rest(nodes), "the nodes do not come to rest"
        time.sleep(HEARD_MS / 1000)
        return asked, seen

    def let_loose(self, users: int, asked: Goods, addresses: Sequence[Address], whom: str) -> Outcomes:
        wanted = Wanted(users=users, bookings=len(asked.orders), carriers=1, mode=Mode.SPREAD)
        seen, [busy] = let_loose(wanted, asked, addresses, whom, self.progress)
        if busy > BUSY_MAX:
            self.notes.append(
                f"With {whom} and {users} users the travellers were busy {busy:.0%}: they were the limit."
            )
        return seen


def per_second(seen: Outcomes) -> float:
    return len(seen.confirmed) / seen.seconds


# ---- the sessions -------------------------------------------------------------------------------------------------


def selling(session: Session) -> Iterator[Figures]:
    """The last figures that it gives are those of the audit, over all rounds."""
    counts, plans, names = session.counts, plans_on_sale(), list(load().carriers)
    stock = {one.flight: one.seats for one in plans}
    every, crowds = [], []
    with ExitStack() as running:
        nodes = running.enter_context(started(session.folder / "nodes"))
        shop = running.enter_context(two_phase_postgres(session.folder / "postgres", names, stock))
        old = running.enter_context(original(session.folder / "original", names, stock))
        crew = running.enter_context(Crew[int](empty, [()]))
        nothing = [Address(HOST, port) for port in crew.first()]
        hot = iter(candidates(plans))
        for _ in session.rounds("Selling"):
            flight, outcomes = sell_hot(session, nodes, next(one for one in hot if not sold_of(nodes, one)))
            two, sold_two = session.sell(nodes, USERS, counts.two, 2)
            three, sold_three = session.sell(nodes, USERS, counts.three, 3)
            _, sold_crowd = session.sell(nodes, CROWD, counts.crowd, 2)
            rival = session.let_loose(USERS, _first(two, counts.postgres), shop.addresses, "PostgreSQL")
            elder = session.let_loose(USERS, _first(three, counts.original), old.addresses, "the original design")
            idle = session.let_loose(USERS, _again(two, counts.empty), nothing, "an empty handler")
            every += [outcomes, sold_two, sold_three, sold_crowd]
            crowds += [outcomes, sold_crowd]
            [micros] = sold_crowd.latencies.values()
            yield {
                POSTGRES.what: per_second(sold_two) / per_second(rival),
                EMPTY.what: per_second(sold_two) / per_second(idle),
                ORIGINAL.what: per_second(sold_three) / per_second(elder),
                CROWDED.what: per_second(sold_crowd) / per_second(sold_two),
                SLOWEST.what: latency(micros).p99 / (CROWD / per_second(sold_crowd) * 1000),
                THREE.what: per_second(sold_three) / per_second(sold_two),
                HOT.what: flight,
                "bookings/s, two carriers": per_second(sold_two),
                "bookings/s, three carriers": per_second(sold_three),
                "bookings/s, two carriers, 1,500 users": per_second(sold_crowd),
                "bookings/s, two carriers, PostgreSQL": per_second(rival),
                "bookings/s, three carriers, the original design": per_second(elder),
                "requests/s, empty handler": per_second(idle),
            }
        crew.go_on()
    trouble = sum(sum(seen.trouble.values()) + len(seen.unknown) for seen in crowds)
    refused = sum(len(seen.denied) for seen in crowds[1::2])  # those of the hot flight are meant
    yield {WRONG.what: trouble + refused + findings(nodes, every)}


def sell_hot(session: Session, nodes: Sequence[Node], flight: FlightId) -> tuple[float, Outcomes]:
    """Everybody wants this flight, at all three airlines: how many of its seats are sold."""
    _, seen = session.sell(nodes, CROWD, CROWD, 1, Goods((Journey((flight,), ""),), (0,) * CROWD))
    sold = sold_of(nodes, flight)
    assert sold == len(seen.confirmed), f"{sold} seats are sold, and {len(seen.confirmed)} travellers were told so"
    return sold, seen


def sold_of(nodes: Sequence[Node], flight: FlightId) -> int:
    """How many of its seats its own carrier has sold."""
    [owner] = [node for node in nodes if node.name == carrier_of(flight)]
    shown = msgspec.json.decode(owner.ask(f"/api/flights/{flight.replace('/', '%2F')}/seats"), type=SeatsAnswer)
    return sum(seat.state == "sold" for seat in shown.seats)


def findings(nodes: Sequence[Node], every: Sequence[Outcomes]) -> int:
    """How much the logs of nodes that have ended have against what their travellers were told."""
    audit = Audit()
    for node in nodes:
        assert node.data is not None
        for event in journal(node.data):
            audit.hear(node.name, event)
    confirmed = frozenset(booking for seen in every for booking in seen.confirmed)
    denied = frozenset(booking for seen in every for booking in seen.denied)
    return len(audit.findings(Promises(confirmed, denied), at_rest=True))


def batching(session: Session) -> Iterator[Figures]:
    counts = session.counts
    with started(session.folder / "batched") as nodes, started(session.folder / "unbatched", UNBATCHED) as others:
        for _ in session.rounds("Batching"):
            _, ours = session.sell(nodes, USERS, counts.three, 3)
            _, theirs = session.sell(others, USERS, counts.unbatched, 3)
            yield {
                BATCHED.what: per_second(ours) / per_second(theirs),
                "bookings/s, three carriers, unbatched": per_second(theirs),
            }


def starts(session: Session) -> Iterator[Figures]:
    short, long = (written(session, events, [ALONE]) for events in (session.counts.short_log, session.counts.long_log))
    for folder in (short, long):
        start_alone(folder, SERVE)  # when it ends it leaves a snapshot
    for _ in session.rounds("Starts"):
        [(soon, _), (late, mebibytes)] = [start_alone(folder, SERVE) for folder in (short, long)]
        yield {
            START.what: late / soon,
            "s to ready, 10,000 events": soon,
            "s to ready, 1 million events": late,
            "MiB, 1 million events": mebibytes,
        }


def long_logs(session: Session) -> Iterator[Figures]:
    counts, folder = session.counts, written(session, session.counts.longest_log, list(load().carriers))
    with started(session.folder / "empty") as nodes, started(folder) as others:
        for _ in session.rounds("Long logs"):
            _, light = session.sell(nodes, USERS, counts.two, 2)
            _, heavy = session.sell(others, USERS, counts.two, 2)
            resident = max(node.spent().resident_bytes or 0 for node in others)
            yield {
                LONG.what: per_second(heavy) / per_second(light),
                "bookings/s, two carriers, 5 million events": per_second(heavy),
                "MiB, 5 million events": resident / 2**20,
            }


SESSIONS: Mapping[str, Callable[[Session], Iterator[Figures]]] = {
    "selling": selling,
    "batching": batching,
    "starts": starts,
    "long-logs": long_logs,
}

# ---- what is sold -------------------------------------------------------------------------------------------------


def plans_on_sale() -> list[FlightScheduled]:
    """Every flight of the network, as our own nodes have them on sale."""
    timetable, at = load(), now()
    today = timetable.today(at)
    return [one for name in timetable.carriers for one in timetable.departures(name, today, SALE_DAYS, at=at)]


def candidates(plans: Sequence[FlightScheduled]) -> Iterator[FlightId]:
    """Flights of `CABIN` seats on the last day, which few travellers have reached; each carrier's in turn."""
    last = max(one.flight.partition("/")[2] for one in plans)
    fitting = [one.flight for one in plans if len(one.seats) == CABIN and one.flight.endswith(last)]
    owners = {carrier_of(flight): None for flight in fitting}
    for flights in zip(*([f for f in fitting if carrier_of(f) == owner] for owner in owners), strict=False):
        yield from flights


def written(session: Session, events: int, names: Sequence[CarrierCode]) -> Path:
    """A folder with logs of so many events, made now or found there."""
    folder = session.logs / str(events)
    whole = folder / "whole"
    if not whole.exists():
        assert not any(folder.glob("*/ledger.sqlite")), f"{folder} was not finished: remove it"
        write_logs(events, folder, names, session.progress)
        whole.touch()
    return folder


def _first(asked: Goods, count: int) -> Goods:
    return Goods(asked.journeys, asked.orders[:count])


def _again(asked: Goods, count: int) -> Goods:
    return Goods(asked.journeys, (asked.orders * (1 + count // len(asked.orders)))[:count])


def now() -> Millis:
    return time.time_ns() // 1_000_000


# ---- the command --------------------------------------------------------------------------------------------------


def main(
    rounds: Annotated[int, typer.Option(min=1, help="The middle one counts.")] = 5,
    only: Annotated[list[str] | None, typer.Option(help=f"Some of {', '.join(SESSIONS)}.")] = None,
    logs: Annotated[Path, typer.Option(help="Where long logs are kept from one run to the next.")] = Path(
        ".passcom/bench-logs"
    ),
    json: Annotated[Path | None, typer.Option(help="Write all figures there too.")] = None,
    part: Annotated[float, typer.Option(min=0.001, max=1, help="Of all bookings and logs: for a quick look.")] = 1.0,
) -> None:
    """Measure every ratio that must be reached. Exit code 1 if one is not."""
    if unknown := set(only or ()) - SESSIONS.keys():
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(SESSIONS)}")
    signal.signal(signal.SIGTERM, _leave)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PAPER_WIDTH
    counts = Counts(**{name: max(1, round(value * part)) for name, value in msgspec.structs.asdict(Counts()).items()})
    figures: dict[str, list[float]] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for name in only or SESSIONS:
            with TemporaryDirectory(prefix="passcom-ratios-") as folder:
                Path(folder).chmod(0o755)  # PostgreSQL runs as another user
                session = Session(Path(folder), logs, rounds, counts, progress)
                for shown in SESSIONS[name](session):
                    for what, value in shown.items():
                        figures.setdefault(what, []).append(value)
                console.print(*dict.fromkeys(session.notes), sep="\n", end="", style="yellow")
    every = [_reached(bar, figures[bar.what]) for bar in BARS if bar.what in figures]
    console.print(_table(every), "", _others(figures), sep="\n")
    if json:
        json.write_bytes(orjson.dumps({"ratios": msgspec.to_builtins(every), "figures": figures}))
    raise typer.Exit(0 if all(one.holds for one in every) else 1)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Through every block, so that no server is left behind."""
    raise SystemExit(2)


def _reached(bar: Bar, values: Sequence[float]) -> Reached:
    median = statistics.median(values)
    return Reached(
        what=bar.what, must=bar.must, aim=bar.aim, median=median, rounds=tuple(values), holds=bar.holds(median)
    )


def _table(every: Sequence[Reached]) -> Table:
    """As Markdown, so that it can stand in a document as it is."""
    grid = _grid("what", "must", "aim", "median", "rounds", "reached")
    most = {bar.what for bar in BARS if bar.most}
    for one in every:
        rounds = ", ".join(map(_figure, one.rounds))
        must = f"{'≤' if one.what in most else '≥'} {_figure(one.must)}"
        grid.add_row(one.what, must, _figure(one.aim), _figure(one.median), rounds, "yes" if one.holds else "NO")
    return grid


def _others(figures: Figures | Mapping[str, Sequence[float]]) -> Table:
    grid = _grid("figure", "median", "rounds")
    bars = {bar.what for bar in BARS}
    for what, values in figures.items():
        if what not in bars:
            assert not isinstance(values, float)
            grid.add_row(what, _figure(statistics.median(values)), ", ".join(map(_figure, values)))
    return grid


def _grid(*names: str) -> Table:
    from rich import box

    grid = Table(box=box.MARKDOWN)
    for n, name in enumerate(names):
        grid.add_column(name, justify="left" if n == 0 else "right", no_wrap=True)
    return grid


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
