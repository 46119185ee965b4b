"""Events for scripts, without end: NDJSON, or Server-Sent Events; each row carries the cursor to go on with.

Nothing is kept for a reader: it is read from the log what its connection takes. Who takes nothing is cut.
Source of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from flask import Blueprint, Response, request

from core.bad_value import BadValueError
from core.log.read.event_stream import GoneError
from web.api.parameters import StreamParameters, parse
from web.api.problems import ProblemError
from web.live import sockets
from web.monitor_protocol import EventStream, Monitor

MOST: Final = 8
BEAT_S: Final = 15.0
"""Seconds of silence after which something is sent, so that proxies and clients know that the server lives."""
SLOW_S: Final = 10.0
"""Seconds that a piece of some 500 kB may wait for its reader."""
_LOOK_S: Final = 0.25
_SHARE: Final = 0.25
"""Of one core, for all streams together."""
_SEND_BUFFER: Final = 256 * 1024
_RETRY_S: Final = 5
_NDJSON: Final = "application/x-ndjson"
_SSE: Final = "text/event-stream"


class _Share:
    """Lets one stream work at a time, and all of them for a share of the time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due = 0.0

    def pieces(self, source: Iterator[bytes]) -> Iterator[bytes]:
        """What `source` answers, each piece worked out when it may be."""
        while True:
            with self._lock:
                time.sleep(max(0.0, self._due - time.monotonic()))
                began = time.thread_time()
                piece = next(source, None)
                self._due = time.monotonic() + (time.thread_time() - began) * (1 / _SHARE - 1)
            if piece is None:
                return
            yield piece


class Body(Iterator[bytes]):
    """The body of one stream. `close` may be called more than once, by any thread."""

    def __init__(self, pieces: Iterator[bytes], sock: socket.socket | None, release: Callable[["Body"], None]) -> None:
        self._pieces = pieces
        self._release = release
        self.sock = sock
        self.handed_over: float | None = None
        """Since when (monotonic seconds) the web server has a piece that the reader has not taken."""

    def __next__(self) -> bytes:
        self.handed_over = None
        piece = next(self._pieces)
        self.handed_over = time.monotonic()
        return piece

    def close(self) -> None:
        """The response is over, or the reader has gone."""
        self._release(self)


class Streams:
    """All streams: at most MOST, and no more than `room()` says. `changed` is called when one comes or goes."""

    def __init__(
        self, monitor: Monitor, room: Callable[[], int], changed: Callable[[], None], slow_s: float = SLOW_S
    ) -> None:
        self.slow_s = slow_s
        self._monitor = monitor
        self._room = room
        self._changed = changed
        self._share = _Share()
        self._bodies: set[Body] = set()
        self._lock = threading.Lock()
        self._news = threading.Condition()
        self._news_count = 0
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._bodies)

    def news(self) -> None:
        """Events were taken in."""
        with self._news:
            self._news_count += 1
            self._news.notify_all()

    def stop(self) -> None:
        """End all, and begin no more."""
        self._stopping.set()
        self.news()
        with self._lock:
            bodies, watcher = list(self._bodies), self._watcher
        for body in bodies:
            if body.sock is not None and body.handed_over is not None:
                sockets.cut(body.sock)
        if watcher is not None:
            watcher.join()

    def respond(self, asked: StreamParameters) -> Response:
        """The stream as a response; `Last-Event-ID` is the cursor of one that was broken off."""
        is_sse = request.accept_mimetypes.best_match((_NDJSON, _SSE), _NDJSON) == _SSE
        cursor = request.headers.get("Last-Event-ID") or asked.cursor
        try:
            stream = self._monitor.stream(asked.q, asked.since, cursor)
        except BadValueError as error:
            raise ProblemError(400, str(error)) from error
        except GoneError as error:
            raise ProblemError(410, str(error)) from error
        body = self._open(stream, is_sse)
        response = Response(body, content_type=f"{_SSE if is_sse else _NDJSON}; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # nginx would keep it until there is more
        response.vary.add("Accept")
        return response

    def _open(self, stream: EventStream, is_sse: bool) -> Body:
        sock = sockets.socket_of(request.environ)
        body = Body(self._pieces(stream, is_sse, sock), sock, self._close)
        with self._lock:
            if len(self._bodies) >= min(MOST, self._room()):
                # Who comes back at once after its link broke does not wait for the end of what it has left behind.
                self._bodies = {one for one in self._bodies if not sockets.has_gone(one.sock)}
                self.news()
            if self._stopping.is_set() or len(self._bodies) >= min(MOST, self._room()):
                why = "the server is stopping" if self._stopping.is_set() else "too many streams and viewers"
                raise ProblemError(503, f"{why}: try again in a moment", {"Retry-After": str(_RETRY_S)})
            self._bodies.add(body)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="streams", daemon=True)
                self._watcher.start()
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._changed()
        return body

    def _close(self, body: Body) -> None:
        with self._lock:
            self._bodies.discard(body)
        self._changed()

    def _watch(self) -> None:
        """Cut those whose reader takes nothing, as long as there is a stream."""
        while not self._stopping.wait(self.slow_s / 4):
            with self._lock:
                if not self._bodies:
                    self._watcher = None
                    return
                bodies = list(self._bodies)
            for body in bodies:
                since = body.handed_over
                if since is not None and body.sock is not None and time.monotonic() - since > self.slow_s:
                    sockets.cut(body.sock)

    def _wait_for_news(self, seen: int) -> None:
        """A second at most: whether the reader has gone is to be looked at now and then."""
        with self._news:
            self._news.wait_for(lambda: self._news_count != seen, timeout=1.0)

    def _pieces(self, stream: EventStream, is_sse: bool, sock: socket.socket | None) -> Iterator[bytes]:
        """First what makes the server send its head, then rows, and in their absence a sign of life."""
        yield b"retry: 2000\n\n" if is_sse else b"\n"
        sent = time.monotonic()
        while not self._stopping.is_set() and not sockets.has_gone(sock):
            seen = self._news_count
            self._monitor.catch_up()
            try:
                for piece in self._share.pieces(stream.take(is_sse=is_sse)):
                    yield piece
                    sent = time.monotonic()
            except GoneError:
                return  # retention is faster than this reader: the cursor it comes back with is answered with a 410
            if time.monotonic() - sent >= BEAT_S:
                # The place moves on though no row matched: a reader that comes back need not look at them again.
                yield b":\nid: " + stream.cursor.encode() + b"\n\n" if is_sse else b"\n"
                sent = time.monotonic()
            self._stopping.wait(_LOOK_S)
            self._wait_for_news(seen)


def blueprint(streams: Streams) -> Blueprint:
    """The stream of events."""
    routes = Blueprint("streams", __name__)

    @routes.get("/api/v1/events/stream")
    def stream() -> Response:
        return streams.respond(parse(StreamParameters, request.args))

    return routes
