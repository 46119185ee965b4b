"""JSON lines and CSV."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from core.log.format import text_columns as cells
from core.log.format.gather import gathered
from core.log.format.schema import SCHEMA
from core.spreadsheet import harmless

_CHUNK: Final = 8192


@dataclass(frozen=True, slots=True)
class _Layout:
    """What surrounds values and texts, and how a text becomes a value."""

    header: bytes
    before: tuple[bytes, ...]
    end: bytes
    quote: bytes
    text: Callable[[str], str]


def _csv_text(text: str) -> str:
    """RFC 4180; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    guarded = harmless(text).replace("\0", "\ufffd")
    return '"' + guarded.replace('"', '""') + '"' if re.search(r'[",\r\n]', guarded) else guarded


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_JSONL: Final = _Layout(
    b"",
    tuple(f'{"," if i else "{"}"{name}":'.encode() for i, name in enumerate(SCHEMA.names)),
    b"}\n",
    b'"',
    _json_text,
)
_CSV: Final = _Layout(
    ",".join(SCHEMA.names).encode() + b"\r\n",
    (b"", *[b","] * (len(SCHEMA) - 1)),
    b"\r\n",
    b"",
    _csv_text,
)


def jsonl(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """An object a line."""
    return _stream(batches, _JSONL)


def csv(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A line of names, then a line a row."""
    return _stream(batches, _CSV)


def lines_of(batch: pa.RecordBatch, name: str) -> Iterator[bytes]:
    """The lines of a batch in `jsonl` or `csv`, without what stands before the first row."""
    return _lines(batch, {"jsonl": _JSONL, "csv": _CSV}[name])


def with_cursors(batch: pa.RecordBatch, cursors: tuple[str, Any, str], *, is_sse: bool) -> Iterator[bytes]:
    """Lines of JSON with a member `cursor`, or events of a text/event-stream whose `id` it is.

    `cursors` are three parts of text: what stands before the number of each row, the numbers, what stands behind.
    """
    lead, numbers, rest = cursors
    cursor: list[cells.Piece] = [lead.encode(), *cells.numbers(numbers), rest.encode()]
    row = _pieces(batch, _JSONL)
    if is_sse:
        return cells.lines([b"id: ", *cursor, b"\ndata: ", *row, b"}\n\n"], batch.num_rows)
    return cells.lines([*row, b',"cursor":"', *cursor, b'"}\n'], batch.num_rows)


def to_dicts(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as dicts of the JSONL form."""
    return [json.loads(line) for chunk in _lines(batch, _JSONL) for line in chunk.splitlines()]


def _stream(batches: Iterable[pa.RecordBatch], layout: _Layout) -> Iterator[bytes]:
    if layout.header:
        yield layout.header
    for batch in gathered(batches, _CHUNK):
        yield from _lines(batch, layout)


def _lines(batch: pa.RecordBatch, layout: _Layout) -> Iterator[bytes]:
    if batch.num_rows:
        yield from cells.lines([*_pieces(batch, layout), layout.end], batch.num_rows)


def _pieces(batch: pa.RecordBatch, layout: _Layout) -> list[cells.Piece]:
    """All of a row but its end."""
    pieces: list[cells.Piece] = []
    for lead, name in zip(layout.before, SCHEMA.names, strict=True):
        pieces += [lead, *_cells(batch.column(name), layout)]
    return pieces


def _cells(array: pa.Array, layout: _Layout) -> list[cells.Piece]:
    if pa.types.is_dictionary(array.type):
        return [cells.texts(array, layout.text)]
    if pa.types.is_timestamp(array.type):
        return [layout.quote, *cells.rfc3339(array.view(pa.int64()).to_numpy()), layout.quote]
    if pa.types.is_boolean(array.type):
        return [cells.truths(array)]
    return cells.numbers(array.to_numpy())
