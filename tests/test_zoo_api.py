"""The zoo over HTTP: animals are let out one at a time, watched, called back, and end with the server."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import Server, StartServer, clean_environment
from test_shapes import complaints
from waiting import DEADLINE_S, wait_until
from warm import nursery

from core.orders.exclusive import BusyError, Running
from core.zoo.animals import ANIMALS
from core.zoo.client_set import ZooError
from web import create_app
from web.serving.tools import Tools


def let_out(server: Server, name: str, **order: Any) -> requests.Response:
    return requests.post(f"{server.url}/api/v1/zoo/{name}", json=order, timeout=DEADLINE_S)


def call_back(server: Server) -> requests.Response:
    return requests.delete(f"{server.url}/api/v1/zoo", timeout=DEADLINE_S)


def result_of(server: Server, name: str) -> dict[str, Any]:
    found = wait_until(lambda: server.json("/api/v1/zoo")["results"].get(name), f"a result of {name}")
    assert isinstance(found, dict)
    return found


def cages(mark: str) -> list[int]:
    """The processes of animals that servers with this in their environment let out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mine = mark.encode() in (folder / "environ").read_bytes()
            if mine and b"core.zoo.animal_process" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # it has just ended
    return found


def test_an_animal_is_let_out_and_judged(server: Server) -> None:
    answer = server.json("/api/v1/zoo")
    assert [animal["name"] for animal in answer["animals"]] == list(ANIMALS)
    assert (answer["running"], answer["results"], answer["busy"], answer["refusal"]) == (None, {}, "", "")
    begun = let_out(server, "never-reads", seconds=20, brief=True)
    assert begun.status_code == 202
    assert begun.json()["name"] == "never-reads"
    assert complaints(begun.json(), "ZooRunning", "ZooRunning") == []
    running = wait_until(lambda: (server.json("/api/v1/zoo")["running"] or {}).get("conns"), "its connection")
    assert len(running) == 1
    result = result_of(server, "never-reads")
    assert [one for one in result["expectations"] if not one["met"]] == []
    answer = server.json("/api/v1/zoo")
    assert answer["running"] is None
    assert complaints(answer, "Zoo", "Zoo") == []


def test_a_second_one_is_told_which_is_out(server: Server) -> None:
    let_out(server, "says-nothing", seconds=60, count=1)
    second = let_out(server, "resets")
    assert second.status_code == 409
    assert second.json()["detail"].startswith("the zoo's says-nothing has been running since ")
    assert call_back(server).json() == {"stopping": "says-nothing"}
    result = result_of(server, "says-nothing")
    assert result["error"] == "called back before its end: nothing was checked"
    assert result["met"] is False
    assert let_out(server, "half-closes", count=1, seconds=2).status_code == 202
    assert result_of(server, "half-closes")["met"] is True


def test_none_is_out(server: Server) -> None:
    assert call_back(server).status_code == 409


@pytest.mark.parametrize(
    ("name", "order", "named"),
    [
        ("unicorn", {}, "unicorn"),
        ("resets", {"count": 5000}, "1 to 100"),
        ("resets", {"count": "many"}, "count"),
        ("resets", {"seconds": -1}, "seconds"),
        ("resets", {"count": 10**400}, "1 to 100"),
        ("resets", {"seconds": 10**400}, "seconds"),
        ("resets", {"speed": 1}, "speed"),
    ],
)
def test_what_makes_no_sense(server: Server, name: str, order: dict[str, Any], named: str) -> None:
    refused = let_out(server, name, **order)
    assert refused.status_code == 400
    assert named in refused.json()["detail"]


def test_another_site_can_start_nothing(server: Server) -> None:
    path = f"{server.url}/api/v1/zoo/resets"
    assert (
        requests.post(path, json={}, headers={"Origin": "http://evil.example"}, timeout=DEADLINE_S).status_code == 403
    )
    assert requests.post(path, data="{}", headers={"Content-Type": "text/plain"}, timeout=DEADLINE_S).status_code == 415
    assert requests.post(path, json={}, headers={"X-Forwarded-For": "10.0.0.9"}, timeout=DEADLINE_S).status_code == 403
    assert requests.get(path, timeout=DEADLINE_S).status_code == 405
    assert server.json("/api/v1/zoo")["running"] is None


def test_from_elsewhere_the_page_is_told_why_it_can_start_nothing(server: Server) -> None:
    answer = server.get("/api/v1/zoo", headers={"X-Forwarded-For": "10.0.0.9"}).json()
    assert "10.0.0.9" in answer["refusal"]


def test_in_a_replay_there_is_nobody_to_visit(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    server.talk(b"hello", 32)
    server.stop()

    command = ["app.py", "serve", "--port", "0", "--replay", str(tmp_path / "data")]
    with nursery().start(command, clean_environment()) as replay:
        url = replay.stdout.readline().split()[1]
        answer = requests.get(f"{url}/api/v1/zoo", timeout=DEADLINE_S).json()
        refused = requests.post(f"{url}/api/v1/zoo/resets", json={}, timeout=DEADLINE_S)
        replay.terminate()
    assert "replay" in answer["refusal"]
    assert refused.status_code == 409


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_animal_ends_with_its_server(start_server: StartServer, number: int) -> None:
    mark = f"ZOO_API_TEST={os.getpid()}-{number}."
    server = start_server(environment=dict([mark.split("=")]))
    let_out(server, "says-nothing", seconds=100)
    wait_until(lambda: cages(mark), "its process")
    if number == signal.SIGKILL:
        for child in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
            for pid in child.read_text().split():
                os.kill(int(pid), number)
    server.stop(number)
    wait_until(lambda: not cages(mark), "its end")


# -- a made-up zoo


class FakeZoo:
    def answer(self) -> dict[str, Any]:
        return {"animals": [], "running": None, "results": {}, "busy": "lab run 3", "refusal": ""}

    def start(self, name: str, count: int | None, seconds: float | None, brief: bool) -> dict[str, Any]:
        if name == "busy":
            raise BusyError(Running("lab run 3", 0.0, 60.0), 10.0)
        raise ZooError("no such animal")

    def cancel(self) -> str:
        return ""

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def fake(monitor: Any) -> Any:
    return create_app(monitor, tools=Tools(zoo=FakeZoo())).test_client()


def test_what_else_runs_is_named(fake: Any) -> None:
    refused = fake.post("/api/v1/zoo/busy", json={})
    assert (refused.status_code, refused.json["running"], refused.json["seconds"]) == (409, "lab run 3", 60.0)
    assert fake.get("/api/v1/zoo").json["busy"] == "lab run 3"


def test_the_tools_stop_with_the_server() -> None:
    zoo = FakeZoo()
    Tools(zoo=zoo).stop()
    assert zoo.stopped
    Tools().stop()


def test_without_a_zoo_there_is_no_route(browser: Any) -> None:
    assert browser.get("/api/v1/zoo").status_code == 404
