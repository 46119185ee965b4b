"""The course of a connection: the same sums as its rows, whatever the cut into batches, segments and steps."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_rows import PEERS, START_NS, make_batch, make_records, plain_rows, random_batch
from test_journal import write

from core.filter.query import EVENT_FIELDS, parse
from core.log.format.rows import to_batch
from core.log.read.connection_series import MOST_STEPS
from core.log.read.log import Log
from core.log.write.journal import Journal
from core.log.write.seal_thread import Sealer
from core.ring.events import Kind
from core.ring.records import Records

SECOND = 1_000_000_000


def seal_all(journal: Journal) -> None:
    sealer = Sealer(journal)
    while sealer.seal_next():
        pass


def after(row: dict[str, Any]) -> int:
    """What is queued from a row on."""
    return 0 if row["kind"] == "close" else row["queue_bytes"]


def expected(log: Log, conn: int, since: int, until: int, step: int, count: int) -> list[list[float]]:
    """Row by row, in plain Python."""
    rows = [row for batch in log.batches(parse(f"conn:{conn}", EVENT_FIELDS)) for row in plain_rows(batch)]
    rows.sort(key=lambda row: (row["time"], row["seq"]))
    received, sent, queued = [0.0] * count, [0.0] * count, [math.nan] * count
    queue = math.nan
    places = [(row["time"] // SECOND - since // SECOND) // step for row in rows]
    for place in range(count):
        queued[place] = queue
        for row, of in zip(rows, places, strict=True):
            if row["time"] < since:
                queue = queued[place] = after(row) if place == 0 else queue
            elif row["time"] < until and of == place:
                queue, queued[place] = after(row), row["queue_bytes"]
                received[place] += row["bytes_in"] / step
                sent[place] += row["bytes_out"] / step
    return [received, sent, queued]


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    begin=st.integers(-5 * SECOND, 60 * SECOND),
    length=st.integers(1, 2000 * SECOND),
    sealed=st.booleans(),
)
def test_it_is_what_the_rows_say(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], begin: int, length: int, sealed: bool
) -> None:
    directory = tmp_path_factory.mktemp("log")
    whole, ends = random_batch(sum(sizes), 1, seed=len(sizes)), np.cumsum(sizes).tolist()
    batches = [whole.slice(end - size, size) for size, end in zip(sizes, ends, strict=True)]
    journal = write(directory, *batches, segment_bytes=1)
    journal.close()
    if sealed:
        seal_all(journal)
    log, since = Log(directory), START_NS + begin
    found = log.course(1, since, since + length, math.inf)
    assert found.is_whole
    assert len(found.time) <= MOST_STEPS
    assert found.time[0] == since // SECOND
    assert (np.diff(found.time) == found.step).all()
    sums = expected(log, 1, since, since + length, found.step, len(found.time))
    for ours, theirs in zip((found.bytes_in, found.bytes_out, found.queue_bytes), sums, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_without_patience_it_is_the_newest_part(tmp_path: Path) -> None:
    journal = write(tmp_path, *(make_batch(1000, 1 + 1000 * number) for number in range(8)), segment_bytes=1)
    journal.close()
    found = Log(tmp_path).course(1, START_NS, START_NS + 9 * SECOND, budget=-1.0)
    assert not found.is_whole
    assert np.isnan(found.bytes_in).tolist() == [True] * 8 + [False]
    assert np.isnan(found.queue_bytes).tolist() == [True] * 7 + [False] * 2
    whole = Log(tmp_path).course(1, START_NS, START_NS + 9 * SECOND)
    assert not np.isnan(whole.bytes_in).any()
    assert whole.bytes_in.sum() == sum(number % 1000 for number in range(8001))


def test_what_was_queued_before_the_range_is_queued_in_it(tmp_path: Path) -> None:
    batch = random_batch(300, 1, seed=4)
    write(tmp_path, batch).close()
    last = [row for row in plain_rows(batch) if row["conn"] == 3][-1]
    found = Log(tmp_path).course(3, last["time"] + 5 * SECOND, last["time"] + 8 * SECOND)
    assert set(found.queue_bytes.tolist()) == {last["queue_bytes"]}
    assert not found.bytes_in.any()


def test_what_was_left_at_the_close_does_not_wait_after_it(tmp_path: Path) -> None:
    records = make_records(2)
    records["time"] = [SECOND, 3 * SECOND]
    records["kind"], records["queue_bytes"] = [Kind.READ, Kind.CLOSE], [500, 300]
    write(tmp_path, to_batch(Records.of(records, START_NS), 0, np.full(2, 1, np.int32), PEERS)).close()
    found = Log(tmp_path).course(1, START_NS + SECOND, START_NS + 6 * SECOND)
    assert found.queue_bytes.tolist() == [500, 500, 300, 0, 0]
    assert not Log(tmp_path).course(1, START_NS + 5 * SECOND, START_NS + 7 * SECOND).queue_bytes.any()


def test_an_empty_range_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, make_batch(1)).close()
    with pytest.raises(ValueError, match="since must be before until"):
        Log(tmp_path).course(1, 5, 5)
