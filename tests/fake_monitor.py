"""A small made-up monitor and engine: what the web needs, without sockets or files."""

import os
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core.bad_value import BadValueError
from core.export.download import DownloadError
from core.faults.fault_order import FaultRequest
from core.filter import catalogue
from core.watch.groups import GROUPED_BY
from core.watch.measures import Histogram, Measures

READY = os.open("/dev/null", os.O_RDONLY)
"""A descriptor that can always be read."""
ROW = {
    "seq": 1,
    "time": "2026-11-23T14:22:05.123456789Z",
    "worker": 0,
    "conn": 1,
    "peer": "127.0.0.1:40000",
    "kind": "open",
    "bytes_in": 0,
    "bytes_out": 0,
    "queue_bytes": 0,
    "queue_chunks": 0,
    "emptied": False,
    "reason": "",
}


def connection_item(conn: int, state: str = "open") -> dict[str, Any]:
    """One connection as the monitor tells it."""
    return {
        "conn": conn,
        "worker": 0,
        "peer": f"127.0.0.1:{40_000 + conn}",
        "state": state,
        "opened": "2026-11-23T14:22:05.123456789Z",
        "closed": "2026-11-23T14:23:05.123456789Z" if state == "closed" else None,
        "idle_s": 0.5,
        "waiting_s": 0.0,
        "bytes_in": 64,
        "bytes_out": 91,
        "echoes": 1,
        "queue_bytes": 0,
        "queue_chunks": 0,
        "queue_peak_bytes": 0,
        "reads": 1,
        "fulls": 0,
        "reason": "peer" if state == "closed" else "",
        "end": "ordinary" if state == "closed" else "",
        "bytes_in_per_s": 0.0,
        "bytes_out_per_s": 0.0,
        "verdict": "fine",
        "verdict_age_s": None,
    }


class FakeTail:
    """One row each time it is asked."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, limit: int = 100) -> dict[str, Any]:
        self.taken += 1
        return {"items": [{**ROW, "seq": self.taken}][:limit], "skipped": 0}


class FakeChunks(Iterator[bytes]):
    """Chunks of any iterator, each of which counts as a row; there is always one to be read unless it knows better."""

    def __init__(self, source: Iterator[bytes], gzip: bool) -> None:
        self.rows = self.size = 0
        self._source = source
        self._packer = zlib.compressobj(1, wbits=31) if gzip else None

    def __next__(self) -> bytes:
        packer = self._packer
        try:
            chunk = next(self._source)
        except OSError as error:
            raise DownloadError(str(error)) from error
        except StopIteration:
            if packer is None:
                raise
            self._packer = None
            return packer.flush()
        self.rows += 1
        self.size += len(chunk)
        return packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH) if packer else chunk

    def start(self) -> None:
        """There is nothing to begin."""

    def fileno(self) -> int:
        return int(getattr(self._source, "ready", READY))

    def cancel(self) -> None:
        if hasattr(self._source, "cancel"):
            self._source.cancel()

    def close(self) -> None:
        if hasattr(self._source, "close"):
            self._source.close()


@dataclass
class FakeDownload:
    """A download of any chunks."""

    name: str
    mimetype: str
    gzip: bool
    chunks: FakeChunks


def rows(count: int) -> Iterator[bytes]:
    """`count` short chunks."""
    for number in range(count):
        yield b'{"seq":%d}\n' % number


def _check(q: str) -> None:
    if "foo" in q:
        raise BadValueError(f'unknown field "foo" in "{q}"; known: seq, time')


def dated(at: int | None) -> dict[str, Any]:
    """What an answer of the past carries."""
    return {} if at is None else {"at": str(at)}


class FakeStream:
    """The pieces that it is given, then nothing."""

    cursor = "1-1-0"

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def take(self, *, is_sse: bool) -> Iterator[bytes]:
        return self._pieces


class FakeFaults:
    """As core.watch.fault_book.FaultBook, with nothing on."""

    def count(self, request: FaultRequest) -> int:
        return 2

    def begin(self, number: int, request: FaultRequest, who: str) -> tuple[dict[str, Any] | None, str]:
        return {"id": number, "matched": 2}, ""

    def listed(self) -> list[dict[str, Any]]:
        return []

    def end(self, number: int) -> bool:
        return False

    def end_all(self) -> list[int]:
        return []


class FakeMonitor:
    """Connections 1 and 2 are open, 3 is closed."""

    def __init__(self) -> None:
        self.viewers = 0
        self.live_failure = ""
        self.is_replay = False
        self.workers = 0
        self.healthy = True
        self.calls: list[tuple[Any, ...]] = []
        self.closed: list[int] = []
        self.closed_how: list[str] = []
        self.chunks: Iterator[bytes] = rows(1000)
        self.name = "echoscope-log.{}"
        self.peer = ""
        self.pieces: Iterator[bytes] = iter(())
        self.faults = FakeFaults()
        self.find_order: Callable[[int], dict[str, Any] | None] = lambda number: None

    def moment(self, text: str) -> int:
        if not text.isdigit():
            raise BadValueError(f'bad time "{text}"')
        return int(text) * 10**9

    def latest(self) -> int:
        return 1000 * 10**9

    def span(self) -> dict[str, Any]:
        return {"since": "2026-11-23T14:00:00.000000000Z", "until": "2026-11-23T15:00:00.000000000Z", "live": True}

    def status(self, at: int | None = None) -> dict[str, Any]:
        self.calls.append(("status",) if at is None else ("status", at))
        return {"name": "echoscope", "version": "0", "workers": 0, "viewers": self.viewers, **dated(at)}

    def overview(self, at: int | None = None) -> dict[str, Any]:
        self.calls.append(("overview",))
        return {**self.status(at), "echoes_per_s": 12.5, "loop_busy": 0.25}

    def unknown(self, conn: int, at: int) -> dict[str, Any]:
        return {"conn": conn, "state": None, **dated(at)}

    def events_until(self, q: str, after: int | None, at: int, limit: int, mark: str = "") -> dict[str, Any]:
        return {"items": [ROW][:limit], "skipped": 0, "after": after, **dated(at)}

    def measures(self) -> Measures:
        queue = {"bytes": 0, "chunks": 0, "max_bytes": 0}
        recorder = {"events": 1, "lost": 0, "dropped": {"events": 0}, "lag_ms": 0.0, "log_bytes": 0, "damaged": ""}
        sums = {"uptime_s": 1.0, "bytes_in": 0, "bytes_out": 0, "echoes": 0, "queue": queue, "recorder": recorder}
        told = {"model": "epoll", "reply": "echo", "connections": {"accepted": 2, "refused": 0}}
        nothing = Histogram((1.0,))
        return Measures(self.status() | sums | told, {"loop_busy": 0.0}, {"open": 2}, {}, {}, nothing, nothing, 0.0)

    def sign(self) -> int:
        return 0

    def on_news(self, tell: Callable[[], None]) -> None:
        self.tell = tell

    def loop(self) -> dict[str, Any]:
        self.calls.append(("loop",))
        latest = {"time": [1.5], "wait_us": [20.0]}
        return {"model": "epoll", "workers": [{"worker": 0, "latest": latest}]}

    def map(self, sort: str, at: int | None = None) -> dict[str, Any]:
        if sort != "conn":
            raise BadValueError(f'unknown sort "{sort}"')
        return {"total": 0, "sort": sort, "states": {}, "cells": "", **dated(at)}

    def connections(self, q: str, sort: str, limit: int, offset: int, at: int | None = None) -> dict[str, Any]:
        _check(q)
        if sort.lstrip("-") not in connection_item(1):
            raise BadValueError(f'cannot sort by "{sort}"')
        self.calls.append(("connections", q, sort, limit, offset))
        items = [connection_item(1), connection_item(2)][offset : offset + limit]
        items = [item | {"peer": self.peer or item["peer"]} for item in items]
        counts = {"open": 2, "blocked": 0, "paused": 0, "closing": 0, "closed": 1, "abnormal": 0, "probe": 0}
        return {"total": 2, "matched": 2, "items": items, "counts": counts, **dated(at)}

    def groups(self, by: str, q: str, sort: str, limit: int, at: int | None = None) -> dict[str, Any]:
        _check(q)
        if by not in GROUPED_BY:
            raise BadValueError(f'unknown by "{by}"')
        group = {"value": "open", "connections": 2, "bytes_in": 1, "bytes_out": 1, "queue_bytes": 0, "abnormal": 0}
        return {"by": by, "total": 1, "groups": [group], "age_s": None, **dated(at)}

    def fields(self, of: str) -> dict[str, Any]:
        return {"of": of, "fields": catalogue.fields(of)}

    def suggest(self, of: str, field: str, text: str, at: int | None = None) -> dict[str, Any]:
        if field == "foo":
            raise BadValueError('unknown field "foo"')
        self.calls.append(("suggest", of, field, text))
        return {"values": [{"value": "127.0.0.1", "meaning": "2 connections"}], **dated(at)}

    def knows(self, conn: int, at: int | None = None) -> bool:
        return conn <= 3

    def connection(self, conn: int, at: int | None = None) -> dict[str, Any] | None:
        if conn > 3:
            return None
        verdict = {"code": "fine", "sentence": "All is well.", "evidence": []}
        more = {"history": [], "events_in_memory": 0, "marks": None, "kernel": None, "verdict": verdict}
        return {**connection_item(conn, "closed" if conn == 3 else "open"), **more, **dated(at)}

    def events(
        self,
        q: str,
        since: str | None,
        until: str | None,
        limit: int,
        cursor: str | None,
        order: str,
        mark: str = "",
    ) -> dict[str, Any]:
        _check(q)
        _check(mark)
        self.calls.append(("events", q, since, until, limit, cursor, order, mark))
        return {"items": [ROW], "next": None, "progress": {"scanned": 1, "total": 1}}

    def histogram(self, q: str, since: str | None, until: str | None, bins: int, cursor: str | None) -> dict[str, Any]:
        _check(q)
        self.calls.append(("histogram", q, since, until, bins, cursor))
        return {"kinds": {"echo": [1]}, "total": 1, "next": None}

    def download(self, format: str, q: str, since: str | None, until: str | None, gzip: bool) -> FakeDownload:
        _check(q)
        if format not in ("jsonl", "csv"):
            raise BadValueError(f'unknown format "{format}"; known: jsonl, csv')
        chunks = FakeChunks(self.chunks, gzip)
        return FakeDownload(self.name.format(format), "application/x-ndjson", gzip, chunks)

    def estimate(self, format: str, q: str, since: str | None, until: str | None) -> dict[str, Any]:
        _check(q)
        self.calls.append(("estimate", format, q, since, until))
        return {"rows": 1000, "bytes": 12_890, "exact": True, "name": self.name.format(format)}

    def course(self, conn: int, since: str | None, until: str | None) -> dict[str, Any]:
        self.calls.append(("course", conn, since, until))
        columns: dict[str, Any] = {"time": [], "queue_bytes": [], "bytes_in_per_s": [], "bytes_out_per_s": []}
        return {"step": 1, **columns, "is_whole": True}

    def stream(self, q: str, since: str | None, cursor: str | None) -> FakeStream:
        _check(q)
        return FakeStream(self.pieces)

    def catch_up(self) -> None:
        pass

    def series(self, range_s: int, at: int | None = None) -> dict[str, Any]:
        if not 60 <= range_s <= 86_400:
            raise BadValueError(f"range must be 60 to 86400 seconds, not {range_s}")
        return {"range": range_s, "step": 1, "time": [], "open": [], **dated(at)}

    def tail(self, q: str, mark: str = "") -> FakeTail:
        _check(q)
        _check(mark)
        return FakeTail()

    def health(self) -> tuple[bool, str]:
        return self.healthy, "" if self.healthy else "the loop has stalled for 3 s"

    def switch_model(self, model: str) -> str:
        if model not in ("epoll", "select", "threads"):
            raise BadValueError(f'unknown model "{model}"; known: epoll, select, threads')
        if model != "epoll":
            return f"{model} can't"
        self.calls.append(("switch", model))
        return ""

    def matching(self, q: str) -> list[tuple[int, int]]:
        self.connections(q, "conn", 1, 0)
        return [(1, 0), (5, 0)]

    def close_matching(self, q: str, how: str) -> tuple[int, int]:
        found = self.matching(q)
        for conn, _ in found:
            self.close_connection(conn, how)
        return len(found), len(found)

    def note_order(self, what: str, number: int, conn: int) -> None:
        """Noted nowhere."""

    def close_connection(self, conn: int, how: str) -> bool:
        self.closed.append(conn)
        self.closed_how.append(how)
        return conn not in (2, 3)


class FakeEngine:
    """A listening socket that answers nobody."""

    def __init__(self) -> None:
        self.monitor = FakeMonitor()
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def echo_address(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()
        return host, port

    def start(self) -> None:
        """Nothing to start."""

    def stop_serving(self, timeout: float) -> None:
        """Serve nobody, as ever."""

    def stop(self) -> None:
        """Close the socket."""
        self._listener.close()
