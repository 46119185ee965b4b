"""Counts of the log: histograms and estimates agree with the rows, whether they come from the index or not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_rows import START_NS, make_batch, plain_rows, random_batch
from test_sealing import seal_all

from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.rows import event_columns
from core.log.read import index as index_module
from core.log.read.log import Log
from core.log.write import seal_job as sealing
from core.log.write.journal import Journal

BATCHES = [random_batch(size, 1 + 100 * i, seed=i) for i, size in enumerate([1, 40, 3, 100, 17, 60, 80])]
TIMES = [row["time"] for batch in BATCHES for row in plain_rows(batch)]
FILTERS = ["", "kind:full", "-kind:echo,read", "conn:3 bytes_in>1000", "peer:127.0.0.1", "seq:999999"]
BOUND = st.one_of(st.none(), st.sampled_from(TIMES), st.integers(START_NS, START_NS + 10**12), st.just(-(2**63) + 1))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One whose older half is sealed."""
    directory = tmp_path_factory.mktemp("data")
    journal = Journal(directory, segment_bytes=8000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "GROUP_ROWS", 16)
        for number, batch in enumerate(BATCHES):
            journal.append(batch)
            if number == 4:
                seal_all(journal)
    assert {view.path.suffix for view in Log(directory).index.views()} == {".parquet", ".arrows"}
    return Log(directory)


def matching(text: Any, since: Any, until: Any) -> Any:
    query = parse(text, EVENT_FIELDS)
    return [
        row
        for batch in BATCHES
        for row, matches in zip(plain_rows(batch), query.mask(event_columns(batch)), strict=True)
        if matches and (since is None or row["time"] >= since) and (until is None or row["time"] < until)
    ]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FILTERS), BOUND, BOUND, st.integers(1, 60), st.sampled_from([0.0, 10.0]))
def test_a_histogram_counts_every_row_once(log: Any, text: Any, since: Any, until: Any, bins: Any, budget: Any) -> None:
    expected: dict[str, np.ndarray] = {}
    low, high = min(TIMES) if since is None else since, max(TIMES) + 1 if until is None else until
    step = max(1, -(-max(0, high - low) // bins))
    for row in matching(text, since, until):
        expected.setdefault(row["kind"], np.zeros(bins, int))[(row["time"] - low) // step] += 1
    found: dict[str, np.ndarray] = {}
    cursor, first = None, True
    while cursor or first:
        part = log.histogram(parse(text, EVENT_FIELDS), since, until, bins, cursor, budget)
        assert (part.since, part.until, part.step) == (low, high, step)
        assert part.total == sum(map(sum, part.kinds.values()))
        for kind, counts in part.kinds.items():
            found[kind] = found.get(kind, 0) + np.array(counts)
        cursor, first = part.next, False
    assert part.scanned == part.of
    assert {kind: counts.tolist() for kind, counts in found.items()} == {k: v.tolist() for k, v in expected.items()}


@pytest.mark.parametrize("bins", [0, 501])
def test_bad_bins_are_refused(log: Any, bins: Any) -> None:
    with pytest.raises(ValueError, match=f"bad number of bins {bins}"):
        log.histogram(Query(), None, None, bins)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FILTERS), BOUND, BOUND)
def test_an_estimate_that_says_that_it_is_exact_is(log: Any, text: Any, since: Any, until: Any) -> None:
    found = log.estimate(parse(text, EVENT_FIELDS), since, until)
    rows = len(matching(text, since, until))
    assert found.exact
    assert (found.rows, found.rows <= found.total) == (rows, True)


def test_what_a_sample_says_is_not_far_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for first in range(1, 20_001, 100):
        journal.append(make_batch(100, first, conn=1 + first // 100 % 2))
    found = Log(tmp_path).estimate(parse("emptied:true", EVENT_FIELDS))
    assert (found.rows, found.exact, found.total) == (10_000, False, 20_000)


def test_counts_by_time_and_kind_read_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    for first in range(1, 2001, 100):
        journal.append(make_batch(100, first))
    log = Log(tmp_path)
    read = []
    monkeypatch.setattr(index_module, "read_unit", lambda *args: read.append(args))
    assert log.histogram(Query(), None, None, 1).kinds == {"echo": [2000]}
    assert log.estimate(Query()).rows == 2000
    assert log.estimate(parse("kind:echo", EVENT_FIELDS)).rows == 2000
    assert log.page(parse("kind:full", EVENT_FIELDS)) == ([], None)
    assert log.page(parse("conn:7", EVENT_FIELDS)) == ([], None)
    assert read == []


def test_an_empty_log(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    found = Log(tmp_path).histogram(Query(), None, None, 10)
    assert (found.total, found.kinds, found.next) == (0, {}, None)
    assert Log(tmp_path).estimate(Query()).exact
    assert Log(tmp_path).span() is None
