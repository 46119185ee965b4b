"""Checking a log: whole ones are found whole, and of damaged ones it is told what is wrong and what is left."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_rows import PEERS, START_NS, make_batch
from test_journal import segments, write
from test_sealing import seal_all

from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.files import JournalError
from core.log.format.rows import to_batch
from core.log.read.log import Log
from core.log.read.verify import stats, verify
from core.log.write.journal import Journal
from core.ring.events import RECORD, Kind, Reason
from core.ring.records import Records


def batch_of(*rows: Any, first_seq: int = 1, worker: int = 0) -> Any:
    """Rows (kind, conn), a millisecond apart."""
    records = np.zeros(len(rows), RECORD)
    records["seq"] = np.arange(first_seq, first_seq + len(rows))
    records["time"] = records["seq"] * 1_000_000
    records["kind"], records["conn"] = zip(*rows, strict=True)
    records["bytes_in"], records["bytes_out"] = np.where(records["kind"] == Kind.ECHO, 64, 0), 0
    lost = records["kind"] == Kind.LOST
    records["queue_chunks"][lost], records["reason"][lost] = 7, Reason.RING_FULL
    return to_batch(Records.of(records, START_NS), worker, np.full(len(rows), 1, np.int32), PEERS)


LIFE = [(Kind.OPEN, 1), (Kind.ECHO, 1), (Kind.OPEN, 2), (Kind.LOST, 0), (Kind.ECHO, 1), (Kind.CLOSE, 1)]


@pytest.mark.parametrize("is_sealed", [False, True])
@pytest.mark.parametrize("segment_bytes", [1, 10**9])
def test_a_whole_log(tmp_path: Path, segment_bytes: Any, is_sealed: Any) -> None:
    journal = write(
        tmp_path, *(batch_of(row, first_seq=1 + i) for i, row in enumerate(LIFE)), segment_bytes=segment_bytes
    )
    journal.close()
    if is_sealed:
        seal_all(journal)
    report = verify(tmp_path)
    assert (report.is_whole, report.problems) == (True, [])
    assert (report.rows, report.bytes_in, report.lost, report.connections, report.open) == (6, 128, 7, 2, 1)
    assert (report.sealed, report.runs[0].last) == (report.segments if is_sealed else 0, 6)
    assert (report.first, report.last) == (START_NS + 1_000_000, START_NS + 6_000_000)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([(Kind.OPEN, 1), (Kind.CLOSE, 1), (Kind.ECHO, 1)], "connection 1 has rows after its close"),
        ([(Kind.OPEN, 1), (Kind.OPEN, 1)], "connection 1 opened more than once"),
        ([(Kind.OPEN, 1), (Kind.CLOSE, 1), (Kind.CLOSE, 1)], "connection 1 closed more than once"),
        ([(Kind.ECHO, 1), (Kind.OPEN, 1)], "connection 1 has rows before its open"),
        ([(Kind.ECHO, 70_000)], "connection 70000 has no open"),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_lives_that_can_not_be(tmp_path: Path, rows: Any, what: Any, together: Any) -> None:
    batches = [batch_of(*rows)] if together else [batch_of(row, first_seq=1 + i) for i, row in enumerate(rows)]
    write(tmp_path, *batches).close()
    report = verify(tmp_path)
    assert not report.is_whole
    if together or what.endswith(("close", "no open")):
        assert f"segment-00000001.arrows: {what}" in report.problems


def test_numbers_that_are_missing_or_come_again(tmp_path: Path) -> None:
    write(tmp_path, make_batch(5, conn=0), make_batch(5, 8, conn=0), make_batch(2, 3, conn=0)).close()
    assert verify(tmp_path).problems == [
        "segment-00000001.arrows: worker 0: events 6 to 7 are missing",
        "segment-00000001.arrows: worker 0: event 3 comes after 12",
    ]


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    write(tmp_path, *(make_batch(5, 1 + 5 * i, conn=0) for i in range(4)), segment_bytes=1).close()
    segments(tmp_path)[1].unlink()
    problems = verify(tmp_path).problems
    assert problems[0] == "segment-00000003.arrows: segments 2 to 2 before it are missing"
    assert problems[1] == "segment-00000003.arrows: worker 0: events 6 to 10 are missing"


@pytest.mark.parametrize("is_sealed", [False, True])
def test_what_is_damaged_is_named_and_the_rest_is_read(tmp_path: Path, is_sealed: Any) -> None:
    journal = write(tmp_path, *(make_batch(500, 1 + 500 * i, conn=0) for i in range(3)), segment_bytes=1)
    journal.close()
    if is_sealed:
        seal_all(journal)
    path = segments(tmp_path)[1]
    data = bytearray(path.read_bytes())
    at = 200 if is_sealed else len(data) - 2500
    data[at : at + 400] = bytes(400)
    path.write_bytes(data)
    report = verify(tmp_path)
    assert (report.rows, report.unreadable) == (1000, 500)
    assert f"{path.name}: " in report.problems[0]
    assert report.problems[0].endswith(": 500 rows")
    assert report.problems[1] == f"segment-00000003{path.suffix}: worker 0: events 501 to 1000 are missing"


def test_a_segment_cut_short(tmp_path: Path) -> None:
    write(tmp_path, *(make_batch(5, 1 + 5 * i, conn=0) for i in range(3)), segment_bytes=1).close()
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-20])
    assert re.match(r"segment-00000001.arrows: \d+ bytes at byte ", verify(tmp_path).problems[0])
    path.write_bytes(b"something else")
    assert verify(tmp_path).problems[0] == (
        "segment-00000001.arrows: can't be read: not a segment of an echoscope log, or all of it is damaged"
    )


def test_a_newer_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.log.format.hot_segment.VERSION", 77)
    write(tmp_path, make_batch(5)).close()
    assert "written by a newer echoscope (log version 77" in verify(tmp_path).problems[0]


def test_a_log_whose_beginning_was_dropped_is_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1, retain_bytes=1)
    for i, row in enumerate(LIFE):
        journal.append(batch_of(row, first_seq=1 + i))
    report = verify(tmp_path)
    assert report.problems == []
    assert report.dropped == journal.dropped
    assert report.dropped.rows + report.rows == len(LIFE)
    (tmp_path / "log" / "dropped.json").write_text(json.dumps({"a": 1}))
    assert "what was dropped before is not known" in verify(tmp_path).problems[0]


def test_a_torn_tail_is_no_damage(tmp_path: Path) -> None:
    write(tmp_path, batch_of(*LIFE[:3]), batch_of(*LIFE[3:], first_seq=4))
    [path] = segments(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    report = verify(tmp_path)
    assert (report.problems, report.rows) == ([], 3)


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no log of echoscope"):
        verify(tmp_path)


def test_stats_are_those_of_the_rows(tmp_path: Path) -> None:
    journal = write(tmp_path, batch_of(*LIFE), batch_of(*LIFE, worker=1), segment_bytes=1)
    seal_all(journal)
    found = stats(Log(tmp_path), Query())
    assert (found.rows, found.bytes_in, found.connections, found.lost) == (12, 256, 2, 14)
    assert found.kinds == {"open": 4, "echo": 4, "close": 2, "lost": 2}
    assert (found.reasons, found.workers) == ({"ring_full:7": 2}, {0: 6, 1: 6})
    assert found.log_bytes == journal.log_bytes
    narrow = stats(Log(tmp_path), parse("kind:open", EVENT_FIELDS), START_NS + 2_000_000)
    assert (narrow.rows, narrow.connections, narrow.first) == (2, 1, START_NS + 3_000_000)
