"""The HTTP API against a made-up monitor: what is asked, what is answered, what is refused."""

import csv
import io
from typing import Any

import pytest
from fake_monitor import ROW, FakeMonitor


def problem(response: Any, status: int) -> str:
    """The detail of a problem, checked for its form."""
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    body = response.get_json(force=True)
    assert body["status"] == status
    assert body["title"]
    assert body["type"] == "about:blank"
    return str(body["detail"])


def test_status(browser: Any) -> None:
    response = browser.get("/api/v1/status")
    assert response.get_json()["name"] == "echoscope"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("connections", ["conn", "worker", "peer", "state"]),
        ("connections?q=state:closing", ["conn", "worker", "peer", "state"]),
        ("connections/1/series", ["time", "queue_bytes"]),
        ("series", ["time", "open"]),
        ("loop", ["worker", "time", "wait_us"]),
    ],
)
def test_tables_are_csv_for_who_asks(browser: Any, path: str, columns: list[str]) -> None:
    address = f"/api/v1/{path}"
    asked = browser.get(address + ("&" if "?" in path else "?") + "format=csv")
    assert (asked.status_code, asked.content_type) == (200, "text/csv; charset=utf-8"), asked.text
    head, *rows = csv.reader(io.StringIO(asked.text))
    assert head[: len(columns)] == columns
    items = browser.get(address).get_json().get("items")
    assert items is None or [row[0] for row in rows] == [str(one["conn"]) for one in items]
    accepted = browser.get(address, headers={"Accept": "text/csv, application/json;q=0.5"})
    assert (accepted.content_type, "Accept" in accepted.vary) == ("text/csv; charset=utf-8", True)
    assert accepted.text == asked.text
    for accept in ("*/*", "application/json", "text/html", "text/csv;q=0.1, application/json"):
        assert browser.get(address, headers={"Accept": accept}).content_type == "application/json"
    as_json = asked.request.url.replace("format=csv", "format=json")
    assert browser.get(as_json, headers={"Accept": "text/csv"}).content_type == "application/json"
    assert "format" in problem(browser.get("/api/v1/series?format=xml"), 400)


def test_a_cell_is_no_formula(browser: Any, monitor: FakeMonitor) -> None:
    """A text of a peer's making does not run in a spreadsheet."""
    monitor.peer = '=cmd|"/C calc"!A0'
    cells = list(csv.reader(io.StringIO(browser.get("/api/v1/connections?format=csv").text)))
    assert cells[1][2] == '\'=cmd|"/C calc"!A0'
    assert cells[1][5] == "", "nothing for what is not known"


def test_fields_keep_their_order(browser: Any) -> None:
    row = browser.get("/api/v1/events").get_json()["items"][0]
    assert list(row) == list(ROW)


def test_connections_pass_on_what_is_asked(browser: Any, monitor: FakeMonitor) -> None:
    answer = browser.get("/api/v1/connections?q=state:open&sort=-queue_bytes&limit=1&offset=1").get_json()
    assert monitor.calls == [("connections", "state:open", "-queue_bytes", 1, 1)]
    assert (answer["total"], answer["matched"], len(answer["items"])) == (2, 2, 1)


def test_events_pass_on_what_is_asked(browser: Any, monitor: FakeMonitor) -> None:
    browser.get(
        "/api/v1/events?q=kind:full&since=10m&until=2026-11-23T14:00:00Z&limit=7&cursor=abc&order=desc&mark=conn:1"
    )
    assert monitor.calls == [("events", "kind:full", "10m", "2026-11-23T14:00:00Z", 7, "abc", "desc", "conn:1")]


def test_events_defaults(browser: Any, monitor: FakeMonitor) -> None:
    browser.get("/api/v1/events")
    assert monitor.calls == [("events", "", None, None, 100, None, "asc", "")]


def test_a_histogram_passes_on_what_is_asked(browser: Any, monitor: FakeMonitor) -> None:
    browser.get("/api/v1/events/histogram?q=kind:full&since=10m&until=5m&bins=7&cursor=abc")
    assert browser.get("/api/v1/events/histogram").get_json()["total"] == 1
    assert monitor.calls == [
        ("histogram", "kind:full", "10m", "5m", 7, "abc"),
        ("histogram", "", None, None, 100, None),
    ]


@pytest.mark.parametrize("path", ["/api/v1/connections/1", "/api/v1/connections/3"])
def test_one_connection(browser: Any, path: str) -> None:
    assert browser.get(path).get_json()["history"] == []


@pytest.mark.parametrize("conn", ["17", str(2**63), "9" * 40])
def test_unknown_connection(browser: Any, conn: str) -> None:
    assert conn in problem(browser.get(f"/api/v1/connections/{conn}"), 404)


def test_connection_that_is_no_number(browser: Any) -> None:
    problem(browser.get("/api/v1/connections/abc"), 404)


def test_the_charts_of_a_connection(browser: Any, monitor: FakeMonitor) -> None:
    answer = browser.get("/api/v1/connections/1/series?since=2h&until=2026-11-23T14:00:00Z").get_json()
    assert list(answer) == ["step", "time", "queue_bytes", "bytes_in_per_s", "bytes_out_per_s", "is_whole"]
    assert monitor.calls == [("course", 1, "2h", "2026-11-23T14:00:00Z")]
    assert "17" in problem(browser.get("/api/v1/connections/17/series"), 404)
    assert 'unknown parameter "range"' in problem(browser.get("/api/v1/connections/1/series?range=5"), 400)


@pytest.mark.parametrize(("text", "seconds"), [("600", 600), ("5m", 300), ("1h", 3600), ("1d", 86400)])
def test_series_range(browser: Any, text: str, seconds: int) -> None:
    assert browser.get(f"/api/v1/series?range={text}").get_json()["range"] == seconds


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/status?x=1", 'unknown parameter "x"'),
        ("/api/v1/connections?zap=1", 'unknown parameter "zap"'),
        ("/api/v1/connections?limit=0", 'parameter "limit"'),
        ("/api/v1/connections?limit=1001", 'parameter "limit"'),
        ("/api/v1/connections?limit=ten", 'parameter "limit"'),
        ("/api/v1/connections?limit=1e2", 'parameter "limit"'),
        ("/api/v1/connections?limit=1&limit=2", "more than once"),
        ("/api/v1/connections?offset=-1", 'parameter "offset"'),
        ("/api/v1/connections?sort=colour", "colour"),
        ("/api/v1/connections?q=foo:1", 'unknown field "foo"'),
        ("/api/v1/events?q=foo:1", 'unknown field "foo"'),
        ("/api/v1/events/histogram?q=foo:1", 'unknown field "foo"'),
        ("/api/v1/events/histogram?bins=0", 'parameter "bins"'),
        ("/api/v1/events?order=sideways", 'parameter "order"'),
        ("/api/v1/events/download?q=foo:1", 'unknown field "foo"'),
        ("/api/v1/events/download?format=xls", 'unknown format "xls"'),
        ("/api/v1/series?range=5", "range"),
        ("/api/v1/series?range=long", 'parameter "range"'),
    ],
)
def test_bad_parameters_are_named(browser: Any, path: str, named: str) -> None:
    assert named in problem(browser.get(path), 400)


def test_unknown_path(browser: Any) -> None:
    assert "/api/v1/nothing" in problem(browser.get("/api/v1/nothing"), 404)


def test_wrong_method(browser: Any) -> None:
    response = browser.delete("/api/v1/status")
    assert "DELETE" in problem(response, 405)
    assert "GET" in response.headers["Allow"]


def test_failure_is_a_problem_without_its_innards(browser: Any, monitor: FakeMonitor) -> None:
    monitor.status = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    assert "division" not in problem(browser.get("/api/v1/status"), 500)


def test_health(browser: Any, monitor: FakeMonitor) -> None:
    assert browser.get("/healthz").get_json() == {"status": "ok"}
    monitor.healthy = False
    response = browser.get("/healthz")
    assert response.status_code == 503
    assert "stalled" in response.get_json()["reason"]


def test_close(browser: Any, monitor: FakeMonitor) -> None:
    assert browser.post("/api/v1/connections/1/close").status_code == 200
    for how in ("fin", "rst"):
        answer = browser.post("/api/v1/connections/1/close", json={"how": how, "why": "it is in the way"})
        assert answer.get_json() == {"closing": 1, "how": how}
    assert (monitor.closed, monitor.closed_how) == ([1, 1, 1], ["fin", "fin", "rst"])
    assert "how" in problem(browser.post("/api/v1/connections/1/close", json={"how": "softly"}), 400)
    assert "why" in problem(browser.post("/api/v1/connections/1/close", json={"why": "x" * 201}), 400)


def test_close_by_get_is_refused(browser: Any, monitor: FakeMonitor) -> None:
    problem(browser.get("/api/v1/connections/1/close"), 405)
    assert monitor.closed == []


@pytest.mark.parametrize(("conn", "status"), [(17, 404), (3, 409), (2, 409)])
def test_close_what_cannot_be_closed(browser: Any, conn: int, status: int) -> None:
    assert str(conn) in problem(browser.post(f"/api/v1/connections/{conn}/close"), status)


def test_model(browser: Any, monitor: FakeMonitor) -> None:
    assert browser.post("/api/v1/model", json={"model": "epoll"}).get_json() == {"model": "epoll"}
    assert monitor.calls == [("switch", "epoll")]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"model": "kqueue"}, 400, 'unknown model "kqueue"'),
        ({"model": 5}, 400, 'field "model"'),
        ({"model": "epoll", "now": True}, 400, 'unknown field "now"'),
        ({}, 400, 'field "model"'),
        (["epoll"], 400, "not a JSON object with model"),
        ({"model": "select"}, 409, "select can't"),
    ],
)
def test_model_that_cannot_be(browser: Any, monitor: FakeMonitor, body: Any, status: int, named: str) -> None:
    assert named in problem(browser.post("/api/v1/model", json=body), status)
    assert monitor.calls == []


def test_model_asks_for_json(browser: Any, monitor: FakeMonitor) -> None:
    problem(browser.post("/api/v1/model", data={"model": "epoll"}), 415)
    problem(browser.post("/api/v1/model", data="{", content_type="application/json"), 400)
    problem(browser.get("/api/v1/model"), 405)
    assert monitor.calls == []


def test_the_loop_is_told(browser: Any, monitor: FakeMonitor) -> None:
    assert browser.get("/api/v1/loop").get_json()["workers"][0]["worker"] == 0
    assert monitor.calls == [("loop",)]
    assert browser.get("/api/v1/loop?x=1").status_code == 400


@pytest.mark.parametrize("path", ["status", "overview", "connections", "connections/1", "series"])
def test_every_answer_has_a_past(browser: Any, path: str) -> None:
    assert browser.get(f"/api/v1/{path}?at=7").get_json()["at"] == str(7 * 10**9)
    assert "at" not in browser.get(f"/api/v1/{path}").get_json()
    assert "bad time" in problem(browser.get(f"/api/v1/{path}?at=yesterday"), 400)
    assert "more than once" in problem(browser.get(f"/api/v1/{path}?at=7&at=8"), 400)


def test_the_span(browser: Any) -> None:
    assert browser.get("/api/v1/span").get_json().keys() == {"since", "until", "live"}
    problem(browser.get("/api/v1/span?x=1"), 400)


def test_a_replay_takes_no_orders(browser: Any, monitor: FakeMonitor) -> None:
    monitor.is_replay = True
    for path, body in (("connections/1/close", None), ("model", {"model": "epoll"})):
        assert "a replay" in problem(browser.post(f"/api/v1/{path}", json=body), 409)
    assert (monitor.closed, monitor.calls) == ([], [])


def test_a_fault_of_the_program_is_told_as_one(
    monitor: FakeMonitor, browser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(*_: Any, **__: Any) -> dict[str, Any]:
        raise ValueError("need at least one array to concatenate")

    monitor.series = faulty  # type: ignore[method-assign]
    answer = browser.get("/api/v1/series?range=60")
    assert answer.status_code == 500
    assert "concatenate" not in answer.text
    assert "concatenate" in caplog.text
