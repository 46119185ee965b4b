"""A worker process: one server on a port that it shares with others, told what to do over a socket.

Started as `python -m core.engine.worker CONFIG FD`. Orders come as lines of JSON on socket FD; the end of that
socket means that whoever started it is gone, and ends the worker too. It never imports the watch or the web.
"""

import contextlib
import json
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

from core.engine.connection import Marks
from core.engine.listener import listen
from core.engine.poller import READ
from core.engine.sample import Sample
from core.engine.server import Server, ServerSettings
from core.record.ring import RingWriter

STOP_TIMEOUT: Final = 5.0


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker is told at its start; its connections are numbered from `first_conn` in steps of `id_step`."""

    ring: str
    host: str
    port: int
    backlog: int
    first_conn: int
    id_step: int
    settings: ServerSettings

    def to_json(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` made."""
        values = json.loads(text)
        settings = values.pop("settings")
        return cls(**values, settings=ServerSettings(**{**settings, "marks": Marks(*settings["marks"])}))


class Orders:
    """The worker's end of the socket: one JSON object a line, `{"do": name, …}`.

    An order `sample` is answered by one line a connection, `{"id", "conn", "sample"}`; a line that finds no room is
    left out, as a reader that is so far behind has given up on it.
    """

    def __init__(self, control: socket.socket, server: Server) -> None:
        control.setblocking(False)
        self._control = control
        self._server = server
        self._rest = b""
        self._known: dict[str, Callable[..., Any]] = {
            "close": server.close_connection,
            "stop": server.stop,
            "sample": self._sample,
        }
        server.loop.add(control.fileno(), READ, self._visit)

    def _visit(self, mask: int) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._server.loop.remove(self._control.fileno())
            self._server.stop(STOP_TIMEOUT)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            self._known[order.pop("do")](**order)
        self._server.loop.again(self._control.fileno())

    def _sample(self, id: int, conns: list[int]) -> None:
        self._server.sample(conns, partial(self._answer, id, conns))

    def _answer(self, id: int, conns: list[int], samples: dict[int, Sample]) -> None:
        for conn in conns:
            line = json.dumps({"id": id, "conn": conn, "sample": samples.get(conn)}, default=bytes.hex)
            # A line is far smaller than a page, which a stream socket takes whole or not at all.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                self._control.send(line.encode() + b"\n")


def main(config: WorkerConfig, control: socket.socket) -> None:
    """Serve until told to stop, or until the other end of `control` is closed."""
    ring = RingWriter.attach(Path(config.ring))
    listener = listen(config.host, config.port, config.backlog, shared=True)
    server = Server(listener, ring, config.settings, count(config.first_conn, config.id_step))
    # Ctrl-C reaches every process of a terminal; the one that serves the dashboard decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(STOP_TIMEOUT))
    Orders(control, server)
    control.send(b"ready\n")
    server.run()


if __name__ == "__main__":
    main(WorkerConfig.from_json(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
