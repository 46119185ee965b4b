"""A worker process: one server on a port that it shares with others, told what to do over a socket.

Started as `python -m core.engine.processes.worker CONFIG FD`. Orders come as lines of JSON on socket FD; the end of
that socket means that whoever started it is gone, and ends the worker too. It never imports the watch or the web.
"""

import contextlib
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

from core.collector import relieve
from core.engine.faults.fault_tickets import Tickets
from core.engine.models import Engine, make_server, report
from core.engine.processes.places import Places
from core.engine.server.connection import WaterMarks
from core.engine.server.listener import listen
from core.engine.server.sample import Sample
from core.engine.settings import ServerSettings
from core.faults.fault_order import FaultOrder
from core.ring.recorder import Files, Recorder
from core.ring.ring import RingWriter

STOP_TIMEOUT: Final = 5.0


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker is told at its start; its connections are numbered from `first_conn` in steps of `id_step`."""

    directory: str
    worker: int
    host: str
    port: int
    backlog: int
    first_conn: int
    id_step: int
    settings: ServerSettings
    most_connections: int = 0
    """Of all workers together; 0: each has only its own limit."""
    places: int = -1
    """Descriptor of what the workers count their connections in."""
    listener: int = -1
    """Descriptor of a listening socket that the workers share; -1: each has one of its own."""
    tickets: int = -1
    """Descriptor of what the workers count the connections in that faults choose from; -1: none are counted."""
    faults: tuple[dict[str, Any], ...] = ()
    """Those that are on when it starts, as FaultOrder.to_json has them."""

    def to_json(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` made."""
        values = json.loads(text)
        settings = values.pop("settings")
        return cls(**values, settings=ServerSettings(**{**settings, "marks": WaterMarks(*settings["marks"])}))


class OrderReader:
    """The worker's end of the socket: one JSON object a line, `{"do": name, …}`, obeyed by a thread of its own.

    The thread blocks, so that it serves a server of any model, which may have no loop. An order `sample` is answered
    by one line a connection, `{"id", "conn", "sample"}`, `switch` and `report` by `{"id", "answer"}`; a line that finds
    no room is left out, as a reader that is so far behind has given up on it.
    """

    def __init__(self, control: socket.socket, server: Engine) -> None:
        self._control = control
        self._server = server
        self._known: dict[str, Callable[..., Any]] = {
            "close": server.close_connection,
            "note_order": server.note_order,
            "stop": server.stop,
            "sample": self._sample,
            "switch": self._switch,
            "report": self._report,
            "begin_fault": self._begin_fault,
            "touch": self._touch,
            "end_fault": self._end_fault,
        }
        threading.Thread(target=self._obey, name="orders", daemon=True).start()

    def _obey(self) -> None:
        try:
            with contextlib.suppress(ConnectionResetError), self._control.makefile("rb") as lines:
                for line in lines:
                    order = json.loads(line)
                    self._known[order.pop("do")](**order)
        finally:
            self._server.stop(STOP_TIMEOUT)

    def _sample(self, id: int, conns: list[int]) -> None:
        self._server.sample(conns, partial(self._tell, id, conns))

    def _tell(self, id: int, conns: list[int], samples: dict[int, Sample]) -> None:
        for conn in conns:
            self._say({"id": id, "conn": conn, "sample": samples.get(conn)})

    def _switch(self, id: int, model: str) -> None:
        self._say({"id": id, "answer": self._server.switch(model)})

    def _begin_fault(self, id: int, order: dict[str, Any]) -> None:
        self._say({"id": id, "answer": self._server.begin_fault(FaultOrder.from_json(order))})

    def _touch(self, id: int, number: int, conns: list[int]) -> None:
        self._say({"id": id, "answer": self._server.touch(number, conns)})

    def _end_fault(self, id: int, number: int) -> None:
        self._server.end_fault(number)
        self._say({"id": id, "answer": ""})

    def _report(self, id: int) -> None:
        self._say({"id": id, "answer": report(self._server)})

    def _say(self, answer: dict[str, Any]) -> None:
        # A line is far smaller than a page, which a stream socket takes whole or not at all.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self._control.send(json.dumps(answer, default=bytes.hex).encode() + b"\n", socket.MSG_DONTWAIT)


def main(config: WorkerConfig, control: socket.socket) -> None:
    """Serve until told to stop, or until the other end of `control` is closed."""
    files = Files.of(Path(config.directory), config.worker)
    recorder = Recorder(RingWriter.attach(files.ring), files, keeps_origins=config.settings.keeps_origins)
    if config.settings.shares_listener:
        listener = socket.socket(fileno=config.listener)
        listener.setblocking(False)
    else:
        listener = listen(config.host, config.port, config.backlog, shared=True)
    places = Places(config.places, config.most_connections, config.worker) if config.most_connections else None
    tickets = Tickets(config.tickets) if config.tickets >= 0 else None
    ids = count(config.first_conn, config.id_step)
    server = make_server(listener, recorder, config.settings, ids, places, tickets)
    for order in config.faults:
        server.arm(FaultOrder.from_json(order))
    # Ctrl-C reaches every process of a terminal; the one that serves the dashboard decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As if that one were gone. A handler may take no lock, which this very thread might hold.
    signal.signal(signal.SIGTERM, lambda *_: control.shutdown(socket.SHUT_RD))
    relieve()
    control.send(b"ready\n")
    OrderReader(control, server)
    server.run()


if __name__ == "__main__":
    main(WorkerConfig.from_json(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
