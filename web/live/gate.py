"""What stands in front of Socket.IO: how many sessions there may be, and how many threads one of them holds."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from web.access.client_address import Environ
from web.access.security import App, StartResponse
from web.api import problems
from web.live import sockets
from web.live.frames import SILENCE_S

PATH: Final = "/socket.io"
_ENDED: Final = ("Session is disconnected", "Session not found")


class HeldSocket(NamedTuple):
    """A WebSocket, the session that asked for it (empty: one that begins with it), and since when."""

    sock: socket.socket
    session: str
    since: float


class Gate:
    """WSGI middleware: knows each WebSocket's TCP socket, bounds them, and lets a session hold one thread a kind."""

    def __init__(self, app: App, most: int, sessions: Callable[[], int]) -> None:
        self._app = app
        self._most = most
        self._sessions = sessions
        self._lock = threading.Lock()
        self._asking: set[tuple[str, str]] = set()
        self._held: dict[socket.socket, HeldSocket] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(PATH):
            return self._app(environ, start_response)
        session = parse_qs(environ.get("QUERY_STRING", "")).get("sid", [""])[0]
        if not session and max(self._sessions(), len(self._held)) >= self._most:
            return _refuse(start_response, 503, "too many viewers: close another dashboard tab and try again")
        # Compressing every frame would cost more processor time than it saves on the wire.
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        is_web_socket = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        kind = "WebSocket" if is_web_socket else environ["REQUEST_METHOD"]
        with self._alone(session, kind) as is_alone:
            if not is_alone:
                return _refuse(start_response, 429, f"a {kind} of this session is under way: one at a time")
            sock = sockets.socket_of(environ) if is_web_socket else None
            if sock is None:
                return self._poll(environ, start_response)
            sockets.give_up_after(sock, SILENCE_S)
            self._held[sock] = HeldSocket(sock, session, time.monotonic())
            try:
                return self._app(environ, start_response)
            finally:
                self._held.pop(sock, None)

    def held(self) -> list[HeldSocket]:
        """The WebSockets for which a thread works."""
        return list(self._held.values())

    def upgraded(self, session: str) -> socket.socket | None:
        """The TCP socket of the WebSocket that a session has asked for."""
        return next((held.sock for held in self.held() if session and held.session == session), None)

    @contextmanager
    def _alone(self, session: str, kind: str) -> Iterator[bool]:
        """Whether no other request of that kind is under way in the session: clients send one after the other."""
        with self._lock:
            is_alone = not session or (session, kind) not in self._asking
            if is_alone:
                self._asking.add((session, kind))
        try:
            yield is_alone
        finally:
            if is_alone:
                self._asking.discard((session, kind))

    def _poll(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A request without a WebSocket. A message to a session that we have just cut is nobody's failure."""
        try:
            return self._app(environ, start_response)
        except KeyError as error:  # Engine.IO answers 400 to a GET after the end, and forgets to do so for a POST
            if error.args[0] not in _ENDED:
                raise
            return _refuse(start_response, 400, "this session has ended: connect anew")


def _refuse(start_response: StartResponse, status: int, why: str) -> list[bytes]:
    content = problems.body(status, why)
    headers = [("Content-Type", problems.MEDIA_TYPE)] + [("Retry-After", "5")] * (status == 503)
    start_response(f"{status} {problems.title(status)}", headers)
    return [content]
