"""The sealed form of a segment: a Parquet file whose rows are in the order of time.

Rows are in order of (time, worker, seq). The file's key-value metadata holds, beside the version: `echoscope.state`,
where the log stood before the segment; `echoscope.groups`, a summary of each row group; `echoscope.conns`, which
connections occur in each; and `echoscope.runs`, the order in which the rows were written, unless it is the same.
All of it is text, as Parquet's strings have to be; docs/log-format.md says how to read it.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.log.format.files import KEY, VERSION, JournalError, check_version
from core.log.format.log_state import LogState
from core.log.format.rows import KIND_VALUES
from core.log.format.schema import SCHEMA
from core.log.format.summary import Summary

Numbers = npt.NDArray[Any]

GROUP_ROWS: Final = 131_072
"""Rows of a row group: 4 ms to decode, and no smaller a file when it is longer."""
_STATE, _GROUPS, _CONNS, _RUNS, _DAMAGE = (
    f"echoscope.{name}" for name in ("state", "groups", "conns", "runs", "damage")
)
_DELTA: Final = dict.fromkeys(("seq", "time", "conn"), "DELTA_BINARY_PACKED")
_DICTIONARY: Final = [name for name in SCHEMA.names if name not in (*_DELTA, "emptied")]


class SealedWriter:
    """Writes one file, a row group at a time; use as a context manager. Raises OSError."""

    def __init__(self, path: Path, state: LogState) -> None:
        self._sink = pa.OSFile(str(path), "wb")
        self._state = state
        self._summaries: list[Summary] = []
        self._conns: list[str] = []
        self._last_conns: Numbers = np.empty(0, np.int64)
        self._writer = pq.ParquetWriter(
            self._sink,
            SCHEMA,
            compression="zstd",
            compression_level=3,
            use_dictionary=_DICTIONARY,
            column_encoding=_DELTA,
            dictionary_pagesize_limit=8 * 1024**2,
            write_page_checksum=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(pa.ArrowException, OSError):  # what could not be finished is not used
            self._writer.close()
        self._writer.is_open = False
        with suppress(OSError):
            self._sink.close()

    def write(self, table: pa.Table) -> None:
        """Writes a row group, whose rows are in order."""
        peers = table.column("peer").cast(pa.string()).combine_chunks().dictionary_encode()
        table = table.set_column(table.schema.get_field_index("peer"), SCHEMA.field("peer"), peers)
        [batch] = table.combine_chunks().to_batches()
        self._summaries.append(Summary.of(batch))
        conns = _distinct(batch.column("conn").to_numpy())
        self._conns.append(_packed_conns(np.setxor1d(self._last_conns, conns, assume_unique=True)))
        self._last_conns = conns
        self._writer.write_table(table, row_group_size=len(table))

    def finish(self, runs: "Runs | None", damage: Sequence[str] = ()) -> None:
        """Writes the footer; `runs` is the order of writing, None when it is the order of the rows.

        `damage`: what of the hot segment could not be read, and is not in this file.
        """
        metadata = {
            KEY.decode(): str(VERSION),
            _STATE: _packed({name.decode(): text.decode() for name, text in self._state.to_metadata().items()}),
            _GROUPS: json.dumps([summary.to_note().decode() for summary in self._summaries]),
            _CONNS: json.dumps(self._conns),
        }
        if runs is not None:
            metadata[_RUNS] = _packed(runs.to_lists())
        if damage:
            metadata[_DAMAGE] = json.dumps(damage)
        self._writer.add_key_value_metadata(metadata)
        self._writer.close()
        self._sink.close()


class Runs:
    """In which order the rows of a segment were written: runs of one worker's consecutive numbers.

    The numbers of each worker must rise; `is_rising` says whether they do.
    """

    def __init__(self, worker: Numbers, first: Numbers, rows: Numbers) -> None:
        self._worker, self._first, self._rows = worker, first, rows
        self._start = np.cumsum(rows) - rows

    @classmethod
    def of(cls, worker: Numbers, seq: Numbers) -> Self:
        """Of rows in the order of writing."""
        breaks = np.flatnonzero((np.diff(worker) != 0) | (np.diff(seq) != 1)) + 1
        starts = np.concatenate(([0], breaks)) if len(seq) else np.empty(0, np.int64)
        return cls(worker[starts].astype(np.int64), seq[starts], np.diff(np.append(starts, len(seq))))

    @classmethod
    def joined(cls, parts: Sequence["Runs"]) -> "Runs":
        """Of several, one written after the other."""
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("_worker", "_first", "_rows")]
        worker, first, rows = columns
        goes_on = (np.diff(worker) == 0) & (first[1:] == first[:-1] + rows[:-1])
        starts = np.concatenate(([0], np.flatnonzero(~goes_on) + 1))
        return cls(worker[starts], first[starts], np.add.reduceat(rows, starts))

    def __len__(self) -> int:
        return len(self._rows)

    def is_rising(self) -> bool:
        """Whether the numbers of each worker rise."""
        for worker in np.unique(self._worker):
            mine = self._worker == worker
            first = self._first[mine]
            if (first[1:] < (first + self._rows[mine])[:-1]).any():
                return False
        return True

    def places(self, worker: Numbers, seq: Numbers) -> Numbers:
        """As which row of the segment (from 0) the row of that worker and number was written."""
        found = np.empty(len(seq), np.int64)
        for one in np.unique(worker):
            rows, runs = np.flatnonzero(worker == one), np.flatnonzero(self._worker == one)
            run = runs[np.searchsorted(self._first[runs], seq[rows], side="right") - 1]
            found[rows] = self._start[run] + seq[rows] - self._first[run]
        return found

    def to_lists(self) -> list[list[int]]:
        """Workers, first numbers and rows."""
        return [self._worker.tolist(), self._first.tolist(), self._rows.tolist()]

    @classmethod
    def from_lists(cls, lists: list[list[int]]) -> Self:
        """What `to_lists` made."""
        worker, first, rows = (np.array(values, np.int64) for values in lists)
        return cls(worker, first, rows)


class SealedFile:
    """What the footer of a sealed segment says. Raises JournalError when it is damaged or not ours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        footer = self._footer()
        metadata: Mapping[bytes, bytes] = footer.metadata or {}
        check_version(metadata.get(KEY, b""), path)
        try:
            self._read(footer, metadata)
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise JournalError(f"{path}: its footer is damaged ({_line(error)})") from None

    def _footer(self) -> pq.FileMetaData:
        try:
            with pa.OSFile(str(self.path)) as source:
                return pq.read_metadata(source)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise JournalError(f"{self.path}: its footer is damaged ({_line(error)})") from None

    def _read(self, footer: pq.FileMetaData, metadata: Mapping[bytes, bytes]) -> None:
        if not footer.schema.to_arrow_schema().equals(SCHEMA):
            raise JournalError(f"{self.path}: not a segment of an echoscope log")
        notes = [Summary.from_note(note.encode()) for note in json.loads(metadata[_GROUPS.encode()])]
        self.groups = [note for note in notes if note is not None and note.is_whole]
        if [group.rows for group in self.groups] != [
            footer.row_group(i).num_rows for i in range(footer.num_row_groups)
        ]:
            raise ValueError("its row groups are not those of the summary")
        self._conns = [text.encode() for text in json.loads(metadata[_CONNS.encode()])]
        runs = metadata.get(_RUNS.encode())
        self.runs = Runs.from_lists(_unpacked(runs)) if runs else None
        self.damage: list[str] = json.loads(metadata.get(_DAMAGE.encode(), b"[]"))
        """What could not be read when it was sealed."""

    def state(self) -> LogState:
        """Where the log stood before this segment."""
        try:
            packed = (self._footer().metadata or {})[_STATE.encode()]
            return LogState.from_metadata({name.encode(): text.encode() for name, text in _unpacked(packed).items()})
        except (ValueError, KeyError, zlib.error) as error:
            raise JournalError(f"{self.path}: its footer is damaged ({_line(error)})") from None

    def holding(self, low: int | None, high: int | None) -> list[bool]:
        """Of each row group, whether it has a row of a connection from `low` to `high` (inclusive; None: no bound)."""
        first, last = 0 if low is None else low, 2**63 - 1 if high is None else high
        found = [group.high_conn >= first and group.low_conn <= last for group in self.groups]
        is_sure = [first <= group.low_conn <= last or first <= group.high_conn <= last for group in self.groups]
        if found == is_sure:
            return found
        here: Numbers = np.empty(0, np.int64)
        for i, text in enumerate(self._conns):
            changed = _unpacked_conns(text)
            inside = changed[np.searchsorted(changed, first) : np.searchsorted(changed, last, side="right")]
            if len(inside):
                here = np.setxor1d(here, inside, assume_unique=True)
            found[i] = bool(len(here))
        return found


class SealedReader:
    """Reads row groups; use as a context manager. Raises FileNotFoundError when retention has dropped the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._source = pa.OSFile(str(path))
        try:
            self._file = pq.ParquetFile(self._source, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            self._source.close()
            raise JournalError(f"{path}: its footer is damaged ({_line(error)})") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._source.close()

    def read(self, group: int, columns: Sequence[str] = ()) -> pa.RecordBatch:
        """A row group; only the named columns when some are named. Raises JournalError when it is damaged."""
        names = [name for name in SCHEMA.names if name in columns] if columns else SCHEMA.names
        try:
            table = self._file.read_row_group(group, columns=names, use_threads=False)
            [batch] = table.combine_chunks().to_batches()
        except (pa.ArrowException, OSError) as error:
            raise JournalError(f"{self._path}: row group {group} is damaged ({_line(error)})") from None
        arrays = [_kind_column(batch.column(name)) if name == "kind" else batch.column(name) for name in names]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([SCHEMA.field(name) for name in names]))


def _kind_column(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """With the dictionary that every other batch has, in which the code of a kind is its number."""
    if column.dictionary.equals(KIND_VALUES):
        return column
    codes = pc.index_in(column.dictionary, KIND_VALUES).cast(pa.int8())
    return pa.DictionaryArray.from_arrays(codes.take(column.indices), KIND_VALUES)


def _distinct(conn: Numbers) -> Numbers:
    """The numbers that occur, ascending."""
    conns = np.sort(conn)
    return conns[np.concatenate(([True], conns[1:] != conns[:-1]))]


def _packed_conns(conns: Numbers) -> str:
    """Ascending numbers: the width in bytes of their differences, then these (zlib, base64)."""
    steps = np.diff(conns, prepend=0)
    width = np.min_scalar_type(int(steps.max(initial=0))).itemsize
    return f"{width}{b64encode(zlib.compress(steps.astype(f'<u{width}').tobytes(), 1)).decode()}"


def _unpacked_conns(text: bytes) -> Numbers:
    steps = np.frombuffer(zlib.decompress(b64decode(text[1:])), f"<u{text[:1].decode()}")
    return np.cumsum(steps, dtype=np.int64)


def _packed(value: Any) -> str:
    return b64encode(zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 1)).decode()


def _unpacked(text: bytes) -> Any:
    return json.loads(zlib.decompress(b64decode(text)))


def _line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
