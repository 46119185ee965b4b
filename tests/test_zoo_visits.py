"""Visits to a whole service: what the dashboard shows of each animal, while it lives and afterwards; `app.py zoo`."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from commands import run
from conftest import Server, StartServer
from waiting import DEADLINE_S, wait_until

from core.orders.exclusive import OneAtATime
from core.service import Service, Settings
from core.zoo.animals import ANIMALS
from core.zoo.check import Trace
from core.zoo.client_set import ZooError
from core.zoo.source import HttpDesk, LogDesk, SourceError
from core.zoo.visit import StoppedError, Visit, VisitOrder
from core.zoo.witness import Witness
from core.zoo.zoo_runner import ZooRunner

Start = Callable[..., Service]
COUNTS = {"connect-storm": 40, "lockstep": 12, "half-closes": 2, "resets": 2, "says-nothing": 2}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Services by their settings, each started once."""
    started: dict[str, Service] = {}

    def get(**settings: Any) -> Service:
        key = str(settings)
        if key not in started:
            started[key] = Service(Settings(echo_port=0, data_dir=tmp_path_factory.mktemp("data"), **settings))
            started[key].start()
        return started[key]

    yield get
    for service in started.values():
        service.stop(0.1)


def visit(service: Service, name: str, count: int | None = None, seconds: float = 20.0) -> Visit:
    host, port = service.echo_address
    order = VisitOrder(
        animal=ANIMALS[name], host=host, port=port, count=count or COUNTS.get(name, 1), seconds=seconds, brief=True
    )
    return Visit(order, Witness(service.monitor))


def unmet(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in result["expectations"] if one["met"] is not True]


@pytest.mark.parametrize(
    ("name", "workers"),
    [
        *((name, 0) for name in ANIMALS),
        *((name, 2) for name in ("never-reads", "connect-storm", "half-closes", "resets")),
    ],
)
def test_every_animal_is_recognised(services: Start, name: str, workers: int) -> None:
    result = visit(services(model="epoll", workers=workers), name).run()
    assert unmet(result) == []
    assert result["met"] is True
    assert result["notes"] == []
    assert all(one["conn"] for one in result["connections"])


@pytest.mark.parametrize("model", ["blocking", "threads"])
@pytest.mark.parametrize("name", ["never-reads", "says-nothing", "tiny-window", "lockstep", "walks-away"])
def test_models_without_a_poller_are_recognised(services: Start, name: str, model: str) -> None:
    result = visit(services(model=model), name).run()
    assert unmet(result) == []


def test_the_end_of_one_that_left_megabytes(services: Start) -> None:
    result = visit(services(model="epoll", workers=0), "walks-away").run()
    assert result["connections"][0]["sentence"].startswith("The peer reset the connection; ")
    assert "of replies never left our queue" in result["connections"][0]["sentence"]


def test_what_the_next_one_of_several_waits_for(services: Start) -> None:
    result = visit(services(model="blocking"), "never-reads", 3).run()
    assert unmet(result) == []
    assert [note.split()[:2] for note in result["notes"]] == [["blocking", "reads"], ["blocking", "serves"]]


def test_progress_and_stop(services: Start) -> None:
    service = services(model="epoll", workers=0)
    one = visit(service, "reads-slowly", seconds=60)
    caught: list[BaseException] = []

    def see() -> None:
        try:
            one.run()
        except StoppedError as error:
            caught.append(error)

    thread = threading.Thread(target=see)
    thread.start()
    wait_until(lambda: one.progress()["connections"], "a connection")
    assert one.progress()["name"] == "reads-slowly"
    assert 0 < one.progress()["left_s"] <= 60
    one.stop()
    thread.join(DEADLINE_S)
    assert len(caught) == 1
    wait_until(lambda: not service.monitor.status()["connections"]["open"], "all are gone")


def test_the_state_that_was_seen_last_comes_last(services: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(self: Witness, traces: Sequence[Trace]) -> None:
        for trace, states in zip(traces, ("blocked paused open blocked", "closed"), strict=False):
            for state in states.split():
                trace.see(state, f"{state}!", state)

    monkeypatch.setattr(Witness, "look", look)
    one = visit(services(model="epoll", workers=0), "says-nothing", 2, seconds=2.0)  # never all that is expected
    one.run()
    progress = one.progress()
    assert progress["sentence"] == "blocked"
    assert list(progress["states"]) == ["closed", "paused", "open", "blocked"]
    assert list(progress["verdicts"]) == ["closed!", "paused!", "open!", "blocked!"]


@pytest.mark.usefixtures("no_leaks")
def test_a_visit_that_could_not_begin_leaves_nothing(monitor: Any, request: pytest.FixtureRequest) -> None:
    orders = OneAtATime()
    monitor.status = lambda *_: {"model": "epoll", "echo": {"host": "127.0.0.1", "port": 1}}
    keeper = ZooRunner(monitor, orders)
    request.getfixturevalue("no_more_threads")
    with pytest.raises(RuntimeError):
        keeper.start("says-nothing", None, None, brief=True)
    assert orders.running() is keeper.answer()["running"] is None
    keeper.stop()


def test_nobody_there(services: Start) -> None:
    order = VisitOrder(animal=ANIMALS["resets"], host="127.0.0.1", port=1, count=1, seconds=1.0)
    with pytest.raises(ZooError, match=r"127\.0\.0\.1:1: Connection refused"):
        Visit(order, Witness(services(model="epoll", workers=0).monitor)).run()


def test_desks_that_do_not_answer(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not the address of a dashboard"):
        HttpDesk("file:///etc/passwd")
    with pytest.raises(SourceError, match=r"no dashboard at http://127\.0\.0\.1:1: Connection refused"):
        HttpDesk("http://127.0.0.1:1").status()
    with pytest.raises(SourceError, match=str(tmp_path)):
        LogDesk(tmp_path)


# -- app.py zoo


def test_the_list() -> None:
    assert [line.split()[0] for line in run("zoo").stdout.splitlines()] == list(ANIMALS)
    assert [one["name"] for one in json.loads(run("zoo", "--json").stdout)] == list(ANIMALS)


def test_one_animal_by_the_log(server: Server, tmp_path: Path) -> None:
    echo = ("--host", server.echo[0], "--port", str(server.echo[1]))
    ran = run("zoo", "says-nothing", *echo, "--data-dir", str(tmp_path / "data"), "--seconds", "2", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result = json.loads(ran.stdout)
    assert result["model"] == "epoll"
    assert [one["name"] for one in result["expectations"] if one["met"] is None] == ["state", "verdict"]


def test_another_server_than_the_dashboards(start_server: StartServer, server: Server, services: Start) -> None:
    port = services(model="epoll", workers=0).echo_address[1]
    ran = run("zoo", "resets", "--port", str(port), "--dashboard", server.url, "--count", "1", "--json")
    assert ran.returncode == 1
    assert {one["name"]: one["seen"] for one in json.loads(ran.stdout)["expectations"]}["connections"] == "0 of 1"


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (["unicorn"], 2, "unicorn"),
        (["resets", "--host", "192.0.2.1", "--port", "7"], 2, "loopback addresses only"),
        (["resets", "--count", "1000"], 2, "1 to 100 connections"),
        (["resets", "--seconds", "nan"], 2, "seconds"),
        (["resets", "--dashboard", "http://127.0.0.1:1"], 1, "no dashboard at"),
        (["resets", "--dashboard", "nowhere"], 1, "nowhere"),
        (["resets", "--data-dir", "/nonexistent"], 1, "/nonexistent"),
    ],
)
def test_bad_usage(arguments: list[str], status: int, named: str) -> None:
    ran = run("zoo", *arguments)
    assert ran.returncode == status, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert named in line
