"""`app.py log`: files that are whole or not there, following a log, sums, and the check of a damaged one."""

import csv
import io
import json
import os
import pty
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from commands import run
from conftest import StartServer, clean_environment
from record_rows import make_batch, plain_rows, random_batch
from waiting import DEADLINE_S, wait_until
from warm import WarmProcess, nursery

from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.hot_segment import Encoder
from core.log.format.log_state import LogState
from core.log.read.follow import follow
from core.log.read.log import Log
from core.log.read.top_connections import TopConnections
from core.log.write.journal import Journal
from core.ring.events import Kind

ROWS = 30_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A data directory with a log of ROWS rows, of connections 1 and 2."""
    journal = Journal(tmp_path)
    journal.append(make_batch(1, 1, kind=Kind.OPEN))
    journal.append(make_batch(ROWS - 2, 2, conn=2))
    journal.append(make_batch(1, ROWS, kind=Kind.CLOSE))
    journal.close()
    return tmp_path


def command(directory: Path, *arguments: str) -> list[str]:
    """The command line of `log` on a directory."""
    return ["app.py", "log", "--data-dir", str(directory), *arguments]


@contextmanager
def running(directory: Path, *arguments: str) -> Iterator[WarmProcess]:
    """`log` under way."""
    with nursery().start(command(directory, *arguments), clean_environment()) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet", "perfetto"])
def test_every_format_carries_the_same(directory: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "out"
    assert run("log", "--data-dir", str(directory), "--format", name, "-o", str(path)).returncode == 0
    read: dict[str, Callable[[], list[Any]]] = {
        "jsonl": lambda: [json.loads(line) for line in path.read_text().splitlines()],
        "csv": lambda: list(csv.DictReader(io.StringIO(path.read_text()))),
        "parquet": lambda: pq.read_table(path).to_pylist(),
        "perfetto": lambda: [
            event["args"] for event in json.loads(path.read_text())["traceEvents"] if event["ph"] == "i"
        ],
    }
    rows = read[name]()
    assert len(rows) == ROWS
    assert sum(int(row["bytes_in"]) for row in rows) == sum(seq % 1000 for seq in range(2, ROWS))
    assert not path.with_name("out.partial").exists()


def test_nothing_is_left_of_what_failed(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.csv"
    path.write_text("as it was")
    segment = next((directory / "log").glob("segment-*"))
    with monkeypatch.context() as patch:
        patch.setattr("core.log.format.hot_segment.VERSION", 77)
        segment.write_bytes(Encoder(LogState()).head)
    assert run("log", "--data-dir", str(directory), "-o", str(path)).returncode == 1
    assert path.read_text() == "as it was"
    assert list(tmp_path.glob("out*")) == [path]


def test_what_is_damaged_is_told_once_and_the_rest_written(directory: Path) -> None:
    segment = next((directory / "log").glob("segment-*"))
    segment.with_name("segment-00000009.parquet").write_bytes(b"not a log at all" * 100)
    done = run("log", "--data-dir", str(directory))
    assert (done.returncode, len(done.stdout.splitlines())) == (0, ROWS)
    [line] = done.stderr.splitlines()
    assert line.startswith("echoscope: passed over: ")
    assert "segment-00000009.parquet" in line


def test_into_a_device(directory: Path) -> None:
    assert run("log", "--data-dir", str(directory), "-o", "/dev/null").returncode == 0
    assert not Path("/dev/null.partial").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--stats", "--verify"], "--stats and --verify do not go together"),
        (["--json"], "--json goes with"),
        (["--verify", "-q", "kind:echo"], "--verify looks at the whole log"),
        (["--stats", "-o", "x"], "--stats prints to standard output"),
        (["--follow", "--until", "1m"], "leave out --until"),
        (["--follow", "--format", "parquet"], "a parquet file has an end: --follow writes jsonl or csv"),
    ],
)
def test_what_does_not_go_together(directory: Path, arguments: list[str], named: str) -> None:
    ran = run("log", "--data-dir", str(directory), *arguments)
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert named in line


def read_terminal(descriptor: int) -> str:
    """What a terminal shows until the program has ended."""
    shown = b""
    while select.select([descriptor], [], [], DEADLINE_S)[0]:
        try:
            shown += os.read(descriptor, 4096)
        except OSError:  # EIO: no one has it open any more (pty(7))
            break
    return shown.decode()


def on_a_terminal(directory: Path, *arguments: str) -> tuple[int, str]:
    """Exit status, and what a terminal that has standard output and error shows."""
    ours, theirs = pty.openpty()
    environment = clean_environment() | {"TERM": "xterm"}
    status = nursery().start_on((theirs, theirs, theirs), command(directory, *arguments), environment)
    os.close(theirs)
    shown = read_terminal(ours)
    os.close(ours)
    with status:
        return int(status.read().split()[1]), shown


def test_parquet_is_nothing_for_a_terminal(directory: Path) -> None:
    status, shown = on_a_terminal(directory, "--format", "parquet")
    assert status == 2
    assert shown.strip() == "echoscope: parquet is nothing for a terminal: name a file with --output"


def test_progress_is_shown_to_people(directory: Path, tmp_path: Path) -> None:
    status, shown = on_a_terminal(directory, "-o", str(tmp_path / "out"))
    assert status == 0
    assert shown.rstrip().endswith("MB")
    assert f"{ROWS:,} rows" in shown


def test_follow_to_its_end(directory: Path) -> None:
    journal = Journal(directory)
    with running(directory, "--follow", "-q", "conn:2", "--format", "csv") as process:
        assert process.stdout.readline().startswith("seq,time,")
        for seq in range(2, ROWS):
            assert process.stdout.readline().startswith(f"{seq},")
        for first in (ROWS + 1, ROWS + 11):
            journal.append(make_batch(5, first, conn=1))
            journal.append(make_batch(5, first + 5, conn=2))
            assert [process.stdout.readline().split(",")[0] for _ in range(5)] == [
                str(first + 5 + number) for number in range(5)
            ]
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
        assert process.stdout.read() == ""
    journal.close()


def test_follow_into_a_pipe_that_is_closed(directory: Path) -> None:
    with running(directory, "--follow", "-q", "kind:close") as process:
        assert json.loads(process.stdout.readline())["kind"] == "close"
        process.stdout.close()
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr.read() == ""


def test_follow_a_server_that_starts_again(start_server: StartServer, tmp_path: Path) -> None:
    first = start_server()
    with running(tmp_path / "data", "-f", "-q", "kind:start,echo,stop") as process:
        kinds = lambda count: [json.loads(process.stdout.readline())["kind"] for _ in range(count)]  # noqa: E731
        assert kinds(1) == ["start"]
        first.talk(b"hello", 32)
        assert kinds(1) == ["echo"]
        first.stop()
        assert kinds(1) == ["stop"]
        second = start_server()
        second.talk(b"hello", 32)
        assert kinds(2) == ["start", "echo"]


def test_following_sees_every_row_once_whatever_becomes_of_the_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1)
    batches = iter([random_batch(50, 1 + 50 * number, seed=number) for number in range(12)])
    journal.append(next(batches))

    def write_more() -> bool:
        batch = next(batches, None)
        if batch is not None:
            journal.append(batch)
        return batch is not None

    found = [
        seq for batch in follow(Log(tmp_path), Query(), None, write_more) for seq in batch.column("seq").to_pylist()
    ]
    assert sorted(found) == list(range(1, 601))
    journal.close()


def test_stats(directory: Path) -> None:
    figures = json.loads(run("log", "--data-dir", str(directory), "--stats", "--json").stdout)
    assert figures["rows"] == ROWS
    assert figures["kinds"] == {"echo": ROWS - 2, "close": 1, "open": 1}
    assert figures["bytes_in"] == sum(seq % 1000 for seq in range(2, ROWS))
    assert figures["connections"] == 2
    assert figures["workers"] == {"0": ROWS}
    assert [one["conn"] for one in figures["top"]] == [2]
    assert figures["top"][0]["peer"] == "127.0.0.1:40001"


def test_stats_of_a_selection_for_people(directory: Path) -> None:
    shown = run("log", "--data-dir", str(directory), "--stats", "-q", "kind:open").stdout
    assert shown.splitlines()[0].split() == ["rows", "1"]
    assert "  open  1" in shown
    assert "echo" not in shown


def test_stats_of_nothing(directory: Path) -> None:
    ran = run("log", "--data-dir", str(directory), "--stats", "-q", "conn:77")
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[0].split() == ["rows", "0"]


def test_talkers_are_exact() -> None:
    talkers = TopConnections()
    moved: dict[int, int] = {}
    for seed in range(5):
        batch = random_batch(300, 1 + 300 * seed, seed)
        talkers.add(batch)
        for row in plain_rows(batch):
            moved[row["conn"]] = moved.get(row["conn"], 0) + row["bytes_in"] + row["bytes_out"]
    moved.pop(0)
    assert talkers.top(3) == sorted(moved.items(), key=lambda item: -item[1])[:3]


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_verify_of_a_whole_log(start_server: StartServer, tmp_path: Path, arguments: list[str]) -> None:
    server = start_server()
    server.talk(b"hello", 32)
    server.stop()
    ran = run("log", "--data-dir", str(tmp_path / "data"), "--verify", *arguments)
    assert ran.returncode == 0
    if arguments:
        assert json.loads(ran.stdout)["whole"] is True
    else:
        assert ran.stdout.splitlines()[-1] == "the log is whole"


def test_verify_of_a_damaged_log(directory: Path) -> None:
    segment = next((directory / "log").glob("segment-*"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    data[len(data) // 2 + 8] ^= 0xFF
    segment.write_bytes(data)
    ran = run("log", "--data-dir", str(directory), "--verify", "--json")
    assert ran.returncode == 1
    report = json.loads(ran.stdout)
    assert report["whole"] is False
    assert segment.name in report["problems"][0]
    shown = run("log", "--data-dir", str(directory), "--verify")
    assert shown.returncode == 1
    assert f"damaged: {segment.name}" in shown.stdout
    assert "readable: " in shown.stdout


def test_a_growing_log_is_written_up_to_where_it_was(directory: Path) -> None:
    journal = Journal(directory)
    batches = Log(directory).batches(parse("conn:2", EVENT_FIELDS))
    journal.append(make_batch(5, ROWS + 1, conn=2))
    assert sum(batch.num_rows for batch in batches) == ROWS - 2
    journal.close()
    wait_until(lambda: sum(b.num_rows for b in Log(directory).batches(Query())) == ROWS + 5, "all")
