"""The whole server from outside: what clients did is what the API, the downloads and the live updates tell."""

import csv
import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests
import socketio
from commands import run
from conftest import Server
from waiting import DEADLINE_S, wait_until


def load(server: Server) -> dict[str, Any]:
    """A short load; what the generator counted, once the server knows all of it."""
    closed = lambda: int(server.json("/api/v1/status")["connections"]["closed"])  # noqa: E731
    before = closed()
    ran = run("load", "--port", str(server.echo[1]), "--connections", "20", "--seconds", "0.3")
    result: dict[str, Any] = json.loads(ran.stdout)
    assert result["errors"] == 0
    wait_until(lambda: closed() == before + 20, "all closed")
    return result


def sums(rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Bytes in and out of rows."""
    return sum(int(row["bytes_in"]) for row in rows), sum(int(row["bytes_out"]) for row in rows)


@pytest.mark.parametrize("accepts", ["identity", "gzip"])
def test_downloads_add_up_to_what_was_sent(server: Server, accepts: str) -> None:
    result = load(server)
    expected = (result["bytes_out"], result["bytes_in"])
    headers = {"Accept-Encoding": accepts}
    as_jsonl = server.get("/api/v1/events/download?format=jsonl", headers=headers)
    as_csv = server.get("/api/v1/events/download?format=csv", headers=headers)
    assert as_jsonl.headers.get("Content-Encoding", "identity") == accepts
    assert sums([json.loads(line) for line in as_jsonl.text.splitlines()]) == expected
    assert sums(list(csv.DictReader(io.StringIO(as_csv.text)))) == expected


def test_parquet_and_the_trace_hold_the_same(server: Server) -> None:
    result = load(server)
    expected = (result["bytes_out"], result["bytes_in"])
    as_parquet = server.get("/api/v1/events/download?format=parquet", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in as_parquet.headers
    table = pq.read_table(io.BytesIO(as_parquet.content), columns=["bytes_in", "bytes_out"])
    assert sums(table.to_pylist()) == expected
    trace = server.json("/api/v1/events/download", format="perfetto")["traceEvents"]
    assert sums([event["args"] for event in trace if event["ph"] == "i"]) == expected
    assert [event for event in trace if event["ph"] == "X"]  # the loop's turns


def test_a_download_is_what_was_estimated_and_told_of(server: Server) -> None:
    load(server)
    asked = {"format": "csv", "q": "kind:open"}
    estimate = server.json("/api/v1/events/estimate", **asked)
    assert (estimate["rows"], estimate["exact"]) == (20, True)
    response = server.get("/api/v1/events/download", params=asked | {"token": "ab" * 8})
    assert response.headers["Content-Disposition"] == f"attachment; filename={estimate['name']}"
    progress = server.json(f"/api/v1/downloads/{'ab' * 8}")
    assert (progress["state"], progress["rows"], progress["bytes"]) == ("done", 20, len(response.content))
    assert progress["estimate"] == {name: estimate[name] for name in ("rows", "bytes", "exact")}


def test_downloads_hold_what_the_filter_matches(server: Server) -> None:
    load(server)
    rows = server.get("/api/v1/events/download?q=conn:3 kind:open,close").text.splitlines()
    assert [(json.loads(row)["conn"], json.loads(row)["kind"]) for row in rows] == [(3, "open"), (3, "close")]


def test_pages_of_events_are_the_whole_log(server: Server) -> None:
    load(server)
    seqs: list[int] = []
    cursor: str | None = None
    while cursor or not seqs:
        page = server.json("/api/v1/events", q="-kind:echo", limit=7, **({"cursor": cursor} if cursor else {}))
        seqs += [row["seq"] for row in page["items"]]
        cursor = page["next"]
    everything = server.get("/api/v1/events/download?q=-kind:echo").text.splitlines()
    assert seqs == [json.loads(row)["seq"] for row in everything]


@pytest.mark.parametrize(
    "path", ["connections?q=zap:1", "events?q=zap:1", "events/download?q=zap:1", "events?cursor=zap"]
)
def test_bad_values_are_named(server: Server, path: str) -> None:
    response = server.get(f"/api/v1/{path}")
    assert response.status_code == 400
    assert "zap" in response.json()["detail"]


def test_operator_closes_a_connection(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"x")
        assert client.recv(100)
        (item,) = wait_until(lambda: server.json("/api/v1/connections", q="state:open")["items"], "it is listed")
        path = f"/api/v1/connections/{item['conn']}"
        assert requests.post(server.url + path + "/close", timeout=DEADLINE_S).status_code == 200
        assert client.recv(100) == b""
    closed = wait_until(lambda: (found := server.json(path))["state"] == "closed" and found, "it is closed")
    assert closed["reason"] == "operator"
    assert requests.post(server.url + path + "/close", timeout=DEADLINE_S).status_code == 409


def test_live_views_tell_what_happens(server: Server) -> None:
    frames: list[dict[str, Any]] = []
    viewer = socketio.Client(reconnection=False, request_timeout=DEADLINE_S)
    viewer.on("frame", frames.append)
    viewer.connect(server.url, transports=["websocket"], wait_timeout=DEADLINE_S)
    for message in (
        {"view": "overview"},
        {"view": "connections", "q": "state:open"},
        {"view": "events", "q": "kind:open"},
    ):
        assert viewer.call("watch", message, timeout=DEADLINE_S) == {"ok": True}

    def seen(view: str, wanted: Any) -> bool:
        return any(frame["view"] == view and wanted(frame["data"]) for frame in list(frames))

    with server.connect() as client:
        client.sendall(b"hello")
        assert client.recv(100)
        wait_until(lambda: seen("overview", lambda data: data["connections"]["open"] == 1), "overview")
        wait_until(lambda: seen("connections", lambda data: data["matched"] == 1), "connections")
        wait_until(lambda: seen("events", lambda data: [row["conn"] for row in data["items"]] == [1]), "events")
    wait_until(lambda: seen("connections", lambda data: data["matched"] == 0), "gone again")
    web_socket = viewer.eio.ws
    viewer.disconnect()
    web_socket.shutdown()
