"""The rows as a stream of bytes: one writer a format, for files, HTTP and the command line alike."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from core.bad_value import BadValueError
from core.export.parquet import parquet
from core.export.perfetto import Turns, perfetto
from core.filter.query import Query
from core.log.format.text import csv, jsonl

__all__ = ["FORMATS", "Format", "Turns", "download_name", "export", "unknown_format"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its file, whether gzip makes it smaller, about how long a row is, and its writer."""

    suffix: str
    mimetype: str
    is_text: bool
    row_bytes: float
    write: Callable[[Iterable[pa.RecordBatch], Iterable[Turns]], Iterator[bytes]]

    def estimated_bytes(self, rows: int) -> int:
        """About how long a file of so many rows is, before gzip."""
        return round(rows * self.row_bytes)


FORMATS: Final = {
    "jsonl": Format("jsonl", "application/x-ndjson", True, 206, lambda batches, _: jsonl(batches)),
    "csv": Format("csv", "text/csv; charset=utf-8", True, 83, lambda batches, _: csv(batches)),
    "parquet": Format("parquet", "application/vnd.apache.parquet", False, 5.5, lambda batches, _: parquet(batches)),
    "perfetto": Format("perfetto.json", "application/json", True, 230, perfetto),
}
"""The formats of downloads, by name."""


def unknown_format(name: str) -> BadValueError:
    """What is wrong with a name that FORMATS has not."""
    return BadValueError(f'unknown format "{name:.60}"; known: {", ".join(FORMATS)}')


def export(batches: Iterable[pa.RecordBatch], name: str, turns: Iterable[Turns] = ()) -> Iterator[bytes]:
    """The rows as a stream of bytes in the format of that name; raises ValueError for an unknown one.

    `turns` are the loop's turns, for the formats that show them (perfetto).
    """
    if name not in FORMATS:
        raise unknown_format(name)
    return FORMATS[name].write(batches, turns)


def download_name(name: str, query: Query, since: int | None = None, until: int | None = None) -> str:
    """A file name, safe everywhere, that tells range and filter of a download in the format of that name."""
    bounds = "" if since is None and until is None else f"-{_stamp(since) or 'start'}-{_stamp(until) or 'now'}"
    words = re.sub(r"(^|\s)-", r"\1not-", query.text)
    for sign, word in ((">=", "-ge-"), ("<=", "-le-"), ("!=", "-ne-"), (">", "-gt-"), ("<", "-lt-")):
        words = words.replace(sign, word)
    words = re.sub(r"[^A-Za-z0-9_.]+", "-", words).strip("-.")[:80]
    return f"echoscope-events{bounds}{'-' if words else ''}{words}.{FORMATS[name].suffix}"


def _stamp(time_ns: int | None) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y%m%dT%H%M%SZ") if time_ns is not None else ""
