"""The tables in docs/performance.md: one a benchmark, so that one measured again leaves the others as they are."""

import datetime
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.measure import Plan, Row
from bench.processes import ROOT, BenchError

PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_SECTION: Final = re.compile(r"^### `(\w+)`\n.*?(?=^### |\Z)", re.MULTILINE | re.DOTALL)


def section(name: str, title: str, rows: list[Row], plan: Plan) -> str:
    """Markdown of one benchmark: what it is, its rows, where and when it was measured."""
    today = datetime.datetime.now(datetime.UTC)
    lines = [
        f"### `{name}`",
        "",
        title,
        "",
        "| what | asked for | measured | |",
        "| --- | --- | --- | --- |",
        *(f"| {row.what} | {row.asked} | {row.measured} | {_verdict(row)} |" for row in rows),
        "",
        f"{today:%Y-%m-%d}, {plan.repeats} rounds of {plan.seconds:g} s, {_machine()}.",
        "",
    ]
    return "\n".join(lines) + "\n"


def write(sections: dict[str, str], order: list[str], page: Path = PAGE) -> None:
    """Put the sections between the markers of the page; those of other benchmarks of `order` stay."""
    before, found_begin, rest = page.read_text().partition(BEGIN)
    old, found_end, after = rest.partition(END)
    if not found_begin or not found_end:
        raise BenchError(f"{page} has no {BEGIN} … {END}")
    known = {match[1]: match[0] for match in _SECTION.finditer(old)} | sections
    text = "".join(known[name] for name in order if name in known)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def _verdict(row: Row) -> str:
    return "" if row.holds is None else "yes" if row.holds else "**no**"


def _machine() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvloop", "tornado", "numpy", "pyarrow"))
    kernel = platform.release().partition("-")[0]
    return f"{os.cpu_count()} cores of {model}, Linux {kernel}, Python {platform.python_version()}, {packages}"
