"""How fast the log is downloaded, in how much memory, and what that costs the echo."""

import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bench.echo_cases import speed
from bench.measure import Plan, Row, Speed, interleaved, ratio_row
from bench.processes import CLIENT_CORE, DEADLINE, SERVER_CORE, BenchError, Echoscope, echoscope, process
from core.log.format.rows import to_batch
from core.log.write.journal import Journal
from core.log.write.seal_thread import Sealer
from core.loopback import ask
from core.ring.events import RECORD, Kind
from core.ring.records import Records

ROWS_A_SECOND: Final = 2_000_000
"""Of the log that is made, for each second of the plan."""
BATCH: Final = 10_000
CONNECTIONS: Final = 1000
ABREAST: Final = 3
LEAST: Final = {"parquet": 2_000_000, "csv": 1_500_000, "jsonl": 1_000_000, "perfetto": None}
MOST_MEMORY: Final = 100 * 2**20


def downloads(plan: Plan) -> list[Row]:
    """Rows a second of each format, through HTTP and by `app.py log`, and the memory of the process that makes them."""
    rows = int(ROWS_A_SECOND * plan.seconds)
    with _log_of(rows) as directory, echoscope("--data-dir", str(directory)) as server:
        found = []
        for name, least in LEAST.items():
            _download(server, name)  # the exporter starts with the first
            over_http = max(rows / _download(server, name)[0] for _ in range(plan.repeats))
            by_command = max(rows / _write(directory, name) for _ in range(plan.repeats))
            memory = _download(server, name, watch=True)[1]
            found += [
                _rate_row(f"{name}, {rows:,} rows through HTTP: rows", over_http, least),
                _rate_row(f"{name}, the same by `app.py log`, its start included: rows", by_command, least),
                Row(f"{name}: memory of its process", "≤ 100 MiB", f"{memory / 2**20:.0f} MiB", memory <= MOST_MEMORY),
            ]
    return found


def downloading(plan: Plan) -> list[Row]:
    """The echo rate while three downloads go on, against none; with a worker process, and with the loop as a thread."""
    found = []
    with _log_of(int(ROWS_A_SECOND * plan.seconds)) as directory:
        for workers, least in ((1, 0.95), (0, None)):
            variants: dict[str, Callable[[], Speed]] = {
                "downloading": partial(_echo_rate, directory, plan, workers, ABREAST),
                "alone": partial(_echo_rate, directory, plan, workers, 0),
            }
            rounds = interleaved(variants, plan.repeats)
            what = f"{ABREAST} downloads at once against none, `--workers {workers}`: echoes"
            found.append(ratio_row(what, rounds, "downloading", "alone", least))
    return found


def _echo_rate(directory: Path, plan: Plan, workers: int, abreast: int) -> Speed:
    data = Path(tempfile.mkdtemp(prefix="echoscope-bench-"))
    try:
        shutil.copytree(directory / "log", data / "log")
        options = ("--reply", "echo", "--workers", str(workers), "--data-dir", str(data))
        with echoscope(*options) as server:
            _download(server, "parquet")  # until then the server may still be busy with its start
            with _readers(server, abreast):
                return speed(server, plan)
    finally:
        shutil.rmtree(data)


@contextmanager
def _readers(server: Echoscope, number: int) -> Iterator[None]:
    """So many programs that download one format after the other, again and again."""
    if not number:
        yield
        return
    with process(sys.executable, "-m", "bench.download_cases", server.url, str(number), core=CLIENT_CORE) as child:
        assert child.stdout
        child.stdout.readline()
        yield


@contextmanager
def _log_of(rows: int) -> Iterator[Path]:
    """A data directory with so many rows of the usual mix: nearly all of them echoes."""
    directory = Path(tempfile.mkdtemp(prefix="echoscope-bench-"))
    try:
        journal, random, now = Journal(directory), np.random.default_rng(1), 0
        peers = ["", *(f"127.0.0.1:{40_000 + number}" for number in range(CONNECTIONS))]
        for first in range(1, rows + 1, BATCH):
            records = np.zeros(min(BATCH, rows + 1 - first), RECORD)
            records["seq"] = np.arange(first, first + len(records))
            records["time"] = now + np.cumsum(random.integers(1000, 8000, len(records)))
            now = int(records["time"][-1])
            records["conn"] = random.integers(1, CONNECTIONS + 1, len(records))
            records["kind"], records["bytes_in"], records["bytes_out"] = Kind.ECHO, 64, 91
            rare = random.random(len(records)) < 0.02
            records["kind"][rare] = random.choice([Kind.READ, Kind.WRITE, Kind.FULL, Kind.NOT_FULL], rare.sum())
            records["queue_bytes"][rare] = random.integers(0, 200_000, rare.sum())
            peer = records["conn"].astype(np.int32)
            journal.append(to_batch(Records.of(records, time.time_ns() - 3600 * 10**9), 1, peer, peers))
        journal.close()
        sealer = Sealer(journal)
        while sealer.seal_next():
            pass
        yield directory
    finally:
        shutil.rmtree(directory)


def _download(server: Echoscope, name: str, *, watch: bool = False) -> tuple[float, int]:
    """Seconds that it took, and the most memory that its process had, as far as it was watched."""
    began, memory = time.monotonic(), 0
    with ask(f"{server.url}/api/v1/events/download?format={name}", DEADLINE) as answer:
        while answer.read(1 << 20):
            memory = max(memory, _exporter_memory(server)) if watch else 0
    return time.monotonic() - began, memory


def _exporter_memory(server: Echoscope) -> int:
    """Bytes of the largest process that makes a download, pages shared with others counted in part (Pss)."""
    most = 0
    for pid in server.pids():
        try:
            if b"core.export.exporter_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                most = max(most, *(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")))
        except OSError:  # it has just ended
            continue
    return most


def _write(directory: Path, name: str) -> float:
    """Seconds of the command on one core, output thrown away."""
    began = time.monotonic()
    command = [sys.executable, "app.py", "log", "--data-dir", str(directory), "--format", name, "-o", "/dev/null"]
    with process(*command, core=SERVER_CORE) as child:
        if child.wait(DEADLINE):
            raise BenchError(f"{' '.join(command)} failed")
    return time.monotonic() - began


def _rate_row(what: str, rate: float, least: int | None) -> Row:
    asked = f"≥ {least:,} a second" if least else "-"
    return Row(what, asked, f"{rate:,.0f} a second", rate >= least if least else None)


def _read_on(url: str, number: int) -> None:
    """So many downloads of different formats, each begun again when it is over, until it is stopped."""

    def read(name: str) -> None:
        while True:
            with ask(f"{url}/api/v1/events/download?format={name}", DEADLINE) as answer:
                while answer.read(1 << 20):
                    begun.set()

    begun = threading.Event()
    for name in list(LEAST)[:number]:
        threading.Thread(target=read, args=(name,), daemon=True).start()
    begun.wait(DEADLINE)
    print("downloading", flush=True)
    signal.pause()


if __name__ == "__main__":
    _read_on(sys.argv[1], int(sys.argv[2]))
