"""The lab over HTTP and live: one run at a time, from this machine only, kept and compared."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import Server, StartServer
from fake_monitor import FakeMonitor
from lab_runs import rates, run
from test_shapes import complaints
from waiting import DEADLINE_S, wait_until
from werkzeug.test import Client

from core.lab.lab_runs import Json, LabRuns
from core.lab.measure import MeasureError
from core.lab.plan import order_of
from core.lab.results.store import Store
from core.lab.run import LabRun
from core.orders.exclusive import OneAtATime
from web import create_app
from web.serving.tools import Tools

SMALL = {"models": ["epoll", "poll"], "idle": [0], "active": 5, "seconds": 0.2, "repeats": 1}
LONG = {**SMALL, "seconds": 30}


@pytest.fixture
def desk(tmp_path: Path) -> LabRuns:
    return LabRuns(tmp_path, OneAtATime())


@pytest.fixture
def client(desk: LabRuns, monitor: FakeMonitor) -> Client:
    return create_app(monitor, tools=Tools(lab=desk)).test_client()


def saved(tmp_path: Path, *runs: Any) -> None:
    for one in runs:
        Store(tmp_path / "lab").save({name: value for name, value in one.items() if name != "points"})


def start(server: Server, order: Any) -> requests.Response:
    return requests.post(server.url + "/api/v1/lab/runs", json=order, timeout=DEADLINE_S)


def test_a_run_from_beginning_to_end(server: Server) -> None:
    started = start(server, SMALL)
    assert started.status_code == 202
    run_id = started.json()["id"]
    found = wait_until(lambda: (one := server.json(f"/api/v1/lab/runs/{run_id}"))["state"] == "done" and one, "done")
    assert len(found["points"]) == 2
    assert all(point["served"] == 5 and point["figures"]["rate"] for point in found["points"])
    assert found["verdict"]
    assert server.json("/api/v1/lab")["running"] is None
    assert [one["id"] for one in server.json("/api/v1/lab/runs")["items"]] == [run_id]
    compared = server.json(f"/api/v1/lab/runs/{run_id}/compare", to=run_id)
    assert len(compared["points"]) == 2
    answers = {
        "LabRun": found,
        "LabComparison": compared,
        "LabOptions": server.json("/api/v1/lab"),
        "LabEstimate": server.json("/api/v1/lab/estimate"),
        "LabHead": server.json("/api/v1/lab/runs")["items"][0],
    }
    assert [line for name, answer in answers.items() for line in complaints(answer, name, name)] == []


def test_a_second_run_is_refused_until_the_first_is_over(server: Server) -> None:
    first = start(server, LONG).json()["id"]
    second = start(server, SMALL)
    assert second.status_code == 409
    assert first in second.json()["detail"]
    running = server.json("/api/v1/lab")["running"]
    assert (running["id"], running["total"]) == (first, 2)
    assert complaints(running, "LabProgress", "running") == []
    assert requests.delete(f"{server.url}/api/v1/lab/runs/{first}", timeout=DEADLINE_S).status_code == 409
    assert requests.post(f"{server.url}/api/v1/lab/runs/{first}/cancel", timeout=DEADLINE_S).status_code == 200
    wait_until(lambda: server.json("/api/v1/lab")["busy"] is None, "cancelled")
    assert server.json(f"/api/v1/lab/runs/{first}")["state"] == "cancelled"
    assert requests.post(f"{server.url}/api/v1/lab/runs/{first}/cancel", timeout=DEADLINE_S).status_code == 409
    assert requests.delete(f"{server.url}/api/v1/lab/runs/{first}", timeout=DEADLINE_S).status_code == 200
    assert server.get(f"/api/v1/lab/runs/{first}").status_code == 404


def processes(mark: str, of: bytes = b"core.lab.") -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "environ").read_bytes() and of in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_server_that_ends_in_the_middle_leaves_a_readable_run(start_server: StartServer, how: str) -> None:
    mark = f"LAB_API_TEST={os.getpid()}{how}"
    server = start_server(environment=dict([mark.split("=")]))
    run_id = start(server, LONG).json()["id"]
    wait_until(lambda: len(processes(mark)) == 2, "a server and a generator")
    if how == "stopped":
        assert server.stop()[0] == 0
    else:
        # gunicorn's worker, which has the lab, ends with its master.
        server.process.kill()
        server.process.communicate()
    wait_until(lambda: not processes(mark, b""), "no process is left")
    again = start_server()
    assert again.json(f"/api/v1/lab/runs/{run_id}")["state"] in ("cancelled", "interrupted")


def test_a_run_that_nobody_runs_any_more_was_interrupted(client: Client, tmp_path: Path) -> None:
    made = {**run(rates("epoll", 0, 1)), "state": "running", "ended": None}
    saved(tmp_path, made)
    found = json.loads(client.get(f"/api/v1/lab/runs/{made['id']}").data)
    assert (found["state"], len(found["points"])) == ("interrupted", 1)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"models": ["kqueue"]}, "kqueue"),
        ({"idle": "0"}, '"idle" must be a list'),
        ({"speed": 1}, 'unknown field "speed"'),
        ([], "not a JSON object"),
    ],
)
def test_bad_orders(client: Client, body: Any, named: str) -> None:
    response = client.post("/api/v1/lab/runs", json=body)
    assert response.status_code == 400
    assert named in json.loads(response.data)["detail"]


@pytest.mark.parametrize("path", ["runs", "runs/x/cancel"])
def test_orders_come_from_this_machine(client: Client, path: str) -> None:
    response = client.post(f"/api/v1/lab/{path}", json=SMALL, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert response.status_code == 403
    assert client.delete("/api/v1/lab/runs/x", environ_overrides={"REMOTE_ADDR": "192.0.2.1"}).status_code == 403


def test_orders_of_other_sites_are_refused(client: Client) -> None:
    assert client.post("/api/v1/lab/runs", json=SMALL, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/api/v1/lab/runs", data=json.dumps(SMALL), content_type="text/plain").status_code == 415


def test_estimate(client: Client) -> None:
    found = json.loads(client.get("/api/v1/lab/estimate?models=epoll,poll&idle=0,10&repeats=2").data)
    assert (found["measurements"], found["order"]["idle"]) == (8, [0, 10])
    for query, named in (("idle=x", '"idle"'), ("active=1.5", '"active"'), ("seconds=x", "seconds"), ("new=1", "new")):
        problem = client.get(f"/api/v1/lab/estimate?{query}")
        assert problem.status_code == 400
        assert named in json.loads(problem.data)["detail"]


@pytest.mark.parametrize("run_id", ["20261123-120000-ffff", "..%2f..%2fapp", "x", "20261123-120000-abcd.json"])
def test_unknown_runs(client: Client, run_id: str) -> None:
    assert client.get(f"/api/v1/lab/runs/{run_id}").status_code == 404
    assert client.get(f"/api/v1/lab/runs/{run_id}/download?format=csv").status_code == 404
    assert client.delete(f"/api/v1/lab/runs/{run_id}").status_code == 404


def test_downloads(client: Client, tmp_path: Path) -> None:
    made = run(rates("epoll", 0, 1, 2, 3))
    saved(tmp_path, made)
    answer = client.get(f"/api/v1/lab/runs/{made['id']}/download?format=csv")
    assert answer.headers["Content-Disposition"] == f"attachment; filename=echoscope-lab-{made['id']}.csv"
    assert [row["rate_median"] for row in csv.DictReader(io.StringIO(answer.text))] == ["2"]
    assert client.get(f"/api/v1/lab/runs/{made['id']}?format=csv").text == answer.text
    listed = list(csv.DictReader(io.StringIO(client.get("/api/v1/lab/runs?format=csv").text)))
    assert [row["id"] for row in listed] == [made["id"]]
    assert json.loads(listed[0]["order"]) == made["order"]
    whole = json.loads(client.get(f"/api/v1/lab/runs/{made['id']}/download").data)
    assert len(whole["samples"]) == 3
    assert client.get(f"/api/v1/lab/runs/{made['id']}/download?format=xml").status_code == 400


def test_two_runs_are_compared(client: Client, tmp_path: Path) -> None:
    before = run(rates("epoll", 0, 1, 2), "20261123-120000-aaaa")
    after = run(rates("epoll", 0, 3, 4), "20261123-130000-bbbb")
    saved(tmp_path, before, after)
    found = json.loads(client.get(f"/api/v1/lab/runs/{before['id']}/compare?to={after['id']}").data)
    assert found["points"][0]["figures"]["rate"]["change"] == pytest.approx(3.5 / 1.5 - 1)
    assert client.get(f"/api/v1/lab/runs/{before['id']}/compare?to=x").status_code == 404
    assert client.get(f"/api/v1/lab/runs/{before['id']}/compare").status_code == 400


@pytest.mark.usefixtures("no_more_threads")
def test_a_run_that_could_not_begin_leaves_nothing(tmp_path: Path) -> None:
    guard = OneAtATime()
    desk = LabRuns(tmp_path, guard)
    with pytest.raises(RuntimeError):
        desk.start(SMALL)
    assert guard.running() is desk.live()["running"] is None
    assert desk.runs() == []
    desk.stop()


def test_few_runs_are_kept_and_damaged_ones_passed_over(tmp_path: Path) -> None:
    store = Store(tmp_path / "lab", kept=3)
    for minute in range(5):
        store.save(run([], f"20261123-12{minute:02}00-0000"))
    assert store.ids() == [f"20261123-12{minute:02}00-0000" for minute in (4, 3, 2)]
    (tmp_path / "lab" / "20261123-120400-0000.json").write_text("{")
    (tmp_path / "lab" / "notes.json").write_text("{}")
    assert len(LabRuns(tmp_path, OneAtATime()).runs()) == 2


def test_without_a_lab(browser: Any) -> None:
    for path in ("", "/runs", "/estimate"):
        response = browser.get(f"/api/v1/lab{path}")
        assert response.status_code == 409
        assert "no lab here" in response.text


def finished(run_id: str, order: Any, desk: LabRuns) -> LabRun:
    """A run whose measurements fail at once; not yet begun."""

    def fails(*_: Any) -> Json:
        raise MeasureError("no server")

    run = LabRun(run_id, order, desk._changed, fails)
    desk._run = run
    return run


def test_a_run_is_never_interrupted_between_its_end_and_its_file(desk: LabRuns, tmp_path: Path) -> None:
    order = order_of(SMALL)
    one = finished(Store.new_id(), order, desk)
    saved(tmp_path, one.as_dict())
    save = desk._store.save
    seen = []

    def slow(run: Any) -> None:
        seen.extend([desk.run(one.id), *desk.runs()])
        save(run)

    desk._store.save = slow  # type: ignore[method-assign]
    one.work()
    assert {run["state"] for run in seen if run} == {"running", "done"}
    assert [run["state"] for run in LabRuns(tmp_path, OneAtATime()).runs()] == ["done"]


def test_what_was_deleted_is_not_saved_again(desk: LabRuns, tmp_path: Path) -> None:
    one = finished(Store.new_id(), order_of(SMALL), desk)
    saved(tmp_path, one.as_dict())
    one._state = "done"
    assert desk.delete(one.id)
    desk._changed(one)
    assert desk.runs() == []
    assert desk.run(one.id) is None


def test_a_list_reads_a_run_once(desk: LabRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, run(rates("epoll", 0, 1000.0)), run(rates("epoll", 0, 900.0), Store.new_id()))
    first = desk.runs()
    monkeypatch.setattr(desk._store, "load", lambda run_id: pytest.fail(f"{run_id} is read again"))
    assert desk.runs() == first
    assert len(first) == 2
