"""The charts' history on disk, a row a second, so that charts know the time before a restart and any past moment.

`series/SECOND.arrows`, SECOND being the first that is in it: an Arrow IPC stream, a batch every few seconds. Rows of a
second add up where they are rates, the last one holds where they are gauges. Files are only appended to by who made
them, so the tail of a torn one is left out and stays out. A batch's metadata says up to which event it has counted.
"""

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.durable import set_aside, sync
from core.filter.query import Query
from core.log.format.rows import from_batch
from core.log.read.log import Log
from core.ring.clock import wall_ns
from core.ring.records import Records
from core.watch.now.series import GAUGES, LONGEST, RATES, Series
from core.watch.now.sums import by_second

Numbers = npt.NDArray[Any]

FOLDER: Final = "series"
FILE_SECONDS: Final = 3600
_SECOND: Final = 1_000_000_000
_LATELY: Final = 60 * _SECOND
"""A server keeps the history six times a minute."""
_KEY: Final = "echoscope"
_NAME: Final = re.compile(r"(\d{10})\.arrows")
_COLUMNS: Final = (*RATES, *GAUGES)
_SCHEMA: Final = pa.schema(
    [pa.field("second", pa.int64()), *(pa.field(name, pa.float64()) for name in _COLUMNS)],
    {b"echoscope-series": b"1"},
)
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)


class HistoryWriter:
    """Appends to the history of a directory. Raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._marks = counted(directory)[0]
        self._first = 0
        self._file: pa.NativeFile | None = None
        self._writer: pa.RecordBatchWriter | None = None

    def append(self, news: Mapping[int, Mapping[str, float]], marks: Mapping[int, int]) -> None:
        """Write rows (Series.news), which count the events of each worker up to number `marks`."""
        self._marks |= marks  # a worker of an earlier run keeps its own
        seconds = sorted(news)
        if self._writer is None or seconds[-1] - self._first >= FILE_SECONDS:
            self._begin(seconds[0])
        assert self._writer is not None
        columns = {"second": seconds} | {name: [news[second].get(name) for second in seconds] for name in _COLUMNS}
        batch = pa.RecordBatch.from_pydict(columns, _SCHEMA)
        try:
            self._writer.write_batch(batch, custom_metadata={_KEY: json.dumps(self._marks)})
        except OSError:
            self.close()  # what is torn now can't be appended to
            raise

    def close(self) -> None:
        """End the file; a further `append` begins another."""
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None

    def retain(self, oldest: int) -> None:
        """Drop the files that end before second `oldest`."""
        files = list_files(self._folder)
        for (_, path), (end, _) in itertools.pairwise(files):
            if end < oldest:
                path.unlink(missing_ok=True)

    def _begin(self, second: int) -> None:
        self.close()
        _pack(self._folder)
        taken = [first for first, _ in list_files(self._folder)]
        self._first = max([second, *(first + 1 for first in taken)])
        self._file = pa.OSFile(str(self._folder / f"{self._first:010d}.arrows"), "wb")
        self._writer = pa.ipc.new_stream(self._file, _SCHEMA, options=_OPTIONS)


def list_files(folder: Path) -> list[tuple[int, Path]]:
    """First seconds and paths of the files, oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = ((_NAME.fullmatch(name), name) for name in names)
    return sorted((int(match[1]), folder / name) for match, name in found if match)


def read_history(directory: Path, last: int, range_s: int = LONGEST) -> dict[str, Numbers]:
    """The rows of the `range_s` seconds before second `last`, as columns (NaN: not told), in the order written."""
    # Not by their names: a clock that was set back between two runs makes those of the later one too late.
    batches = []
    for _, path in list_files(directory / FOLDER):
        first, end = _bounds(path, _size(path))
        if first <= last and end >= last - range_s:
            batches += [batch for batch, _ in _batches(path)]
    columns = _columns(batches)
    kept = (columns["second"] >= last - range_s) & (columns["second"] < last)
    return {name: column[kept] for name, column in columns.items()}


def restore(series: Series, directory: Path, log: Log) -> None:
    """Load what is kept, and count what the log has beyond it: a server that was killed has not kept its last seconds.

    Raises JournalError.
    """
    now = wall_ns() // _SECOND
    series.load(read_history(directory, now + 1))
    marks, _ = counted(directory)
    latest = log.latest()
    if latest is None:
        return
    since = latest - _LATELY
    for batch in log.batches(Query(), since):
        records = from_batch(batch)
        for worker in np.unique(records["worker"]).tolist():
            for second, sums in by_second(_after(records, worker, marks.get(worker, 0))):
                series.count(second, sums)


def _after(records: Records, worker: int, seq: int) -> Records:
    """The records of a worker after a number, by time."""
    mine = records[np.flatnonzero((records["worker"] == worker) & (records["seq"] > seq))]
    return mine[np.argsort(mine["time"], kind="stable")]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@lru_cache(256)
def _bounds(path: Path, _size: int) -> tuple[int, int]:
    """The first and the last second in a file of that size; an empty range when there is none."""
    seconds = [batch.column("second").to_numpy() for batch, _ in _batches(path)]
    return (min(int(one.min()) for one in seconds), max(int(one.max()) for one in seconds)) if seconds else (0, -1)


def counted(directory: Path) -> tuple[dict[int, int], int]:
    """By worker the number of the last event that the history has counted, and the last second in it (0: none)."""
    for _, path in reversed(list_files(directory / FOLDER)):
        batches = list(_batches(path))
        if batches:
            batch, marks = batches[-1]
            return marks, int(batch.column("second")[-1].as_py())
    return {}, 0


def set_damaged_aside(directory: Path) -> list[str]:
    """Renames the files of which nothing can be read; what is to be told, a line each. Raises OSError."""
    paths = [path for _, path in list_files(directory / FOLDER)]
    return [f"{path}: none of it can be read; kept as {set_aside(path).name}" for path in paths if not _is_ours(path)]


def _is_ours(path: Path) -> bool:
    try:
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
            return bool(reader.schema.equals(_SCHEMA, check_metadata=True))
    except (pa.ArrowException, OSError):
        return False


def _columns(batches: Sequence[pa.RecordBatch]) -> dict[str, Numbers]:
    table = pa.Table.from_batches(batches, _SCHEMA)
    return {name: table.column(name).to_numpy() for name in _SCHEMA.names}


def _batches(path: Path) -> Iterator[tuple[pa.RecordBatch, dict[int, int]]]:
    """The whole batches of a file with their marks; nothing of one that is not ours."""
    try:
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
            if reader.schema.equals(_SCHEMA, check_metadata=True):
                while True:
                    batch, metadata = reader.read_next_batch_with_custom_metadata()
                    yield batch, {int(worker): seq for worker, seq in json.loads(metadata[_KEY]).items()}
    except (pa.ArrowException, OSError, StopIteration):
        return


def _pack(folder: Path) -> None:
    """Write the newest file, which is complete, as one batch: many small ones take longer to read."""
    files = list_files(folder)
    if not files:
        return
    path = files[-1][1]
    batches = list(_batches(path))
    if len(batches) < 2:
        return
    partial = path.with_suffix(".partial")
    with pa.OSFile(str(partial), "wb") as file, pa.ipc.new_stream(file, _SCHEMA, options=_OPTIONS) as writer:
        whole = pa.Table.from_batches([batch for batch, _ in batches]).combine_chunks().to_batches()[0]
        writer.write_batch(whole, custom_metadata={_KEY: json.dumps(batches[-1][1])})
    sync(partial)
    os.replace(partial, path)
