"""Sealed segments: the same rows as Parquet, exchanged beside readers and writers, whenever it is killed."""

import errno
import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import clean_environment
from hypothesis import given, settings
from hypothesis import strategies as st
from record_rows import PEERS, START_NS, make_batch, plain_rows, random_batch
from test_journal import segments, small_files, write
from waiting import wait_until
from warm import nursery

from core.durable import DAMAGED, PARTIAL
from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.files import HOT, SEALED, is_sealed, list_segments, segment_path
from core.log.format.log_state import LogState
from core.log.format.parquet_segment import Runs, SealedFile, SealedWriter
from core.log.format.rows import to_batch
from core.log.format.schema import SCHEMA
from core.log.read.log import Log
from core.log.read.verify import verify
from core.log.write import seal_job as sealing
from core.log.write.journal import Journal
from core.log.write.seal_job import rewrite
from core.log.write.seal_thread import Here, Sealer
from core.ring.events import RECORD, Kind
from core.ring.records import Records


def seal_all(journal: Any) -> None:
    sealer = Sealer(journal)
    while sealer.seal_next():
        pass
    assert sealer.error == ""


def read(directory: Path, **options: Any) -> Any:
    return [row for batch in Log(directory).batches(Query(), **options) for row in plain_rows(batch)]


def in_order(rows: Any) -> Any:
    return sorted(rows, key=lambda row: (row["time"], row["worker"], row["seq"]))


def key(row: Any) -> Any:
    return row["worker"], row["seq"]


def of_worker(worker: Any, first_seq: Any, times: Any) -> Any:
    """A batch of a worker with rows at these times (ms), its connection one in ten."""
    records = np.zeros(len(times), RECORD)
    records["seq"] = np.arange(first_seq, first_seq + len(times))
    records["time"] = np.array(times) * 1_000_000
    records["conn"] = worker + 10 * (records["seq"] % 10)
    records["kind"] = np.where(records["seq"] % 7, Kind.ECHO, Kind.FULL)
    return to_batch(Records.of(records, START_NS), worker, np.full(len(times), 1, np.int32), PEERS)


@st.composite
def batches_of_workers(draw: Any) -> Any:
    """Batches as worker processes bring them: each worker in order, all of them interleaved."""
    clocks, seqs, batches = {1: 0, 2: 0, 3: 0}, {1: 1, 2: 1, 3: 1}, []
    for _ in range(draw(st.integers(1, 10))):
        worker = draw(st.sampled_from([1, 2, 3]))
        steps = draw(st.lists(st.integers(0, 9), min_size=1, max_size=30))
        times = clocks[worker] + np.cumsum(steps)
        batches.append(of_worker(worker, seqs[worker], times))
        clocks[worker], seqs[worker] = int(times[-1]), seqs[worker] + len(steps)
    return batches


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "GROUP_ROWS", 16)


@settings(max_examples=25)
@given(batches=batches_of_workers(), group=st.integers(1, 40))
def test_a_sealed_segment_holds_the_rows_by_time(
    tmp_path_factory: pytest.TempPathFactory, batches: Any, group: Any
) -> None:
    directory = tmp_path_factory.mktemp("data")
    journal = write(directory, *batches)
    journal.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "GROUP_ROWS", group)
        seal_all(journal)
    [path] = segments(directory)
    assert path.name == "segment-00000001.parquet"
    expected = in_order(row for batch in batches for row in plain_rows(batch))
    assert read(directory) == expected
    assert read(directory, reverse=True) == expected[::-1]
    assert pq.read_table(path).schema.equals(SCHEMA)
    assert pq.read_metadata(path).num_row_groups == -(-len(expected) // group)
    assert journal.log_bytes == path.stat().st_size


@pytest.mark.parametrize("seed", range(5))
def test_any_rows_are_the_same_once_sealed(tmp_path: Path, seed: Any) -> None:
    batches = [random_batch(300, 1 + 300 * i, seed=10 * seed + i) for i in range(5)]
    journal = write(tmp_path, *batches)
    before = read(tmp_path)
    journal.close()
    seal_all(journal)
    assert read(tmp_path) == in_order(before)
    assert sorted(before, key=key) == sorted(read(tmp_path), key=key)


def test_numbers_that_do_not_rise_are_kept_in_the_order_of_writing(tmp_path: Path) -> None:
    batches = [make_batch(10, 101), make_batch(10, 1)]
    journal = write(tmp_path, *batches)
    journal.close()
    seal_all(journal)
    assert [row["seq"] for row in read(tmp_path)] == [*range(101, 111), *range(1, 11)]


@settings(max_examples=25)
@given(batches=batches_of_workers())
def test_the_order_of_writing_is_found_again(batches: Any) -> None:
    rows = [(row["worker"], row["seq"]) for batch in batches for row in plain_rows(batch)]
    parts = [Runs.of(batch.column("worker").to_numpy(), batch.column("seq").to_numpy()) for batch in batches]
    runs = Runs.from_lists(Runs.joined(parts).to_lists())
    assert runs.is_rising()
    worker, seq = np.array(rows).T
    assert runs.places(worker, seq).tolist() == list(range(len(rows)))
    assert runs.places(worker[::-1], seq[::-1]).tolist() == list(range(len(rows)))[::-1]


@settings(max_examples=25)
@given(
    batches=batches_of_workers(),
    order=st.sampled_from(["asc", "desc"]),
    limit=st.integers(1, 25),
    segment_bytes=st.sampled_from([1, 3000, 10**9]),
    seal_at=st.integers(0, 12),
    text=st.sampled_from(["", "kind:full", "conn:11", "conn>25 kind:echo"]),
)
def test_pages_go_on_when_segments_are_sealed_under_the_cursor(
    tmp_path_factory: pytest.TempPathFactory,
    batches: Any,
    order: Any,
    limit: Any,
    segment_bytes: Any,
    seal_at: Any,
    text: Any,
) -> None:
    directory = tmp_path_factory.mktemp("data")
    journal = write(directory, *batches, segment_bytes=segment_bytes)
    query, log = parse(text, EVENT_FIELDS), Log(directory)
    expected = sorted((row for batch in log.batches(query) for row in plain_rows(batch)), key=key)
    found, cursor, pages = [], None, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "GROUP_ROWS", 16)
        while cursor or not pages:
            if pages == seal_at:
                journal.close()
                seal_all(journal)
            page = log.search(query, limit=limit, cursor=cursor, order=order, budget=0 if limit % 2 else 1)
            assert page.scanned <= page.total
            found += page.items
            cursor, pages = page.next, pages + 1
    assert page.scanned == page.total
    assert sorted(map(key, found)) == [key(row) for row in expected]


def test_it_leaves_the_live_segment_alone(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(5), make_batch(5, 6), segment_bytes=1)
    seal_all(journal)
    assert [path.suffix for path in segments(tmp_path)] == [SEALED, HOT]
    journal.append(make_batch(5, 11))
    assert [row["seq"] for row in read(tmp_path)] == list(range(1, 16))


def test_a_restart_reads_both_kinds(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(5, kind=Kind.OPEN), make_batch(5, 6), make_batch(5, 11), segment_bytes=1)
    seal_all(journal)
    journal.close()
    again = Journal(tmp_path)
    assert (again.last_seq, again.max_conn, again.open_conns) == (journal.last_seq, 1, journal.open_conns)
    seal_all(again)
    assert all(is_sealed(path) for path in segments(tmp_path))
    last = Journal(tmp_path)
    assert (last.last_seq, last.open_conns) == (journal.last_seq, journal.open_conns)
    last.append(make_batch(5, 16))
    assert [number for number, _ in list_segments(tmp_path / "log")] == [1, 2, 3, 4]


@settings(max_examples=25)
@given(
    batches=batches_of_workers(),
    segment_bytes=st.sampled_from([1, 3000]),
    crash=st.sampled_from(["partial", "renamed", "torn", "unlinked"]),
    cut=st.floats(0, 1),
)
def test_killed_at_any_point_nothing_is_lost_and_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, batches: Any, segment_bytes: Any, crash: Any, cut: Any
) -> None:
    directory = tmp_path_factory.mktemp("data")
    journal = write(directory, *batches, segment_bytes=segment_bytes)
    journal.close()
    number, path = journal.unsealed()[-1]
    partial = rewrite(path)
    if crash == "partial":
        os.truncate(partial, int(partial.stat().st_size * cut))
    elif crash == "renamed":
        partial.rename(segment_path(path.parent, number, SEALED))
    elif crash == "unlinked":
        journal.seal(number, partial)
    else:
        partial.unlink()
        whole = path.stat().st_size - 8
        os.truncate(path, whole)
    expected = sorted(key(row) for batch in batches for row in plain_rows(batch))
    assert sorted(map(key, read(directory))) == expected
    again = Journal(directory)
    assert sorted(map(key, read(directory))) == expected
    assert not list(path.parent.glob(f"*{PARTIAL}"))
    seal_all(again)
    assert sorted(map(key, read(directory))) == expected
    assert len(list(path.parent.iterdir())) == len(segments(directory))


def test_a_full_disk_leaves_the_hot_segment(tmp_path: Path) -> None:
    journal = write(tmp_path, *(random_batch(500, 1 + 500 * i, seed=i) for i in range(10)))
    journal.close()
    sealer = Sealer(journal)
    with small_files():
        assert not sealer.seal_next()
    assert "can't be sealed" in sealer.error
    assert [path.name for path in (tmp_path / "log").iterdir()] == ["segment-00000001.arrows"]
    assert sealer.seal_next()
    assert sealer.error == ""
    assert [path.name for path in (tmp_path / "log").iterdir()] == ["segment-00000001.parquet"]
    assert len(read(tmp_path)) == 5000


def test_one_that_always_fails_keeps_no_other_from_being_sealed(tmp_path: Path) -> None:
    class Fragile(Here):
        def rewrite(self, source: Any, keep_on: Any = lambda: True) -> Path:
            if source.stem.endswith("1"):
                raise OSError(5, "the process that seals it ended with status -9")
            return rewrite(source)

    journal = write(tmp_path, make_batch(5), make_batch(5, 6), make_batch(5, 11), segment_bytes=1)
    journal.close()
    sealer = Sealer(journal, Fragile())
    while sealer.seal_next():
        pass
    assert [path.suffix for path in segments(tmp_path)] == [HOT, SEALED, SEALED]
    assert "segment-00000001.arrows: can't be sealed" in sealer.error
    assert not sealer.seal_next()
    sealer._rewriter = Here()
    assert sealer.seal_next()
    assert sealer.error == ""


def test_what_is_not_there_is_told_and_not_tried_again_at_once(tmp_path: Path) -> None:
    class Gone(Here):
        def rewrite(self, source: Any, keep_on: Any = lambda: True) -> Path:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", "python")

    journal = write(tmp_path, make_batch(10))
    journal.close()
    [path] = segments(tmp_path)
    sealer = Sealer(journal, Gone())
    assert not sealer.seal_next()
    assert sealer.error == f"{path}: can't be sealed: No such file or directory"
    path.unlink()
    sealer = Sealer(journal)
    assert not sealer.seal_next()
    assert sealer.error == f"{path}: can't be sealed: No such file or directory"


def test_what_retention_drops_just_before_it_is_sealed_is_no_error(tmp_path: Path) -> None:
    class Late(Here):
        def rewrite(self, source: Any, keep_on: Any = lambda: True) -> Any:
            journal.append(random_batch(5000, 21, seed=1))
            journal.retain()
            return rewrite(source)

    journal = write(tmp_path, make_batch(10), make_batch(10, 11), segment_bytes=1, retain_bytes=20_000)
    sealer = Sealer(journal, Late())
    assert sealer.seal_next()
    assert sealer.error == ""
    assert journal.unsealed() == []


def test_what_is_damaged_of_a_segment_is_left_out_and_kept_apart(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(500), make_batch(500, 501), make_batch(5, 1001), segment_bytes=600)
    first, second = make_batch(500, 1006), make_batch(500, 1506)
    for batch in (first, second):
        journal.append(batch)
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[-2500:-8] = bytes(2492)
    path.write_bytes(data)
    seal_all(journal)
    assert [row["seq"] for row in read(tmp_path)] == list(range(501, 2006))
    kept = path.with_suffix(DAMAGED)
    assert kept.read_bytes() == data
    assert [path.suffix for path in segments(tmp_path)][:2] == [SEALED, SEALED]
    assert journal.damage == [f"{path}: no row of it can be read; kept as {kept.name}"]


def test_a_damaged_row_group_is_named_and_passed_over(tmp_path: Path, small_groups: Any) -> None:
    journal = write(tmp_path, random_batch(48, 1, seed=1))
    journal.close()
    before = read(tmp_path)
    seal_all(journal)
    [path] = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[10:60] = bytes(50)
    path.write_bytes(data)
    log = Log(tmp_path)
    rows = [row for batch in log.batches(Query()) for row in plain_rows(batch)]
    assert rows == before[16:]
    assert log.index.damaged["segment-00000001"].startswith(f"{path}: row group 0 is damaged")
    again = Journal(tmp_path)
    assert "row group 0 is damaged" in again.damage[0]
    assert again.last_given(1) >= 48


def test_a_parquet_file_of_someone_else_is_set_aside(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(5))
    journal.close()
    batch = next(Log(tmp_path).batches(Query()))
    pq.write_table(pa.Table.from_batches([batch]), tmp_path / "log" / "segment-00000002.parquet")
    [told] = Journal(tmp_path).damage
    assert "not a segment of an echoscope log" in told
    assert [row["seq"] for row in read(tmp_path)] == [1, 2, 3, 4, 5]


def test_the_hot_form_of_a_damaged_sealed_one_counts_again(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(5))
    journal.close()
    path = segments(tmp_path)[0]
    path.with_suffix(SEALED).write_bytes(bytes(500))
    assert "footer is damaged" in Journal(tmp_path).damage[0]
    assert [row["seq"] for row in read(tmp_path)] == [1, 2, 3, 4, 5]


def test_the_connections_of_a_row_group_are_known(tmp_path: Path, small_groups: Any) -> None:
    rows = [make_batch(16, 1 + 16 * i, conn=conn) for i, conn in enumerate([5, 900_000, 2**40, 5])]
    journal = write(tmp_path, *rows)
    journal.close()
    seal_all(journal)
    file = SealedFile(segments(tmp_path)[0])
    assert file.holding(5, 5) == [True, False, False, True]
    assert file.holding(6, None) == [False, True, True, False]
    assert file.holding(None, 899_999) == [True, False, False, True]


@settings(max_examples=25)
@given(
    conns=st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=8), min_size=1, max_size=6),
    low=st.one_of(st.none(), st.integers(0, 41)),
    high=st.one_of(st.none(), st.integers(0, 41)),
)
def test_a_row_group_holds_what_it_holds(
    tmp_path_factory: pytest.TempPathFactory, conns: Any, low: Any, high: Any
) -> None:
    directory = tmp_path_factory.mktemp("data")
    batches = [make_batch(1, 1 + i, conn=conn) for i, conn in enumerate(conn for each in conns for conn in each * 8)]
    table = pa.Table.from_batches(batches)
    with SealedWriter(directory / "file", LogState()) as writer:
        at = 0
        for each in conns:
            writer.write(table.slice(at, 8 * len(each)).unify_dictionaries())
            at += 8 * len(each)
        writer.finish(None)
    expected = [any((low is None or one >= low) and (high is None or one <= high) for one in each) for each in conns]
    assert SealedFile(directory / "file").holding(low, high) == expected


def retained(directory: Path) -> Any:
    """A journal of that directory that has dropped what is older than an hour."""
    journal = Journal(directory, retain_age=3600)
    journal.retain()
    return journal


def test_retention_counts_what_it_drops_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1, retain_age=3600)
    for first in range(1, 50, 10):
        journal.append(make_batch(10, first))
    seal_all(journal)
    for path in segments(tmp_path)[:3]:
        os.utime(path, (0, 0))
    size = sum(path.stat().st_size for path in segments(tmp_path)[:3])
    dropped = retained(tmp_path).dropped
    assert (dropped.segments, dropped.rows, dropped.bytes) == (3, 30, size)
    assert dropped.until == START_NS + 30_000_000
    assert Journal(tmp_path).dropped == dropped
    assert [row["seq"] for row in read(tmp_path)] == list(range(31, 51))


def test_killed_between_counting_and_dropping(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1, retain_age=3600)
    for first in range(1, 40, 10):
        journal.append(make_batch(10, first))
    path = segments(tmp_path)[0]
    shutil.copy(path, tmp_path / "kept")
    os.utime(path, (0, 0))
    dropped = retained(tmp_path).dropped
    shutil.copy(tmp_path / "kept", path)
    assert Journal(tmp_path).dropped == dropped
    assert not path.exists()


def test_a_segment_that_retention_drops_while_it_is_sealed_stays_dropped(tmp_path: Path) -> None:
    journal = write(tmp_path, make_batch(10), make_batch(10, 11), segment_bytes=1, retain_age=3600)
    [(number, path)] = journal.unsealed()
    whole = rewrite(path)
    journal.close()
    os.utime(path, (0, 0))
    again = retained(tmp_path)
    assert not whole.exists()
    whole.write_bytes(b"")
    again.seal(number, whole)
    assert not whole.exists()
    assert [row["seq"] for row in read(tmp_path)] == list(range(11, 21))


def test_a_reader_that_has_begun_reads_on_while_a_segment_is_sealed(tmp_path: Path) -> None:
    journal = write(tmp_path, *(make_batch(10, 1 + 10 * i) for i in range(6)), segment_bytes=1)
    batches = Log(tmp_path).batches(Query())
    first = next(batches)
    seal_all(journal)
    rest = [row["seq"] for batch in (first, *batches) for row in plain_rows(batch)]
    assert rest == list(range(1, 61))


def test_the_thread_seals_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.log.write.seal_thread.LOOK_S", 0.01)
    journal = write(tmp_path, *(make_batch(10, 1 + 10 * i) for i in range(4)), segment_bytes=1)
    sealer = Sealer(journal)
    sealer.start()
    try:
        while journal.unsealed():
            assert not sealer.failure
    finally:
        sealer.stop()
    assert [row["seq"] for row in read(tmp_path)] == list(range(1, 41))
    assert all(a["time"] <= b["time"] for a, b in pairwise(read(tmp_path)))


@pytest.mark.parametrize("run", range(3))
def test_killed_while_it_writes_seals_and_drops(tmp_path: Path, run: Any) -> None:
    rows = 0
    for _ in range(4):
        with nursery().start(["tests/seal_writer.py", str(tmp_path)], clean_environment()) as writer:
            assert writer.stdout.readline() == "begun\n"
            log, end = Log(tmp_path), rows + 1500 * (run + 1)
            wait_until(lambda log=log, end=end: newest(log) * 100 >= end, "so many rows", pause_s=0.001)
            last = newest(log)
            writer.kill()
        journal = Journal(tmp_path)
        rows = journal.last_seq[0]
        report = verify(tmp_path)
        assert report.problems == []
        assert last * 100 <= rows == report.dropped.rows + report.rows
        assert report.runs[0].last == rows
        journal.close()
    assert report.dropped.rows


def newest(log: Log) -> int:
    """The number of the newest segment, of 100 rows each."""
    return max((view.number for view in log.index.views()), default=0)
