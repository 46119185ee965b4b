"""Sealing by another process: the same outcome, whatever becomes of the process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from record_rows import random_batch
from test_journal import segments, small_files, write
from waiting import DEADLINE_S, wait_until

from core.durable import PARTIAL
from core.log.format.files import HOT, SEALED, JournalError
from core.log.write.seal_job import Abandoned, rewrite
from core.log.write.seal_process import Rewriter
from core.log.write.seal_thread import Sealer


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A segment that has ended."""
    write(tmp_path, *(random_batch(500, 1 + 500 * number, seed=number) for number in range(10))).close()
    return segments(tmp_path)[0]


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """One that is never read to its end: whoever opens it waits for someone who writes."""
    pipe = tmp_path / "segment-00000001.arrows"
    os.mkfifo(pipe)
    return pipe


def children() -> list[int]:
    """Processes that rewrite, of this process, whichever thread has started them."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread or a process that has just ended
            pids = (task / "children").read_text().split()
            found += [
                int(pid) for pid in pids if b"core.log.write.seal_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
            ]
    return found


@pytest.fixture
def rewriter() -> Iterator[Rewriter]:
    with Rewriter() as one:
        yield one
    assert children() == []


def test_it_is_the_same_file_and_one_process_for_many(segment: Path, rewriter: Rewriter) -> None:
    here = rewrite(segment)
    expected = here.read_bytes()
    here.unlink()
    assert rewriter.rewrite(segment) == here
    assert here.read_bytes() == expected
    (first,) = children()
    assert rewriter.rewrite(segment) == here
    assert children() == [first]


@pytest.mark.usefixtures("many_descriptors")
def test_it_works_beside_a_thousand_clients(segment: Path, rewriter: Rewriter) -> None:
    assert rewriter.rewrite(segment).exists()


def test_its_errors_are_those_of_the_process(segment: Path, rewriter: Rewriter) -> None:
    with small_files(), pytest.raises(OSError, match="File too large"):
        rewriter.rewrite(segment)
    segment.write_bytes(bytes(2000))
    with pytest.raises(JournalError, match=segment.name):
        rewriter.rewrite(segment)
    segment.unlink()
    with pytest.raises(FileNotFoundError):
        rewriter.rewrite(segment)
    assert not list(segment.parent.glob(f"*{PARTIAL}"))


def test_called_off_it_leaves_nothing(endless: Path, rewriter: Rewriter) -> None:
    with pytest.raises(Abandoned):
        rewriter.rewrite(endless, lambda: not children())
    assert list(endless.parent.iterdir()) == [endless]
    assert children() == []


def test_a_process_that_is_killed_is_told_and_the_next_segment_has_another(
    segment: Path, endless: Path, rewriter: Rewriter
) -> None:
    def keep_on() -> bool:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        return True

    with pytest.raises(OSError, match="ended with status -9"):
        rewriter.rewrite(endless, keep_on)
    assert rewriter.rewrite(segment).exists()


def test_one_that_was_idle_has_ended_and_is_replaced(
    segment: Path, rewriter: Rewriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import core.log.write.seal_process as r; r.IDLE_S = 0.05; r.main()"
    monkeypatch.setattr("core.log.write.seal_process._COMMAND", [sys.executable, "-c", program])
    whole = rewriter.rewrite(segment)
    assert rewriter._process is not None
    first = rewriter._process.pid
    wait_until(lambda: Path(f"/proc/{first}/stat").read_text().split()[2] == "Z", "its end")
    whole.unlink()
    assert rewriter.rewrite(segment).exists()


def test_the_thread_stops_while_a_process_rewrites(segment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.log.write.seal_thread.LOOK_S", 0.01)
    monkeypatch.setattr("core.log.write.seal_process._POLL_S", 0.01)
    journal = write(segment.parents[1])
    sealer = Sealer(journal, Rewriter())
    sealer.start()
    wait_until(lambda: children() or not journal.unsealed(), "a process that rewrites")
    sealer.stop()
    assert sealer.error == sealer.failure == ""
    assert children() == []
    assert not list(segment.parent.glob(f"*{PARTIAL}"))
    assert segments(segment.parents[1])[0].suffix in (HOT, SEALED)


def test_it_does_not_outlive_who_has_started_it(endless: Path) -> None:
    command = [sys.executable, "-m", "core.log.write.seal_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f'"{endless}"\n'.encode())
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 0
        assert process.stdout.read() == b""
