"""The reader of the log: filters, pages, and reading while it is written or dropped."""

import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_rows import START_NS, make_batch, plain_rows, random_batch
from waiting import DEADLINE_S

from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.files import list_segments
from core.log.format.rows import event_columns
from core.log.format.text import to_dicts
from core.log.read import index as index_module
from core.log.read.log import JournalError, Log
from core.log.write.journal import Journal

BATCHES = [random_batch(size, 1 + 100 * i, seed=i) for i, size in enumerate([1, 40, 3, 100, 17, 60])]
ROWS = [row for batch in BATCHES for row in plain_rows(batch)]
FILTERS = ["", "kind:full", "-kind:echo,read", "conn:3 bytes_in>1000", "peer:127.0.0.1", "seq:999999"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("data")
    journal = Journal(directory, segment_bytes=12_000)
    for batch in BATCHES:
        journal.append(batch)
    assert len(list_segments(directory / "log")) > 1
    return Log(directory)


def pages(log: Any, query: Any, limit: Any, order: Any, **bounds: Any) -> Any:
    """All rows, a page at a time."""
    found, cursor, first = [], None, True
    while cursor or first:
        items, cursor = log.page(query, cursor=cursor, limit=limit, order=order, **bounds)
        assert len(items) <= limit
        found += items
        first = False
    return found


BOUND = st.one_of(st.none(), st.sampled_from([row["time"] for row in ROWS]), st.integers(START_NS, START_NS + 10**12))


@settings(deadline=None)
@given(st.sampled_from(FILTERS), st.integers(1, 130), st.sampled_from(["asc", "desc"]), BOUND, BOUND)
def test_pages_hold_every_matching_row_once(
    log: Any, text: Any, limit: Any, order: Any, since: Any, until: Any
) -> None:
    query = parse(text, EVENT_FIELDS)
    expected = [
        row["seq"]
        for batch in BATCHES
        for row, matches in zip(plain_rows(batch), query.mask(event_columns(batch)), strict=True)
        if matches and (since is None or row["time"] >= since) and (until is None or row["time"] < until)
    ]
    found = [item["seq"] for item in pages(log, query, limit, order, since=since, until=until)]
    assert found == (expected if order == "asc" else expected[::-1])
    batches = log.batches(query, since, until, reverse=order == "desc")
    assert [seq for batch in batches for seq in batch.column("seq").to_pylist()] == found


def test_items_have_the_jsonl_form(log: Any) -> None:
    items, _ = log.page(Query(), limit=5)
    assert items == [item for batch in BATCHES for item in to_dicts(batch)][:5]


@pytest.mark.parametrize("cursor", ["x", "1-2", "1-2-3-4", "1-2-x", "-1-2-3", "1-2-3\n", "9" * 40])
def test_a_bad_cursor_is_refused(log: Any, cursor: Any) -> None:
    with pytest.raises(ValueError, match="bad cursor"):
        log.page(Query(), cursor=cursor)


def test_bad_limit_and_order_are_refused(log: Any) -> None:
    with pytest.raises(ValueError, match="bad limit 0"):
        log.page(Query(), limit=0)
    with pytest.raises(ValueError, match='bad order "up"'):
        log.page(Query(), order="up")


def test_a_time_in_the_filter_narrows_what_is_read(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    real = index_module.read_unit
    monkeypatch.setattr(index_module, "read_unit", lambda *args: read.append(args) or real(*args))
    assert log.page(parse("time<2020-01-01T00:00:00Z", EVENT_FIELDS)) == ([], None)
    assert read == []


def test_a_page_from_the_middle_reads_no_other_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    for first in range(1, 1001, 10):
        journal.append(make_batch(10, first))
    read = []
    real = index_module.read_unit
    monkeypatch.setattr(index_module, "read_unit", lambda *args: read.append(args) or real(*args))
    items, _ = Log(tmp_path).page(Query(), since=START_NS + 500_000_000, limit=10)
    assert [item["seq"] for item in items] == list(range(500, 510))
    assert len(read) <= 4


def test_a_page_goes_on_with_what_was_appended_since(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(make_batch(10))
    log = Log(tmp_path)
    items, cursor = log.page(Query(), limit=6)
    journal.append(make_batch(10, 11))
    more, end = log.page(Query(), limit=100, cursor=cursor)
    assert [item["seq"] for item in items + more] == list(range(1, 21))
    assert end is None


def test_what_is_read_ends_where_the_log_ended_at_the_call(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(make_batch(5))
    batches = Log(tmp_path).batches(Query())
    journal.append(make_batch(5, 6))
    assert sum(batch.num_rows for batch in batches) == 5


def test_a_directory_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no log of echoscope"):
        Log(tmp_path)


def test_reading_goes_on_when_retention_drops_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1)
    for first in range(1, 50, 10):
        journal.append(make_batch(10, first))
    log = Log(tmp_path)
    batches = log.batches(Query())
    assert next(batches).column("seq")[0].as_py() == 1
    _, cursor = log.page(Query(), limit=3)
    for _, path in list_segments(tmp_path / "log")[:3]:
        path.unlink()
    assert [batch.column("seq")[0].as_py() for batch in batches] == [31, 41]
    assert log.page(Query(), cursor=cursor)[0][0]["seq"] == 31
    assert log.page(Query(), cursor=cursor, order="desc") == ([], None)


def read_until(done: Any, log: Any, found: Any) -> None:
    """Reads the whole log again and again, the last time after `done`."""
    while True:
        is_last = done.is_set()
        found.append([seq for batch in log.batches(Query()) for seq in batch.column("seq").to_pylist()])
        if is_last:
            return


@pytest.mark.parametrize("retain_bytes", [None, 200_000])
def test_readers_see_only_whole_rows_while_it_is_written(tmp_path: Path, retain_bytes: Any) -> None:
    journal = Journal(tmp_path, segment_bytes=30_000, retain_bytes=retain_bytes)
    journal.append(make_batch(100))
    log, done = Log(tmp_path), threading.Event()
    found: list[list[int]] = []
    readers = [threading.Thread(target=read_until, args=(done, log, found)) for _ in range(2)]
    for reader in readers:
        reader.start()
    for first in range(101, 40_001, 100):
        journal.append(make_batch(100, first))
        journal.retain()
    done.set()
    for reader in readers:
        reader.join(DEADLINE_S)
        assert not reader.is_alive()
    assert found[-1][-1] == 40_000
    for seqs in found:
        # Retention takes segments away under a reader; nothing else may be missing.
        assert all(a < b for a, b in pairwise(seqs)) if retain_bytes else seqs == list(range(1, len(seqs) + 1))


def test_another_process_reads_while_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(make_batch(100))
    code = "import sys; from core.log.read.log import Log; from core.filter.query import Query;"
    code += "print(len(Log(sys.argv[1]).page(Query())[0]))"
    shown = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    assert shown.stdout == "100\n"


def test_a_reader_leaves_no_descriptor_open(log: Any) -> None:
    before = len(os.listdir("/proc/self/fd"))
    batches = log.batches(Query())
    next(batches)
    batches.close()
    log.page(Query(), limit=1)
    assert len(os.listdir("/proc/self/fd")) == before
