"""The points of a run as text for a terminal, and as CSV. Pure."""

from typing import Any, Final

from core import spreadsheet
from core.lab.results.conclusion import name_of
from core.lab.results.figures import METRICS

Json = dict[str, Any]

_COLUMNS: Final = {
    "rate": ("echoes/s", "{:,.0f}"),
    "p50": ("p50 µs", "{:,.0f}"),
    "p99": ("p99 µs", "{:,.0f}"),
    "p999": ("p99.9 µs", "{:,.0f}"),
    "cpu_us": ("CPU µs/echo", "{:.1f}"),
    "calls": ("calls/echo", "{:.2f}"),
    "scanned": ("looked at", "{:,.1f}"),
    "wakeups": ("wake-ups/s", "{:,.0f}"),
    "quiet": ("at rest", "{:.1%}"),
}
_UNKNOWN: Final = "-"


def text(points: list[Json], active: int) -> str:
    """A table: the median of each figure, and the spread of the rate; beneath it, why points are missing."""
    heads = ["model", "idle", *(head for head, _ in _COLUMNS.values()), "rate from-to"]
    rows = [_row(point) for point in points]
    widths = [max(len(row[index]) for row in [heads, *rows]) for index in range(len(heads))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in [heads, *rows]
    ]
    return "\n".join([*(line.rstrip() for line in lines), *_notes(points, active)])


def _row(point: Json) -> list[str]:
    figures = point["figures"]
    cells = [
        layout.format(figures[name]["median"]) if figures.get(name) else _UNKNOWN
        for name, (_, layout) in _COLUMNS.items()
    ]
    rate = figures.get("rate")
    spread = f"{rate['low']:,.0f}-{rate['high']:,.0f}" if rate else _UNKNOWN
    return [name_of(point), f"{point['idle']:,}", *cells, spread]


def _notes(points: list[Json], active: int) -> list[str]:
    notes = []
    for point in points:
        where = f"{name_of(point)}, {point['idle']:,} idle"
        why = point["cannot"] or point["failed"]
        if why:
            notes.append(f"{where}: {why}")
        elif point["served"] < active:
            notes.append(f"{where}: {point['served']:,} of {active:,} active connections were served")
    return notes


def to_csv(run: Json, points: list[Json]) -> str:
    """A line a point: the order it belongs to, then median, low and high of each figure."""
    order = run["order"]
    asked = ("active", "size", "depth", "seconds")
    spreads = [f"{name}_{part}" for name in METRICS for part in ("median", "low", "high")]
    names = ["model", "workers", "idle", *asked, "repeats", "served", "errors", *spreads, "cannot"]
    rows = []
    for point in points:
        found = [point["figures"].get(name) or {} for name in METRICS]
        cells = [point[name] for name in ("model", "workers", "idle")] + [order[name] for name in asked]
        cells += [point[name] for name in ("repeats", "served", "errors")]
        cells += [spread.get(part, "") for spread in found for part in ("median", "low", "high")]
        rows.append([*cells, point["cannot"] or point["failed"]])
    return spreadsheet.to_csv(names, rows)
