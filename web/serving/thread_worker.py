"""gunicorn's worker with threads, which get a request only once all of it has come: slow clients hold no thread.

One thread, that of the poller, waits for requests and for the ends of connections; the pool's threads answer. What is
private to gunicorn is used here and in `serving.py` only.
"""

import errno
import os
import re
import select
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import Any, Final

from gunicorn import http
from gunicorn.workers.gthread import TConn, ThreadWorker

from web.api.problems import MEDIA_TYPE, body

MAX_HEAD_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 64_000
MOST_IDLE: Final = 128
"""Connections besides those that threads work for: more than that, and the oldest one that waits is closed."""
REQUEST_S: Final = 20.0
"""From the first byte of a request to its last."""
LINGER_S: Final = 2.0
SLOW_S: Final = 0.5
"""A client that takes longer to read an answer is a slow one; a download may be read as slowly as one likes."""
MOST_SLOW: Final = 4
ANSWER_S: Final = 30.0

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
_CONTINUE: Final = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_AGAIN: Final = (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR, errno.EPROTO, errno.EPERM)


class RefusedError(Exception):
    """A request that is refused before all of it has come; status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def is_whole(data: bytes | bytearray) -> bool:
    """Whether a request is there with its body (RFC 9112). Raises RefusedError for one that is too long."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > MAX_HEAD_BYTES:
            raise RefusedError(431, f"the head of a request has at most {MAX_HEAD_BYTES:,} bytes")
        return False
    head, start = bytes(data[: end + 2]), end + 4
    if _CHUNKED.search(head):
        return _is_whole_in_chunks(data, start)
    length = _LENGTH.search(head)
    wanted = int(length[1]) if length else 0
    if wanted > MAX_BODY_BYTES:
        raise _too_large()
    return len(data) >= start + wanted


def _is_whole_in_chunks(data: bytes | bytearray, at: int) -> bool:
    """Whether the last chunk and the trailer are there; what is no chunk is for the parser to refuse."""
    start = at
    while (line := data.find(b"\r\n", at)) >= 0:
        size = re.fullmatch(rb"([0-9a-fA-F]{1,8})[ \t]*(;.*)?", bytes(data[at:line]), re.DOTALL)
        if size is None:
            return True
        if int(size[1], 16) == 0:
            return data.startswith(b"\r\n", line + 2) or data.find(b"\r\n\r\n", line) >= 0
        at = line + 2 + int(size[1], 16) + 2
        if at - start > 2 * MAX_BODY_BYTES:
            raise _too_large()
    if len(data) - start > 2 * MAX_BODY_BYTES:
        raise _too_large()
    return False


def _too_large() -> RefusedError:
    return RefusedError(413, f"the body of a request has at most {MAX_BODY_BYTES:,} bytes")


class ClientSocket(socket.socket):
    """The socket of a client, which only the thread that made it closes.

    Others, as the reader of a WebSocket, end it in both directions: the poller may be waiting for it, and would take
    the next client that gets its descriptor for this one. Who reads answers slowly may hold one of a few threads, and
    not for long.
    """

    slow: Final = threading.BoundedSemaphore(MOST_SLOW)
    is_unhurried: bool = False
    """Whether it has bounds of its own: a download, a WebSocket."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._maker = threading.get_ident()

    def close(self) -> None:
        """Give the descriptor back, or leave that to the thread that made it."""
        if threading.get_ident() == self._maker:
            return super().close()
        with suppress(OSError):  # the client has gone
            self.shutdown(socket.SHUT_RDWR)
        return None

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it. Raises ConnectionResetError when the client reads too slowly."""
        if self.is_unhurried:
            return super().sendall(data, flags)
        left, poll = memoryview(data).cast("B"), select.poll()
        poll.register(self, select.POLLOUT)
        end = time.monotonic() + ANSWER_S
        with ExitStack() as held:
            patience = SLOW_S
            while left:
                try:
                    left = left[self.send(left, socket.MSG_DONTWAIT) :]
                    continue
                except BlockingIOError:
                    if poll.poll(patience * 1000):
                        continue
                if patience != SLOW_S or not self.slow.acquire(blocking=False):
                    raise ConnectionResetError(errno.ECONNRESET, "the client reads too slowly")
                held.callback(self.slow.release)
                patience = max(0.0, end - time.monotonic())
        return None


class _Incoming:
    """A connection whose next request has not come as a whole."""

    __slots__ = ("data", "deadline", "is_continued")

    def __init__(self, data: bytes, deadline: float) -> None:
        self.data = bytearray(data)
        self.deadline = deadline
        self.is_continued = False


class Worker(ThreadWorker):  # type: ignore[misc]
    """A worker whose threads never wait for a request, and whose poller never waits at all."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.worker_connections = self.cfg.threads + MOST_IDLE
        self.max_keepalived = MOST_IDLE
        self._incoming: dict[Any, _Incoming] = {}
        self._lingering: dict[Any, float] = {}
        self._spare = open(os.devnull)  # noqa: SIM115 - a descriptor for when there is no other
        # What speaks TLS or HTTP/2 here is read as gunicorn does it: behind a proxy neither is needed.
        self._is_plain = not self.cfg.is_ssl and self.cfg.http2_cleartext == "off"

    def accept(self, listener: socket.socket) -> None:
        """Take a connection; close the oldest that waits for a request when there are too many."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                return self._turn_away(listener)
            if error.errno not in _AGAIN:
                raise
            return None
        self.nr_conns += 1
        sock = ClientSocket(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self.enqueue_req(TConn(self.cfg, sock, address, listener.getsockname()))
        if self.nr_conns >= self.worker_connections:
            self._evict()
        return None

    def enqueue_req(self, conn: Any) -> None:
        """Wait for all of the next request, then give it to a thread."""
        if not self._is_plain:
            super().enqueue_req(conn)
            return
        held = conn.parser.unreader.take_buffered() if conn.parser else b""
        wait_s = REQUEST_S if held else self.cfg.keepalive
        conn.sock.setblocking(False)
        self._incoming[conn] = _Incoming(held, time.monotonic() + wait_s)
        self.poller.register(conn.sock, EVENT_READ, partial(self._receive, conn))
        self._receive(conn, None)

    def finish_request(self, conn: Any, future: "Future[Any]") -> None:
        """After an answer: keep the connection, or end it without waiting for the client."""
        if future.cancelled() or future.exception() or not future.result():
            self._end(conn)
        else:
            super().finish_request(conn, future)

    def murder_pending(self) -> None:
        """Close what has waited too long."""
        super().murder_pending()
        now = time.monotonic()
        for conn, incoming in list(self._incoming.items()):
            if now > incoming.deadline or not self.alive:
                if incoming.data:
                    self._refuse(conn, RefusedError(408, f"a request has {REQUEST_S:.0f} s to come"))
                else:
                    self._close(conn)
        for conn in [conn for conn, deadline in self._lingering.items() if now > deadline]:
            self._close(conn)

    def _receive(self, conn: Any, _sock: object) -> None:
        incoming = self._incoming.get(conn)
        if incoming is None:  # closed for another one, whose event came in the same turn
            return None
        try:
            data = conn.sock.recv(65_536)
        except BlockingIOError:
            data = None
        except OSError:
            data = b""
        if data == b"":
            return self._close(conn)
        if data:
            if not incoming.data:
                incoming.deadline = time.monotonic() + REQUEST_S
            incoming.data += data
        try:
            if incoming.data and is_whole(incoming.data):
                return self._hand_over(conn)
        except RefusedError as error:
            return self._refuse(conn, error)
        if not incoming.is_continued and b"\r\n\r\n" in incoming.data and _CONTINUE.search(incoming.data):
            incoming.is_continued = True
            with suppress(OSError):  # then it doesn't go on, and its time runs out
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    def _hand_over(self, conn: Any) -> None:
        data = bytes(self._forget(conn))
        # From what has come, never from the socket: no thread waits for what a client may send.
        requests = conn.parser.req_count if conn.parser else 0
        conn.parser = http.get_parser(self.cfg, [data], conn.client)
        conn.parser.req_count = requests
        conn.initialized = conn.data_ready = True
        conn.sock.is_unhurried = False
        super().enqueue_req(conn)

    def _forget(self, conn: Any) -> bytearray:
        with suppress(KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self._lingering.pop(conn, None)
        incoming = self._incoming.pop(conn, None)
        return incoming.data if incoming else bytearray()

    def _refuse(self, conn: Any, error: RefusedError) -> None:
        content = body(error.status, str(error))
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        with suppress(OSError):  # it has gone
            conn.sock.send(head.encode() + content)
        self._forget(conn)
        self._end(conn)

    def _end(self, conn: Any) -> None:
        """End our side, and close once the client has ended its own (RFC 9112, 9.6), or soon."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError, KeyError):
            self._close(conn)
        else:
            self._lingering[conn] = time.monotonic() + LINGER_S

    def on_client_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """A kept connection has its next request, or has ended."""
        if conn in self.keepalived_conns:
            super().on_client_socket_readable(conn, client)

    def _drain(self, conn: Any, _sock: object) -> None:
        if conn not in self._lingering:
            return
        try:
            if conn.sock.recv(65_536):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # reset by the client: closed as well
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    def _evict(self) -> None:
        """Close the oldest connection that waits for something."""
        if self._lingering or self._incoming:
            self._close(next(iter(self._lingering or self._incoming)))
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self._close(conn)

    def _turn_away(self, listener: socket.socket) -> None:
        """Without a descriptor left: close what waits, or else the client, which would hang unanswered."""
        self._evict()
        self._spare.close()
        with suppress(OSError):  # another thread has taken it, or the client has gone
            listener.accept()[0].close()
        with suppress(OSError):  # then there is none to spare the next time
            self._spare = open(os.devnull)  # noqa: SIM115
