"""Live updates over Socket.IO: the hub's frames out, watch and unwatch in.

One thread publishes all frames. Nothing here can grow without bound: a view has one frame under way, and a viewer
that leaves its other messages unread is cut.
"""

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Hashable
from typing import Any, Final

from flask import Flask, request
from flask_socketio import ConnectionRefusedError, SocketIO

from core.bad_value import BadValueError
from web.access.authentication import Authentication
from web.access.client_address import Environ
from web.access.roles import EVENTS
from web.access.security import SameOrigin
from web.api.lab import Lab
from web.api.parameters import (
    Watch,
    WatchConnection,
    WatchConnections,
    WatchEvents,
    WatchLab,
    WatchLoop,
    WatchMap,
    WatchOverview,
    parse_unwatch,
    parse_watch,
    watch_id,
)
from web.api.streams import Streams
from web.live import sockets
from web.live.frames import Frame, Hub, Outlets, Sources, Take
from web.live.gate import Gate
from web.live.tails import Tails
from web.live.travel import Travel
from web.monitor_protocol import Json, Monitor
from web.serving.engine_io import MAX_MESSAGE_BYTES, MAX_UNREAD, PING_S, PONG_S, Sessions

RETRY_S: Final = 1.0
CHECK_S: Final = 0.5
"""How often it is looked whether the viewers may still watch."""
RECONCILE_S: Final = 3.0
GRACE_S: Final = 10.0
"""How long a session may take to become a viewer's, or to go on by the WebSocket that it has asked for."""
FAILURES_EVERY_S: Final = 60.0
log = logging.getLogger("echoscope.live")


class _Json:
    """The JSON module of Socket.IO, for which a frame is text already."""

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        if isinstance(value, list) and len(value) == 2 and isinstance(value[1], Frame):
            return f'["{value[0]}",{value[1].text}]'
        return json.dumps(value, **options)

    @staticmethod
    def loads(text: str, **options: Any) -> Any:
        try:
            return json.loads(text, **options)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


class _Failures(logging.Filter):
    """What clients do wrong is told to them, not to the operator; failures that they may bring about, now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written."""
        if not _is_ours(record):
            return False
        now = time.monotonic()
        if now < self._next:
            self._left_out += 1
            return False
        if self._left_out:
            record.msg = f"{record.msg} ({self._left_out} more failures in the meantime)"
        self._next, self._left_out = now + FAILURES_EVERY_S, 0
        return True


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether an exception came through our own code, and is no ValueError: those are what a bad packet comes to.

    Our own handlers answer the bad values that they are given.
    """
    if record.exc_info is None or isinstance(record.exc_info[1], ValueError):
        return False
    trace = record.exc_info[2]
    modules = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(trace))
    return any(name.startswith(("web.", "core.")) for name in modules)


def _engine_log() -> logging.Logger:
    """Where Engine.IO's failures are written."""
    engine_log = logging.getLogger("echoscope.engineio")
    engine_log.setLevel(logging.ERROR)
    engine_log.filters = [_Failures()]
    return engine_log


class Live:
    """The Socket.IO side of the dashboard. `start` before the first request, `stop` before the web server ends."""

    def __init__(
        self,
        app: Flask,
        monitor: Monitor,
        most_viewers: int,
        same_origin: SameOrigin,
        lab: Lab | None,
        authentication: Authentication,
    ) -> None:
        self._monitor = monitor
        self._authentication = authentication
        self._environs: dict[str, Environ] = {}  # of each viewer's connect, which says who it is
        self._checked = 0.0
        self._lab = lab
        self._most = most_viewers
        self._tails = Tails(monitor)
        self._stopping = False
        self._wake = threading.Event()
        self._counting = threading.Lock()
        self._io = SocketIO(
            app,
            async_mode="threading",
            async_handlers=False,
            cors_allowed_origins=same_origin,
            manage_session=False,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
            json=_Json,
            engineio_logger=_engine_log(),
        )
        self._server = self._io.server
        self._sessions = Sessions(self._io, self._overflowed)
        self._known: dict[str, float] = {}
        # Sessions that are connecting or just going hold a thread too: few more of them than viewers.
        self._gate = Gate(app.wsgi_app, most_viewers + 4, lambda: len(self._sessions))
        app.wsgi_app = self._gate  # type: ignore[method-assign]
        sources = Sources(self._compute, self._sign)
        outlets = Outlets(self._send, self.cut, self._wake.set)
        self.hub = Hub(sources, outlets, time.monotonic, time.thread_time)
        self._travel = Travel(monitor, self.hub.news)
        self.streams = Streams(monitor, lambda: most_viewers - len(self.hub), self._count)
        monitor.on_news(self._news)
        self._thread = threading.Thread(target=self._publish, name="live", daemon=True)
        self._io.on_event("connect", self._on_connect)
        self._io.on_event("disconnect", self._on_disconnect)
        self._io.on_event("watch", self._on_watch)
        self._io.on_event("unwatch", self._on_unwatch)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def stop(self) -> None:
        """Cut every viewer and take no new ones. Cut, not told to go: so their pages reconnect to the next server."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._travel.stop()
        self.streams.stop()
        for session in self._sessions.ids():
            self._cut_session(session)
        self._server.shutdown()

    def _news(self) -> None:
        self.hub.news()
        self.streams.news()

    def cut(self, sid: str) -> None:
        """End one viewer's connection at once, however stuck it is."""
        session = self._sessions.of_viewer(sid)
        if session is not None:
            self._cut_session(session)

    def _cut_session(self, session: str) -> None:
        self._sessions.cut(session, self._gate.upgraded(session))

    def _overflowed(self, session: str) -> None:
        log.warning("a viewer left %d messages unread and was cut", MAX_UNREAD)
        self._cut_session(session)

    def reconcile(self, now: float) -> None:
        """Give back what is held for nobody: Engine.IO may end a session, or wait for one, without a word to us."""
        sessions = self._sessions.ids()
        viewers = {sid: self._sessions.of_viewer(sid) for sid in self.hub.sids()}
        for sid in [sid for sid, session in viewers.items() if session not in sessions]:
            self.hub.remove(sid)
            self._environs.pop(sid, None)
            self._count()
        self._known = {session: self._known.get(session, now) for session in sessions}
        strangers = sessions - set(viewers.values())
        for session in [session for session in strangers if now - self._known[session] > GRACE_S]:
            self._cut_session(session)
        begun = {self._sessions.first_socket(session) for session in sessions}
        for held in self._gate.held():
            if now - held.since <= GRACE_S:
                continue
            is_live = self._sessions.is_upgraded(held.session) if held.session else held.sock in begun
            if not is_live:
                sockets.cut(held.sock)

    def _publish(self) -> None:
        due = 0.0
        while not self._stopping:
            try:
                pause = self.hub.tick()
                if self._authentication.asks:
                    self._cut_who_may_not()
                    pause = CHECK_S if pause is None else min(pause, CHECK_S)
                now = time.monotonic()
                if now >= due:
                    due = now + RECONCILE_S
                    self.reconcile(now)
                self._monitor.live_failure = ""
            except Exception as error:
                # Whatever it was, the other viewers go on, and whoever looks after the server is told.
                self._monitor.live_failure = f"live updates fail: {type(error).__name__}: {error}"
                log.exception("live updates fail")
                pause = RETRY_S
            self._wake.wait(RECONCILE_S if pause is None else min(pause, RECONCILE_S))
            self._wake.clear()

    def _cut_who_may_not(self) -> None:
        """End the connections of those who have signed out since, or whose role was taken away."""
        now = time.monotonic()
        if now - self._checked >= CHECK_S:
            self._checked = now
            for sid in [sid for sid, environ in list(self._environs.items()) if not self._may("watch", environ)]:
                self.cut(sid)

    def _may(self, event: str, environ: Environ) -> bool:
        me = self._authentication.identify(environ)
        return me is not None and me.role >= EVENTS[event]

    def _send(self, sid: str, frame: Frame, arrived: Callable[[], None]) -> None:
        self._server.emit("frame", frame, to=sid, callback=lambda *_: arrived())

    def _compute(self, asked: Watch) -> Any:
        match asked:
            case WatchOverview():
                return self._monitor.overview()
            case WatchConnections():
                return self._monitor.connections(asked.q, asked.sort, asked.limit, asked.offset)
            case WatchConnection():
                return self._monitor.connection(asked.conn) or self._monitor.unknown(asked.conn, self._monitor.latest())
            case WatchLab():
                return self._lab.live() if self._lab else {}
            case WatchLoop():
                return self._monitor.loop()
            case WatchMap():
                return self._monitor.map(asked.sort)
            case WatchEvents():
                raise AssertionError("events come from a tail")

    def _sign(self, asked: Watch) -> Hashable:
        return self._monitor.sign() if isinstance(asked, WatchOverview) else None

    def _on_connect(self, _auth: Any = None) -> None:
        if self._stopping:
            raise ConnectionRefusedError("the server is stopping")
        if not self._may("connect", request.environ):
            raise ConnectionRefusedError("sign in: it is not known who you are")
        if not self.hub.add(request.sid, self._most - self.streams.count):  # type: ignore[attr-defined]
            raise ConnectionRefusedError(f"too many viewers ({self._most}): close another dashboard tab and try again")
        self._environs[request.sid] = request.environ  # type: ignore[attr-defined]
        self._count()

    def _on_disconnect(self, *_reason: Any) -> None:
        self._environs.pop(request.sid, None)  # type: ignore[attr-defined]
        self.hub.remove(request.sid)  # type: ignore[attr-defined]
        self._count()

    def _count(self) -> None:
        """Of those who come or go at one time, the last has the last word."""
        with self._counting:
            self._monitor.viewers = len(self.hub) + self.streams.count

    def _on_watch(self, *message: Any) -> Json:
        if not self._may("watch", request.environ):
            return {"ok": False, "error": "sign in: it is not known who you are"}
        try:
            told = message[0] if message else None
            asked, id = parse_watch(told), watch_id(told)
            take = self._check(asked)
        except BadValueError as error:
            return {"ok": False, "error": str(error)}
        except Exception:
            log.exception("watch %r", message)
            return {"ok": False, "error": "the server failed to answer this; its log says why"}
        self.hub.watch(request.sid, asked, take, id)  # type: ignore[attr-defined]
        self._wake.set()
        return {"ok": True}

    def _check(self, asked: Watch) -> Take | None:
        """Ask once what will be asked often, so that a bad value is told at once. Events get a place of their own."""
        if not isinstance(asked, WatchLoop | WatchLab) and (asked.at is not None or self._monitor.is_replay):
            return self._travel.begin(asked, request.sid).take  # type: ignore[attr-defined]
        match asked:
            case WatchEvents():
                return self._tails.follow(asked.q, asked.mark).take
            case WatchConnections():
                self._monitor.connections(asked.q, asked.sort, 1, 0)
            case WatchMap():
                self._monitor.map(asked.sort)
            case WatchLab() if self._lab is None:
                raise BadValueError("there is no lab here: this shows the log of a server that has stopped")
            case WatchConnection() if self._monitor.connection(asked.conn) is None:
                raise BadValueError(f"no connection {asked.conn} is known")
        return None

    def _on_unwatch(self, *message: Any) -> Json:
        try:
            asked = parse_unwatch(message[0] if message else None)
        except BadValueError as error:
            return {"ok": False, "error": str(error)}
        self.hub.unwatch(request.sid, asked.view)  # type: ignore[attr-defined]
        return {"ok": True}
