"""What the pump makes of the rings' headers."""

from pathlib import Path

import pytest

import core.watch.now.pump as pump_module
from core.log.write.journal import Journal
from core.ring.ring import RingReader, RingWriter
from core.watch.now.pump import Pump, WorkerFeed
from core.watch.now.table import Table

SECOND = 1_000_000_000


def test_a_loop_that_ends_is_not_suddenly_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word counts no turns and no waiting, like the first of the next one."""
    pump, writer = Pump(Journal(tmp_path)), RingWriter(tmp_path / "ring", capacity=64)
    feed = WorkerFeed(Table(0), 0)
    pump.attach(feed, RingReader(tmp_path / "ring"))
    now = 1000 * SECOND
    monkeypatch.setattr(pump_module.time, "monotonic_ns", lambda: now)
    writer.publish(100, 900 * SECOND, now)
    pump.tick()
    now += SECOND // 2
    writer.publish(150, 900 * SECOND + SECOND // 4, now)
    pump.tick()
    assert pump.rates.loop_busy == 0.5
    writer.publish(0, 0, now)
    pump.tick()
    now += SECOND // 2
    pump.tick()
    assert pump.rates.loop_busy == 0.25
    monkeypatch.undo()
    pump.stop()
    writer.close()
