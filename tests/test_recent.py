"""The newest events in memory: any batches are the same rows, few batches are kept, none is missed or told twice."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_rows import plain_rows, random_batch

from core.filter.query import EVENT_FIELDS, parse
from core.watch.now import recent
from core.watch.now.recent import Recent, Tail


def rows_of(batches: list[pa.RecordBatch]) -> list[dict[str, object]]:
    return [row for batch in batches for row in plain_rows(batch)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "JOINED", 5)
    monkeypatch.setattr(recent, "LARGE_ROWS", 3)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=40), kept=st.integers(1, 60))
def test_readers_see_the_rows_that_were_appended(sizes: list[int], kept: int) -> None:
    held, place = Recent(kept), 0
    all_rows: list[Any] = []
    seen: list[Any] = []
    for number, size in enumerate(sizes):
        batch = random_batch(size, len(all_rows) + 1, seed=number)
        all_rows += plain_rows(batch)
        held.append(batch)
        batches, place, gone = held.since(place)
        assert gone == 0
        seen += rows_of(batches)
    assert place == len(all_rows)
    # A reader that is never late has seen all; one that begins now sees the newest, as many as are kept.
    assert seen == all_rows
    newest = rows_of(held.since(0)[0])
    assert newest == all_rows[-held.rows :]
    assert 0 < len(newest) <= max(kept, held.since(0)[0][0].num_rows)


def test_small_batches_are_joined_and_large_ones_are_left() -> None:
    small, large = Recent(), Recent()
    for number in range(recent.JOINED * 20):
        small.append(random_batch(1, number + 1, seed=number))
        large.append(random_batch(recent.LARGE_ROWS, number * recent.LARGE_ROWS + 1, seed=number))
    assert len(small.since(0)[0]) == 20
    assert len(large.since(0)[0]) == recent.JOINED * 20


def test_a_place_within_what_was_joined_since() -> None:
    held = Recent()
    held.append(random_batch(2, 1, seed=0))
    _, place, _ = held.since(0)
    for number in range(recent.JOINED):
        held.append(random_batch(1, number + 3, seed=number))
    batches, _, _ = held.since(place)
    assert [row["seq"] for row in rows_of(batches)] == [3, 4, 5, 6, 7]


def test_a_tail_tells_what_came_while_batches_were_joined() -> None:
    held = Recent()
    tail = Tail(held, parse("", EVENT_FIELDS))
    assert tail.take()["items"] == []
    for number in range(recent.JOINED + 1):
        held.append(random_batch(1, number + 1, seed=number))
    assert [row["seq"] for row in tail.take()["items"]] == list(range(1, recent.JOINED + 2))
    assert tail.take() == {"items": [], "skipped": 0}


def test_a_tail_that_comes_late_counts_what_is_gone() -> None:
    held = Recent(rows_kept=8)
    query, some = parse("", EVENT_FIELDS), parse("seq>0", EVENT_FIELDS)
    tails = [Tail(held, query), Tail(held, query, some), Tail(held, some)]
    assert [tail.take()["skipped"] for tail in tails] == [0, 0, 0]
    for number in range(5):
        held.append(random_batch(4, 1 + 4 * number, seed=number))
    assert held.since(0)[2] == 12
    whole, marked, filtered = (tail.take(3) for tail in tails)
    assert [row["seq"] for row in whole["items"]] == [18, 19, 20]
    assert whole["skipped"] == marked["skipped"] == 17
    assert marked["skipped_marks"] == filtered["skipped"] == 5
