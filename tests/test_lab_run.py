"""Real runs, small: what they find, how they end, and that they leave nothing behind."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import clean_environment
from waiting import DEADLINE_S, wait_until
from warm import WarmProcess, nursery

from core.lab import generator
from core.lab.measure import CancelledError, measure
from core.lab.plan import LabOrder, Point, schedule
from core.lab.results.store import Store
from core.lab.run import LabRun

MARK = f"LAB_TEST={os.getpid()}"
# Long enough that a crowded machine lets server and generator have their turns.
SHORT = ("--seconds=0.3", "--repeats=1", "--active=5")


def lab(*options: str) -> WarmProcess:
    return nursery().start(["app.py", "lab", *options], clean_environment())


def children() -> list[int]:
    """Processes of the lab that a test of this process has started, directly or not."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            mine = MARK.encode() in (path / "environ").read_bytes().split(b"\0")
            if mine and b"core.lab." in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; nothing is left there, and no process."""
    directory = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setenv(*MARK.split("="))
    yield directory
    wait_until(lambda: not children(), "no process is left")
    assert list(directory.iterdir()) == []


def test_the_progress_names_the_measurement_that_is_being_made() -> None:
    order = LabOrder(models=("epoll", "select"), idle=(0, 1_000), repeats=2)
    seen: list[tuple[int, str, int, str]] = []

    def look(what: str = "") -> None:
        at = run.progress()
        seen.append((at["done"], at["model"], at["idle"], at["doing"]))
        assert at["doing"] == (what or "starting")

    def made_up(_order: LabOrder, point: Point, _cancelled: Any, tell: Any) -> dict[str, Any]:
        look()
        tell("measuring")
        look("measuring")
        return {"cannot": "a limit"} if point.model == "select" else {"cannot": ""}

    run = LabRun("made up", order, lambda _run: None, made_up)
    run.work()
    steps = schedule(order)
    assert [(steps[done].point.model, steps[done].point.idle) for done, *_ in seen] == [one[1:3] for one in seen]
    at = run.progress()
    assert (at["state"], at["done"], at["total"], at["left_s"]) == ("done", 8, 8, 0.0)


def test_two_models_at_two_points(tmp_path: Path) -> None:
    process = lab("--models=epoll,poll", "--idle=0,40", "--json", f"--save={tmp_path}", *SHORT)
    out, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors
    found = json.loads(out)
    assert [(point["model"], point["idle"]) for point in found["points"]] == [
        *[("epoll", 0), ("epoll", 40)],
        *[("poll", 0), ("poll", 40)],
    ]
    for point in found["points"]:
        assert (point["served"], point["errors"], point["cannot"], point["failed"]) == (5, 0, "", "")
        assert point["figures"]["rate"]["median"] > 0
        assert 2 <= point["figures"]["calls"]["median"] < 10
    scanned = {(one["model"], one["idle"]): one["figures"]["scanned"]["median"] for one in found["points"]}
    assert scanned["epoll", 40] < 2 < scanned["poll", 40]
    assert errors.count("s left\n") == 4
    saved = Store(tmp_path / "lab").load(found["id"])
    assert saved
    assert saved["state"] == "done"


def test_the_table() -> None:
    out, errors = lab("--models=asyncio", "--idle=0", *SHORT).communicate(timeout=DEADLINE_S)
    assert "asyncio" in out, errors
    assert "Measured once" in out


def point(model: str, idle: int, seconds: float = 0.2) -> Any:
    return measure(LabOrder(active=5, seconds=seconds), Point(model, 1, idle), lambda: False, lambda _what: None)


class Told:
    """Traffic and probe in one: echoes and connections served after each slice."""

    errors = 0

    def __init__(self, *slices: tuple[int, int]) -> None:
        self._slices = iter(slices)
        self.echoes = self._served = 0

    def send_until(self, _deadline: int) -> None:
        self.echoes, self._served = next(self._slices)

    def served(self) -> int:
        return self._served

    def records(self) -> int:
        return self.echoes


@pytest.mark.parametrize(
    ("slices", "served"),
    [
        ([(9, 1), (18, 1), (27, 1)], 1),
        ([(0, 0)] * 6 + [(9, 5)], 5),
        ([(9, 1)] * 6 + [(18, 5)], 5),
        ([(0, 0)] * 8, 0),
    ],
)
def test_a_server_that_is_held_up_is_given_longer(slices: list[tuple[int, int]], served: int) -> None:
    told: Any = Told(*slices)
    assert generator._probed(told, 5, told) == served


def test_select_refuses_beyond_its_limit() -> None:
    found = point("select", 1100)
    assert found["cannot"].endswith("refused: select() cannot watch a descriptor of 1024 or more")


def test_blocking_serves_the_first_only() -> None:
    assert point("blocking", 0)["result"]["served"] == 1


def test_blocking_behind_a_silent_one_serves_nobody() -> None:
    why = point("blocking", 3)["cannot"]
    assert why.endswith("; the server has accepted 1 of 8 connections")


def test_threads_have_a_limit() -> None:
    assert "refused" in point("threads", 1100)["cannot"]


@pytest.mark.parametrize("model", ["busy", "threads", "select", "epoll-et", "asyncio", "uvloop"])
def test_every_model_serves_all(model: str) -> None:
    # Long enough that a crowded machine lets server and generator have their turns.
    result = point(model, 20, seconds=1.0)["result"]
    assert (result["served"], result["errors"]) == (5, 0)
    assert result["echoes"] > 0


def test_several_workers() -> None:
    found = measure(LabOrder(active=20, seconds=0.2), Point("epoll", 2, 10), lambda: False, lambda _what: None)
    assert found["result"]["served"] == 20


@pytest.mark.usefixtures("many_descriptors")
def test_it_measures_beside_a_thousand_clients() -> None:
    point = Point("epoll", 1, 0)
    order = LabOrder(models=("epoll",), idle=(0,), active=2, seconds=0.1)
    assert "result" in measure(order, point, lambda: False, lambda state: None)


def test_cancelled_in_the_middle() -> None:
    doing: list[str] = []
    with pytest.raises(CancelledError):
        measure(LabOrder(seconds=30), Point("epoll", 1, 0), lambda: "measuring" in doing, doing.append)
    assert doing[-1] == "measuring"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_prints_what_it_has(number: int) -> None:
    process = lab("--models=epoll,poll", "--idle=0", "--seconds=20", "--json", "--repeats=1")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("1 of 2: ")
    wait_until(lambda: len(children()) == 2, "a server and a generator")
    process.send_signal(number)
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    found = json.loads(out)
    assert (found["state"], found["points"]) == ("cancelled", [])


def test_a_killed_run_takes_its_processes_with_it(scratch: Path) -> None:
    for model in ("busy", "asyncio"):
        process = lab(f"--models={model}", "--idle=0", "--seconds=20", "--repeats=1")
        wait_until(lambda: len(children()) == 2 and not list(scratch.iterdir()), "a server and a generator")
        process.kill()
        process.communicate()
        wait_until(lambda: not children(), "no process is left")
