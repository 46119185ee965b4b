"""What the disk is asked to keep, and when records are given back to their ring."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from record_rows import make_batch
from recorders import Recorded, recorded
from test_journal import seqs

from core.log.write.journal import Journal
from core.log.write.seal_thread import Sealer
from core.ring.events import Kind


class Disk:
    """Remembers what was synced; refuses when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[str] = []
        self.refuses = False
        monkeypatch.setattr(os, "fdatasync", self._sync)
        monkeypatch.setattr(os, "fsync", self._sync)

    def _sync(self, fd: int) -> None:
        if self.refuses:
            raise OSError(5, "Input/output error")
        self.synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def write_echoes(server: Recorded, count: int = 10) -> None:
    for _ in range(count):
        server.ring.emit(Kind.ECHO, 1)
    server.catch_up()


def test_by_default_nothing_hot_is_synced(tmp_path: Path, disk: Disk) -> None:
    with recorded(tmp_path) as server:
        write_echoes(server)
        assert server.reader.tail == server.reader.written == 10
        assert "segment-00000001.arrows" not in disk.synced


def test_a_ring_is_given_back_when_the_disk_has_it(tmp_path: Path, disk: Disk) -> None:
    with recorded(tmp_path, 60.0) as server:
        write_echoes(server)
        assert seqs(tmp_path) == list(range(1, 11))
        assert (server.reader.tail, server.reader.written) == (0, 10)
        disk.refuses = True
        server.recorder.writer.sync()
        assert (server.reader.tail, server.watch.trouble()) == (0, "the log can't be synced: Input/output error")
        disk.refuses = False
        server.recorder.writer.sync()
        assert (server.reader.tail, server.watch.trouble()) == (10, "")
        assert "segment-00000001.arrows" in disk.synced
        assert "log" in disk.synced, "the name of a new segment too"


@pytest.mark.parametrize(
    ("how", "word"), [(Path.unlink, "removed"), (lambda path: os.truncate(path, 0), "cut"), (None, "")]
)
def test_a_file_that_goes_while_it_is_written_is_told_and_another_begun(tmp_path: Path, how: Any, word: str) -> None:
    journal = Journal(tmp_path)
    sealer = Sealer(journal)
    journal.append(make_batch(5))
    path = tmp_path / "log" / "segment-00000001.arrows"
    if how:
        how(path)
    for first in (6, 11):
        sealer.sync()
        journal.append(make_batch(5, first))
    assert journal.damage == ([f"{path}: {word} while it was written"] if how else [])
    assert seqs(tmp_path) == list(range(6 if how else 1, 16))
    assert Journal(tmp_path).last_seq == {0: 15}


def test_a_folder_that_is_removed_is_trouble(tmp_path: Path) -> None:
    with recorded(tmp_path) as server:
        write_echoes(server)
        shutil.rmtree(tmp_path / "log")
        Sealer(server.journal).sync()
        write_echoes(server)
        assert server.watch.trouble() == "the log can't be written: No such file or directory"


def test_a_segment_is_synced_once_when_it_has_ended(tmp_path: Path, disk: Disk) -> None:
    journal = Journal(tmp_path, segment_bytes=1)
    sealer = Sealer(journal)
    for first in (1, 2, 3):
        journal.append(make_batch(1, first))
    for _ in range(2):
        sealer.sync()
    assert [name for name in disk.synced if name != "log"] == ["segment-00000001.arrows", "segment-00000002.arrows"]
    journal.append(make_batch(1, 4))
    disk.refuses = True
    sealer.sync()
    assert sealer.sync_error == "the log can't be synced: Input/output error"
    disk.refuses = False
    sealer.sync()
    assert (sealer.sync_error, disk.synced.count("segment-00000003.arrows")) == ("", 1)
