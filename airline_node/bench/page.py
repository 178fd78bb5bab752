"""The report as one HTML file that needs nothing else: the figures, and their curves as inline SVG."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from math import floor, log10
from typing import Final, TypeAlias

from airline_node.bench.report import CURVE, Growth, Report, growth_rows, rows, title

Point: TypeAlias = tuple[float, float]

WIDTH: Final = 640
HEIGHT: Final = 240
LEFT: Final = 56
BOTTOM: Final = 28
TOP: Final = 12
TICKS: Final = 4
COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed")
STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
td, th { padding: .15rem .8rem .15rem 0; text-align: right; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child, td.remark { text-align: left; }
svg { width: 100%; height: auto; }
svg text { font-size: 12px; fill: currentColor; }
.axis { stroke: currentColor; stroke-opacity: .25; }
.wrong { color: #dc2626; font-weight: bold; }
"""


def page(shown: Report) -> str:
    """The whole file."""
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>PASSCOM bench</title>',
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>',
            f"<h1>PASSCOM bench</h1><p>{escape(title(shown))}, {shown.at:%Y-%m-%d %H:%M} UTC</p>",
            *(f'<p class="wrong">{escape(warning)}</p>' for warning in shown.warnings),
            *(
                f'<p class="wrong">{escape(f"{one.fault}, {one.stream}: {one.detail}")}</p>'
                for one in shown.audit.findings
            ),
            _table((), rows(shown)),
            "<h2>Bookings per second, while it ran</h2>",
            chart({"bookings/s": _throughput(shown)}, "seconds"),
            "<h2>Latency: so many percent were answered within so many milliseconds</h2>",
            chart({str(step): _latency(micros.curve) for step, micros in shown.latencies.items()}, "percent"),
            *map(_growth, shown.growth),
            "</body></html>\n",
        ]
    )


def chart(lines: Mapping[str, Sequence[Point]], across: str) -> str:
    """Lines over one another, both axes from zero. `across` names the horizontal one."""
    right = max((x for line in lines.values() for x, _ in line), default=0) or 1
    above = _round_up(max((y for line in lines.values() for _, y in line), default=0) or 1)

    def place(x: float, y: float) -> str:
        return (
            f"{LEFT + x / right * (WIDTH - LEFT - 8):.1f},{HEIGHT - BOTTOM - y / above * (HEIGHT - BOTTOM - TOP):.1f}"
        )

    return "".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(", ".join(lines))} by {across}">',
            *_axes(right, above, across, place(0, 0), place(right, above)),
            *(
                f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
                f'points="{" ".join(place(*point) for point in line)}"/>'
                f'<text x="{LEFT + 8 + 90 * n}" y="{TOP + 8}" style="fill:{colour}">{escape(name)}</text>'
                for n, ((name, line), colour) in enumerate(zip(lines.items(), COLOURS, strict=False))
            ),
            "</svg>",
        ]
    )


def _round_up(value: float) -> float:
    """To a number whose quarters are short to write."""
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if value <= step * power)


def _axes(right: float, above: float, across: str, origin: str, corner: str) -> Iterator[str]:
    (x0, y0), (x1, y1) = (map(float, place.split(",")) for place in (origin, corner))
    for n in range(TICKS + 1):
        y, x = y0 + (y1 - y0) * n / TICKS, x0 + (x1 - x0) * n / TICKS
        yield f'<line class="axis" x1="{x0}" x2="{x1}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{above * n / TICKS:,.4g}</text>'
        unit = f" {across}" if n == TICKS else ""
        anchor = "end" if n == TICKS else "middle"
        yield f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{right * n / TICKS:,.4g}{unit}</text>'


def _throughput(shown: Report) -> list[Point]:
    return [((n + 0.5) * shown.seconds / len(shown.throughput), rate) for n, rate in enumerate(shown.throughput)]


def _latency(curve: Sequence[float]) -> list[Point]:
    return [(part * 100, value) for part, value in zip(CURVE, curve, strict=True)]


def _growth(growth: Growth) -> str:
    """A table, and its first figure as a curve."""
    line = [(float(row.size), row.figures[0]) for row in growth.rows if row.figures]
    return "".join(
        [
            f"<h2>{escape(growth.title)}</h2>",
            _table((growth.axis, *growth.columns), growth_rows(growth)),
            chart({growth.columns[0]: line}, growth.axis),
        ]
    )


def _table(head: Iterable[str], body: Iterable[Sequence[str]]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ("".join(_cell(cell, n) for n, cell in enumerate(line)) for line in body)
    return f"<table><tr>{names}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(cell: str, n: int) -> str:
    return f"<td{' class=remark' if n == 2 and not cell[:1].isdigit() else ''}>{escape(cell)}</td>"
