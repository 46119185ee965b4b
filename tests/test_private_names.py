"""What we use of other libraries without a public name: each is there, and used in `web/serving/` only."""

import ast
import inspect
from pathlib import Path
from typing import Any

import engineio
import engineio.socket
import gunicorn.workers.base
import pytest
import simple_websocket
from conftest import ROOT
from flask import Flask
from flask_socketio import SocketIO
from gunicorn import http
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

from web.serving.engine_io import Sessions
from web.serving.thread_worker import Worker

_IO = SocketIO(Flask(__name__), async_mode="threading")
_SOCKET = engineio.socket.Socket(_IO.server.eio, "sid")
_WORKER = ThreadWorker(1, 1, [], None, 30, Config(), None)
_PARSER = RequestParser(Config(), [b""], ("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (_IO.server.eio, ["_async", "create_queue", "sockets"]),
        (_IO.server, ["environ", "manager"]),
        (_IO.server.manager, ["eio_sid_from_sid"]),
        (_SOCKET, ["closed", "upgraded", "queue", "close"]),
        (ThreadWorker, ["accept", "enqueue_req", "finish_request", "murder_pending", "on_client_socket_readable"]),
        (_WORKER, ["alive", "cfg", "keepalived_conns", "max_keepalived", "nr_conns", "sockets", "worker_connections"]),
        (_WORKER, ["handle_exit", "poller"]),
        (gunicorn.workers.base.Worker, ["wsgi"]),
        (TConn, ["close", "init"]),
        (http, ["get_parser"]),
        (_PARSER, ["req_count", "unreader"]),
        (_PARSER.unreader, ["take_buffered"]),
        (Arbiter, ["SIG_QUEUE", "signal", "worker_class"]),
        (Config().settings, ["get"]),
    ],
)
def test_it_is_there(owner: Any, names: list[str]) -> None:
    source = inspect.getsource(owner) if inspect.isclass(owner) else ""
    assert [name for name in names if not hasattr(owner, name) and f"self.{name}" not in source] == []


def test_what_is_replaced_is_called_as_before() -> None:
    for name in ("accept", "enqueue_req", "finish_request", "murder_pending", "on_client_socket_readable"):
        ours = list(inspect.signature(getattr(Worker, name)).parameters)
        assert len(ours) == len(inspect.signature(getattr(ThreadWorker, name)).parameters)
    assert {"max_message_size", "ping_interval"} <= set(inspect.signature(simple_websocket.Server).parameters)
    assert list(inspect.signature(TConn).parameters) == ["cfg", "sock", "client", "server"]


def test_the_sockets_of_the_engine_are_ours() -> None:
    told: list[str] = []
    sessions = Sessions(_IO, told.append)
    socket = engineio.socket.Socket(_IO.server.eio, "stuck")
    _IO.server.eio.sockets["stuck"] = socket
    for _ in range(100):
        socket.queue.put("a frame")
    assert (told, sessions.ids(), len(sessions)) == (["stuck"], {"stuck"}, 1)
    sessions.cut("stuck", None)
    assert sessions.ids() == set()
    assert sessions.of_viewer("of nobody") is None


def _used(path: Path) -> set[str]:
    """Modules that a file imports."""
    tree = ast.parse(path.read_text())
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return names | {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}


def test_nowhere_else() -> None:
    for path in (ROOT / "web").rglob("*.py"):
        if path.parent.name == "serving":
            continue
        parts = {name.split(".")[0] for name in _used(path)}
        assert not parts & {"gunicorn", "engineio", "socketio", "simple_websocket"}, path
        for name in ("eio.", ".manager.", "_async"):
            assert name not in path.read_text(), f"{path} uses {name}"
