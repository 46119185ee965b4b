"""Rows as text for downloads: JSON lines and CSV, made by the array.

Every row is laid out in fixed columns of one byte matrix, short values padded with NUL; then the NULs are
taken out in one go. (A row at a time in Python takes 5 µs, joining Arrow strings 1.5 µs, this about 0.5 µs.)
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.record.query import Query
from core.record.schema import SCHEMA

Numbers = npt.NDArray[Any]

# One slice is turned into text by a call that holds the interpreter: 2,000 rows are less than a millisecond.
_SLICE: Final = 2048
_CHUNK: Final = 16384
_DIGITS: Final = np.array([f"{n:04d}".encode() for n in range(10000)], "S4").view("<u4")
_BARE: Final = np.array([str(n).encode() for n in range(10000)], "S4").view("<u4")
_UPPER: Final = np.where(np.arange(10000) == 0, np.uint32(0), _BARE)
_LOWEST_GROUP: Final = np.concatenate((_DIGITS, _BARE))
_UPPER_GROUP: Final = np.concatenate((_DIGITS, _UPPER))
_TENTH: Final = np.array([f".{n}".encode() for n in range(10)], "S2")
_BOOLS: Final = np.array([b"false", b"true"])


@dataclass(frozen=True, slots=True)
class Format:
    """A format of downloads: what surrounds values and times, and how a text becomes a value."""

    suffix: str
    mimetype: str
    header: bytes
    before: tuple[bytes, ...]
    end: bytes
    quote: bytes
    text: Callable[[str], str]


def _csv_text(text: str) -> str:
    """RFC 4180; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    guarded = f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    guarded = guarded.replace("\0", "\ufffd")
    return '"' + guarded.replace('"', '""') + '"' if re.search(r'[",\r\n]', guarded) else guarded


FORMATS: Final = {
    "jsonl": Format(
        "jsonl",
        "application/x-ndjson",
        b"",
        tuple(f'{"," if i else "{"}"{name}":'.encode() for i, name in enumerate(SCHEMA.names)),
        b"}\n",
        b'"',
        lambda text: json.dumps(text, ensure_ascii=False),
    ),
    "csv": Format(
        "csv",
        "text/csv; charset=utf-8",
        ",".join(SCHEMA.names).encode() + b"\r\n",
        (b"", *[b","] * (len(SCHEMA) - 1)),
        b"\r\n",
        b"",
        _csv_text,
    ),
}
"""The formats of downloads, by name."""


def export(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[bytes]:
    """The rows as a stream of bytes in the format of that name; raises ValueError for an unknown one."""
    if name not in FORMATS:
        raise ValueError(f'unknown format "{name}"; known: {", ".join(FORMATS)}')
    return _stream(batches, FORMATS[name])


def to_dicts(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as dicts of the JSONL form."""
    return [json.loads(line) for chunk in _lines(batch, FORMATS["jsonl"]) for line in chunk.splitlines()]


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


def _stream(batches: Iterable[pa.RecordBatch], form: Format) -> Iterator[bytes]:
    if form.header:
        yield form.header
    for batch in _gathered(batches):
        yield from _lines(batch, form)


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows, small batches put together: a batch has a fixed cost."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _CHUNK or len(waiting) >= _CHUNK:
            yield pa.concat_batches(waiting)
            waiting, rows = [], 0
    if rows:
        yield pa.concat_batches(waiting)


def _lines(batch: pa.RecordBatch, form: Format) -> Iterator[bytes]:
    """The rows of a batch, a few thousand at a time."""
    if not batch.num_rows:
        return
    pieces = _pieces(batch, form)
    layout = [(str(i), f"S{len(piece)}" if isinstance(piece, bytes) else piece.dtype) for i, piece in enumerate(pieces)]
    table = np.zeros(min(_SLICE, batch.num_rows), np.dtype(layout))
    for i, piece in enumerate(pieces):
        if isinstance(piece, bytes):
            table[str(i)] = piece
    for start in range(0, batch.num_rows, _SLICE):
        rows = table[: batch.num_rows - start]
        for i, piece in enumerate(pieces):
            if not isinstance(piece, bytes):
                rows[str(i)] = piece[start : start + _SLICE]
        yield rows.tobytes().translate(None, b"\0")


def _pieces(batch: pa.RecordBatch, form: Format) -> list[bytes | Numbers]:
    """What a row is put together from: bytes that are the same in every row, and arrays of an element a row."""
    pieces: list[bytes | Numbers] = []
    for lead, name in zip(form.before, SCHEMA.names, strict=True):
        pieces += [lead, *_cells(batch.column(name), form)]
    return [piece for piece in [*pieces, form.end] if len(piece)]


def _cells(array: pa.Array, form: Format) -> list[bytes | Numbers]:
    if pa.types.is_dictionary(array.type):
        return [_texts(array, form)]
    if pa.types.is_timestamp(array.type):
        return [form.quote, *_time(array.view(pa.int64()).to_numpy()), b"Z", form.quote]
    if pa.types.is_boolean(array.type):
        return [_BOOLS[array.to_numpy(zero_copy_only=False).astype(np.int8)]]
    return [*_number(array.to_numpy())]


def _texts(array: pa.DictionaryArray, form: Format) -> Numbers:
    if len(array.dictionary) > len(array):
        array = array.cast(pa.string()).dictionary_encode()
    values = np.array([form.text(text).encode() for text in array.dictionary.to_pylist()], np.bytes_)
    return values[array.indices.to_numpy()]  # type: ignore[no-any-return]


def _number(values: Numbers) -> list[Numbers]:
    """Decimal digits of numbers that are not negative, four an element, without leading zeros."""
    rest, group = np.divmod(values, 10000)
    digits = [_LOWEST_GROUP[group + 10000 * (rest == 0)]]
    while rest.any():
        rest, group = np.divmod(rest, 10000)
        digits.insert(0, _UPPER_GROUP[group + 10000 * (rest == 0)])
    return digits


def _time(nanoseconds: Numbers) -> list[Numbers]:
    """RFC 3339 with nine decimals, without the zone."""
    seconds, fraction = np.divmod(nanoseconds, 10**9)
    # Rows come by time, so that a second is written out once and not once a row.
    changes = np.concatenate(([True], seconds[1:] != seconds[:-1]))
    texts = np.datetime_as_string(seconds[changes].astype("M8[s]"), unit="s").astype("S19")
    tenth, fraction = np.divmod(fraction, 10**8)
    return [texts[np.cumsum(changes) - 1], _TENTH[tenth], _DIGITS[fraction // 10000], _DIGITS[fraction % 10000]]
