"""What befalls real servers: killed, stopped, out of disk; and what the log says afterwards."""

import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from commands import run
from conftest import Server, StartServer
from echo_server import receive, receive_all, reset
from waiting import DEADLINE_S, wait_until

from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.read.log import Log
from core.ring.clock import adopt, found_offset
from core.service import Service, Settings

KILLS = 4
"""How often a worker is killed."""
SMALL_DISK = 1 << 17
CONNECTIONS = 50
"""Of one load."""
STALL_S = 4.0
"""Longer than a loop may stand still without being called stalled (3 s)."""
MESSAGE = bytes(range(64)) * 4


class Talk:
    """A client that sends and reads until it is told to end or the server goes; it counts what it received."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=DEADLINE_S)
        self.peer = "{}:{}".format(*self.sock.getsockname())
        self.received = self.sent = 0
        self.broken = False

    def turn(self) -> None:
        """One message there and whatever has come back."""
        try:
            self.sent += self.sock.send(MESSAGE)
            data = self.sock.recv(65536)
            self.received += len(data)
            self.broken = not data
        except ConnectionError:
            self.broken = True


class Talkers:
    """Clients in threads, talking all the time. Ended by `end`, which reads what is still on its way."""

    def __init__(self, address: tuple[str, int], count: int) -> None:
        self.talks = [Talk(address) for _ in range(count)]
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(self.talks[part::4],)) for part in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self, talks: list[Talk]) -> None:
        while talks and not self._ending.is_set():
            for talk in talks:
                talk.turn()
            talks = [talk for talk in talks if not talk.broken]

    @property
    def received(self) -> int:
        """Bytes that all have received."""
        return sum(talk.received for talk in self.talks)

    def wait_for_more(self, size: int = 1 << 18) -> None:
        """Until so much more has been received."""
        before = self.received
        wait_until(lambda: self.received >= before + size, f"{size} bytes more")

    def end(self) -> None:
        """Send no more, read what is still to come."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        for talk in self.talks:
            if not talk.broken:
                talk.sock.shutdown(socket.SHUT_WR)
                talk.received += len(receive_all(talk.sock))
            talk.sock.close()


def check_talk(rows: pa.Table, *everyone: Talkers) -> None:
    """Every byte that was received is in the log, and nothing that was never sent."""
    inward, outward = by_peer(rows, "bytes_in"), by_peer(rows, "bytes_out")
    received, sent = defaultdict[str, int](int), defaultdict[str, int](int)
    for talk in (talk for talkers in everyone for talk in talkers.talks):
        received[talk.peer] += talk.received  # a port may be had again by a later one
        sent[talk.peer] += talk.sent
        assert talk.broken or talk.received == talk.sent
    for peer in sent:
        assert received[peer] <= outward[peer] <= inward[peer] <= sent[peer], peer


@contextmanager
def talking(address: tuple[str, int], count: int = 16) -> Iterator[Talkers]:
    """Talkers that have begun."""
    talkers = Talkers(address, count)
    try:
        talkers.wait_for_more()
        yield talkers
    finally:
        talkers.end()


def logged(data: Path) -> pa.Table:
    """Every row of the log."""
    batches = list(Log(data).batches(parse("", EVENT_FIELDS), None, None))
    texts = {name: pa.string() for name in ("peer", "kind", "reason")}
    table = pa.Table.from_batches(batches).unify_dictionaries()
    return pa.table({name: table[name].cast(texts.get(name, table[name].type)) for name in table.column_names})


def by_peer(rows: pa.Table, column: str) -> dict[str, int]:
    """Sums of a column."""
    sums = rows.group_by("peer").aggregate([(column, "sum")])
    return defaultdict(int, zip(sums["peer"].to_pylist(), sums[f"{column}_sum"].to_pylist(), strict=True))


def check_whole(rows: pa.Table) -> None:
    """No gap in the numbers of any worker, and exactly one close for each open."""
    workers, seqs = rows["worker"].to_numpy(), rows["seq"].to_numpy()
    for worker in np.unique(workers):
        mine = seqs[workers == worker]
        assert np.array_equal(mine, np.arange(1, len(mine) + 1)), f"gaps in worker {worker}"
    kinds, conns = np.array(rows["kind"].to_pylist()), rows["conn"].to_numpy()
    opened, closed = np.sort(conns[kinds == "open"]), np.sort(conns[kinds == "close"])
    assert len(opened)
    assert np.array_equal(opened, np.unique(opened))
    assert np.array_equal(opened, closed)


def reasons(rows: pa.Table, kind: str) -> list[str]:
    """The reason of every row of a kind."""
    pairs = zip(rows["kind"].to_pylist(), rows["reason"].to_pylist(), strict=True)
    return [reason for found, reason in pairs if found == kind]


def tree(pid: int) -> list[int]:
    """A process and all that came of it, parents first."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def workers_of(server: Server) -> list[int]:
    """The worker processes of a server."""
    return [pid for pid in tree(server.process.pid) if b"core.engine.processes.worker" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except ProcessLookupError:
        return b""


def health(server: Server) -> tuple[int, str]:
    """Status and text of /healthz."""
    answer = server.get("/healthz")
    return answer.status_code, answer.text


def healthy(server: Server) -> bool:
    return health(server)[0] == 200


def open_connections(server: Server) -> int:
    return int(server.json("/api/v1/status")["connections"]["open"])


def stop(server: Server) -> None:
    """In order, without a word of complaint."""
    code, _, err = server.stop()
    assert code == 0, err
    assert "Traceback" not in err


def test_half_close_with_megabytes_queued_over_a_worker(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--workers", "1", "--reply", "echo", "--high-water", "8MiB", "--low-water", "1MiB")
    message = os.urandom(1 << 20) * 6
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(DEADLINE_S)
        client.connect(server.echo)
        client.sendall(message)
        client.shutdown(socket.SHUT_WR)
        ended = lambda: server.json("/api/v1/events", q="kind:eof")["items"]  # noqa: E731
        assert wait_until(ended, "the half-close is seen")[0]["queue_bytes"] > 1 << 20
        assert receive_all(client) == message
    wait_until(lambda: not open_connections(server), "it is closed")
    stop(server)
    rows = logged(tmp_path / "data")
    check_whole(rows)
    assert reasons(rows, "close") == ["peer"]
    assert sum(rows["bytes_out"].to_pylist()) == len(message)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_thousand_opened_and_reset_in_a_burst(start_server: StartServer, tmp_path: Path, workers: int) -> None:
    server = start_server("--workers", str(workers), "--reply", "echo")
    with talking(server.echo, 4) as talkers:
        burst = [server.connect() for _ in range(1000)]
        for number, client in enumerate(burst):
            if number % 2:
                client.sendall(b"unread")
            reset(client)
        talkers.wait_for_more()
        wait_until(lambda: healthy(server), "healthy")
    wait_until(lambda: not open_connections(server), "all are closed")
    stop(server)
    rows = logged(tmp_path / "data")
    check_whole(rows)
    check_talk(rows, talkers)
    assert {"reset", "peer"} >= set(reasons(rows, "close"))


def test_a_worker_killed_at_load_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "core.engine.processes.workers._LONGEST_PAUSE", 0.1
    )  # else the last ones would be waited for long
    service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo", workers=2))
    service.start()
    try:
        everyone = kill_again_and_again(service)
        wait_until(lambda: not service.monitor.status()["connections"]["open"], "all are closed")
    finally:
        service.stop()
    assert any(not talk.broken for talk in everyone[0].talks), "no connection was with the other worker"
    rows = logged(tmp_path)
    check_whole(rows)
    check_talk(rows, *everyone)
    # A client that was ended before it noticed is not broken.
    broken = sum(talk.broken for talkers in everyone for talk in talkers.talks)
    assert 0 < broken <= reasons(rows, "close").count("crash") <= sum(len(talkers.talks) for talkers in everyone)
    assert reasons(rows, "lost") == []


def kill_again_and_again(service: Service) -> list[Talkers]:
    """Kill worker 1 again and again, with a load on it each time; the load that went on all the while is the first."""
    with talking(service.echo_address) as spared:
        everyone = [spared]
        for _ in range(KILLS):
            with talking(service.echo_address, 8) as talkers:
                victim = service._engine.pids()[1]  # type: ignore[union-attr]
                os.kill(victim, signal.SIGKILL)
                spared.wait_for_more(1 << 16)
            everyone.append(talkers)
            pids = service._engine.pids  # type: ignore[union-attr]
            wait_until(lambda pids=pids, dead=victim: pids().get(1, dead) != dead, "another in its place")
            wait_until(lambda: service.monitor.health()[0], "healthy again")
    return everyone


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_whole_tree_killed_at_load(start_server: StartServer, tmp_path: Path, workers: str) -> None:
    everyone: list[Talkers] = []
    for _ in range(2):
        server = start_server("--workers", workers, "--reply", "echo")
        with talking(server.echo) as talkers:
            talkers.wait_for_more(1 << 21)
            pids = tree(server.process.pid)
            for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped, none can see another end and end in order
                for pid in pids:
                    os.kill(pid, number)
            wait_until(lambda talks=talkers.talks: all(talk.broken for talk in talks), "clients notice")
        everyone.append(talkers)
        server.stop_by_itself()
    server = start_server("--workers", workers, "--reply", "echo")
    with talking(server.echo, 1) as again:
        everyone.append(again)
    wait_until(lambda: not open_connections(server), "all are closed")
    stop(server)
    rows = logged(tmp_path / "data")
    check_whole(rows)
    check_talk(rows, *everyone)
    assert reasons(rows, "close").count("crash") == 32
    assert reasons(rows, "lost") == []


class FullDisk:
    """A file system with room for some of a log at DIR/log; without the right to mount, a limit on files' sizes."""

    def __init__(self, data: Path) -> None:
        self.log = data / "log"
        self.log.mkdir(parents=True)
        self.mounted = not self._mount(f"size={SMALL_DISK}")

    def _mount(self, options: str) -> int:
        command = ["mount", "-t", "tmpfs", "-o", options, "echoscope-test", str(self.log)]
        return subprocess.run(command, capture_output=True).returncode

    def attach(self, server: Server) -> None:
        """From now on the server's disk is small."""
        self._server = server
        if not self.mounted:
            self._limit(SMALL_DISK)

    def _limit(self, size: int) -> None:
        for pid in tree(self._server.process.pid) if self._server.process.poll() is None else []:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def choke(self) -> None:
        """Not a byte of room is left."""
        if self.mounted:
            with suppress(OSError), open(self.log / "filler", "wb", buffering=0) as filler:
                while filler.write(bytes(4096)):
                    pass

    def free(self) -> None:
        """Room for all."""
        (self.log / "filler").unlink(missing_ok=True)
        if not self.mounted:
            self._limit(-1)
        elif self._mount("remount,size=512m"):
            pytest.fail("can't remount")

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Servers that are started meanwhile have the small disk from the beginning."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_DISK, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.log)], check=True)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[FullDisk]:
    disk = FullDisk(tmp_path / "data")
    yield disk
    disk.close()


def load(server: Server, seconds: float) -> dict[str, Any]:
    """What the generator counted."""
    many = ("--connections", str(CONNECTIONS), "--seconds", str(seconds))
    ran = run("load", "--port", str(server.echo[1]), "--reply", "echo", *many)
    result: dict[str, Any] = json.loads(ran.stdout)
    assert result["errors"] == 0
    return result


def fill_disk(server: Server, disk: FullDisk) -> list[dict[str, Any]]:
    """Load until the log has no more room; what the generator counted."""
    disk.attach(server)
    results = [load(server, 0.3)]
    while healthy(server):
        results.append(load(server, 0.3))
        assert len(results) < 30, "the disk does not fill up"
    code, text = health(server)
    assert code == 503
    assert "the log can't be written" in text
    assert ("No space left on device" if disk.mounted else "File too large") in text
    return results


def bytes_known(server: Server, loads: int) -> int:
    """Bytes read, once the status knows the end of every connection of so many loads."""
    closed = lambda: server.json("/api/v1/status")["connections"]["closed"]  # noqa: E731
    wait_until(lambda: closed() == CONNECTIONS * loads, "all are closed")
    return int(server.json("/api/v1/status")["bytes_in"])


def check_sums(rows: pa.Table, results: list[dict[str, Any]]) -> None:
    """What the generators have sent and received is what the log adds up to."""
    for column, counted in (("bytes_in", "bytes_out"), ("bytes_out", "bytes_in")):
        assert int(rows[column].to_numpy().sum()) == sum(result[counted] for result in results)


def test_what_a_full_disk_costs_is_counted(full_disk: FullDisk, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--reply", "echo")
    results = fill_disk(server, full_disk)
    # The ring is full as well when fewer bytes are known than were echoed.
    while bytes_known(server, len(results)) == sum(result["bytes_out"] for result in results):
        results.append(load(server, 1.0))
        assert len(results) < 60, "the ring does not fill up"
    full_disk.free()
    wait_until(lambda: healthy(server), "healthy again")
    results.append(load(server, 0.2))
    wait_until(lambda: not open_connections(server), "all are closed")
    status = server.json("/api/v1/status")
    stop(server)
    rows = logged(tmp_path / "data")
    check_whole(rows)
    check_sums(rows, results)
    lost = sum(int(reason.removeprefix("ring_full:")) for reason in reasons(rows, "lost"))
    assert lost == status["recorder"]["lost"] > 0


def test_stopped_with_a_full_disk(full_disk: FullDisk, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--reply", "echo")
    results = fill_disk(server, full_disk)
    stop(server)
    full_disk.free()
    stop(start_server("--reply", "echo"))
    rows = logged(tmp_path / "data")
    check_whole(rows)
    check_sums(rows, results)


def test_killed_and_started_with_a_full_disk(full_disk: FullDisk, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--reply", "echo")
    results = fill_disk(server, full_disk)
    pids = tree(server.process.pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped, none can see another end and end in order
        for pid in pids:
            os.kill(pid, number)
    server.stop_by_itself()
    full_disk.choke()  # sealing makes room
    with full_disk.starting():
        again = start_server("--reply", "echo", ready=False)
    code, _, err = again.stop_by_itself()
    assert code
    assert str(tmp_path / "data") in err
    assert "Traceback" not in err
    full_disk.free()
    stop(start_server("--reply", "echo"))
    rows = logged(tmp_path / "data")
    check_whole(rows)
    check_sums(rows, results)


def test_stopped_by_a_signal_for_longer_than_a_stall(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--reply", "echo")
    with talking(server.echo) as talkers:
        pids = tree(server.process.pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(STALL_S)  # the fault itself
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        talkers.wait_for_more()
        wait_until(lambda: healthy(server), "healthy again")
    assert tree(server.process.pid) == pids
    assert not any(talk.broken for talk in talkers.talks)
    stop(server)
    rows = logged(tmp_path / "data")
    check_whole(rows)
    check_talk(rows, talkers)


def test_a_stopped_worker_is_told_of(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--workers", "2", "--reply", "echo")
    with talking(server.echo) as talkers:
        (stopped, *_) = workers_of(server)
        os.kill(stopped, signal.SIGSTOP)
        _, text = wait_until(lambda: (now := health(server))[0] == 503 and now, "it is noticed")
        assert "has not turned for" in text
        os.kill(stopped, signal.SIGCONT)
        wait_until(lambda: healthy(server), "healthy again")
        talkers.wait_for_more()
    assert stopped in workers_of(server)
    stop(server)
    rows = logged(tmp_path / "data")
    check_whole(rows)
    check_talk(rows, talkers)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo"))
    service.start()
    wall, wall_ns = time.time, time.time_ns
    client = socket.create_connection(service.echo_address, timeout=DEADLINE_S)
    try:
        exchange(client, 1)
        monkeypatch.setattr(time, "time", lambda: wall() + hours * 3600)
        monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + hours * 3600 * 10**9)
        written = service.monitor.status()["recorder"]["log_bytes"]
        exchange(client, 2)
        wait_until(lambda: service.monitor.status()["recorder"]["log_bytes"] > written, "written")
        told = lambda: service.monitor.events("kind:start", None, None, 10, None)["items"][1:]  # noqa: E731
        [row] = wait_until(told, "the jump is told")
        assert row["reason"] == f"clock:{hours * 3600}"
        exchange(client, 3)
        wait_until(lambda: service.monitor.connection(1)["bytes_in"] == 6, "it is known")
        assert 0 <= service.monitor.connection(1)["idle_s"] < 60
        assert service.monitor.status()["recorder"]["lag_ms"] < 60_000
        echoes = lambda: sum(filter(None, service.monitor.series(60)["echoes_per_s"])) >= 1  # noqa: E731
        wait_until(echoes, "the second is over and in the charts")
        assert service.monitor.events("", "1m", None, 100, None)["items"]
    finally:
        client.close()
        service.stop()
        monkeypatch.undo()
        adopt(found_offset())
    rows = logged(tmp_path)
    seq, times = rows["seq"].to_numpy(), rows["time"].cast(pa.int64()).to_numpy()
    assert np.all(np.diff(seq) == 1), "the order of the rows is that of what happened"
    [at] = np.flatnonzero(abs(np.diff(times)) > 1800e9)
    assert times[at + 1] - times[at] == pytest.approx(hours * 3600e9, abs=60e9)
    assert abs(times[at + 1 :] - (wall_ns() + hours * 3600 * 10**9)).max() < 60e9
    middle = int(times[0]) + hours * 1800 * 10**9
    pages = [Log(tmp_path).page(Query(), *bounds, limit=1000)[0] for bounds in ((None, middle), (middle, None))]
    found = [row["seq"] for page in pages for row in page]
    assert sorted(found) == seq.tolist(), "searches by time find each row once"


def exchange(client: socket.socket, size: int) -> None:
    client.sendall(bytes(size))
    assert receive(client, size) == bytes(size)
