"""What `app.py log` does: rows to a file or a pipe, once or as they come; sums; a check."""

import json
import select
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.bad_value import BadValueError
from core.export import log_report as report
from core.export import sink
from core.export.counted import Counted
from core.export.formats import export
from core.export.traced_turns import turns_of
from core.filter.query import EVENT_FIELDS, Query, parse, parse_time
from core.log.format.text import lines_of
from core.log.read.follow import follow
from core.log.read.log import Log
from core.log.read.verify import verify as check
from core.ring.clock import wall_ns
from core.signals import interrupt_calls

_LOOK_EVERY_MS: Final = 200
_ENDLESS: Final = ("jsonl", "csv")
"""Formats that can go on for ever."""


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """The options of the command."""

    data_dir: Path
    query: str = ""
    since: str | None = None
    until: str | None = None
    format_name: str = "jsonl"
    output: Path | None = None
    follow: bool = False
    stats: bool = False
    verify: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class AskedRows:
    """The rows asked for; times in nanoseconds since 1970."""

    directory: Path
    query: Query
    since: int | None
    until: int | None


def run(order: LogOptions) -> int:
    """Do it; the exit status. Raises ValueError for what makes no sense, JournalError, RingError, OSError."""
    _refuse_what_does_not_go_together(order)
    now = wall_ns()
    start, end = (parse_time(text, now) if text else None for text in (order.since, order.until))
    asked = AskedRows(order.data_dir, parse(order.query, EVENT_FIELDS), start, end)
    if order.verify:
        return verify(asked, order.as_json)
    log = Log(asked.directory)
    if order.stats:
        stats(log, asked, order.as_json)
    elif order.follow:
        write_on(log, asked, order.format_name, order.output)
    else:
        write(log, asked, order.format_name, order.output)
    for line in log.index.damaged.values():
        print(f"echoscope: passed over: {line}", file=sys.stderr)
    return 0


def _refuse_what_does_not_go_together(order: LogOptions) -> None:
    chosen = [f"--{name}" for name in ("follow", "stats", "verify") if getattr(order, name)]
    name = order.format_name
    is_odd = {
        f"{' and '.join(chosen)} do not go together": len(chosen) > 1,
        "--json goes with --stats and --verify; rows as JSON are --format jsonl": order.as_json
        and not (order.stats or order.verify),
        "--verify looks at the whole log: leave out --query, --since and --until": order.verify
        and bool(order.query or order.since or order.until),
        f"{', '.join(chosen)} prints to standard output: leave out --output": bool(order.output)
        and (order.stats or order.verify),
        "--follow has no end: leave out --until": order.follow and bool(order.until),
        f"a {name} file has an end: --follow writes {' or '.join(_ENDLESS)}": order.follow and name not in _ENDLESS,
        "parquet is nothing for a terminal: name a file with --output": name == "parquet"
        and not (chosen or order.output)
        and sys.stdout.isatty(),
    }
    for why, holds in is_odd.items():
        if holds:
            raise BadValueError(why)


def write(log: Log, asked: AskedRows, name: str, output: Path | None) -> None:
    """The rows as they are now. Raises JournalError, RingError, OSError."""
    batches = Counted(log.batches(asked.query, asked.since, asked.until))
    chunks = export(batches, name, turns_of(asked.directory, asked.since, asked.until))
    if sink.is_for_people(output):
        total = log.estimate(asked.query, asked.since, asked.until).rows
        chunks = sink.shown(chunks, lambda: batches.rows, total)
    with sink.opened(output, whole=True) as out:
        for chunk in chunks:
            out.write(chunk)


def write_on(log: Log, asked: AskedRows, name: str, output: Path | None) -> None:
    """The rows, and those to come, until the reader has gone or SIGINT ends it. Raises as `write`."""
    ended = threading.Event()
    # An exception out of nowhere may be raised where libraries swallow it, and the command would go on.
    with sink.opened(output, whole=False) as out, interrupt_calls(ended.set):
        for chunk in export([], name):  # what stands before the first row
            out.write(chunk)
        pause = _pause(out.fileno())
        for batch in follow(log, asked.query, asked.since, lambda: pause() and not ended.is_set()):
            for chunk in lines_of(batch, name):
                out.write(chunk)
            out.flush()
            if ended.is_set():
                break
    if ended.is_set():
        raise KeyboardInterrupt


def stats(log: Log, asked: AskedRows, as_json: bool) -> None:
    """Sums over the rows. Raises JournalError."""
    figures = report.stats_of(log, asked.query, asked.since, asked.until)
    print(json.dumps(figures) if as_json else report.stats_text(figures))


def verify(asked: AskedRows, as_json: bool) -> int:
    """Check the whole log; 1 when it is damaged. Raises JournalError when there is none."""
    found = check(asked.directory)
    print(json.dumps(report.verify_json(found)) if as_json else report.verify_text(found))
    return int(not found.is_whole)


def _pause(descriptor: int) -> Callable[[], bool]:
    """Waits a little; whether whoever reads is still there."""
    poll = select.poll()
    poll.register(descriptor, 0)  # POLLERR is told in any case: the reading end of a pipe was closed (poll(2))

    def wait() -> bool:
        return not poll.poll(_LOOK_EVERY_MS)

    return wait
