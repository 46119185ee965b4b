"""What the log has lost is taken from the rings again; what is nowhere is counted in a row; no number comes twice."""

import os
from pathlib import Path
from typing import Any

import pytest
from recorders import recorded
from test_journal import segments, seqs

from core.filter.query import EVENT_FIELDS, parse
from core.log.read.log import Log
from core.log.read.verify import verify
from core.ring.events import Kind
from core.ring.ring import RingReader, RingWriter

CAPACITY = 64
"""Records of a ring here."""


@pytest.fixture(autouse=True)
def small_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.rings.CAPACITY", CAPACITY)
    init = RingWriter.__init__
    monkeypatch.setattr(
        RingWriter, "__init__", lambda self, path, **options: init(self, path, **{"capacity": CAPACITY, **options})
    )


def run(directory: Path, echoes: int) -> None:
    """A server that records some echoes on one connection, has them all in its log, and is gone."""
    with recorded(directory) as server:
        conn = server.rings.next_conn()
        server.ring.emit_peer(Kind.OPEN, conn, bytes(16), 1, 0)
        for _ in range(echoes):
            server.ring.echo(conn, 1, 1, Kind.ECHO | 256)
            if server.ring.room() < CAPACITY // 2:
                server.catch_up()
        server.catch_up()


def rows(directory: Path, q: str = "") -> list[dict[str, Any]]:
    return Log(directory).page(parse(q, EVENT_FIELDS), limit=10_000)[0]


def newest(directory: Path) -> Path:
    return segments(directory)[-1]


def ids(directory: Path) -> list[int]:
    return [row["conn"] for row in rows(directory, "kind:open")]


def test_rows_that_the_log_has_lost_are_in_the_ring(tmp_path: Path) -> None:
    run(tmp_path, 10)
    before = [(row["seq"], row["kind"]) for row in rows(tmp_path)]
    newest(tmp_path).unlink()
    run(tmp_path, 5)
    found = rows(tmp_path)
    assert [(row["seq"], row["kind"]) for row in found][: len(before)] == before
    assert [row["seq"] for row in found] == list(range(1, len(found) + 1))
    assert ids(tmp_path) == [1, 2]
    assert not rows(tmp_path, "kind:lost")


def test_what_is_nowhere_is_counted_in_a_row(tmp_path: Path) -> None:
    run(tmp_path, 200)
    last = seqs(tmp_path)[-1]
    newest(tmp_path).unlink()
    run(tmp_path, 5)
    [lost] = rows(tmp_path, "kind:lost")
    kept = [row["seq"] for row in rows(tmp_path) if row["seq"] <= last]
    assert kept == list(range(last - CAPACITY + 1, last + 1))
    assert (lost["reason"], lost["seq"]) == (f"disk:{last - CAPACITY}", last + 1)
    assert ids(tmp_path)[-1] > 1
    assert verify(tmp_path).problems == []


@pytest.mark.parametrize("how", ["cut", "zeros", "flip", "torn"])
def test_the_end_of_the_log_is_missing(tmp_path: Path, how: str) -> None:
    run(tmp_path, 10)
    whole = seqs(tmp_path)
    path = newest(tmp_path)
    data = bytearray(path.read_bytes())
    if how == "cut":
        del data[-300:]
    elif how == "zeros":
        data[-700:] = bytes(700)
    elif how == "flip":
        data[-400] ^= 1
    else:
        data += data[-2000:-1000]
    path.write_bytes(data)
    with recorded(tmp_path) as server:
        found = seqs(tmp_path)
        assert found[: len(whole)] == whole
        assert found == sorted(set(found))
        assert server.damage
    assert not rows(tmp_path, "kind:lost")


@pytest.mark.parametrize("how", ["empty", "nul", "short", "foreign"])
def test_a_ring_that_is_damaged(tmp_path: Path, how: str) -> None:
    run(tmp_path, 10)
    before = seqs(tmp_path)
    ring = tmp_path / "ring-0"
    size = ring.stat().st_size
    content = {"empty": b"", "nul": bytes(size), "short": bytes(100), "foreign": b"what is this" * 1000}[how]
    ring.write_bytes(content)
    with recorded(tmp_path) as server:
        assert (tmp_path / "ring-0.damaged").read_bytes() == content
        [told] = server.damage
        assert told.startswith(f"{ring}: ")
        assert server.rings.next_conn() > 1
    run(tmp_path, 3)
    after = seqs(tmp_path)
    assert after[: len(before)] == before
    assert after == sorted(set(after))
    assert verify(tmp_path).problems == []


def test_a_ring_that_is_cut_has_what_is_left(tmp_path: Path) -> None:
    with recorded(tmp_path) as server:
        for _ in range(20):
            server.ring.emit(Kind.ECHO, 1)
        server.ring.publish()
    os.truncate(tmp_path / "ring-0", 4096 + 48 * 11)  # slot 0 is that of number 64
    run(tmp_path, 1)
    assert [seq for seq in seqs(tmp_path) if seq <= 10] == list(range(1, 11))
    assert [row["reason"] for row in rows(tmp_path, "kind:lost")] == ["disk:10"]


def test_numbers_that_only_the_charts_know_are_not_given_again(tmp_path: Path) -> None:
    from core.watch.then.history import HistoryWriter

    run(tmp_path, 10)
    last = seqs(tmp_path)[-1]
    history = HistoryWriter(tmp_path)
    history.append({1_700_000_000: {"echoes": 1.0}}, {0: last + 100})
    history.close()
    run(tmp_path, 1)
    assert min(seq for seq in seqs(tmp_path) if seq > last) == last + 101
    assert [row["reason"] for row in rows(tmp_path, "kind:lost")] == ["disk:100"]


def test_leftover_of_a_ring_skips_what_is_no_record(tmp_path: Path) -> None:
    writer = RingWriter(tmp_path / "ring-0", capacity=64)
    for _ in range(10):
        writer.emit(Kind.ECHO, 1)
    writer.publish()
    writer._words[(4096 + 48 * 5 + 40) // 8] = 5 + (1 << 40)
    with RingReader(tmp_path / "ring-0") as reader:
        assert reader.leftover(2)["seq"].tolist() == [3, 4, 6, 7, 8, 9, 10]
        assert reader.leftover(10)["seq"].tolist() == []
    writer.close()
