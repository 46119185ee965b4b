"""The sessions of Engine.IO: the one place with the private names of it, python-socketio and simple-websocket."""

import queue
import socket
from collections.abc import Callable
from typing import Any, Final

from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI
from flask_socketio import SocketIO

from web.live import sockets

MAX_MESSAGE_BYTES: Final = 64_000
MAX_UNREAD: Final = 64
"""Messages waiting for one viewer (its frames are at most one a view)."""
PING_S: Final = 8
"""Between two pings. A thread of Engine.IO waits as long for each, also after the end of its session."""
PONG_S: Final = 20


class _Outbox(queue.Queue[Any]):
    """What waits for one viewer. When it overflows, the viewer doesn't read, and `overflow` is told."""

    def __init__(self, overflow: Callable[["_Outbox"], None]) -> None:
        super().__init__()
        self._overflow = overflow
        self._broken = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if item is not None and self.qsize() >= MAX_UNREAD:
            if not self._broken:
                self._broken = True
                self._overflow(self)
            return
        super().put(item, block, timeout)

    def join(self) -> None:
        """Who ends a session does not wait for its client to take what is left: a thread would wait for ever."""


def _web_socket(handler: Any, server: Any) -> Any:
    # A peer that answers no ping of the protocol is given up: its kernel may acknowledge what it never reads.
    return SimpleWebSocketWSGI(handler, server, max_message_size=MAX_MESSAGE_BYTES, ping_interval=PING_S + PONG_S)


class Sessions:
    """Those of one Socket.IO server; a session is a client, whether it has connected to our namespace or not."""

    def __init__(self, io: SocketIO, overflowed: Callable[[str], None]) -> None:
        """`overflowed` is told which session leaves its messages unread."""
        self._server = io.server
        self._overflowed = overflowed
        self._server.eio.create_queue = lambda: _Outbox(self._overflow)
        self._server.eio._async = {**self._server.eio._async, "websocket": _web_socket}

    def __len__(self) -> int:
        return len(self._server.eio.sockets)

    def ids(self) -> set[str]:
        """All that there are. Those that are closed are forgotten: Engine.IO looks at each every 20 s only."""
        engine_sockets = self._server.eio.sockets
        for session in [session for session, each in list(engine_sockets.items()) if each.closed]:
            engine_sockets.pop(session, None)
        return set(engine_sockets)

    def of_viewer(self, sid: str) -> str | None:
        """The session of a client of our namespace; None when it has gone."""
        try:
            session: str | None = self._server.manager.eio_sid_from_sid(sid, "/")
        except KeyError:
            return None
        return session

    def is_upgraded(self, session: str) -> bool:
        """Whether it goes by a WebSocket."""
        engine_socket = self._server.eio.sockets.get(session)
        return engine_socket is not None and bool(engine_socket.upgraded)

    def first_socket(self, session: str) -> socket.socket | None:
        """The TCP socket by which it began."""
        return sockets.socket_of(self._server.environ.get(session, {}))

    def cut(self, session: str, upgraded: socket.socket | None) -> None:
        """End it at once, however stuck it is; `upgraded`: the TCP socket of its WebSocket, if it began without."""
        sock = upgraded or self.first_socket(session)
        engine_socket = self._server.eio.sockets.get(session)
        if engine_socket is None:
            return
        if engine_socket.upgraded and sock is not None:
            sockets.cut(sock)
        else:
            engine_socket.close(wait=False, abort=True)

    def _overflow(self, outbox: _Outbox) -> None:
        for session, engine_socket in list(self._server.eio.sockets.items()):
            if engine_socket.queue is outbox:
                self._overflowed(session)
