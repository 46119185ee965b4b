"""From samples to figures, sentences, tables and differences."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_runs import cannot, rates, run, sample

from core.lab.plan import Point
from core.lab.results.compare import compare
from core.lab.results.conclusion import verdict
from core.lab.results.figures import METRICS, Spread, figures, overlap, spread, summary
from core.lab.results.points_table import text, to_csv

FLOATS = st.floats(0, 1e9)


def said(samples: list[Any], **order: Any) -> list[str]:
    made = run(samples, **order)
    return [one["text"] for one in verdict(made["points"], made)]


@given(st.lists(FLOATS, min_size=1))
def test_the_median_lies_within_its_spread(values: list[float]) -> None:
    found = spread(values)
    assert found
    assert found.low <= found.median <= found.high


@given(FLOATS, FLOATS, FLOATS, FLOATS)
def test_noise_does_not_depend_on_the_order(a: float, b: float, c: float, d: float) -> None:
    one, other = Spread(a, min(a, b), max(a, b)), Spread(c, min(c, d), max(c, d))
    assert overlap(one, other) == overlap(other, one)
    assert overlap(one, one)


@given(st.permutations(rates("poll", 0, 1, 2, 3) + rates("epoll", 10, 4, 5) + [cannot("select", 10, "why")]))
def test_points_do_not_depend_on_the_order_of_samples(samples: list[Any]) -> None:
    points = summary(samples, {"models": ["select", "poll", "epoll"]})
    assert [(point["model"], point["repeats"]) for point in points] == [("select", 0), ("poll", 3), ("epoll", 2)]
    assert points[1]["figures"]["rate"] == {"median": 2, "low": 1, "high": 3}


RESULT = {
    "echoes": 1000,
    "seconds": 2.0,
    "latency_us": {"p50": 1.0, "p90": 2.0, "p99": 3.0, "p999": 4.0, "max": 5.0},
    "generator_cpu": 1.0,
    "took": {"time": 2.0, "cpu": 0.5, "switches": 10, "records": 1000, "turns": 100, "calls": 2000, "waited": 1.0},
    "quiet": {"time": 0.5, "cpu": 0.25},
    "scanned_a_turn": 50.0,
}


def test_figures_of_a_poller() -> None:
    found = figures(Point("poll", 1, 0), RESULT)
    assert found == {
        "rate": 500, "p50": 1, "p99": 3, "p999": 4, "cpu_us": 500, "calls": 2.1, "scanned": 5, "wakeups": 5,
        "turns": 50, "busy": 0.25, "quiet": 0.5, "generator": 0.5,
    }  # fmt: skip
    assert set(found) == set(METRICS)


@pytest.mark.parametrize(("model", "calls"), [("busy", 2.0), ("threads", 2.0), ("asyncio", None)])
def test_calls_of_other_models(model: str, calls: float | None) -> None:
    assert figures(Point(model, 1, 0), RESULT)["calls"] == calls


def test_nothing_came_back() -> None:
    found = figures(Point("epoll", 1, 0), {**RESULT, "echoes": 0})
    assert (found["rate"], found["cpu_us"], found["calls"]) == (0, None, None)


def test_who_is_fastest() -> None:
    samples = rates("poll", 0, 90, 92, 94) + rates("epoll", 0, 100, 103, 105) + rates("epoll-et", 0, 98, 99, 101)
    assert said(samples)[0] == "With no idle connection epoll is fastest: 103 echoes/s; within noise of it: epoll-et."


def test_who_falls_and_who_stays() -> None:
    samples = rates("poll", 0, 100, 101) + rates("poll", 1000, 20, 21) + rates("epoll", 0, 99, 101)
    samples += rates("epoll", 1000, 98, 100) + rates("threads", 0, 50, 51) + rates("threads", 1000, 40, 41)
    sentences = said(samples)
    assert "threads' rate falls by 20 % from 0 to 1,000 idle connections." in sentences
    assert "poll's rate falls by 80 % from 0 to 1,000 idle connections." in sentences
    assert "epoll's rate does not change beyond noise from 0 to 1,000 idle connections (-1 %)." in sentences


def test_what_stays_the_same_is_not_said_to_change() -> None:
    samples = rates("epoll", 0, 100_000, 100_000) + rates("epoll", 1000, 99_700, 99_700)
    where = "from 0 to 1,000 idle connections"
    assert f"epoll's rate does not change beyond noise {where} (less than 1 %)." in said(samples)


def test_who_becomes_dearer() -> None:
    samples = [
        sample("poll", 0, cpu_us=8),
        sample("poll", 1000, cpu_us=12),
        sample("epoll", 0),
        sample("epoll", 1000, cpu_us=1.05),
    ]
    sentences = said(samples)
    (told,) = [sentence for sentence in sentences if sentence.startswith("An echo of")]
    # A twentieth more is no news, even beyond noise.
    assert told.startswith("An echo of poll takes 1.5 times the processor time with 1,000 idle connections that")


def test_what_waiting_costs() -> None:
    sentences = said([sample("busy", 0, quiet=0.99), sample("epoll", 0, quiet=0.001)])
    assert "busy takes 99 % of a core while nothing is sent; the others at most 0.1 %." in sentences


def test_who_serves_one_only() -> None:
    sentences = said([sample("blocking", 0, served=1, rate=10**9), *rates("epoll", 0, 1.0), *rates("poll", 0, 2.0)])
    assert "blocking serves 1 of 100 active connections: the others wait for it to end." in sentences
    assert sentences[0].startswith("With no idle connection poll is fastest")


def test_what_could_not_be_done() -> None:
    why = "{} connections were refused: select() cannot watch a descriptor of 1024 or more"
    sentences = said([cannot("select", 1000, why.format(81)), cannot("select", 10_000, why.format("9,081"))])
    assert sentences == [f"select could not be measured with 1,000 and 10,000 idle connections: {why.format(81)}."]


def test_a_repeat_that_failed_is_told_apart_from_a_point_that_could_not_be_measured() -> None:
    failed = {
        "model": "epoll",
        "workers": 1,
        "idle": 0,
        "repeat": 2,
        "failed": "the load generator was silent for 22 s",
    }
    made = run([*rates("epoll", 0, 100, 101), failed, *rates("poll", 0, 50, 51, 52), {**failed, "model": "select"}])
    sentences = {one["text"]: one["code"] for one in verdict(made["points"], made)}
    why = "the load generator was silent for 22 s."
    assert sentences["With no idle connection epoll is fastest: 100 echoes/s."] == "fastest"
    assert sentences[f"1 of 3 repeats of epoll with no idle connection failed: {why}"] == "doubt"
    assert [text for text, code in sentences.items() if code == "cannot"] == [
        f"select could not be measured with 0 idle connections: {why}"
    ]


@pytest.mark.parametrize(
    ("state", "told"), [("cancelled", "Cancelled"), ("interrupted", "Interrupted by the end of its server")]
)
def test_a_run_that_was_broken_off_says_so(state: str, told: str) -> None:
    for samples in ([], rates("epoll", 0, 100, 101)):
        made = {**run(samples, models=("epoll", "asyncio"), workers=(1, 2), idle=(0,)), "state": state}
        first, *_ = verdict(made["points"], made)
        assert first == {"code": "doubt", "text": f"{told} after {len(samples)} of 9 measurements."}


def test_doubts() -> None:
    sentences = said([sample("epoll", 0, generator=0.99, busy=0.6, errors=2)], repeats=1)
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "Measured once",
        "The load generator was the limit of epoll with 0 idle",
        "2 replies were wrong or missing.",
    ]


def test_table() -> None:
    made = run(
        [*rates("epoll", 0, 1000, 2000, 3000), cannot("select", 1000, "81 refused"), sample("blocking", 0, served=1)]
    )
    lines = text(made["points"], 100).splitlines()
    assert lines[0].split()[:3] == ["model", "idle", "echoes/s"]
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["blocking", "0", "1"],
        ["select", "1,000", "-"],
        ["epoll", "0", "2,000"],
    ]
    assert lines[3].endswith("1,000-3,000")
    assert lines[4:] == ["blocking, 0 idle: 1 of 100 active connections were served", "select, 1,000 idle: 81 refused"]


def test_csv_holds_every_figure_and_no_formula() -> None:
    made = run([*rates("epoll", 0, 1000, 2000), cannot("select", 1000, "=1+1")])
    rows = list(csv.DictReader(io.StringIO(to_csv(made, made["points"]))))
    assert (rows[1]["model"], rows[1]["rate_low"], rows[1]["rate_high"]) == ("epoll", "1000", "2000")
    assert {f"{name}_median" for name in METRICS} <= rows[0].keys()
    assert rows[0]["cannot"] == "'=1+1"


def test_two_runs() -> None:
    before = run([*rates("epoll", 0, 100, 102), *rates("poll", 0, 50, 51)])
    after = run([*rates("epoll", 0, 101, 103), *rates("poll", 0, 60, 61), *rates("select", 0, 1)], size=65)
    found = compare(before, after)
    poll, epoll = found["points"]
    assert (poll["figures"]["rate"]["noise"], epoll["figures"]["rate"]["noise"]) == (False, True)
    assert poll["figures"]["rate"]["change"] == pytest.approx(60.5 / 50.5 - 1)
    assert found["missing"] == [{"model": "select", "workers": 1, "idle": 0}]
    assert found["apart"] == [{"name": "size", "before": 64, "after": 65}]


def test_a_run_is_no_different_from_itself() -> None:
    made = run([*rates("epoll", 0, 100, 102), sample("poll", 0, quiet=0.0)])
    found = compare(made, made)
    assert all(figure["noise"] for point in found["points"] for figure in point["figures"].values())
    assert (found["missing"], found["apart"]) == ([], [])
