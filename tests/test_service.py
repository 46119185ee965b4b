"""Engine, record and watch together, in this process."""

import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from echo_server import fill, receive, reset
from waiting import DEADLINE_S, wait_until

import core.engine.processes.workers as workers_module
from core.engine.models import MODELS
from core.engine.pollers.backends import POLLERS
from core.engine.processes.workers import Workers
from core.filter.query import QueryError
from core.ring.clock import wall_ns
from core.ring.events import KIND_MEANING, Kind
from core.ring.ring import RingReader, RingWriter
from core.service import Service, ServiceError, Settings
from core.watch.kernel.sampler import LastSamples
from core.watch.now.listing import Listing

Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path, no_leaks: None) -> Iterator[Start]:
    """Starts services on a free port and `tmp_path`; stops them at the end, leaving nothing behind."""
    started: list[Service] = []

    def make(**settings: Any) -> Service:
        service = Service(Settings(**{"echo_port": 0, "data_dir": tmp_path, "reply": "echo", **settings}))
        service.start()
        started.append(service)
        return service

    yield make
    for service in started:
        service.stop()


@pytest.fixture
def service(start: Start) -> Service:
    return start()


def connect(service: Service) -> Any:
    return socket.create_connection(service.echo_address, timeout=DEADLINE_S)


def say(service: Service, data: bytes, client: Any = None) -> None:
    with client or connect(service) as sock:
        sock.sendall(data)
        assert receive(sock, len(data)) == data


def rows(service: Service, q: str = "", **options: Any) -> list[dict[str, Any]]:
    arguments = {"since": None, "until": None, "limit": 1000, "cursor": None, **options}
    return list(service.monitor.events(q, **arguments)["items"])


def closed(service: Service, count: int) -> None:
    wait_until(lambda: service.monitor.status()["connections"]["closed"] == count, f"{count} closed")


def test_a_range_that_is_over_asks_nothing_of_the_recorder(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    say(service, b"hello")
    closed(service, 1)
    asked: list[None] = []
    monkeypatch.setattr(service._keeping, "flush", lambda: asked.append(None))
    assert (rows(service, until="60s"), asked) == ([], [])
    rows(service)
    assert asked


@pytest.mark.parametrize(("model", "workers"), [("epoll", 0), ("threads", 0), ("blocking", 0), ("poll", 2)])
def test_an_order_is_a_row_of_what_it_is_about(start: Start, model: str, workers: int) -> None:
    service = start(model=model, workers=workers)
    with connect(service) as client:
        client.sendall(b"abc")
        receive(client, 3)
        conn = wait_until(lambda: service.monitor.connections("state:open", "conn", 1, 0)["items"], "open")[0]["conn"]
        service.monitor.note_order("close", 7, conn)
        service.monitor.note_order("fault", 8, 0)
        service.monitor.note_order("model", 9, conn + 1000)
        service.monitor.note_order("unheard of", 10, 0)
        service.monitor.close_connection(conn)
        assert client.recv(1) == b""
    wait_until(lambda: [row["kind"] for row in rows(service, f"conn:{conn}")][-1] == "close", "closed")
    kinds = [row["kind"] for row in rows(service, f"conn:{conn}")]
    assert kinds.index("order") < kinds.index("close")
    found = {row["reason"]: (row["conn"], row["bytes_in"]) for row in rows(service, "kind:order")}
    assert found == {"close:7": (conn, 0), "fault:8": (0, 0), "model:9": (0, 0)}
    assert service.monitor.status()["bytes_in"] == 3


def test_what_the_watch_has_skipped_is_told(service: Service) -> None:
    assert service.monitor.status()["recorder"]["skipped"] == 0
    service._watch.feeds[0].skipped = 7
    assert service.monitor.status()["recorder"]["skipped"] == 7


def recorder_of(service: Service) -> int:
    """The recorder's process."""
    return wait_until(lambda: service._keeping and service._keeping.pid, "a recorder")  # type: ignore[no-any-return]


def test_a_recorder_that_hangs_is_told_and_catches_up(service: Service) -> None:
    say(service, b"hello")
    assert len(rows(service)) >= 3
    recorder = recorder_of(service)
    os.kill(recorder, signal.SIGSTOP)
    try:
        say(service, b"hello")
        reason = wait_until(lambda: service.monitor.health()[1], "a reason")
        assert reason.startswith("the log can't be written: the recorder has not answered for ")
        closed(service, 2)
        assert service.monitor.status()["echoes"] == 2, "the watch goes on"
        assert not rows(service, "conn:2"), "the log answers as far as it goes"
        assert [row["kind"] for row in service.monitor.connection(2)["history"]] == ["open", "echo", "eof", "close"]
    finally:
        os.kill(recorder, signal.SIGCONT)
    wait_until(lambda: service.monitor.health()[0], "well again")
    assert [row["kind"] for row in rows(service, "conn:2")] == ["open", "echo", "eof", "close"]
    assert service._keeping is not None
    assert service._keeping.pid == recorder


def test_a_recorder_that_dies_is_back_and_nothing_is_lost(service: Service) -> None:
    with connect(service) as client:
        for number in range(1, 4):
            say_on(client, b"before")
            dead = recorder_of(service)
            os.kill(dead, signal.SIGKILL)
            say_on(client, b"after")
            wait_until(lambda dead=dead: recorder_of(service) != dead, "another")
            wait_until(lambda n=number: len(rows(service, "kind:echo")) == 2 * n, "all is written")
    closed(service, 1)
    assert service.monitor.health() == (True, "")
    assert [row["seq"] for row in rows(service)] == list(range(1, len(rows(service)) + 1))
    assert len({row["peer"] for row in rows(service, "-conn:0")}) == 1


def say_on(client: Any, data: bytes) -> None:
    client.sendall(data)
    assert receive(client, len(data)) == data


def test_a_status_reads_no_file(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, *_: pytest.fail(f"{path} is read"))
    assert service.monitor.status()["recorder"]["dropped"]["segments"] == 0
    service.monitor.overview()


def test_the_catalogue_is_whole() -> None:
    assert set(KIND_MEANING) == set(Kind)


def test_the_status_says_what_happened(service: Service) -> None:
    say(service, b"hello")
    closed(service, 1)
    status = service.monitor.status()
    assert (status["bytes_in"], status["bytes_out"], status["echoes"]) == (5, 5, 1)
    assert status["connections"] == {"open": 0, "blocked": 0, "accepted": 1, "closed": 1, "refused": 0}
    assert status["echo"] == {"host": "127.0.0.1", "port": service.echo_address[1]}
    assert status["recorder"]["lost"] == 0


def test_the_log_has_every_event_in_order(service: Service) -> None:
    say(service, b"hello")
    closed(service, 1)
    assert [row["kind"] for row in rows(service)] == ["start", "open", "echo", "eof", "close"]
    assert [row["seq"] for row in rows(service)] == [1, 2, 3, 4, 5]
    assert [row["kind"] for row in rows(service, "conn:1", order="desc")] == ["close", "eof", "echo", "open"]


def test_what_is_known_of_one_connection(service: Service) -> None:
    client = connect(service)
    client.sendall(b"abc")
    receive(client, 3)
    item = wait_until(lambda: service.monitor.connection(1), "the connection")
    assert item["peer"] == "{}:{}".format(*client.getsockname())
    assert service.monitor.connection(2) is None
    reset(client)
    closed(service, 1)
    item = service.monitor.connection(1)
    assert item is not None
    assert (item["state"], item["reason"]) == ("closed", "reset")
    assert [row["kind"] for row in item["history"]] == ["open", "echo", "close"]


def test_the_overview_names_who_is_stuck(service: Service) -> None:
    client = connect(service)
    client.setblocking(False)

    def attention() -> Any:
        with suppress(BlockingIOError):
            client.send(bytes(1 << 20))
        return service.monitor.overview()["attention"]

    (item,) = wait_until(attention, "one that needs attention")
    assert item["conn"] == 1
    assert item["queue_bytes"] > 0
    assert "full" in {row["kind"] for row in service.monitor.overview()["notable"]}
    reset(client)
    closed(service, 1)


def test_a_tail_takes_what_is_new(service: Service) -> None:
    tail = service.monitor.tail("kind:echo")
    assert tail.take()["items"] == []
    with connect(service) as client:
        for _ in range(5):
            client.sendall(b"x")
            receive(client, 1)
    closed(service, 1)
    answer = tail.take(limit=2)
    assert (len(answer["items"]), answer["skipped"]) == (2, 3)
    assert tail.take() == {"items": [], "skipped": 0}
    assert len(service.monitor.tail("kind:echo").take()["items"]) == 5


def test_rows_are_marked_without_being_left_out(service: Service) -> None:
    tail = service.monitor.tail("-kind:start", "kind:echo")
    assert tail.take() == {"items": [], "skipped": 0, "marks": [], "skipped_marks": 0}
    with connect(service) as client:
        for _ in range(5):
            client.sendall(b"x")
            receive(client, 1)
    closed(service, 1)
    answer = tail.take(limit=3)
    echoes = [place for place, row in enumerate(answer["items"]) if row["kind"] == "echo"]
    assert answer["skipped"] == len(service.monitor.events("-kind:start", None, None, 100, None)["items"]) - 3
    assert (answer["marks"], answer["skipped_marks"]) == (echoes, 5 - len(echoes))
    for order in ("asc", "desc"):
        page = service.monitor.events("", None, None, 100, None, order, "kind:open,close")
        assert [page["items"][place]["kind"] for place in page["marks"]] == ["open", "close"][
            :: 1 if order == "asc" else -1
        ]
    assert "marks" not in service.monitor.events("", None, None, 100, None)
    with pytest.raises(ValueError, match="foo"):
        service.monitor.tail("", "foo:1")


def test_rates_and_series_follow(service: Service) -> None:
    client = connect(service)

    def busy() -> float:
        for _ in range(50):
            client.sendall(b"x")
            receive(client, 1)
        return float(service.monitor.overview()["echoes_per_s"])

    wait_until(lambda: busy() > 0, "a rate")
    wait_until(lambda: any(service.monitor.series(60)["echoes_per_s"]), "a point")
    client.close()


def test_downloads_are_what_matches(service: Service) -> None:
    say(service, b"hello")
    closed(service, 1)
    download = service.monitor.download("csv", "kind:echo", None, None)
    lines = b"".join(download.chunks).decode().splitlines()
    download.chunks.close()
    assert download.name.endswith(".csv")
    assert len(lines) == 2
    with pytest.raises(ValueError, match='unknown format "xml"'):
        service.monitor.download("xml", "", None, None)


def test_an_operator_closes_a_connection(service: Service) -> None:
    client = connect(service)
    wait_until(lambda: service.monitor.connection(1), "the connection")
    assert service.monitor.close_connection(1)
    assert client.recv(1) == b""
    client.close()
    closed(service, 1)
    assert not service.monitor.close_connection(1)
    assert not service.monitor.close_connection(99)


@pytest.mark.parametrize(("model", "marks"), [("epoll", {"high": 5000, "low": 1000}), ("threads", None)])
def test_the_marks_of_the_queue_are_told_also_of_the_past(start: Start, model: str, marks: dict[str, int]) -> None:
    service = start(model=model, high_water=5000, low_water=1000)
    say(service, b"hello")
    closed(service, 1)
    monitor = service.monitor
    then = service._watch.written(monitor.latest())  # type: ignore[union-attr]
    for at in (None, then):
        item = monitor.connection(1, at)
        assert item is not None
        assert item["marks"] == monitor.status(at)["marks"] == marks


class TestModels:
    @pytest.mark.parametrize("workers", [0, 1])
    @pytest.mark.parametrize("model", MODELS)
    def test_every_model_serves(self, start: Start, model: str, workers: int) -> None:
        service = start(model=model, workers=workers)
        for _ in range(2):
            say(service, b"hello")
        closed(service, 2)
        assert service.monitor.status()["model"] == model
        assert [row["kind"] for row in rows(service, "conn:2")] == ["open", "echo", "eof", "close"]
        service.stop()

    @pytest.mark.parametrize("model", ["blocking", "threads"])
    def test_an_operator_reaches_a_worker_without_a_loop(self, start: Start, model: str) -> None:
        service = start(model=model, workers=1)
        with connect(service) as client:
            wait_until(lambda: service.monitor.connection(1), "the connection")
            assert service.monitor.close_connection(1)
            assert client.recv(1) == b""
        closed(service, 1)
        assert rows(service, "kind:close")[0]["reason"] == "operator"

    def test_who_waits_to_be_accepted_is_in_the_status(self, start: Start) -> None:
        service = start(model="blocking")
        first, second = connect(service), connect(service)
        wait_until(lambda: service.monitor.status()["connections"]["open"] == 1, "the first is open")
        assert service.monitor.status()["accept_queue"] == {"length": 1, "limit": 4096}
        first.close()
        say(service, b"my turn", second)
        closed(service, 2)
        assert service.monitor.status()["accept_queue"]["length"] == 0

    @pytest.mark.parametrize("workers", [0, 2])
    def test_the_model_is_switched_under_a_connection(self, start: Start, workers: int) -> None:
        service = start(workers=workers)
        with connect(service) as client:
            for model in POLLERS:
                assert service.monitor.switch_model(model) == ""
                assert service.monitor.status()["model"] == model
                client.sendall(model.encode())
                assert receive(client, len(model)) == model.encode()
        closed(service, 1)
        assert rows(service, "kind:close")[0]["reason"] == "peer"

    @pytest.mark.parametrize("workers", [0, 1])
    def test_what_cannot_be_switched_to(self, start: Start, workers: int) -> None:
        service = start(workers=workers)
        assert "threads has no poller" in service.monitor.switch_model("threads")
        with pytest.raises(ValueError, match='unknown model "kqueue"; known: epoll, '):
            service.monitor.switch_model("kqueue")
        assert service.monitor.status()["model"] == "epoll"

    def test_workers_switch_all_or_none(self, start: Start) -> None:
        service = start(workers=2, max_connections=4000)
        # Connections of 1,100 descriptors in one of the two, at least.
        clients = [connect(service) for _ in range(2200)]
        wait_until(lambda: service.monitor.status()["connections"]["open"] == 2200, "all are open")
        mine = {item["worker"] for item in service.monitor.connections("", "conn", 1000, 0)["items"]}
        assert mine == {1, 2}
        assert "its limit is 1024" in service.monitor.switch_model("select")
        assert service.monitor.status()["model"] == "epoll"
        for client in clients[::100]:
            client.sendall(b"x")
            assert receive(client, 1) == b"x"
        for client in clients:
            client.close()

    def test_a_replaced_worker_has_the_model_in_use(self, start: Start) -> None:
        service = start(workers=1)
        assert service.monitor.switch_model("poll") == ""
        victim = service._engine.pids()[1]
        os.kill(victim, 9)
        wait_until(lambda: service._engine.pids().get(1, victim) != victim, "a new worker")
        assert service.monitor.status()["model"] == "poll"
        wait_until(lambda: service.monitor.health()[0], "healthy again")
        say(service, b"x")
        closed(service, 1)
        assert not _has_epoll(service._engine.pids()[1])
        assert service.monitor.switch_model("epoll") == ""
        assert _has_epoll(service._engine.pids()[1])


def _has_epoll(pid: int) -> bool:
    """Whether a process holds an epoll descriptor."""
    return any(fd.readlink() == Path("anon_inode:[eventpoll]") for fd in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.parametrize("q", ["nonsense", "colour:red", "bytes_in>many"])
def test_bad_filters_name_the_term(service: Service, q: str) -> None:
    for ask in (rows, lambda service, q: service.monitor.tail(q)):
        with pytest.raises(QueryError, match=q.split(":", maxsplit=1)[0].split(">")[0]):
            ask(service, q)


def test_numbers_and_ids_go_on_after_a_restart(start: Start) -> None:
    first = start()
    say(first, b"one")
    closed(first, 1)
    first.stop()
    second = start()
    say(second, b"two")
    closed(second, 1)
    assert [row["seq"] for row in rows(second)] == list(range(1, 12))
    assert [row["conn"] for row in rows(second, "kind:open")] == [1, 2]
    assert second.monitor.status()["recorder"]["events"] == 5


@pytest.mark.parametrize("model", ["epoll", "threads"])
def test_what_a_killed_server_left_is_in_the_log(start: Start, tmp_path: Path, model: str) -> None:
    pid = os.fork()
    if not pid:  # the server that will be killed
        try:
            service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo", model=model))
            service.start()
            clients = [connect(service) for _ in range(3)]
            for client in clients:
                client.sendall(b"abc")
                receive(client, 3)
            os.kill(os.getpid(), 9)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 9
    found = rows(start())
    assert [row["seq"] for row in found] == list(range(1, len(found) + 1))
    assert sum(row["bytes_out"] for row in found if row["kind"] == "echo") == 9
    assert [row["reason"] for row in found if row["kind"] == "close"] == ["crash"] * 3


@pytest.mark.parametrize("is_all_written", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_killed_server_left_open_has_its_figures(
    start: Start, tmp_path: Path, workers: int, is_all_written: bool
) -> None:
    """All of it is in the log, or some of it still in the ring."""
    pid = os.fork()
    if not pid:
        try:
            service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo", workers=workers))
            service.start()
            clients = [connect(service) for _ in range(3)]
            for written in (True, is_all_written):
                for client in clients:
                    client.sendall(b"abc")
                    receive(client, 3)
                if written:
                    service._watch.catch_up()
            os.kill(os.getpid(), 9)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 9
    again = start(workers=workers)
    opened = {row["conn"]: row["time"] for row in rows(again, "kind:open")}
    items = again.monitor.connections("state:closed", "conn", 10, 0)["items"]
    assert [(item["conn"], item["opened"]) for item in items] == sorted(opened.items())
    for item in (*items, *(again.monitor.connection(conn, wall_ns()) for conn in opened)):
        assert item is not None
        assert (item["bytes_in"], item["bytes_out"], item["echoes"]) == (6, 6, 2)
        assert item["reason"] == "crash" or workers  # a worker lives on for a moment and sees that its peer has gone
        assert item["opened"] == opened[item["conn"]] < item["closed"]
    assert again.monitor.status()["bytes_in"] == 0


def test_a_log_that_cannot_be_written_stops_nothing(service: Service) -> None:
    wait_until(lambda: rows(service), "the start is in the log")
    recorder, room = recorder_of(service), resource.RLIMIT_FSIZE
    before = resource.prlimit(
        recorder, room, (service.monitor.status()["recorder"]["log_bytes"], resource.RLIM_INFINITY)
    )
    say(service, b"hello")
    wait_until(lambda: not service.monitor.health()[0], "unhealthy")
    assert service.monitor.health()[1] == "the log can't be written: File too large"
    assert service.monitor.status()["echoes"] == 1
    resource.prlimit(recorder, room, before)
    wait_until(lambda: service.monitor.health()[0], "healthy again")
    assert [row["kind"] for row in rows(service)] == ["start", "open", "echo", "eof", "close"]


def test_a_stalled_loop_is_unhealthy(service: Service) -> None:
    wait_until(lambda: service.monitor.health() == (True, ""), "healthy")
    release = threading.Event()
    service._engine._server.loop.call_soon(lambda: release.wait(DEADLINE_S) and None)
    reason = wait_until(lambda: service.monitor.health()[1], "unhealthy")
    release.set()
    assert "the echo loop has not turned for" in reason
    wait_until(lambda: service.monitor.health()[0], "healthy again")


def test_a_dead_loop_is_unhealthy(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.excepthook", lambda arguments: None)
    service = start()
    service._engine._server.loop.call_soon(lambda: [][1])
    reason = wait_until(lambda: service.monitor.health()[1], "unhealthy")
    assert reason == "the echo loop stopped: IndexError: list index out of range"


class TestRefusals:
    def test_a_taken_port(self, service: Service, tmp_path: Path) -> None:
        with pytest.raises(ServiceError, match=f"can't listen on 127.0.0.1:{service.echo_address[1]}: Address already"):
            Service(Settings(echo_port=service.echo_address[1], data_dir=tmp_path / "other"))

    def test_a_second_server_on_the_directory(self, service: Service, tmp_path: Path) -> None:
        with pytest.raises(ServiceError, match="another echoscope is using it"):
            Service(Settings(echo_port=0, data_dir=tmp_path))

    def test_a_directory_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ServiceError, match="file.* can't be written: "):
            Service(Settings(echo_port=0, data_dir=tmp_path / "file"))

    def test_a_ring_of_another_version(self, tmp_path: Path) -> None:
        RingWriter(tmp_path / "ring-0").close()
        with (tmp_path / "ring-0").open("rb+") as file:
            file.seek(8)
            file.write((99).to_bytes(4, "little"))
        service = Service(Settings(echo_port=0, data_dir=tmp_path))
        with pytest.raises(ServiceError, match="ring-0: a ring of version 99"):
            service.start()
        service.stop()

    def test_descriptors_that_the_model_cannot_watch(self, tmp_path: Path, many_descriptors: None) -> None:
        service = Service(Settings(echo_port=0, data_dir=tmp_path, model="select"))
        with pytest.raises(ServiceError, match="^--model select: .* its limit is 1024$"):
            service.start()
        service.stop()

    def test_an_unresolvable_host(self, tmp_path: Path) -> None:
        with pytest.raises(ServiceError, match="can't listen on no.such.host.invalid:0"):
            Service(Settings(echo_host="no.such.host.invalid", echo_port=0, data_dir=tmp_path))

    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({"model": "kqueue"}, "unknown model 'kqueue'; known: epoll"),
            ({"reply": "shout"}, "unknown reply 'shout'; known: stamp, echo"),
            ({"low_water": 2, "high_water": 1}, "--low-water 2 is above --high-water 1"),
            ({"idle_timeout": float("nan")}, "--idle-timeout nan"),
            ({"workers": 65}, "--workers 65"),
        ],
    )
    def test_values_that_do_not_go_together(self, settings: dict[str, Any], why: str) -> None:
        with pytest.raises(ServiceError, match=why):
            Settings(**settings)


class TestWorkers:
    @pytest.fixture
    def service(self, start: Start) -> Service:
        return start(workers=2)

    def spread(self, service: Service, clients: int = 40) -> list[Any]:
        """Connections, until every worker has one."""
        made = [connect(service) for _ in range(clients)]
        for client in made:
            client.sendall(b"abc")
            assert receive(client, 3) == b"abc"
        wait_until(lambda: service.monitor.status()["connections"]["open"] >= clients, "all are seen")
        return made

    def test_connections_are_shared_out(self, service: Service) -> None:
        clients = self.spread(service)
        for client in clients:
            client.close()
        closed(service, 40)
        opened = rows(service, "kind:open")
        assert {row["worker"] for row in opened} == {1, 2}
        assert len({row["conn"] for row in opened}) == 40
        for worker in (1, 2):
            assert [row["seq"] for row in rows(service, f"worker:{worker}")] == list(
                range(1, len(rows(service, f"worker:{worker}")) + 1)
            )
        assert service.monitor.status()["bytes_in"] == 120

    def test_an_operator_reaches_the_right_worker(self, service: Service) -> None:
        clients = self.spread(service)
        items = wait_until(lambda: service.monitor.connections("", "conn", 100, 0)["items"], "items")
        by_peer = {item["peer"]: item["conn"] for item in items}
        for client in clients[::2]:
            assert service.monitor.close_connection(by_peer["{}:{}".format(*client.getsockname())])
            assert client.recv(1) == b""
        for client in clients[1::2]:
            client.sendall(b"x")
            assert receive(client, 1) == b"x"
        for client in clients:
            client.close()

    def test_a_killed_worker_is_replaced_and_its_connections_closed(self, service: Service) -> None:
        clients = self.spread(service)
        victim = service._engine.pids()[1]
        mine = [item["conn"] for item in service.monitor.connections("worker:1", "conn", 100, 0)["items"]]
        os.kill(victim, 9)
        wait_until(lambda: len(rows(service, "kind:close reason:crash")) == len(mine), "closed in the record")
        wait_until(lambda: service._engine.pids().get(1, victim) != victim, "a new worker")
        wait_until(lambda: service.monitor.health()[0], "healthy again")
        assert sorted(row["conn"] for row in rows(service, "kind:close")) == sorted(mine)
        for client in self.spread(service):
            client.close()
        sequence = [row["seq"] for row in rows(service, "worker:1")]
        assert sequence == list(range(1, len(sequence) + 1))
        conns = [row["conn"] for row in rows(service, "kind:open")]
        assert len(conns) == len(set(conns)) == 80
        for client in clients:
            client.close()

    def served(self, service: Service, clients: int) -> tuple[list[Any], int]:
        """So many clients, and how many of them are let in."""
        made = [connect(service) for _ in range(clients)]
        for client in made:
            with suppress(ConnectionError):
                client.sendall(b"x")
        inside = 0
        for client in made:
            with suppress(ConnectionError):
                inside += client.recv(1) == b"x"
        return made, inside

    def test_as_many_blocking_workers_serve_as_many_clients(self, start: Start) -> None:
        service = start(workers=3, model="blocking")
        for _ in range(3):
            clients = [connect(service) for _ in range(3)]
            for client in clients:
                say(service, b"all at once", client.dup())
            for client in clients:
                client.close()

    def test_who_waits_for_a_stuck_worker_is_in_the_status(self, start: Start) -> None:
        service = start(workers=2)
        victim = service._engine.pids()[1]
        os.kill(victim, signal.SIGSTOP)
        try:
            clients = [connect(service) for _ in range(40)]
            served = wait_until(lambda: service.monitor.status()["connections"]["open"], "those of the other")
            wait_until(lambda: service._engine.accept_queue().length > 0, "some wait")
            queue = service.monitor.status()["accept_queue"]
            assert queue["length"] + served <= 40
        finally:
            os.kill(victim, signal.SIGCONT)
        wait_until(lambda: service.monitor.status()["connections"]["open"] == 40, "all are let in")
        wait_until(lambda: service._engine.accept_queue().length == 0, "nobody waits")
        for client in clients:
            client.close()

    @pytest.mark.parametrize("model", ["epoll", "threads"])
    def test_the_limit_is_that_of_all_workers(self, start: Start, model: str) -> None:
        service = start(workers=3, max_connections=5, model=model)
        for number in range(1, 4):
            clients, inside = self.served(service, 20)
            assert inside == 5
            for client in clients:
                client.close()
            closed(service, 5 * number)
        assert len(rows(service, "kind:refuse reason:limit")) == 3 * 15

    def test_the_places_of_a_killed_worker_are_free(self, start: Start) -> None:
        service = start(workers=2, max_connections=40)
        before = self.spread(service)
        open_ones = service.monitor.connections("worker:1 -state:closed", "conn", 100, 0)["matched"]
        victim = service._engine.pids()[1]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: service._engine.pids().get(1, victim) != victim, "a new worker")
        clients, inside = self.served(service, 60)
        assert inside == open_ones
        for client in (*before, *clients):
            client.close()

    def test_all_is_recorded_before_the_first_worker_serves(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running: list[str] = []
        begin = Workers.start

        def noted(self: Workers) -> None:
            running.extend(thread.name for thread in threading.enumerate())
            begin(self)

        monkeypatch.setattr(Workers, "start", noted)
        start(workers=1)
        assert {"watch", "recorder"} <= set(running)

    def program(self, tmp_path: Path, last: str) -> tuple[Path, Path]:
        """What stands for the interpreter when a worker is replaced: it notes that it was begun. And the note."""
        path, note = tmp_path / "interpreter", tmp_path / "begun"
        path.write_text(f"#!/bin/sh\necho begun >> {note}\n{last}\n")
        path.chmod(0o755)
        return path, note

    def test_a_worker_that_cannot_be_replaced_costs_nothing(
        self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service = start(workers=1)
        path, note = self.program(tmp_path, "exit 1")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(path))
            os.kill(service._engine.pids()[1], signal.SIGKILL)
            wait_until(lambda: note.exists() and len(note.read_text().split()) > 2, "some have been tried")
        wait_until(lambda: service.monitor.health()[0], "healthy again")
        # That nothing is left open is what `start` looks for.

    def test_a_stop_does_not_wait_for_a_worker_to_begin(
        self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service = start(workers=1)
        path, note = self.program(tmp_path, "exec sleep 3600")
        monkeypatch.setattr(workers_module, "_START_TIMEOUT", 3600.0)
        monkeypatch.setattr(sys, "executable", str(path))
        os.kill(service._engine.pids()[1], signal.SIGKILL)
        wait_until(note.exists, "another is begun")
        service.stop()

    def test_a_killed_service_takes_its_workers_along(self, start: Start, tmp_path: Path) -> None:
        pid = os.fork()
        if not pid:
            try:
                service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo", workers=2))
                service.start()
                for client in self.spread(service):
                    client.sendall(b"def")
                    receive(client, 3)
                os.kill(os.getpid(), 9)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 9
        service = wait_until(lambda: _started(start), "the directory is free")
        echoed = [row for row in rows(service) if row["kind"] == "echo"]
        assert sum(row["bytes_out"] for row in echoed) == 240
        opened, closed_rows = rows(service, "kind:open"), rows(service, "kind:close")
        assert sorted(row["conn"] for row in opened) == sorted(row["conn"] for row in closed_rows)

    def test_the_port_of_a_killed_service_is_had_again(self, tmp_path: Path, start: Start) -> None:
        """While its workers still deliver: one has a peer that does not read."""
        told, telling = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo", workers=2))
                service.start()
                os.write(telling, str(service.echo_address[1]).encode())
                signal.pause()
            finally:
                os._exit(1)
        os.close(telling)
        with open(told) as line:
            port = int(line.read(5))

        def is_stuck() -> bool:
            kinds = []
            for path in tmp_path.glob("ring-*"):
                with RingReader(path) as ring:
                    kinds += ring.leftover(0)["kind"].tolist()
            return Kind.PAUSE in kinds

        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as client:
            wait_until(lambda: not fill(client) and is_stuck(), "its worker has something to deliver")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            say(start(echo_port=port, workers=2), b"hello")

    def test_a_second_start_waits_for_the_workers_of_the_first(self, tmp_path: Path, no_leaks: None) -> None:
        service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo", workers=1))
        pid = os.fork()  # as gunicorn forks one worker, and another when it was killed
        if not pid:
            try:
                service.start()
                os.kill(os.getpid(), 9)
            finally:
                os._exit(1)
        os.waitpid(pid, 0)
        service.start()
        say(service, b"hello")
        closed(service, 1)
        service.stop()

    def test_fewer_workers_after_a_restart(self, start: Start) -> None:
        first = start(workers=3)
        for client in self.spread(first):
            client.close()
        closed(first, 40)
        first.stop()
        second = start()
        say(second, b"one more")
        closed(second, 1)
        assert len({row["conn"] for row in rows(second, "kind:open")}) == 41

    def test_a_port_that_workers_share_is_taken_for_others(self, service: Service, tmp_path: Path) -> None:
        with pytest.raises(ServiceError, match="Address already in use"):
            Service(Settings(echo_port=service.echo_address[1], data_dir=tmp_path / "other", workers=2))


def _started(start: Start) -> Service | None:
    """A service, unless the workers of a dead one still hold the port or the directory."""
    try:
        return start()
    except ServiceError:
        return None


@pytest.mark.parametrize("model", [*MODELS])
def test_a_connection_tells_what_the_kernel_says(start: Start, model: str) -> None:
    service = start(model=model)
    with connect(service) as client:
        say(service, b"hello", client.dup())
        wait_until(lambda: _told(service) == ("ESTABLISHED", "fine"), "a sample")
    wait_until(lambda: service.monitor.connection(1)["state"] == "closed", "closed")
    wait_until(lambda: _told(service)[0] not in ("", "ESTABLISHED"), "the last sample")
    assert service.monitor.connection(1)["verdict"]["code"] == "closed"


def _told(service: Service) -> tuple[str, str]:
    """What the kernel calls the state of connection 1, and the verdict; empty where a loop came too late to tell."""
    item = service.monitor.connection(1) or {"kernel": None, "verdict": {"code": ""}}
    return item["kernel"]["facts"]["state"] if item["kernel"] else "", item["verdict"]["code"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_last_sample_outlives_the_server(start: Start, tmp_path: Path, workers: int) -> None:
    first = start(workers=workers)
    say(first, b"hello")
    closed(first, 1)
    conn, worker = (rows(first, "kind:close")[0][name] for name in ("conn", "worker"))
    first.stop()
    last = LastSamples(first.settings.data_dir)
    seen = last.find(conn, worker)
    last.close()
    assert seen is not None
    assert seen.now["bytes_acked"] == 5


@pytest.mark.parametrize("workers", [0, 2])
def test_a_closed_connection_is_known_to_the_next_server(start: Start, tmp_path: Path, workers: int) -> None:
    first = start(workers=workers, data_dir=tmp_path / "shared")
    say(first, b"hello")
    closed(first, 1)
    (conn,) = (row["conn"] for row in rows(first, "kind:close"))
    before = first.monitor.connection(conn)
    first.stop()
    second = start(workers=workers, data_dir=tmp_path / "shared")
    item = second.monitor.connection(conn)
    assert item is not None
    for name in ("state", "reason", "peer", "opened", "closed", "bytes_in", "bytes_out", "echoes"):
        assert item[name] == before[name], name
    assert [row["kind"] for row in item["history"]] == ["open", "echo", "eof", "close"]
    assert item["kernel"]["facts"]["bytes_acked"] == 5
    assert item["verdict"]["code"] == "closed"
    assert second.monitor.connection(conn + 1000) is None


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loops_tell_of_their_turns(start: Start, workers: int) -> None:
    service = start(workers=workers)
    with connect(service) as client:
        say(service, b"hello", client.dup())
        answer = wait_until(lambda: _all_told(service), "turns")
        assert answer["model"] == "epoll"
        assert [one["worker"] for one in answer["workers"]] == ([1, 2] if workers else [0])
        for one in answer["workers"]:
            assert one["accept_queue"]["length"] == 0
            assert one["registrations"]["differences"] == []
        watched = wait_until(lambda: _watched(service, workers), "a connection besides listeners and wake-ups")
        assert watched == 1 + 2 * max(1, workers)


def _all_told(service: Service) -> dict[str, Any] | None:
    """What there is of the loops, once they have turned and each has come in time to tell."""
    answer = service.monitor.loop()
    told = all(one["accept_queue"] and one["registrations"] for one in answer["workers"])
    return answer if told and sum(one["turns"] for one in answer["workers"]) > 2 else None


def _watched(service: Service, workers: int) -> int:
    told = [one["registrations"] for one in service.monitor.loop()["workers"]]
    watched = sum(one["watched"] for one in told if one)
    return watched if watched > 2 * max(1, workers) else 0


def test_a_model_without_a_loop_has_no_turns(start: Start) -> None:
    service = start(model="threads")
    say(service, b"hello")
    (one,) = service.monitor.loop()["workers"]
    assert (one["turns"], one["registrations"]) == (0, None)


def test_many_who_look_cost_one_sample(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    ask = service.monitor._onlooker.sampler._ask
    monkeypatch.setattr(service.monitor._onlooker.sampler, "_ask", lambda *order: asked.append(order) or ask(*order))
    with connect(service) as client:
        say(service, b"hello", client.dup())
        wait_until(lambda: service.monitor.connection(1), "the connection")
        monkeypatch.setattr("core.watch.kernel.sampler.FRESH_S", 60.0)
        asked.clear()
        assert [service.monitor.connection(1)["kernel"]["facts"]["bytes_acked"] for _ in range(20)] == [5] * 20
    assert len(asked) <= 1


def test_samples_that_are_kept_are_bounded(service: Service) -> None:
    service.monitor._onlooker.sampler.look(dict.fromkeys(range(1000, 2000), 0))
    assert len(service.monitor._onlooker.sampler._series) == 256


def test_a_model_that_could_not_be_noted_is_in_use_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_model: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service.monitor, "_note", full)
    assert service.monitor.switch_model("poll") == ""
    assert service.monitor.status()["model"] == "poll"


def test_the_ends_of_a_stop_are_not_notable(service: Service) -> None:
    client = connect(service)
    wait_until(lambda: service.monitor.status()["connections"]["open"], "the connection")
    service.stop()
    client.close()
    assert "close" not in {row["kind"] for row in service.monitor.overview()["notable"]}


def test_after_the_stop_the_last_state_is_answered(service: Service) -> None:
    say(service, b"hello")
    closed(service, 1)
    service.stop()
    assert service.monitor.status()["echoes"] == 1
    assert service.monitor.connections("state:closed", "conn", 10, 0)["matched"] == 1
    assert service.monitor.map("conn")["total"] == 0


def test_a_moment_does_not_change(service: Service) -> None:
    say(service, b"one")
    closed(service, 1)
    moment = service._watch.moment()
    say(service, b"two")
    closed(service, 2)
    assert (moment.listing().has(1), moment.listing().has(2)) == (True, False)
    assert sum(tally.sums.echoes for tally in moment.tallies) == 1


def test_a_long_answer_keeps_nobody_from_reading_the_ring(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(*_: Any) -> dict[str, Any]:
        asked.set()
        assert answer.wait(DEADLINE_S)
        return {"items": []}

    monkeypatch.setattr(Listing, "page", slow)
    thread = threading.Thread(target=service.monitor.connections, args=("", "conn", 10, 0))
    thread.start()
    assert asked.wait(DEADLINE_S)
    told = threading.Thread(target=closed, args=(service, 1))
    say(service, b"hello")
    told.start()
    told.join(DEADLINE_S)
    is_held_up = told.is_alive()
    answer.set()
    thread.join(DEADLINE_S)
    told.join(DEADLINE_S)
    assert not is_held_up
