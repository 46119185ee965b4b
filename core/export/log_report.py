"""What `app.py log --stats` and `--verify` print: tables for people, one JSON object for programs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.read.log import Log
from core.log.read.top_connections import TopConnections
from core.log.read.verify import Report, Stats, stats

Json = dict[str, Any]

_TOP: Final = 10
_COUNTS: Final = ("kinds", "reasons", "workers")


def stats_of(log: Log, query: Query, since: int | None, until: int | None) -> Json:
    """Sums over the rows that match, and the connections that moved the most. Raises JournalError."""
    talkers = TopConnections()
    sums = stats(log, query, since, until, talkers.add)
    span = ((sums.last or 0) - (sums.first or 0)) / 1e9
    return {
        "rows": sums.rows,
        **_range(sums),
        "seconds": round(span, 3),
        "rows_per_s": round(sums.rows / span, 1) if span else None,
        "bytes_in": sums.bytes_in,
        "bytes_out": sums.bytes_out,
        "connections": sums.connections,
        "lost": sums.lost,
        "kinds": _largest_first(sums.kinds),
        "reasons": _largest_first(sums.reasons),
        "workers": {str(worker): rows for worker, rows in sorted(sums.workers.items())},
        "top": [{"conn": conn, "peer": _peer(log, conn), "bytes": size} for conn, size in talkers.top(_TOP)],
        "log_bytes": sums.log_bytes,
    }


def stats_text(figures: Json) -> str:
    """The same as tables."""
    rate = figures["rows_per_s"]
    general = {
        "rows": f"{figures['rows']:,}",
        "from": figures["first"] or "-",
        "to": figures["last"] or "-",
        "rows a second": "-" if rate is None else f"{rate:,}",
        "bytes in": f"{figures['bytes_in']:,}",
        "bytes out": f"{figures['bytes_out']:,}",
        "connections": f"{figures['connections']:,}",
        "events lost": f"{figures['lost']:,}",
        "size of the log": f"{figures['log_bytes']:,} bytes",
    }
    tables = {"": general}
    tables |= {title: {name: f"{rows:,}" for name, rows in figures[title].items()} for title in _COUNTS}
    tables["connections that moved the most bytes"] = {
        f"{one['conn']} {one['peer']}": f"{one['bytes']:,}" for one in figures["top"]
    }
    return "\n\n".join(_table(title, rows) for title, rows in tables.items() if rows)


def verify_json(report: Report) -> Json:
    """What was found."""
    return {
        "whole": report.is_whole,
        "problems": report.problems,
        "found": report.found,
        "segments": report.segments,
        "sealed": report.sealed,
        "rows": report.rows,
        "unreadable_rows": report.unreadable,
        **_range(report),
        "bytes_in": report.bytes_in,
        "bytes_out": report.bytes_out,
        "connections": report.connections,
        "open": report.open,
        "lost": report.lost,
        "workers": {
            str(worker): {"first": run.first, "last": run.last, "rows": run.rows}
            for worker, run in sorted(report.runs.items())
        },
    }


def verify_text(report: Report) -> str:
    """The same for people: what is damaged, what can be read."""
    found = verify_json(report)
    lines = [f"damaged: {problem}" for problem in report.problems]
    if report.found > len(report.problems):
        lines.append(f"damaged: {report.found - len(report.problems):,} problems more")
    readable = f"{report.rows:,} rows in {report.segments:,} segments, {report.sealed:,} of them sealed"
    lines.append(f"readable: {readable}, {found['first'] or '-'} to {found['last'] or '-'}")
    lines += [
        f"worker {worker}: events {run.first:,} to {run.last:,}, {run.rows:,} rows"
        for worker, run in sorted(report.runs.items())
    ]
    lines.append(f"sums: {report.bytes_in:,} bytes in, {report.bytes_out:,} bytes out, {report.lost:,} events lost")
    lines.append(f"connections: {report.connections:,}, of which {report.open:,} are open")
    lines.append("the log is whole" if report.is_whole else f"the log is damaged: {report.found:,} problems")
    return "\n".join(lines)


def _range(sums: Stats | Report) -> Json:
    return {"first": _rfc3339(sums.first), "last": _rfc3339(sums.last)}


def _rfc3339(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    seconds, fraction = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def _peer(log: Log, conn: int) -> str:
    rows, _ = log.page(parse(f"conn:{conn}", EVENT_FIELDS), limit=1)
    return str(rows[0]["peer"]) if rows else ""


def _largest_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _table(title: str, rows: Mapping[str, str]) -> str:
    """Two columns, the second to the right."""
    left, right = max(map(len, rows)), max(map(len, rows.values()))
    lines = [f"{'  ' if title else ''}{name:<{left}}  {value:>{right}}" for name, value in rows.items()]
    return "\n".join([title, *lines] if title else lines)
