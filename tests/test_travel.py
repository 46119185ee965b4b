"""Rewound to a moment, the monitor answers what it answered then."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from echo_server import receive, reset
from waiting import DEADLINE_S, wait_until

import core.watch.then.checkpointer as keeper_module
from core.engine.thread import EngineThread
from core.log.read.log import Log
from core.replay import Replay
from core.ring.clock import wall_ns
from core.service import Service, ServiceError, Settings
from core.watch.then.checkpoint import list_checkpoints
from core.watch.times import rfc3339

VOLATILE = ("at", "uptime_s", "viewers", "recorder", "accept_queue", "time", "kernel", "verdict", "events_in_memory")
Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path, no_leaks: None) -> Iterator[Start]:
    started: list[Service] = []

    def make(**settings: Any) -> Service:
        service = Service(Settings(**{"echo_port": 0, "data_dir": tmp_path, "reply": "echo", **settings}))
        service.start()
        started.append(service)
        return service

    yield make
    for service in started:
        service.stop()


def picture(service: Service | Replay, at: int | None = None) -> dict[str, Any]:
    """All that is said of the server, without what only the present can tell."""
    monitor = service.monitor
    listed = monitor.connections("state:open,blocked,paused,closing,closed", "conn", 1000, 0, at)
    overview = monitor.overview(at)
    answers = {
        "status": monitor.status(at),
        "recorder": {name: overview["recorder"][name] for name in ("events", "lost")},
        "notable": overview["notable"],
        "attention": [item["conn"] for item in overview["attention"]],
        "listed": listed,
        "each": [monitor.connection(item["conn"], at) for item in listed["items"][:5]],
    }
    return plain(answers)


def plain(value: Any) -> Any:
    """Without what changes by itself."""
    if isinstance(value, dict):
        of_now = {"idle_s", "waiting_s", "bytes_in_per_s", "bytes_out_per_s", "verdict", "verdict_age_s"}
        return {name: plain(item) for name, item in value.items() if name not in {*VOLATILE, *of_now}}
    return [plain(item) for item in value] if isinstance(value, list) else value


def noted(service: Service) -> tuple[int, dict[str, Any]] | None:
    """A moment that all loops have come past, and its picture; None when something happened meanwhile."""
    at = wall_ns()
    while service._watch.written(at) < at:  # type: ignore[union-attr]
        for feed in service._watch.feeds:  # type: ignore[union-attr]
            service._engine.sample(feed.table.worker, [1], 1.0)
    shot = picture(service)
    later = service.monitor.events("", rfc3339(at + 1), None, 1, None)["items"]
    return None if later else (at, shot)


class Clients:
    """Some clients of a service, and the pictures that were taken while they did what they did."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.noted: list[tuple[int, dict[str, Any]]] = []
        self.events = 0

    def open(self) -> socket.socket:
        return socket.create_connection(self.service.echo_address, timeout=DEADLINE_S)

    def settle(self) -> None:
        """Note the picture of a moment after which nothing has happened until it was taken."""
        self.noted.append(wait_until(lambda: noted(self.service), "the server to be quiet"))

    def work(self) -> None:
        """Opens, echoes, a reader that stops until it is paused, a half-close, a reset, an ordinary end."""
        self.settle()
        clients = [self.open() for _ in range(6)]
        for number, client in enumerate(clients):
            client.sendall(bytes(10 + number))
            receive(client, 10 + number)
        self.settle()
        clients[0].setblocking(False)
        wait_until(lambda: flooded(clients[0]) and self.service.monitor.overview()["attention"], "a paused connection")
        clients[1].close()
        self.settle()
        reset(clients[2])
        clients[3].sendall(b"more")
        receive(clients[3], 4)
        self.settle()
        reset(clients[0])
        self.settle()
        for client in clients[3:]:
            client.close()
        self.settle()


def flooded(client: socket.socket) -> bool:
    try:
        while True:
            client.send(bytes(1 << 20))
    except BlockingIOError:
        return True


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("checkpoints", [True, False])
def test_rewound_moments_equal_what_was_noted(start: Start, tmp_path: Path, workers: int, checkpoints: bool) -> None:
    service = start(workers=workers)
    clients = Clients(service)
    for _ in range(2):
        clients.work()
        if checkpoints:
            service._keeper.keep_checkpoint()
    assert bool(list_checkpoints(tmp_path / "checkpoints")) is checkpoints
    for at, noted in clients.noted:
        assert picture(service, at) == noted


def test_a_moment_is_told_of_by_the_run_it_was_in(start: Start) -> None:
    first = start(model="poll", workers=2)
    Clients(first).settle()
    at = wall_ns()
    first.stop()
    second = start(model="epoll")
    assert second.monitor.switch_model("select") == ""
    then, now = second.monitor.status(at), second.monitor.status(wall_ns())
    assert (then["model"], then["workers"]) == ("poll", 2)
    assert (now["model"], now["workers"], now["uptime_s"] < then["uptime_s"] + 60) == ("select", 0, True)


def test_rewound_over_a_restart(start: Start) -> None:
    first = start()
    clients = Clients(first)
    clients.work()
    left_open = clients.open()
    left_open.sendall(b"x")
    receive(left_open, 1)
    clients.settle()
    first.stop()
    left_open.close()
    again = Clients(start())
    again.work()
    again.noted += clients.noted
    for at, noted in again.noted:
        assert picture(again.service, at) == noted


def test_rates_and_charts_of_the_past(start: Start) -> None:
    service = start()
    client = Clients(service).open()
    for _ in range(50):
        client.sendall(b"x" * 10)
        receive(client, 10)
    at = wait_until(lambda: sum(n or 0 for n in charts(service)["echoes_per_s"]) == 50 and wall_ns(), "the charts")
    then, now = charts(service, at), charts(service)
    counted = dict(zip(now["time"], now["echoes_per_s"], strict=True))
    assert sum(n or 0 for n in then["echoes_per_s"]) == 50
    seconds = zip(then["time"], then["echoes_per_s"], strict=True)
    assert all(echoes == counted[second] for second, echoes in seconds if second in counted)
    burst = service.monitor.events("kind:echo", None, None, 100, None)["items"]
    times = [service.monitor.moment(row["time"]) for row in burst]
    lately = sum(time > times[-1] - 10**9 for time in times)
    overview = service.monitor.overview(times[-1])
    assert (overview["echoes_per_s"], overview["bytes_in_per_s"]) == (lately, 10 * lately)
    client.close()


def test_events_up_to_a_moment(start: Start) -> None:
    service = start()
    with Clients(service).open() as client:
        for _ in range(20):
            client.sendall(b"x")
            receive(client, 1)
    monitor = service.monitor

    def echoes() -> list[dict[str, Any]]:
        return list(monitor.events("kind:echo", None, None, 100, None)["items"])

    wait_until(lambda: len(echoes()) == 20, "the log to have them")
    times = [monitor.moment(row["time"]) for row in echoes()]
    first = monitor.events_until("kind:echo", None, times[9], 5)
    assert [monitor.moment(row["time"]) for row in first["items"]] == times[5:10]
    assert first["skipped"] == 0
    after = monitor.events_until("kind:echo", times[9], times[19], 4)
    assert [monitor.moment(row["time"]) for row in after["items"]] == times[16:20]
    assert after["skipped"] == 6
    assert monitor.events_until("", times[9], times[19], 4)["skipped"] == 6
    assert monitor.events_until("kind:full", times[9], times[19], 4)["items"] == []
    marked = monitor.events_until("", times[9], times[19], 4, f"time<={after['items'][1]['time']}")
    assert (marked["marks"], marked["skipped_marks"]) == ([0, 1], 6)


def charts(service: Service | Replay, at: int | None = None) -> dict[str, Any]:
    return dict(service.monitor.series(60, at))


class TestReplay:
    @pytest.fixture
    def noted(self, start: Start) -> list[tuple[int, dict[str, Any]]]:
        service = start()
        clients = Clients(service)
        clients.work()
        service.stop()
        return clients.noted

    @pytest.fixture
    def replay(self, noted: Any, tmp_path: Path) -> Iterator[Any]:
        made = Replay(tmp_path)
        made.start()
        yield made
        made.stop()

    def test_rewinds_like_the_server_did(self, replay: Any, noted: list[tuple[int, dict[str, Any]]]) -> None:
        for at, expected in noted:
            rewound = picture(replay, at)
            assert rewound["status"].pop("replay")
            assert rewound == {**expected, "status": without(expected["status"], "replay")}

    def test_its_present_is_the_end_of_the_log(self, replay: Any) -> None:
        monitor = replay.monitor
        last = monitor.events("", None, None, 1, None, "desc")["items"][0]["time"]
        assert monitor.status()["at"] == monitor.span()["until"] == last
        assert monitor.span()["live"] is False
        assert monitor.status()["connections"]["open"] == 0
        assert monitor.moment("0.01s") == monitor.latest() - 10_000_000
        ahead = rfc3339(monitor.latest() + 1_000_000_000)
        assert monitor.moment(ahead) == monitor.latest()  # the clock of whoever asks may be ahead of ours
        assert monitor.health() == (True, "")
        assert monitor.loop()["workers"] == []

    def test_after_the_end(self, replay: Any) -> None:
        with pytest.raises(ValueError, match="is after the log's end"):
            replay.monitor.moment("2100-01-01T00:00:00Z")

    def test_writes_nothing(self, noted: Any, tmp_path: Path) -> None:
        before = contents(tmp_path)
        replay = Replay(tmp_path)
        replay.start()
        picture(replay)
        charts(replay)
        replay.stop()
        assert contents(tmp_path) == before

    def test_beside_the_server_itself(self, start: Start, tmp_path: Path) -> None:
        service = start()
        Clients(service).settle()
        service.monitor.span()
        replay = Replay(tmp_path)
        replay.start()
        assert replay.monitor.status()["replay"]
        replay.stop()

    def test_without_a_log(self, tmp_path: Path) -> None:
        with pytest.raises(ServiceError, match="no log of echoscope"):
            Replay(tmp_path)
        (tmp_path / "log").mkdir()
        with pytest.raises(ServiceError, match="the log is empty"):
            Replay(tmp_path)


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_the_span_before_the_loop_has_begun(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, run = threading.Event(), EngineThread._run
    monkeypatch.setattr(EngineThread, "_run", lambda self: begun.wait() and run(self))
    span = start().monitor.span()
    begun.set()
    assert span["live"] is True
    assert span["since"] == span["until"]


def test_one_of_an_earlier_run_is_remembered_at_every_later_moment(start: Start) -> None:
    first = start()
    before = wall_ns()
    with Clients(first).open() as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
    wait_until(lambda: first.monitor.status()["connections"]["closed"], "the close")
    first.stop()
    monitor = start().monitor
    assert monitor._source.moment().listing().find(1) is None
    for at in (None, wall_ns()):
        found = monitor.connection(1, at)
        assert found is not None
        assert (found["state"], found["reason"], found["bytes_in"], found["echoes"]) == ("closed", "peer", 5, 1)
    assert monitor.connection(1, before) is None
    assert monitor.connection(2, wall_ns()) is None


class TestKeeper:
    def test_a_checkpoint_comes_when_it_is_due(
        self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper_module.Checkpointer.__init__, "__defaults__", (1000,))
        service = start()
        with Clients(service).open() as client:
            client.sendall(b"x")
            receive(client, 1)
            wait_until(lambda: list_checkpoints(tmp_path / "checkpoints"), "a checkpoint")

    def test_an_orderly_stop_leaves_one_of_the_end(self, start: Start, tmp_path: Path) -> None:
        service = start()
        Clients(service).settle()
        service.stop()
        ((at, _),) = list_checkpoints(tmp_path / "checkpoints")
        assert at == Log(tmp_path).span()[1]  # type: ignore[index]

    def test_what_is_older_than_the_log_is_dropped(self, start: Start, tmp_path: Path) -> None:
        service = start()
        old = tmp_path / "checkpoints" / f"{1:019d}.arrows"
        old.write_bytes(b"")
        Clients(service).settle()
        service.monitor.events("", None, None, 1, None)
        service._keeper.keep_checkpoint()
        assert not old.exists()

    def test_too_many_are_thinned_out(self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        service = start()
        clients = Clients(service)
        monkeypatch.setattr(keeper_module, "_LEAST_BYTES", 20_000)
        for _ in range(12):
            clients.open().close()
            clients.settle()
            service._keeper.keep_checkpoint()
        kept = [path for _, path in list_checkpoints(tmp_path / "checkpoints")]
        assert 2 <= len(kept) < 12
        assert sum(path.stat().st_size for path in kept) < 40_000
        for at, noted in clients.noted:
            assert picture(service, at) == noted

    def test_a_disk_that_is_full_costs_nothing_but_time(
        self, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        service = start()
        clients = Clients(service)
        monkeypatch.setattr(keeper_module.checkpoint, "write", full)
        monkeypatch.setattr(service._keeper._history, "append", full)
        service._keeper._attempt(service._keeper.keep_checkpoint)
        service._keeper._attempt(service._keeper.keep_history)
        clients.open().close()
        clients.settle()
        assert "No space left" in caplog.text
        ((at, noted),) = clients.noted
        assert picture(service, at) == noted

    def test_killed_in_the_middle_of_a_checkpoint(self, tmp_path: Path, no_leaks: None) -> None:
        notes = tmp_path / "noted"
        pid = os.fork()
        if not pid:
            try:
                service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo"))
                service.start()
                clients = Clients(service)
                clients.work()
                notes.write_text(json.dumps(clients.noted))
                keeper_module.checkpoint.os.replace = lambda *_: os.kill(os.getpid(), 9)  # type: ignore[assignment]
                service._keeper.keep_checkpoint()
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 9
        noted = json.loads(notes.read_text())
        assert list((tmp_path / "checkpoints").glob("*.partial"))
        service = Service(Settings(echo_port=0, data_dir=tmp_path, reply="echo"))
        service.start()
        try:
            assert not list((tmp_path / "checkpoints").glob("*.partial"))
            for at, expected in noted:
                assert picture(service, at) == expected
            # The killed server had not kept its charts either: they are counted again from the log.
            wait_until(lambda: sum(n or 0 for n in charts(service)["accepted_per_s"]) == 6, "the charts")
        finally:
            service.stop()
