"""The newest events, read from the rings: as the log has them, none missed or told twice, the gone ones counted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorders import Recorded, recorded

from core.filter.query import EVENT_FIELDS, parse
from core.log.format.text import to_dicts
from core.log.read.log import Log
from core.ring.events import Kind, Reason
from core.watch.now import recent
from core.watch.now.recent import Recent, Tail

ECHO = Kind.ECHO | 256
ALL = parse("", EVENT_FIELDS)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setattr(recent, "ROWS_A_LOOK", 5)
    with recorded(tmp_path) as made:
        yield made


def echoes(server: Recorded, count: int) -> None:
    for _ in range(count):
        server.ring.echo(1, 1, 1, ECHO)
    server.ring.publish()
    server.watch.tick()


def seqs(answer: dict[str, Any]) -> list[int]:
    return [row["seq"] for row in answer["items"]]


def life(server: Recorded, conn: int) -> None:
    """A connection that comes and goes, beside one that is refused."""
    server.ring.emit_peer(Kind.OPEN, conn, bytes(10) + b"\xff\xff\x7f\0\0\x01", 40_000 + conn, Reason.NONE)
    server.ring.echo(conn, 3, 3, ECHO)
    server.ring.emit_peer(Kind.REFUSE, 0, bytes(15) + b"\x01", 50_000 + conn, Reason.LIMIT)
    server.ring.emit(Kind.FULL, conn, 9, 4, 5, 1, 1)
    server.ring.emit(Kind.CLOSE, conn, reason=Reason.PEER)


def test_rows_of_the_ring_are_those_of_the_log(server: Recorded, tmp_path: Path) -> None:
    tail, shown = Tail(server.watch.recent, ALL), []
    for conn in range(1, 12):
        life(server, conn)
        if conn % 3 == 0:
            server.catch_up()
            shown += tail.take()["items"]
    server.catch_up()
    shown += tail.take()["items"]
    assert shown == [row for batch in Log(tmp_path).batches(ALL) for row in to_dicts(batch)]
    assert len(shown) == 55


def test_a_connection_that_the_table_has_forgotten_has_its_peer(server: Recorded) -> None:
    server.watch.feeds[0].table._closed_kept = 1
    for conn in range(1, 12):
        life(server, conn)
    server.catch_up()
    items = Tail(server.watch.recent, ALL).take()["items"]
    assert len(server.watch.feeds[0].table.peers) < 5
    assert all(row["peer"] for row in items if row["conn"])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 12), min_size=1, max_size=12))
def test_a_tail_sees_each_row_once(server: Recorded, sizes: list[int]) -> None:
    tail = Tail(server.watch.recent, ALL)
    tail.take()
    before, shown = server.watch.feeds[0].taken, []
    for size in sizes:
        echoes(server, size)
        answer = tail.take()
        assert answer["skipped"] == 0
        shown += seqs(answer)
    assert shown == list(range(before + 1, before + sum(sizes) + 1))


def test_the_first_look_is_at_the_newest(server: Recorded) -> None:
    echoes(server, 20)
    assert seqs(Tail(server.watch.recent, ALL).take(3)) == [18, 19, 20]


def test_a_tail_that_comes_late_counts_what_is_gone(server: Recorded) -> None:
    held = Recent(server.watch._views, rows_kept=8)
    some = parse("seq>0", EVENT_FIELDS)
    tails = [Tail(held, ALL), Tail(held, ALL, some), Tail(held, some)]
    assert [tail.take()["skipped"] for tail in tails] == [0, 0, 0]
    echoes(server, 20)
    whole, marked, filtered = (tail.take(3) for tail in tails)
    assert seqs(whole) == [18, 19, 20]
    assert whole["skipped"] == marked["skipped"] == 17
    assert marked["marks"] == [0, 1, 2]
    assert marked["skipped_marks"] == filtered["skipped"] == 5


def test_the_history_of_a_connection_is_as_long_as_asked(server: Recorded) -> None:
    for conn in (1, 2, 1, 2, 1):
        server.ring.echo(conn, 1, 1, ECHO)
    server.catch_up()
    history, count = server.watch.recent.history(1, 2)
    assert ([row["seq"] for row in history], count) == ([3, 5], 5)


def test_what_the_loop_overwrites_meanwhile_is_left_out(server: Recorded) -> None:
    echoes(server, 10)
    (view,) = server.watch.recent._views()
    for _ in range(8):  # the recorder is quicker than who looks
        for _ in range(server.reader.capacity // 4):
            server.ring.echo(1, 1, 1, ECHO)
        server.ring.publish()
        server.recorder.flush()
    assert [batch.num_rows for batch in view.batches(0)] == []
