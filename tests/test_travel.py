"""Rewound to a moment, the monitor answers what it answered then."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from echo_server import receive, reset, wait_for

from core.record.clock import wall_ns
from core.service import Service, Settings
from core.watch.checkpoint import list_checkpoints

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


def picture(service: Service, at: int | None = None) -> dict[str, Any]:
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
    """Without what changes by itself; idle times to a few seconds."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name not in (*VOLATILE, "idle_s")}
    return [plain(item) for item in value] if isinstance(value, list) else value


class Clients:
    """Some clients of a service, and the pictures that were taken while they did what they did."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.noted: list[tuple[int, dict[str, Any]]] = []
        self.events = 0

    def open(self) -> socket.socket:
        return socket.create_connection(self.service.echo_address, timeout=10)

    def settle(self) -> None:
        """Note the picture as soon as it has stopped changing."""

        def still() -> bool:
            before = self.service.monitor.status()["recorder"]["events"]
            time.sleep(0.15)
            return bool(self.service.monitor.status()["recorder"]["events"] == before)

        wait_for(still, "the server to be quiet")
        self.noted.append((wall_ns(), picture(self.service)))

    def work(self) -> None:
        """Opens, echoes, a reader that stops until it is paused, a half-close, a reset, an ordinary end."""
        self.settle()
        clients = [self.open() for _ in range(6)]
        for number, client in enumerate(clients):
            client.sendall(bytes(10 + number))
            receive(client, 10 + number)
        self.settle()
        clients[0].setblocking(False)
        wait_for(lambda: flooded(clients[0]) and self.service.monitor.overview()["attention"], "a paused connection")
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
