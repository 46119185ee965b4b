"""Downloads made in another process: whole, counted, and ended as soon as nobody wants them."""

import fcntl
import gzip
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from record_rows import START_NS, make_batch
from waiting import wait_until

from core.export import exporter_process as process
from core.export.download import DownloadError, DownloadRequest
from core.export.exporter import Exporter
from core.export.formats import FORMATS, export
from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.read.log import Log
from core.log.write.journal import Journal

ROWS = 100_000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a log."""
    path = tmp_path_factory.mktemp("data")
    journal = Journal(path)
    for first in range(1, ROWS, 20_000):
        journal.append(make_batch(20_000, first, conn=first))
    journal.close()
    return path


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    """An exporter."""
    one = Exporter()
    yield one
    one.stop()


def order(directory: Path, name: str = "csv", query: str = "", packed: bool = False) -> DownloadRequest:
    return DownloadRequest(str(directory), name, query, None, None, packed)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that have not ended."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def process_of(exporter: Exporter) -> int:
    assert exporter.pid is not None
    return exporter.pid


def wait_for_end(exporter: Exporter) -> None:
    """Until no download is being made."""
    wait_until(lambda: not children(process_of(exporter)), "ended")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("query", ["", "bytes_in<7", "conn:1000000"])
def test_a_download_is_what_the_writer_makes(directory: Path, exporter: Exporter, name: str, query: str) -> None:
    chunks = exporter.download(order(directory, name, query))
    data = b"".join(chunks)
    batches = list(Log(directory).batches(parse(query, EVENT_FIELDS)))
    assert data == b"".join(export(batches, name))
    assert (chunks.rows, chunks.size) == (sum(batch.num_rows for batch in batches), len(data))
    chunks.close()


def test_bounds_are_obeyed(directory: Path, exporter: Exporter) -> None:
    bounds = (START_NS + 10 * 10**6, START_NS + 20 * 10**6)
    chunks = exporter.download(DownloadRequest(str(directory), "csv", "", *bounds, False))
    assert b"".join(chunks) == b"".join(export(Log(directory).batches(Query(), *bounds), "csv"))
    assert chunks.rows == 10
    chunks.close()


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_gzip_of_text_only(directory: Path, exporter: Exporter, name: str) -> None:
    chunks = exporter.download(order(directory, name, packed=True))
    data = b"".join(chunks)
    plain = b"".join(export(Log(directory).batches(Query()), name))
    assert (gzip.decompress(data) if name == "csv" else data) == plain
    assert chunks.size == len(plain)
    chunks.close()


def test_several_at_once(directory: Path, exporter: Exporter) -> None:
    several = {query: exporter.download(order(directory, query=query)) for query in ("", "bytes_in<7", "bytes_in>=7")}
    made: dict[str, list[bytes]] = {query: [] for query in several}
    pending = dict(several)
    while pending:
        for query, chunks in list(pending.items()):  # in turn: each is read while the others are being made
            piece = next(chunks, None)
            if piece is None:
                del pending[query]
            else:
                made[query].append(piece)
    for query, chunks in several.items():
        assert b"".join(made[query]) == b"".join(export(Log(directory).batches(parse(query, EVENT_FIELDS)), "csv"))
        chunks.close()


@pytest.mark.parametrize("packed", [False, True])
def test_the_work_ends_when_nobody_reads_on(directory: Path, exporter: Exporter, packed: bool) -> None:
    exporter.prepare()
    wait_for_end(exporter)
    chunks = exporter.download(order(directory, "jsonl", packed=packed))
    next(chunks)
    assert 0 < chunks.rows < ROWS
    assert len(children(process_of(exporter))) == 1
    chunks.close()
    wait_for_end(exporter)


def test_a_download_is_cancelled_from_another_thread(directory: Path, exporter: Exporter) -> None:
    chunks = exporter.download(order(directory, "jsonl"))
    next(chunks)
    other = threading.Thread(target=chunks.cancel)
    other.start()
    other.join()
    with pytest.raises(DownloadError):
        deque(chunks, maxlen=0)
    chunks.close()
    wait_for_end(exporter)


def test_cancelled_before_it_began(directory: Path, exporter: Exporter) -> None:
    chunks = exporter.download(order(directory))
    chunks.cancel()
    with pytest.raises(DownloadError):
        next(chunks)
    chunks.close()


def test_what_is_wrong_is_told(exporter: Exporter, tmp_path: Path) -> None:
    chunks = exporter.download(order(tmp_path))
    with pytest.raises(DownloadError, match="no log of echoscope in this directory"):
        list(chunks)
    chunks.close()


def test_what_cannot_be_started_is_told_and_tried_again(
    directory: Path, exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter.stop()
    monkeypatch.setattr("core.export.exporter.EXECUTABLE", "/nowhere/python")
    with pytest.raises(DownloadError, match="no download can be made: No such file or directory"):
        exporter.download(order(directory)).start()
    # As for a service whose own file is in a folder that it can no longer look into.
    monkeypatch.setattr("core.export.exporter.EXECUTABLE", "/proc/self/exe")
    chunks = exporter.download(order(directory))
    chunks.start()
    assert b"".join(chunks) == b"".join(export(Log(directory).batches(Query()), "csv"))
    chunks.close()


def test_a_killed_exporter_is_replaced(directory: Path, exporter: Exporter) -> None:
    exporter.prepare()
    wait_for_end(exporter)
    begun = exporter.download(order(directory))
    next(begun)
    (worker,) = children(process_of(exporter))
    for pid in (process_of(exporter), worker):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(DownloadError, match="ended without a word"):
        list(begun)
    begun.close()
    again = exporter.download(order(directory))
    assert b"".join(again).count(b"\n") == ROWS + 1
    again.close()


class Clock:
    """Stands for the module time: each piece takes a second, of which the thread gets that share of a core."""

    def __init__(self, share: float, during_sleep: Callable[[], None] = lambda: None) -> None:
        self.now = self.slept = 0.0
        self._share = share
        self._during_sleep = during_sleep

    def pieces(self) -> Iterator[bytes]:
        for piece in (b"1", b"2"):
            self.now += 1.0
            yield piece

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.now * self._share

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds
        self._during_sleep()


@pytest.fixture
def held() -> Iterator[tuple[int, Callable[[], None]]]:
    """A lock that another process holds, and what lets it go."""
    lock = os.memfd_create("turn")
    ours, theirs = socket.socketpair()
    holder = os.fork()
    if not holder:
        ours.close()
        fcntl.lockf(lock, fcntl.LOCK_EX)
        theirs.send(b"held")
        theirs.recv(1)
        os._exit(0)
    theirs.close()
    assert ours.recv(4) == b"held"

    def release() -> None:
        if ours.fileno() >= 0:
            ours.close()
            os.waitpid(holder, 0)

    yield lock, release
    release()
    os.close(lock)


def test_a_starved_download_waits_for_its_turn(
    held: tuple[int, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, release = held
    clock = Clock(0.01, release)
    monkeypatch.setattr(process, "time", clock)
    assert list(process.in_turn(clock.pieces(), lock)) == [b"1", b"2"]
    assert clock.slept == process._LOOK_S  # before the second piece, until the lock was let go


@pytest.mark.parametrize(("share", "waits"), [(0.01, True), (0.9, False)])
def test_no_download_waits_for_ever_and_one_that_is_not_starved_never(
    held: tuple[int, Callable[[], None]], monkeypatch: pytest.MonkeyPatch, share: float, waits: bool
) -> None:
    clock = Clock(share)
    monkeypatch.setattr(process, "time", clock)
    assert list(process.in_turn(clock.pieces(), held[0])) == [b"1", b"2"]
    assert (clock.slept > 0) is waits


def test_it_has_one_thread_as_it_is_forked_for_each_download(directory: Path, exporter: Exporter) -> None:
    chunks = exporter.download(order(directory))
    assert b"".join(chunks)
    chunks.close()
    assert len(os.listdir(f"/proc/{process_of(exporter)}/task")) == 1


def test_it_runs_at_the_lowest_priority_and_ends_with_stop(directory: Path) -> None:
    exporter = Exporter()
    exporter.prepare()
    chunks = exporter.download(order(directory))
    next(chunks)
    pid = process_of(exporter)
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, pid) == 19, "nice")
    assert os.sched_getscheduler(pid) == os.SCHED_OTHER  # it must not starve
    chunks.close()
    exporter.stop()
    assert pid not in children(os.getpid())
    assert exporter.pid is None
    exporter.stop()
