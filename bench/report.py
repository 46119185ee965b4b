"""The table in docs/performance.md."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.measure import Plan, Row
from bench.processes import ROOT, BenchError

PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def table(rows: list[Row], plan: Plan) -> str:
    """Markdown: where and when it was measured, and the rows."""
    today = datetime.datetime.now(datetime.UTC)
    lines = [
        f"Measured on {today:%Y-%m-%d}, {plan.repeats} rounds of {plan.seconds:g} s: {_machine()}.",
        "",
        "| what | asked for | measured | |",
        "| --- | --- | --- | --- |",
        *(f"| {row.what} | {row.asked} | {row.measured} | {_verdict(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def write(text: str, page: Path = PAGE) -> None:
    """Put the text between the markers of the page."""
    before, found_begin, rest = page.read_text().partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not found_begin or not found_end:
        raise BenchError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def _verdict(row: Row) -> str:
    return "" if row.holds is None else "yes" if row.holds else "**no**"


def _machine() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvloop", "tornado", "numpy", "pyarrow"))
    kernel = platform.release().partition("-")[0]
    return f"{os.cpu_count()} cores of {model}, Linux {kernel}, Python {platform.python_version()}, {packages}"
