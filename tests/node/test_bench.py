"""`passcom bench`: what it lets its travellers ask for, its figures; and one small run of the whole."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import Progress
from typer.testing import CliRunner

from airline_node.availability import FLIGHTS_PER_CARRIER_MAX
from airline_node.bench import grow
from airline_node.bench.command import FOUND, TROUBLE, bench, exit_code
from airline_node.bench.crew import BenchTrouble, Crew
from airline_node.bench.goods import Mode, Stock
from airline_node.bench.load import Journey, Outcomes, Step
from airline_node.bench.longlog import fill
from airline_node.bench.nodes import Spent, elsewhere, journal, started
from airline_node.bench.page import page
from airline_node.bench.report import Growth, GrowthRow, Report, latency, report, table, throughput
from airline_node.bench.run import Measured, Wanted, merged
from airline_node.bench.sized import sized
from airline_node.config import LEDGER
from airline_node.fleet import Tokens
from airline_node.journal import Journal
from airline_node.rebuild import rebuild
from airline_node.timetable import SALE_DAYS, load
from ledger.audit import Fault, Finding
from snapshots.store import SnapshotStore

# ---- what is asked for ------------------------------------------------------------------------------------------


def test_no_more_is_asked_for_than_is_free() -> None:
    stock = Stock(bookings=100)
    stock.take(Journey(("A", "B"), ""), [30, 5], share=10)
    stock.take(Journey(("A", "C"), ""), [30, 90], share=10)
    stock.take_more()
    assert not stock.full
    wanted = [flight for order in stock.orders for flight in stock.journeys[order].flights]
    assert (wanted.count("A"), wanted.count("B")) == (30, 5)


def test_a_network_of_another_size_has_so_many_flights() -> None:
    timetable = load()
    today = timetable.today(NOW)
    for flights in (400, 10_000, 50_000):
        resized = sized(timetable, flights)
        numbers = [weekly.number for weekly in resized.week]
        assert len(numbers) == len(set(numbers))
        opened = [len(resized.departures(code, today, SALE_DAYS, at=NOW)) for code in resized.carriers]
        assert abs(sum(opened) - flights) < flights / 10
        assert 0 < min(opened) <= max(opened) < FLIGHTS_PER_CARRIER_MAX
        for weekly in resized.week:
            departure, arrival = resized.times(weekly, today)
            assert departure < arrival


NOW = int(datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp()) * 1000

# ---- the figures ------------------------------------------------------------------------------------------------


FINDING = Finding(Fault.SOLD_TWICE, "flight:AN1001/2026-12-14", "12A is <Ana's> & Rui's")


def measured(**given: object) -> Measured:
    seen = Outcomes(
        confirmed=["a", "b"],
        denied=["c"],
        ends=array("Q", [100, 200, 1_000]),
        seconds=1.0,
        cpu_seconds=0.3,
        latencies={Step.BUY: array("Q", [1_000, 2_000, 3_000])},
    )
    spent = Spent(name="AN", events=30, writes=3, cpu_seconds=0.006, stored_bytes=3_000, resident_bytes=2**20)
    found = Measured(
        wanted=Wanted(users=2, bookings=3, carriers=1, mode=Mode.SPREAD),
        outcomes=seen,
        busy=(0.3,),
        spent=(spent,),
        empty_per_second=30.0,
        at_rest=True,
    )
    return replace(found, **given)


def shown(findings: Sequence[Finding] = (), **given: object) -> Report:
    return report(measured(**given), findings, NOW)


def test_costs_are_of_every_order_and_rates_of_what_was_sold() -> None:
    figures = shown()
    assert (figures.bookings_per_second, figures.orders_per_second, figures.ratio) == (2.0, 3.0, 0.1)
    assert (figures.events_per_order, figures.bytes_per_order) == (10.0, 1_000.0)
    assert figures.nodes[0].cpu_ms_per_order == pytest.approx(2.0)


def test_a_percentile_is_a_latency_that_was_measured() -> None:
    every = latency(range(1_000, 1_001_000, 1_000))
    assert (every.p50, every.p90, every.p99, every.p999) == (501, 901, 991, 1_000)
    assert latency([7_000]).p999 == 7


def test_the_throughput_adds_up_to_what_was_done() -> None:
    ends = [random.Random(1).randrange(12_000) for _ in range(5_000)]
    slices = throughput(ends, 12.0)
    assert sum(slices) * 12.0 / len(slices) == pytest.approx(5_000)


def test_a_figure_that_was_not_measured_is_a_dash() -> None:
    spent = Spent(name="AN", events=30, writes=3, cpu_seconds=None, stored_bytes=None, resident_bytes=None)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table(shown(spent=(spent,))))
    assert [line.split()[3] for line in captured.get().splitlines() if line.startswith("bytes per order")] == ["-"]


def test_it_is_said_when_the_travellers_were_the_limit() -> None:
    assert shown().warnings == ()
    [warning] = shown(busy=(0.2, 0.97)).warnings
    assert "limit" in warning


def test_a_run_that_sold_nothing_proves_nothing() -> None:
    assert any("proves nothing" in warning for warning in shown(outcomes=Outcomes(seconds=1.0)).warnings)


def test_the_page_needs_nothing_from_elsewhere_and_shows_what_was_found() -> None:
    growth = Growth(title="Users", axis="users", columns=("bookings/s",), rows=(GrowthRow(16, (5.0,)),))
    figures = replace(shown([FINDING]), growth=(growth,))
    html = page(figures)
    assert "12A is &lt;Ana&#x27;s&gt; &amp; Rui&#x27;s" in html
    assert html.count("<svg") == 3
    for outside in ("http:", "https:", "src=", "<script", "<link", "@import", "url("):
        assert outside not in html


def test_whatever_the_audit_finds_is_told_to_the_shell() -> None:
    assert shown([FINDING]).audit.sold_twice == 1
    assert (exit_code(shown([FINDING])), exit_code(shown())) == (FOUND, 0)


def test_what_several_processes_have_seen_is_put_together() -> None:
    whole = merged([measured().outcomes, measured().outcomes])
    assert (whole.finished, len(whole.confirmed), list(whole.latencies[Step.BUY])) == (6, 4, [1_000, 2_000, 3_000] * 2)


# ---- the whole --------------------------------------------------------------------------------------------------

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(bench)


@pytest.mark.slow
@pytest.mark.thorough
def test_a_run_sells_audits_and_reports(tmp_path: Path) -> None:
    html = tmp_path / "report.html"
    words = ["--users", "9", "--bookings", "40", "--mode", "mixed", "--html", str(html), "--json"]
    told = CliRunner().invoke(APP, [*words, "--data", str(tmp_path / "data")])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert figures["confirmed"] + figures["denied"] == 40
    assert figures["confirmed"] > 0
    assert figures["errors"] == {}
    assert figures["audit"] == {
        "sold_twice": 0,
        "half_sold": 0,
        "acknowledged_and_missing": 0,
        "other": 0,
        "findings": [],
    }
    assert len(figures["nodes"]) == 3
    assert "<svg" in html.read_text()
    assert any(journal(tmp_path / "data" / "run" / "AN"))


@pytest.mark.thorough
def test_nodes_that_run_already_are_measured_and_audited_too(tmp_path: Path) -> None:
    with started(tmp_path) as nodes:
        tokens = tmp_path / "tokens.json"
        tokens.write_text(json.dumps({"operator": nodes[0].tokens.operator, "auditor": nodes[0].tokens.auditor}))
        where = [word for node in nodes for word in ("--at", f"http://{node.address}")]
        words = [*where, "--tokens", str(tokens), "--users", "9", "--bookings", "300", "--mode", "hot", "--json"]
        told = CliRunner().invoke(APP, words)
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert figures["refusals"]["seat-taken"] == figures["denied"] > 0 < figures["confirmed"]
    assert figures["bytes_per_order"] is None, "nobody knows where their files lie"


@pytest.mark.thorough
def test_nothing_is_left_behind_when_it_is_told_to_end(tmp_path: Path) -> None:
    program = "import typer; from airline_node.bench.command import bench; a = typer.Typer(); a.command()(bench); a()"
    with subprocess.Popen([sys.executable, "-c", program, "--data", str(tmp_path)], stdout=subprocess.DEVNULL) as run:
        locks = [tmp_path / "run" / carrier / f"{LEDGER}.lock" for carrier in load().carriers]
        while not all(lock.exists() for lock in locks):
            assert run.poll() is None
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        assert run.wait(30) == TROUBLE
    for lock in locks:
        Journal.open(str(lock.with_suffix(""))).close()


@pytest.mark.slow
def test_nobody_at_the_address_is_trouble_with_a_sentence() -> None:
    told = CliRunner().invoke(APP, ["--at", "http://127.0.0.1:1", "--tokens", "nowhere.json"])
    assert told.exit_code == TROUBLE
    with pytest.raises(BenchTrouble, match="does not answer"):
        elsewhere(["http://127.0.0.1:1"], Tokens("", ""))
    with pytest.raises(BenchTrouble, match="is not http"):
        elsewhere(["localhost"], Tokens("", ""))


@pytest.mark.thorough
def test_a_long_log_is_one_that_a_node_can_have_written(tmp_path: Path) -> None:
    with Crew[str](fill, [(tmp_path, "IP", 9_000)]) as crew:
        assert crew.results(lambda _: None) == ["IP"]
    with closing(Journal.open(str(tmp_path / LEDGER))) as log:
        rebuilt = asyncio.run(rebuild("IP", load().carriers["IP"].prefix, log, SnapshotStore(tmp_path / "snapshots")))
    assert rebuilt.replayed == rebuilt.position > 9_000
    assert not rebuilt.ledger.bookings, "all have come to their end"
    assert any(flight.taken for flight in rebuilt.ledger.flights.values())


@pytest.mark.thorough
def test_what_grows_is_measured_at_every_size(tmp_path: Path) -> None:
    def clock() -> int:
        return time.time_ns() // 1_000_000

    with Progress(disable=True) as progress:
        logs = grow.events((0, 900), tmp_path / "events", clock, progress, bookings=20)
        networks = grow.flights((400,), tmp_path / "flights", clock, progress, bookings=20)
    for growth in (logs, networks):
        for row in growth.rows:
            assert len(row.figures) == len(growth.columns)
            assert all(figure > 0 for figure in row.figures)
    assert [row.size for row in logs.rows] == [0, 900]
    assert not any((tmp_path / "events").iterdir())
