"""What a run has shown, as figures: a table for people, JSON for programs.

Rule: a figure that was not measured is not there (a dash, null), and whatever makes the others doubtful is said.
"""

import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from rich.table import Table

from airline_node.bench.goods import Mode
from airline_node.bench.load import Step
from airline_node.bench.run import Measured
from ledger.audit import Fault, Finding
from ledger.terms import Millis

BUSY_MAX: Final = 0.85
"""Busier than this, the travellers' process was the limit."""
FINDINGS_SHOWN: Final = 20
PARTS: Final = (0.5, 0.9, 0.99, 0.999)
SLICES: Final = 60
"""Points of the curve of throughput."""
CURVE: Final = (*(n / 100 for n in range(100)), 0.995, 0.999, 0.9995, 1.0)


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds from the first request of a step until its outcome was known. `curve` has those of `CURVE`."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    curve: tuple[float, ...]


class NodeCost(Struct, frozen=True, kw_only=True):
    name: str
    events: int
    fsyncs: int
    cpu_ms_per_order: float | None
    resident_bytes: int | None


class Audited(Struct, frozen=True, kw_only=True):
    """What the logs say. The first three are the promises; `findings` are the first of all that is wrong."""

    sold_twice: int
    half_sold: int
    acknowledged_and_missing: int
    other: int
    findings: tuple[Finding, ...]


class GrowthRow(Struct, frozen=True):
    size: int
    figures: tuple[float, ...]


class Growth(Struct, frozen=True, kw_only=True):
    """What some figures were at several sizes of one thing, the `axis`."""

    title: str
    axis: str
    columns: tuple[str, ...]
    rows: tuple[GrowthRow, ...]


class Report(Struct, frozen=True, kw_only=True):
    """One run. `throughput` has bookings a second in `SLICES` equal parts of the run."""

    at: datetime
    machine: str
    users: int
    bookings: int
    carriers: int
    mode: Mode
    seconds: float
    bookings_per_second: float
    """Sold, and not given back."""
    orders_per_second: float
    """Whatever became of them: costs and the ratio are of these."""
    latencies: Mapping[Step, Latency]
    throughput: tuple[float, ...]
    confirmed: int
    denied: int
    unknown: int
    refusals: Mapping[str, int]
    errors: Mapping[str, int]
    events_per_order: float | None
    bytes_per_order: float | None
    nodes: tuple[NodeCost, ...]
    loaders_busy: tuple[float, ...]
    loader_cpu_ms_per_order: float
    empty_per_second: float
    ratio: float
    at_rest: bool
    audit: Audited
    warnings: tuple[str, ...]
    growth: tuple[Growth, ...] = ()


def report(measured: Measured, findings: Sequence[Finding], now: Millis) -> Report:
    """The figures of a run whose logs an audit has read."""
    wanted, seen = measured.wanted, measured.outcomes
    sold, finished = len(seen.confirmed), seen.finished
    stored = [spent.stored_bytes for spent in measured.spent]
    return Report(
        at=datetime.fromtimestamp(now // 1000, UTC),
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        users=wanted.users,
        bookings=wanted.bookings,
        carriers=wanted.carriers,
        mode=wanted.mode,
        seconds=seen.seconds,
        bookings_per_second=sold / seen.seconds,
        orders_per_second=finished / seen.seconds,
        latencies={step: latency(micros) for step, micros in seen.latencies.items()},
        throughput=throughput(seen.ends, seen.seconds),
        confirmed=sold,
        denied=len(seen.denied),
        unknown=len(seen.unknown),
        refusals=dict(seen.refusals),
        errors=dict(seen.trouble),
        events_per_order=_per(sum(spent.events for spent in measured.spent), finished),
        bytes_per_order=None if None in stored else _per(sum(filter(None, stored)), finished),
        nodes=tuple(
            NodeCost(
                name=spent.name,
                events=spent.events,
                fsyncs=spent.writes,
                cpu_ms_per_order=None if spent.cpu_seconds is None else _per(spent.cpu_seconds * 1000, finished),
                resident_bytes=spent.resident_bytes,
            )
            for spent in measured.spent
        ),
        loaders_busy=measured.busy,
        loader_cpu_ms_per_order=seen.cpu_seconds * 1000 / max(1, finished),
        empty_per_second=measured.empty_per_second,
        ratio=finished / seen.seconds / measured.empty_per_second,
        at_rest=measured.at_rest,
        audit=_audited(findings),
        warnings=tuple(_warnings(measured)),
    )


def latency(micros: Sequence[int]) -> Latency:
    """Nearest rank, so that every figure is one that was measured."""
    ordered = sorted(micros)

    def at(part: float) -> float:
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] / 1000

    p50, p90, p99, p999 = map(at, PARTS)
    return Latency(count=len(ordered), p50=p50, p90=p90, p99=p99, p999=p999, curve=tuple(map(at, CURVE)))


def throughput(ends: Sequence[int], seconds: float) -> tuple[float, ...]:
    slice_ms = max(1.0, seconds * 1000 / SLICES)
    counts = Counter(min(SLICES - 1, int(end / slice_ms)) for end in ends)
    return tuple(counts[n] * 1000 / slice_ms for n in range(SLICES))


def _per(total: float, orders: int) -> float | None:
    return total / orders if orders else None


def _audited(findings: Sequence[Finding]) -> Audited:
    counts = Counter(finding.fault for finding in findings)
    promised = (Fault.SOLD_TWICE, Fault.HALF_SOLD, Fault.UNKEPT)
    return Audited(
        sold_twice=counts[Fault.SOLD_TWICE],
        half_sold=counts[Fault.HALF_SOLD],
        acknowledged_and_missing=counts[Fault.UNKEPT],
        other=sum(count for fault, count in counts.items() if fault not in promised),
        findings=tuple(findings[:FINDINGS_SHOWN]),
    )


def _warnings(measured: Measured) -> Iterator[str]:
    busiest = max(measured.busy)
    if busiest > BUSY_MAX:
        yield f"The travellers' process was busy {busiest:.0%} of the time: it was the limit. Use more --loaders."
    if not measured.outcomes.confirmed:
        yield "Nothing was sold: this run proves nothing."
    if measured.outcomes.unknown:
        yield f"{len(measured.outcomes.unknown)} outcomes never became known to their travellers."
    if not measured.at_rest:
        yield "The nodes did not come to rest: something is still unfinished."


# ---- for people -----------------------------------------------------------------------------------------------------


def table(shown: Report) -> Table:
    """One line a figure."""
    grid = Table(show_header=False, box=None, pad_edge=False)
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column()
    for row in rows(shown):
        grid.add_row(*row)
    return grid


def growth_table(shown: Growth) -> Table:
    grid = Table(title=shown.title, title_justify="left", box=None, pad_edge=False)
    for name in (shown.axis, *shown.columns):
        grid.add_column(name, justify="right")
    for row in growth_rows(shown):
        grid.add_row(*row)
    return grid


def title(shown: Report) -> str:
    return (
        f"{shown.users} users, {shown.bookings} bookings over {shown.carriers} "
        f"{'carrier' if shown.carriers == 1 else 'carriers'}, {shown.mode}, on {shown.machine}"
    )


def rows(shown: Report) -> Iterator[tuple[str, str, str]]:
    """Name, figure, unit or remark: what the table and the page both show."""
    yield "bookings per second", f"{shown.bookings_per_second:,.0f}", f"{shown.confirmed:,} in {shown.seconds:.1f} s"
    yield "orders per second", f"{shown.orders_per_second:,.0f}", "sold, refused or given back"
    yield "empty aiohttp handlers", f"{shown.empty_per_second:,.0f}", "requests/s, in the nodes' place"
    yield "orders, ratio to them", f"{shown.ratio:.3f}", ""
    for step, micros in shown.latencies.items():
        figures = f"{micros.p50:.0f} / {micros.p90:.0f} / {micros.p99:.0f} / {micros.p999:.0f}"
        yield f"{step}, ms", figures, f"p50 / p90 / p99 / p99.9 of {micros.count:,}"
    yield "refused or given back", f"{shown.denied:,}", _counted(shown.refusals)
    yield "errors", f"{sum(shown.errors.values()):,}", _counted(shown.errors)
    yield "events per order", _figure(shown.events_per_order, ".1f"), "all nodes"
    yield "bytes per order", _figure(shown.bytes_per_order, ",.0f"), "logs and vaults, all nodes"
    for node in shown.nodes:
        memory = "" if node.resident_bytes is None else f", {node.resident_bytes / 2**20:.0f} MiB"
        cpu = _figure(node.cpu_ms_per_order, ".3f")
        yield f"{node.name}, CPU ms per order", cpu, f"{node.events:,} events, {node.fsyncs:,} fsyncs{memory}"
    busy = ", ".join(f"{part:.0%}" for part in shown.loaders_busy)
    yield "travellers, CPU ms per order", f"{shown.loader_cpu_ms_per_order:.3f}", f"busy {busy} of the time"
    yield "audit: sold twice", str(shown.audit.sold_twice), ""
    yield "audit: half sold", str(shown.audit.half_sold), ""
    yield "audit: acknowledged and missing", str(shown.audit.acknowledged_and_missing), ""
    yield "audit: other findings", str(shown.audit.other), ""


def growth_rows(shown: Growth) -> Iterator[tuple[str, ...]]:
    for row in shown.rows:
        yield f"{row.size:,}", *(f"{value:,.3g}" if value < 100 else f"{value:,.0f}" for value in row.figures)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
