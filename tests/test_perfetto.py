"""The trace: valid by the rules of the format, and nothing of the rows is lost in it."""

import json
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from record_rows import START_NS, make_batch, plain_rows, random_batch

from core.export.formats import export
from core.export.traced_turns import turns_of
from core.filter.query import parse_time
from core.ring.events import Kind
from core.ring.flight_recorder import TURN, LatestWriter
from core.ring.recorder import Files

KEYS = {
    "M": {"ph", "pid", "name", "args"},
    "B": {"ph", "pid", "tid", "name", "ts"},
    "E": {"ph", "pid", "tid", "ts"},
    "i": {"ph", "pid", "tid", "name", "ts", "s", "args"},
    "C": {"ph", "pid", "name", "ts", "args"},
    "X": {"ph", "pid", "tid", "name", "ts", "dur", "args"},
}
SHOWN = ("seq", "bytes_in", "bytes_out", "queue_bytes", "queue_chunks", "emptied", "reason")
BATCHES = st.lists(
    st.builds(random_batch, st.integers(0, 80), st.integers(1, 2**55), st.integers(0, 2**32)), max_size=4
)


def no_duplicates(pairs: Any) -> Any:
    """An object whose keys are all different."""
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def trace_of(batches: Any, turns: Any = ()) -> Any:
    """Zero (ns) and events of a trace that has been held against the rules."""
    trace = json.loads(b"".join(export(batches, "perfetto", turns)), object_pairs_hook=no_duplicates)
    events = trace["traceEvents"]
    for event in events:
        assert set(event) - {"tid", "cname"} == KEYS[event["ph"]] - {"tid"}
        assert "tid" in event or event["ph"] in "MC"
        assert all(isinstance(event[key], int) for key in ("pid", "tid") if key in event)
        assert event.get("ts", 0) >= 0
        assert event.get("dur", 0) >= 0
        assert all(isinstance(value, int) for value in event["args"].values()) if event["ph"] == "C" else True
    return parse_time(trace["otherData"]["zero"], 0), events


def nanoseconds(event: Any, zero: Any, key: str = "ts") -> Any:
    return zero + round(event[key] * 1000)


@given(BATCHES)
def test_every_row_is_an_instant_on_its_track(batches: Any) -> None:
    zero, events = trace_of(batches)
    rows = [row for batch in batches for row in plain_rows(batch)]
    instants = [event for event in events if event["ph"] == "i"]
    assert [(event["name"], event["args"]) for event in instants] == [
        (row["kind"], {name: row[name] for name in SHOWN}) for row in rows
    ]
    tracks = [(event["pid"], event["tid"]) for event in instants]
    assert tracks == [(row["worker"] + 2, row["conn"]) if row["conn"] else (1, 2 * row["worker"] + 1) for row in rows]
    in_order = sorted(rows, key=lambda row: row["time"])
    if rows and in_order[-1]["time"] - in_order[0]["time"] < 50 * 86_400 * 10**9:
        assert all(
            max(zero, row["time"]) == nanoseconds(event, zero) for row, event in zip(rows, instants, strict=True)
        )


@given(BATCHES)
def test_every_track_has_a_name(batches: Any) -> None:
    _, events = trace_of(batches)
    named = {(event["pid"], event["tid"]) for event in events if event["ph"] == "M" and event["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in events if event["ph"] in "BEiX"} <= named
    peers = {row["conn"]: row["peer"] for batch in reversed(batches) for row in reversed(plain_rows(batch))}
    for event in events:
        if event["ph"] == "B":
            assert event["name"] == f"conn {event['tid']} {peers[event['tid']]}"


@given(BATCHES)
def test_a_counter_changes_as_the_queue_does(batches: Any) -> None:
    _, events = trace_of(batches)
    expected = []
    last: dict[Any, int] = defaultdict(int)
    for batch in batches:
        for row in plain_rows(batch):
            queue = 0 if row["kind"] == "close" else row["queue_bytes"]
            if row["conn"] and queue != last[row["conn"]]:
                expected.append((row["conn"], queue))
            last[row["conn"]] = queue
    counters = [event for event in events if event["ph"] == "C"]
    found = [(int(event["name"].rpartition(" ")[2]), event["args"]["bytes"]) for event in counters]
    # Within a batch they come connection by connection.
    assert sorted(found) == sorted(expected)
    for conn in last:
        assert [value for number, value in found if number == conn] == [v for number, v in expected if number == conn]


def test_a_life_is_a_slice_around_its_visits() -> None:
    life = [make_batch(1, 1, kind=Kind.OPEN), make_batch(3, 2), make_batch(1, 5, kind=Kind.CLOSE)]
    zero, events = trace_of([*life, make_batch(2, 6, conn=2)])
    (begin, other), (end,) = ([event for event in events if event["ph"] == ph] for ph in "BE")
    assert (begin["tid"], end["tid"], other["tid"]) == (1, 1, 2)
    assert nanoseconds(begin, zero) == START_NS + 10**6
    assert nanoseconds(end, zero) == START_NS + 5 * 10**6


def test_nothing_matches() -> None:
    _, events = trace_of([])
    assert [event["args"] for event in events] == [{"name": "echoscope"}]


def turns(count: Any, worker: Any = None) -> Any:
    """So many turns of a loop, of 500 ns waiting and 1,500 ns work."""
    began = START_NS + np.arange(count) * 2000
    columns = {"began": began, "woken": began + 500, "ended": began + 2000}
    columns |= {name: np.arange(count) for name in ("ready", "reads", "writes", "accepts")}
    return columns if worker is None else columns | {"worker": np.full(count, worker)}


def test_turns_are_slices_of_waiting_and_work() -> None:
    zero, events = trace_of([make_batch(2)], [turns(2500), turns(0), turns(3, worker=4)])
    slices = [event for event in events if event["ph"] == "X"]
    assert {(event["name"], event["dur"]) for event in slices} == {("wait", 0.5), ("work", 1.5)}
    work = [event for event in slices if event["name"] == "work"]
    assert [event["tid"] for event in work] == [2] * 2500 + [10] * 3
    assert work[2499]["args"] == dict.fromkeys(("ready", "reads", "writes", "accepts"), 2499)
    assert nanoseconds(work[1], zero) == START_NS + 2500


def test_turns_without_rows() -> None:
    zero, events = trace_of([], [turns(1)])
    assert [nanoseconds(event, zero) for event in events if event["ph"] == "X"] == [START_NS, START_NS + 500]


def test_the_turns_of_a_directory(tmp_path: Path) -> None:
    files = Files.of(tmp_path, 3)
    with closing(LatestWriter(files.turns, TURN)) as writer:
        for i in range(10):
            writer.write(
                10_000 * i, 10_000 * i + 4_000, 10_000 * i + 9_000, 1, 2, 5 * i, i, 2 * i, 3 * i, 0, 0, 0, 0, 0
            )
    [columns] = turns_of(tmp_path, None, None)
    assert columns["worker"].tolist() == [3] * 9
    assert columns["reads"].tolist() == [7] * 9
    [some] = turns_of(tmp_path, int(columns["ended"][2]), int(columns["began"][5]))
    assert some["began"].tolist() == columns["began"][2:5].tolist()
    _, events = trace_of([], turns_of(tmp_path, None, None))
    work = [event for event in events if event.get("name") == "work"]
    assert {event["dur"] for event in work} == {5.0}
    assert {event["args"]["writes"] for event in work} == {8}
    assert list(turns_of(tmp_path / "none", None, None)) == []


def test_turns_of_another_version_are_left_out(tmp_path: Path) -> None:
    files = Files.of(tmp_path, 0)
    LatestWriter(files.turns, replace(TURN, version=1)).close()
    assert list(turns_of(tmp_path, None, None)) == []
