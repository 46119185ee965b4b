"""The writer of the log: what it keeps across restarts, crashes, full disks and foreign files."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_rows import START_NS, make_batch, make_records, plain_rows, random_batch

from core.durable import DAMAGED
from core.filter.query import Query
from core.log.format.files import HOT, SEALED, VERSION, list_segments
from core.log.format.rows import to_batch
from core.log.format.schema import SCHEMA
from core.log.read.log import Log
from core.log.write import journal as journal_module
from core.log.write.journal import Journal, JournalError
from core.log.write.retention import RetentionTotals
from core.log.write.seal_thread import Sealer
from core.ring.events import Kind, Reason
from core.ring.records import Records


def segments(directory: Path) -> Any:
    return [path for _, path in list_segments(directory / "log")]


def seqs(directory: Path) -> Any:
    return [row["seq"] for batch in Log(directory).batches(Query()) for row in plain_rows(batch)]


def write(directory: Path, *batches: Any, **options: Any) -> Any:
    """Writes batches and leaves the log as a crash would: not sealed."""
    journal = Journal(directory, **options)
    for batch in batches:
        journal.append(batch)
    return journal


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    segment_bytes=st.sampled_from([1, 5_000, 10**9]),
    is_closed=st.booleans(),
)
def test_what_was_appended_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, sizes: Any, segment_bytes: Any, is_closed: Any
) -> None:
    directory = tmp_path_factory.mktemp("data")
    batches = [random_batch(size, 1 + 40 * i, seed=i) for i, size in enumerate(sizes)]
    journal = write(directory, *batches, segment_bytes=segment_bytes)
    if is_closed:
        journal.close()
    expected = [row for batch in batches for row in plain_rows(batch)]
    found = [row for batch in Log(directory).batches(Query()) for row in plain_rows(batch)]
    assert found == expected
    assert journal.log_bytes == sum(path.stat().st_size for path in segments(directory))


def test_any_arrow_reader_takes_a_segment(tmp_path: Path) -> None:
    batches = [random_batch(50, 1 + 50 * i, seed=i) for i in range(5)]
    write(tmp_path, *batches).close()
    with pa.ipc.open_stream(segments(tmp_path)[0]) as reader:
        assert reader.schema == SCHEMA
        rows = [row for batch in reader for row in plain_rows(batch)]
    assert rows == [row for batch in batches for row in plain_rows(batch)]


def test_dictionaries_of_kinds_and_reasons_are_written_once_a_segment(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(10))
    before = journal.log_bytes
    journal.append(make_batch(10, 11))
    assert journal.log_bytes - before < 2000


def test_state_is_known_after_a_restart(tmp_path: Path) -> None:
    peers = ["", "1.1.1.1:1", "1.1.1.1:2"]
    opens = make_records(2, 1, kind=Kind.OPEN)
    opens["conn"] = [1, 2]
    first = to_batch(Records.of(opens, START_NS), 0, np.array([1, 2]), peers)
    close = make_batch(1, 3, kind=Kind.CLOSE, conn=1)
    other = make_batch(1, 1, kind=Kind.OPEN, conn=9, worker=2)
    for segment_bytes in (1, 10**9):
        directory = tmp_path / str(segment_bytes)
        write(directory, first, close, other, segment_bytes=segment_bytes)
        journal = Journal(directory)
        assert journal.last_seq == {0: 3, 2: 1}
        assert journal.max_conn == 9
        assert journal.open_conns == {0: {2: "1.1.1.1:2"}, 2: {9: "127.0.0.1:40001"}}


def test_a_restart_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    write(tmp_path, make_batch(5)).close()
    write(tmp_path, make_batch(5, 6)).close()
    assert len(segments(tmp_path)) == 2
    assert seqs(tmp_path) == list(range(1, 11))


def test_torn_anywhere_in_the_last_batch(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(5))
    whole = journal.log_bytes
    journal.append(make_batch(5, 6))
    [path] = segments(tmp_path)
    data = path.read_bytes()
    # Every byte of the framing, and one in 13 of the body, which is not looked at before it is whole.
    for size in (
        *range(whole, whole + 400),
        *range(whole + 400, len(data) - 20, 13),
        *range(len(data) - 20, len(data)),
    ):
        path.write_bytes(data[:size])
        assert seqs(tmp_path) == [1, 2, 3, 4, 5]
        assert Journal(tmp_path).last_seq == {0: 5}
        assert path.stat().st_size == whole
    path.write_bytes(data)
    assert Journal(tmp_path).last_seq == {0: 10}


def test_torn_anywhere_in_the_head(tmp_path: Path) -> None:
    write(tmp_path, make_batch(5), segment_bytes=1).append(make_batch(5, 6))
    path = segments(tmp_path)[1]
    data = path.read_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        assert seqs(tmp_path) == [1, 2, 3, 4, 5]
        assert Journal(tmp_path).last_seq == {0: 5}


def test_a_tail_of_zeros_is_told(tmp_path: Path) -> None:
    write(tmp_path, make_batch(5))
    [path] = segments(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(4096))
    assert seqs(tmp_path) == [1, 2, 3, 4, 5]
    again = Journal(tmp_path)
    assert again.damage == [f"{path}: 4096 bytes at byte {size} are damaged"]
    assert (again.last_seq, seqs(tmp_path)) == ({0: 5}, [1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    "content", [b"hello, this is no log", b"PAR1" + bytes(100), b"\xff\xff\xff\xff" + bytes(range(200)), b""]
)
@pytest.mark.parametrize("suffix", [HOT, SEALED])
def test_a_foreign_file_is_set_aside_by_name(tmp_path: Path, content: Any, suffix: str) -> None:
    write(tmp_path, make_batch(5)).close()
    path = tmp_path / "log" / f"segment-00000000{suffix}"
    path.write_bytes(content)
    assert seqs(tmp_path) == [1, 2, 3, 4, 5]
    [told] = Journal(tmp_path).damage
    assert told.startswith(f"{path}: ")
    assert told.endswith("; kept as segment-00000000.damaged")
    assert path.with_suffix(DAMAGED).read_bytes() == content
    assert seqs(tmp_path) == [1, 2, 3, 4, 5]
    assert Journal(tmp_path).damage == [], "it is told once"


def test_a_foreign_arrow_stream_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    path = tmp_path / "log" / "segment-00000001.arrows"
    with pa.ipc.new_stream(path, pa.schema([("a", pa.int8())])) as writer:
        writer.write_batch(pa.record_batch({"a": pa.array([1], pa.int8())}))
    journal = Journal(tmp_path)
    assert "not a segment of an echoscope log" in journal.damage[0]
    assert path.with_suffix(DAMAGED).exists()
    journal.append(make_batch(1))
    assert [number for number, _ in list_segments(tmp_path / "log")] == [2]


def test_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.log.format.hot_segment.VERSION", VERSION + 1)
    write(tmp_path, make_batch(5)).close()
    monkeypatch.undo()
    for reader in (Journal, seqs):
        with pytest.raises(JournalError, match=rf"1\.arrows: written by a newer echoscope .*version {VERSION + 1}"):
            reader(tmp_path)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "notes.txt").write_text("mine")
    write(tmp_path, make_batch(5), retain_bytes=0).close()
    assert (tmp_path / "log" / "notes.txt").read_text() == "mine"


@contextmanager
def small_files(size: int = 20_000) -> Iterator[Any]:
    """Files may not grow beyond `size`, as on a full disk. Not a fixture: the limit holds for pytest's output too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(journal: Any) -> Any:
    """Appends batches of 50 until it fails; how many rows are in."""
    first = 1
    while True:
        try:
            journal.append(make_batch(50, first))
        except OSError:
            return first - 1
        first += 50


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with small_files():
        rows = fill(journal)
    assert 0 < rows == len(seqs(tmp_path))
    with small_files(), pytest.raises(OSError):
        journal.append(make_batch(50, rows + 1))
    assert journal.log_bytes == segments(tmp_path)[0].stat().st_size
    assert journal.last_seq == {0: rows}


def test_appending_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with small_files():
        rows = fill(journal)
    journal.append(make_batch(50, rows + 1))
    journal.close()
    assert seqs(tmp_path) == list(range(1, rows + 51))
    with pa.ipc.open_stream(segments(tmp_path)[0]) as reader:
        assert reader.read_all().num_rows == rows + 50


@pytest.mark.parametrize("chunk", [1, 100, 3000])
def test_a_write_that_fails_midway_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: Any) -> None:
    journal = write(tmp_path, make_batch(5))
    size = journal.log_bytes
    calls = []

    def failing(fd: Any, data: Any, offset: Any) -> Any:
        calls.append(offset)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(fd, data[:chunk], offset)

    real = os.pwrite
    monkeypatch.setattr(journal_module.os, "pwrite", failing)
    with pytest.raises(OSError):
        journal.append(make_batch(200, 6, kind=Kind.OPEN))
    monkeypatch.undo()
    assert segments(tmp_path)[0].stat().st_size == size == journal.log_bytes
    assert journal.open_conns == {}
    assert journal.last_seq == {0: 5}
    journal.append(make_batch(5, 6))
    assert seqs(tmp_path) == list(range(1, 11))


def test_no_segment_is_left_when_its_head_does_not_fit(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with small_files(1000), pytest.raises(OSError):
        journal.append(make_batch(5))
    assert segments(tmp_path) == []
    assert journal.log_bytes == 0


def test_a_name_that_a_failed_try_has_left_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        with small_files(1000), pytest.raises(OSError, match="File too large"):
            journal.append(make_batch(5))
        with pytest.raises(FileExistsError):
            journal.append(make_batch(5))
    journal.append(make_batch(5))
    assert seqs(tmp_path) == [1, 2, 3, 4, 5]


def test_a_lost_row_that_failed_does_not_mix_up_reasons(tmp_path: Path) -> None:
    lost = make_records(1, 2, kind=Kind.LOST)
    lost["reason"], lost["queue_chunks"] = Reason.RING_FULL, 7
    closed = make_records(1, 3, kind=Kind.CLOSE)
    closed["reason"] = Reason.SELECT_LIMIT
    peer = np.zeros(1, np.int32)
    rest = [to_batch(Records.of(records, START_NS), 0, peer, [""]) for records in (lost, closed, closed)]
    write(tmp_path, make_batch(1), *rest).close()
    with pa.ipc.open_stream(segments(tmp_path)[0]) as reader:
        whole = [row["reason"] for batch in reader for row in plain_rows(batch)]
    singly = [row["reason"] for batch in Log(tmp_path).batches(Query(), reverse=True) for row in plain_rows(batch)]
    assert whole == singly[::-1] == ["", "ring_full:7", "select_limit", "select_limit"]


def test_retention_by_bytes_drops_the_oldest_whole_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=10_000, retain_bytes=40_000)
    for first in range(1, 20_000, 100):
        journal.append(random_batch(100, first, seed=first))
        journal.retain()
    assert journal.log_bytes <= 40_000 + 10_000
    found = seqs(tmp_path)
    assert found[-1] == 20_000
    assert found == list(range(found[0], 20_001))
    assert found[0] > 1


def test_retention_by_age_drops_sealed_segments_only(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(5), make_batch(5, 6), segment_bytes=1, retain_age=3600)
    os.utime(segments(tmp_path)[0], (0, 0))
    journal.retain()
    assert len(segments(tmp_path)) == 2, "its age is that of the moment when it was sealed"
    again = Journal(tmp_path, retain_age=3600)
    again.retain()
    assert seqs(tmp_path) == [6, 7, 8, 9, 10]
    assert again.last_seq == {0: 10}


def test_the_newest_segment_stays_so_that_no_number_is_given_twice(tmp_path: Path) -> None:
    write(tmp_path, make_batch(5, conn=41), make_batch(5, 6, conn=42), segment_bytes=1).close()
    for path in segments(tmp_path):
        os.utime(path, (0, 0))
    for _ in range(2):  # killed before the first row of its run, and started again
        journal = Journal(tmp_path, retain_age=3600)
        journal.retain()
        assert seqs(tmp_path) == [6, 7, 8, 9, 10]
        assert (journal.last_seq, journal.max_conn) == ({0: 10}, 42)
    journal.append(make_batch(1, 11))
    journal.retain()
    assert seqs(tmp_path) == [11]


def test_a_segment_that_cannot_be_dropped_is_tried_again_and_changes_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, segment_bytes=1, retain_bytes=1)
    sealer = Sealer(journal)
    remove, refusals = RetentionTotals.remove, ["Read-only file system", "Input/output error"]

    def refuse(self, number: Any) -> None:
        if refusals:
            raise OSError(5, refusals.pop())
        remove(self, number)

    monkeypatch.setattr(RetentionTotals, "remove", refuse)
    for first in range(1, 40, 10):
        journal.append(make_batch(10, first))
        assert seqs(tmp_path)[-1] == first + 9
    for why in ("Input/output error", "Read-only file system"):
        sealer.retain()
        assert sealer.retention_error == f"the oldest of the log can't be dropped: {why}"
        assert seqs(tmp_path) == list(range(1, 41))
    sealer.retain()
    assert sealer.retention_error == ""
    assert seqs(tmp_path) == list(range(31, 41))
    assert (journal.dropped.segments, journal.dropped.rows) == (3, 30)


def test_a_small_limit_makes_small_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retain_bytes=400_000)
    for first in range(1, 40_001, 400):
        journal.append(random_batch(400, first, seed=first))
    journal.retain()
    assert journal.log_bytes < 500_000
    assert len(segments(tmp_path)) > 2


def test_the_folder_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        Journal(tmp_path / "file")
