"""Streams of events: every row once, whatever breaks in between; slow readers, bounds, signs of life."""

import json
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests
from conftest import Server, Site, StartServer
from hypothesis import given, settings
from hypothesis import strategies as st
from record_rows import make_batch
from test_sealing import batches_of_workers, key, seal_all
from waiting import DEADLINE_S, wait_until

from core.filter.query import EVENT_FIELDS, parse
from core.log.format.files import list_segments
from core.log.read.event_stream import EventStream, GoneError
from core.log.read.log import Log
from core.log.write.journal import Journal
from web.api import streams

STREAM = "/api/v1/events/stream"


def sse(text: bytes) -> list[tuple[str, Any]]:
    """Cursor and row of each event."""
    events = [event.split(b"\n") for event in text.split(b"\n\n") if b"data:" in event]
    return [(cursor.decode().removeprefix("id: "), json.loads(data[6:])) for cursor, data in events]


@settings(max_examples=25)
@given(batches_of_workers(), st.randoms(use_true_random=False), st.sampled_from(["", "-kind:full", "conn>15"]))
def test_a_reader_that_comes_back_gets_every_row_once(batches: Any, chance: random.Random, q: str) -> None:
    """Links break anywhere; meanwhile segments are ended, sealed in another order, and the server is started anew."""
    query = parse(q, EVENT_FIELDS)
    todo = list(batches)
    with TemporaryDirectory() as folder:
        directory = Path(folder)
        journal = Journal(directory)

        def meanwhile() -> None:
            if todo and chance.random() < 0.6:
                journal.append(todo.pop(0))
            if chance.random() < 0.3:
                journal.begin_segment()
                seal_all(journal)

        found, cursor, is_over = [], "0-0-0", False
        while not is_over:
            meanwhile()
            if chance.random() < 0.2:
                journal.close()
                journal = Journal(directory)
            is_over = not todo
            stream = EventStream(Log(directory), query, cursor=cursor)
            text = b""
            for piece in stream.take(is_sse=True):
                text += piece
                if not is_over:
                    meanwhile()
            rows = sse(text)
            is_broken = not is_over and chance.random() < 0.7
            got = rows[: chance.randrange(len(rows) + 1)] if is_broken else rows
            found += [row for _, row in got]
            cursor = (got[-1][0] if got else cursor) if is_broken else stream.cursor
        expected = Log(directory).page(query, limit=10_000)[0]
        assert sorted(map(key, found)) == sorted(map(key, expected))
        journal.close()


def test_what_was_dropped_is_no_silent_gap(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for first in (1, 11, 21):
        journal.append(make_batch(10, first))
        journal.begin_segment()
    journal.close()
    query, log = parse("", EVENT_FIELDS), Log(tmp_path)
    stream = EventStream(log, query, cursor="0-0-0")
    taken = stream.take(is_sse=False)
    cursor = json.loads(next(taken).splitlines()[3])["cursor"]
    taken.close()
    list_segments(tmp_path / "log")[0][1].unlink()
    with pytest.raises(GoneError, match="dropped"):
        EventStream(Log(tmp_path), query, cursor=cursor)
    rest = b"".join(EventStream(Log(tmp_path), query, cursor="0-0-0").take(is_sse=False))
    assert [json.loads(line)["seq"] for line in rest.splitlines()] == list(range(11, 31))
    with pytest.raises(ValueError, match="not of this log"):
        EventStream(Log(tmp_path), query, cursor="99-1-0")


def read_some(server: Server, cursor: str, most: int, is_sse: bool) -> list[Any]:
    """Rows from a place on, then the link breaks: after `most` of them, anywhere in a row, or at once."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": cursor} if is_sse else {}
    params = {"q": "kind:echo"} | ({} if is_sse else {"cursor": cursor})
    rows = []
    with requests.get(server.url + STREAM, headers=headers, params=params, stream=True, timeout=DEADLINE_S) as answer:
        assert answer.status_code == 200, answer.text
        last = ""
        for line in answer.iter_lines():
            if is_sse and line.startswith(b"id: "):
                last = line[4:].decode()
            elif is_sse and line.startswith(b"data: "):
                rows.append(json.loads(line[6:]) | {"cursor": last})
            elif not is_sse and line:
                rows.append(json.loads(line))
            if len(rows) == most:
                break
    return rows


def talk(server: Server, messages: int) -> None:
    """So many echoes on one connection."""
    with server.connect() as client:
        for _ in range(messages):
            client.sendall(b"x")
            left = 28
            while left:
                left -= len(client.recv(left))


def test_across_broken_links_and_a_restart_no_row_is_missing_or_twice(start_server: StartServer) -> None:
    messages, chance = 1500, random.Random(5)
    rows: list[Any] = []
    cursor = "0-0-0"
    for wanted in (messages // 2, 2 * messages):
        server = start_server()
        talk(server, messages)
        while len(rows) < wanted:
            most = min(chance.randint(1, 200), wanted - len(rows))
            rows += read_some(server, cursor, most, chance.random() < 0.5)
            cursor = rows[-1]["cursor"]
        listed = server.json("/api/v1/events", q="kind:echo", limit=1000)["items"]
        server.stop()
    assert len({(row["worker"], row["seq"]) for row in rows}) == 2 * messages
    seqs = [row["seq"] for row in rows]
    assert seqs == sorted(seqs)
    assert [{name: row[name] for name in listed[0]} for row in rows[:1000]] == listed


def test_without_a_cursor_it_begins_now(server: Server) -> None:
    server.talk(b"before", 32)
    wait_until(lambda: server.json("/api/v1/events", q="kind:close")["items"], "the first has gone")
    with requests.get(server.url + STREAM, stream=True, timeout=DEADLINE_S, params={"q": "kind:open"}) as answer:
        assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
        lines = answer.iter_lines()
        assert next(lines) == b"", "the answer has begun"
        server.talk(b"after", 31)
        row = json.loads(next(line for line in lines if line))
        assert (row["kind"], row["conn"]) == ("open", 2)
    for bad in ({"cursor": "x"}, {"q": "nonsense:1"}, {"since": "yesterday"}, {"limit": "1"}):
        assert server.get(STREAM, params=bad).status_code == 400


def asked(site: Site, path: str = STREAM, headers: str = "") -> socket.socket:
    """A connection on which a stream was asked for."""
    host, port = site.url.removeprefix("http://").split(":")
    sock = socket.create_connection((host, int(port)), timeout=DEADLINE_S)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{headers}\r\n".encode())
    return sock


def everything(sock: socket.socket) -> bytes:
    """What is left to be read."""
    text = b""
    with suppress(ConnectionError):
        while piece := sock.recv(65536):
            text += piece
    return text


def test_who_takes_nothing_is_cut(site: Site) -> None:
    site.live.streams.slow_s = 0.2
    site.monitor.pieces = iter(lambda: b"x" * 150_000, None)
    with asked(site) as sock:
        wait_until(lambda: site.live.streams.count == 1, "it has begun")
        wait_until(lambda: site.live.streams.count == 0, "it was cut")
        assert not everything(sock).endswith(b"0\r\n\r\n"), "it does not look whole"


def test_there_are_few_and_they_are_counted_with_the_viewers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 2)

    def viewers() -> int:
        return int(requests.get(site.url + "/api/v1/status", timeout=DEADLINE_S).json()["viewers"])

    with ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(asked(site))
        wait_until(lambda: viewers() == 2, "both are counted")
        refused = requests.get(site.url + STREAM, timeout=DEADLINE_S)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "too many" in refused.json()["detail"]
    with requests.get(site.url + STREAM, stream=True, timeout=DEADLINE_S) as back:
        assert back.status_code == 200, "who comes back at once finds the places of broken links free"
    wait_until(lambda: viewers() == 0, "those that have gone give their places back")


def test_silence_has_signs_of_life_that_move_the_place_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEAT_S", 0.0)
    with requests.get(
        site.url + STREAM, headers={"Accept": "text/event-stream"}, stream=True, timeout=DEADLINE_S
    ) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        lines: Iterator[bytes] = answer.iter_lines()
        assert [next(lines) for _ in range(5)] == [b"retry: 2000", b"", b":", b"id: 1-1-0", b""]
