"""The recorder's process by itself: what a server that is gone leaves it to do."""

import os
import subprocess
import sys
from pathlib import Path

from waiting import DEADLINE_S

from core.log.read.log import Log
from core.log.write.recorder_process import RecorderConfig
from core.log.write.recorder_status import RecorderStatus
from core.ring.events import Kind
from core.ring.recorder import Files
from core.ring.ring import RingWriter

ROOT = Path(__file__).resolve().parent.parent


def run(directory: Path, ring: int, stdin: int) -> int:
    """The exit status of a recorder of one ring."""
    status = RecorderStatus.make()
    config = RecorderConfig(str(directory), None, None, 0.0, 1.0, status.fd, {0: ring})
    command = [sys.executable, "-m", "core.log.write.recorder_process", config.to_json()]
    try:
        return subprocess.run(
            command, cwd=ROOT, stdin=stdin, stdout=subprocess.DEVNULL, pass_fds=[status.fd, ring], timeout=DEADLINE_S
        ).returncode
    finally:
        status.close()


def test_one_that_begins_after_its_server_was_killed_writes_nothing(tmp_path: Path) -> None:
    path = Files.of(tmp_path, 0).ring
    writer = RingWriter(path, worker=0, after=0)
    writer.emit(Kind.START, 0)
    writer.publish()
    ring, (reading, writing) = os.open(path, os.O_RDWR), os.pipe()
    os.close(writing)
    try:
        assert run(tmp_path, ring, reading) == 0
    finally:
        os.close(ring)
        os.close(reading)
        writer.close()
    # The next server may have taken the row from the ring meanwhile: it would be in the log twice.
    assert Log(tmp_path).span() is None
