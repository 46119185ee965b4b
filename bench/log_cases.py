"""What the log takes, and how long it takes to find something in it."""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import biglog
from bench.measure import Plan, Row
from bench.processes import BenchError, echoscope, load
from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.files import list_segments
from core.log.read.log import Log
from core.log.write.journal import Journal
from core.log.write.seal_thread import Sealer

QUICK_ROWS: Final = 3_000_000
LEAST_FREE: Final = 4 * 1024**3
TIMES: Final = 5
PAGE: Final = 100
BINS: Final = 100


def log(plan: Plan) -> list[Row]:
    """The log: bytes an event, pages out of 100 million events, a histogram over all of them."""
    with tempfile.TemporaryDirectory(prefix="echoscope-bench-") as name:
        if shutil.disk_usage(name).free < LEAST_FREE:
            raise BenchError(f"{name}: less than {LEAST_FREE >> 30} GiB free for a long log")
        rows = biglog.ROWS if plan.repeats > 1 else QUICK_ROWS
        biglog.make(Path(name), rows)
        return [sealed_size(plan), *found(Path(name), rows)]


def sealed_size(plan: Plan) -> Row:
    """Bytes an event of a sealed segment, 64 bytes on 100 connections."""
    with tempfile.TemporaryDirectory(prefix="echoscope-bench-") as name:
        with echoscope("--data-dir", name) as server:
            load(server.port, plan.seconds * plan.repeats)
        journal = Journal(Path(name))
        hot, sealer = journal.log_bytes, Sealer(journal)
        while sealer.seal_next():
            pass
        events = sum(view.rows for view in Log(Path(name)).index.views())
        journal.close()
    size = journal.log_bytes / events
    return Row("a sealed event, bytes", "≤ 10", f"{size:.2f}; {hot / events:.2f} while hot", size <= 10)


def found(directory: Path, rows: int) -> list[Row]:
    """Pages and counts out of the long log."""
    began = time.monotonic()
    opened = Log(directory)
    span = opened.span()
    if span is None:
        raise BenchError(f"{directory}: the log is empty")
    cold = (time.monotonic() - began) * 1000
    middle = sum(span) // 2
    conn = _conn_of(opened, middle)
    of = f"{PAGE} rows out of {rows:,}"
    size = sum(path.stat().st_size for _, path in list_segments(opened.index.folder)) / rows
    return [
        Row("an event of the long log, bytes (20,000 connections, mixed sizes)", "-", f"{size:.2f}", None),
        Row("its index, read the first time", "-", f"{cold:.0f} ms", None),
        _timed(f"{of}, narrowed by time", lambda: _page(opened, "", middle), 300),
        _timed(f"{of}, narrowed by connection", lambda: _page(opened, f"conn:{conn}", None), 300),
        _timed(f"{of}, of a rare kind, not narrowed", lambda: _page(opened, "kind:lost,close", None), None),
        _timed(f"{BINS} bins over {rows:,} rows", lambda: _bins(opened), None),
    ]


def _page(opened: Log, text: str, since: int | None) -> None:
    opened.search(parse(text, EVENT_FIELDS), since, limit=PAGE)


def _bins(opened: Log) -> None:
    opened.histogram(Query(), None, None, BINS, budget=sys.float_info.max)


def _conn_of(opened: Log, since: int) -> int:
    """A connection that has rows there."""
    items, _ = opened.page(parse("kind:echo", EVENT_FIELDS), since, limit=1)
    return int(items[0]["conn"])


def _timed(what: str, question: Callable[[], None], most_ms: float | None) -> Row:
    taken = []
    for _ in range(TIMES):
        began = time.monotonic()
        question()
        taken.append((time.monotonic() - began) * 1000)
    middle = statistics.median(taken)
    measured = f"{middle:.0f} ms ({min(taken):.0f}-{max(taken):.0f})"
    return Row(what, f"≤ {most_ms:.0f} ms" if most_ms else "-", measured, middle <= most_ms if most_ms else None)
