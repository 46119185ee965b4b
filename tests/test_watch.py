"""What the watch makes of the rings, and of what was overwritten before it came."""

from pathlib import Path

import pytest
from recorders import Recorded, recorded
from waiting import wait_until

from core.log.read.log import Log
from core.ring.events import Kind, Reason
from core.watch.now import watch_thread
from core.watch.then.past import rows_between

SECOND = 1_000_000_000
ECHO = Kind.ECHO | 256


@pytest.fixture(autouse=True)
def every_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_thread, "_SAMPLES_NS", -(2**63))


def test_a_loop_that_ends_is_not_suddenly_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word counts no turns and no waiting, like the first of the next one."""
    with recorded(tmp_path) as server:
        now, watch, writer = 1000 * SECOND, server.watch, server.ring
        watch.begin()
        monkeypatch.setattr("time.monotonic_ns", lambda: now)
        writer.publish(100, 900 * SECOND, now)
        watch.tick()
        now += SECOND // 2
        writer.publish(150, 900 * SECOND + SECOND // 4, now)
        watch.tick()
        assert watch.rates.loop_busy == 0.5
        writer.publish(0, 0, now)
        watch.tick()
        now += SECOND // 2
        watch.tick()
        assert watch.rates.loop_busy == 0.25
        monkeypatch.undo()


def laps(server: Recorded, count: int) -> None:
    """Echoes that the recorder takes and the watch does not."""
    for _ in range(count):
        server.ring.echo(1, 1, 1, ECHO)
        if server.ring.room() < server.reader.capacity // 2:
            server.ring.publish()
            server.recorder.flush()
    server.ring.publish()


def test_what_was_overwritten_is_read_from_the_log(tmp_path: Path) -> None:
    with recorded(tmp_path) as server:
        server.watch._missing = lambda *asked: rows_between(Log(tmp_path), *asked)
        server.ring.emit_peer(Kind.OPEN, 1, bytes(16), 1, Reason.NONE)
        count = 3 * server.reader.capacity
        laps(server, count)
        wait_until(lambda: server.watch.tick() or server.watch.totals.echoes == count, "all are counted")
        (feed,) = server.watch.feeds
        assert (feed.taken, feed.skipped) == (count + 1, 0)
        assert feed.table["echoes"][feed.table.find(1)] == count
        charts = server.watch.series.columns(60, server.watch.latest() // SECOND + 2)
        assert sum(filter(None, charts["echoes_per_s"])) > 0


def test_what_is_in_the_log_no_more_is_counted_as_skipped(tmp_path: Path) -> None:
    with recorded(tmp_path) as server:
        laps(server, 3 * server.reader.capacity)
        wait_until(lambda: server.watch.tick() or server.watch.skipped(), "skipped")
        wait_until(lambda: server.watch.tick() or not server.watch.feeds[0].is_behind, "it goes on")
        server.ring.echo(1, 1, 1, ECHO)
        server.catch_up()
        assert server.watch.skipped() + server.watch.totals.echoes == 3 * server.reader.capacity + 1
        assert server.watch.totals.echoes > server.reader.capacity // 2
