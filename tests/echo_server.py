"""A server in a thread of the test, its ring read on demand; and clients to trouble it with."""

import socket
import struct
import threading
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from waiting import DEADLINE_S, wait_until

from core.engine.models import make_server
from core.engine.server.connection import WaterMarks
from core.engine.server.listener import listen
from core.engine.settings import ServerSettings
from core.ring.events import KINDS, NUMBERED, REASONS, Kind
from core.ring.peer_text import peer_text
from core.ring.recorder import Files, Recorder
from core.ring.ring import RingReader, RingWriter


class EchoServer:
    """A running server. `rows` are its records so far, as dicts with names for kinds and reasons."""

    def __init__(self, folder: Path, *, model: str = "epoll", host: str = "127.0.0.1", **settings: Any) -> None:
        capacity, begins = settings.pop("capacity", 1 << 16), settings.pop("begins", True)
        settings = {"marks": WaterMarks(1 << 18, 1 << 16), "max_connections": 5000, **settings}
        self.folder = folder
        self.ring = RingWriter(folder / "ring", capacity=capacity)
        self.reader = RingReader(folder / "ring")
        self.listener = listen(host, 0, settings.pop("backlog", 4096))
        self.address = self.listener.getsockname()[:2]
        proxied = settings.get("proxy_protocol", "off") != "off" or "tls_cert" in settings
        self.recorder = Recorder(self.ring, Files.of(folder, 0), keeps_origins=proxied)
        self.server = make_server(self.listener, self.recorder, ServerSettings(model=model, **settings), count(1))
        self.error: BaseException | None = None
        self._rows: list[dict[str, Any]] = []
        self._read = 0
        self._closed = False
        self.thread = threading.Thread(target=self._run)
        if begins:
            self.begin()

    def begin(self) -> None:
        """Serve who has come so far and who comes."""
        self.thread.start()

    def _run(self) -> None:
        try:
            self.server.run()
        except BaseException as error:
            self.error = error
            raise

    def connect(self, **options: int) -> socket.socket:
        client = socket.socket(socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET)
        if "receive_buffer" in options:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_buffer"])
        client.settimeout(DEADLINE_S)
        try:
            client.connect(self.address)
        except OSError:
            client.close()
            raise
        return client

    @property
    def rows(self) -> list[dict[str, Any]]:
        if self._closed:
            return self._rows
        head = self.reader.progress().head
        records = self.reader.read(self._read, head).copy()
        self._read = head
        self.reader.release(head)
        self._rows += [_row(record) for record in records]
        return self._rows

    def of(self, conn: int) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["conn"] == conn]

    def kinds(self, conn: int) -> list[str]:
        return [row["kind"] for row in self.of(conn)]

    def wait_kind(self, kind: str, conn: int = 1) -> dict[str, Any]:
        return wait_until(
            lambda: next((row for row in self.of(conn) if row["kind"] == kind), None), f"{kind} of {conn}"
        )

    def total(self, field: str, conn: int) -> int:
        return sum(row[field] for row in self.of(conn) if row["kind"] not in ("open", "refuse"))

    def stop(self, timeout: float = 5.0) -> None:
        if self._closed:
            return
        if self.thread.is_alive():
            self.server.stop(timeout)
        self.thread.join(DEADLINE_S + timeout)
        assert not self.thread.is_alive(), "the loop did not stop"
        assert self.rows[-1]["kind"] == "stop"
        self._closed = True
        self.reader.close()
        self.recorder.close()


def _row(record: np.void) -> dict[str, Any]:
    row: dict[str, Any] = {name: int(record[name]) for name in record.dtype.names if name != "pad"}
    kind = row["kind"]
    if kind in (Kind.OPEN, Kind.REFUSE):
        row |= {"bytes_in": 0, "bytes_out": 0, "peer": peer_text(record.tobytes()[16:32], row["port"])}
    reason = REASONS[row["reason"]]
    if kind in NUMBERED:
        reason += f":{row['number_high'] << 16 | row['port']}"
    return row | {"kind": KINDS[kind], "reason": reason}


def receive(client: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes, or what came before the end."""
    data = bytearray()
    while len(data) < size:
        part = client.recv(min(size - len(data), 1 << 20))
        if not part:
            break
        data += part
    return bytes(data)


def receive_all(client: socket.socket) -> bytes:
    """All bytes up to the end."""
    return receive(client, 1 << 62)


def reset(client: socket.socket) -> None:
    """Close with a reset: SO_LINGER with a time of 0."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def fill(sock: socket.socket) -> int:
    """Write until the send buffer is full."""
    sock.setblocking(False)
    written = 0
    try:
        while True:
            written += sock.send(bytes(65536))
    except BlockingIOError:
        return written
