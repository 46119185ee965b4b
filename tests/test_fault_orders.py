"""Faults by API and command line, on servers with a thread and with workers."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from commands import run
from conftest import Server, serving
from echo_server import receive, receive_all
from fake_monitor import FakeMonitor
from waiting import DEADLINE_S, wait_until
from warm import Nursery

import app
from core.faults.registry import FAULT_KINDS


@pytest.fixture(scope="module", params=["0", "2"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery | None
) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("faults")
    with serving(data, nursery, "--reply", "echo", "--workers", request.param) as server:
        yield server


@pytest.fixture(autouse=True)
def none_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "running" in request.fixturenames:
        end(request.getfixturevalue("running"))


def post(server: Server, kind: str, on: dict[str, Any], **more: Any) -> requests.Response:
    return requests.post(f"{server.url}/api/v1/faults", json={"kind": kind, "on": on, **more}, timeout=DEADLINE_S)


def end(server: Server, number: int | None = None) -> Any:
    path = "" if number is None else f"/{number}"
    return requests.delete(f"{server.url}/api/v1/faults{path}", timeout=DEADLINE_S).json()["ended"]


def of(server: Server, client: socket.socket) -> dict[str, Any]:
    """The item of the client's connection."""
    host, port = client.getsockname()
    found = wait_until(
        lambda: server.json("/api/v1/connections", q=f"peer:{host}:{port} state:open,blocked,paused,closing,closed")[
            "items"
        ],
        "the connection",
    )
    item: dict[str, Any] = found[0]
    return item


def test_one_connection_is_held_and_released(running: Server) -> None:
    with running.connect() as client:
        conn = of(running, client)["conn"]
        counted = post(running, "hold", {"conn": conn}, dry_run=True)
        assert (counted.status_code, counted.json()["matched"]) == (200, 1)
        begun = post(running, "hold", {"conn": conn}, why="a drill", seconds=600)
        assert (begun.status_code, begun.json()["matched"]) == (201, 1)
        number = begun.json()["id"]
        assert begun.headers["Order-Number"] == str(number)
        client.sendall(b"hello")
        held = wait_until(lambda: (item := of(running, client))["queue_bytes"] == 5 and item, "the reply to be held")
        assert [(fault["id"], fault["kind"], fault["ended"]) for fault in held["faults"]] == [(number, "hold", None)]
        assert held["verdict"] == "fault"
        verdict = running.json(f"/api/v1/connections/{conn}")["verdict"]
        assert verdict["code"] == "fault"
        assert f"order {number} by" in verdict["sentence"]
        assert "a drill" in verdict["sentence"]
        assert [item["id"] for item in running.json("/api/v1/faults")["items"]] == [number]
        assert end(running, number) == [number]
        assert receive(client, 5) == b"hello"
        wait_until(lambda: of(running, client)["verdict"] != "fault", "the verdict to change")
    rows = wait_until(
        lambda: (
            (found := running.json("/api/v1/events", q=f"conn:{conn} kind:fault,close")["items"])[-1:]
            and found[-1]["kind"] == "close"
            and found
        ),
        "the rows",
    )
    assert [(row["kind"], row["reason"], row["emptied"]) for row in rows] == [
        ("fault", f"hold:{number}", False),
        ("fault", f"hold:{number}", True),
        ("close", "peer", False),
    ]


def test_a_filter_means_open_ones_and_new_ones(running: Server) -> None:
    def at(address: str) -> socket.socket:
        return socket.create_connection(running.echo, DEADLINE_S, (address, 0))

    with at("127.0.0.7") as old, at("127.0.0.8") as other:
        of(running, old)
        of(running, other)
        begun = post(running, "timeout", {"q": "peer:127.0.0.7"}, timeout=30)
        assert begun.json()["matched"] == 1
        assert receive_all(old) == b""
        with at("127.0.0.7") as new:
            new.sendall(b"hello")
            assert receive_all(new) == b""
            wait_until(lambda: of(running, new)["reason"] == "fault", "the close")
            assert of(running, new)["verdict"] == "fault"
        other.sendall(b"hello")
        assert receive(other, 5) == b"hello"
    assert [item["id"] for item in running.json("/api/v1/faults")["items"]] == [begun.json()["id"]]


def test_the_next_few_whatever_worker_takes_them(running: Server) -> None:
    post(running, "half_close", {"next": 5})
    ended = 0
    for _ in range(20):
        with running.connect() as client:
            client.sendall(b"x")
            ended += not client.recv(1)
    assert ended == 5


def test_the_command_line(running: Server) -> None:
    host, port = running.url.removeprefix("http://").rsplit(":", 1)
    where = ("--host", host, "--port", port)
    added = run("fault", "add", "latency", "latency=200", "--next", "3", "--why", "slow", "--seconds", "5", *where)
    number = added.stdout.split()[0]
    assert (added.returncode, added.stdout.split(", ends")[0]) == (
        0,
        f"{number} latency latency=200 jitter=0 on next=3: 0 touched",
    )
    assert run("fault", "list", *where).stdout.startswith(f"{number} latency ")
    assert run("fault", "remove", number, *where).stdout == f"ended: {number}\n"
    missing = run("fault", "remove", number, *where)
    assert (missing.returncode, missing.stderr.strip()) == (1, f"echoscope: no fault {number} is on")
    assert run("fault", "clear", *where).stdout == "ended: none\n"
    assert run("fault", "add", "hold", "--q", "peer:127.*", "--dry-run", *where).stdout.endswith(
        " would be touched now\n"
    )
    bad = run("fault", "add", "latency", "delay=5", "--next", "3", *where)
    assert (bad.returncode, '"delay"' in bad.stderr) == (1, True)
    assert run("fault", "add", "latency", "soon", "--next", "3", *where).returncode == 2


@pytest.mark.parametrize(
    ("on", "status", "detail"),
    [
        ({"conn": 999_999_999}, 404, "no connection"),
        ({"q": "queue:5"}, 400, "unknown field"),
        ({"q": "peer:1*2*3*4*5"}, 400, '"on.q"'),
        ({"next": 0}, 400, '"on.next"'),
    ],
)
def test_what_can_not_be_ordered(running: Server, on: dict[str, Any], status: int, detail: str) -> None:
    answer = post(running, "hold", on)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert detail in answer.json()["detail"]


def test_a_model_that_can_not_says_why(tmp_path: Path, nursery: Nursery | None) -> None:
    with serving(tmp_path, nursery, "--model", "threads") as server:
        answer = post(server, "hold", {"next": 1})
        assert (answer.status_code, "threads can't do hold" in answer.json()["detail"]) == (409, True)
        assert server.json("/api/v1/faults") == {"items": []}


def test_the_command_knows_every_kind() -> None:
    assert set(app.FAULTS) == FAULT_KINDS.keys()


def test_a_replay_has_no_server(monitor: FakeMonitor, browser: Any) -> None:
    monitor.is_replay = True
    assert browser.post("/api/v1/faults", json={"kind": "hold", "on": {"next": 1}}).status_code == 409
