"""The exporter's process: everything loaded and waiting; each order is carried out by a fork of it.

Started as `python -m core.export.exporter_process FD`. Orders are messages on socket FD, each with the descriptor
that the frames go to. A fork of a process with one thread is safe and ready in milliseconds, gives its memory back at
the end, and can be ended at any moment, also in the middle of a scan that finds nothing.
"""

import contextlib
import fcntl
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from core.export.counted import Counted
from core.export.download import DownloadRequest
from core.export.exporter_frames import Piece, What, send_frame
from core.export.formats import FORMATS, export
from core.export.traced_turns import turns_of
from core.filter.query import EVENT_FIELDS, parse
from core.log.read.log import JournalError, Log
from core.ring.ring import RingError

_NICE: Final = 19
"""A core that something else fills gives 1.5 % of its time to a process of this priority, of SCHED_IDLE 0.1 %."""
_STARVED: Final = 0.5
"""Share of the processor below which a download takes turns with the others."""
_LONGEST_TURN_S: Final = 10.0
_LOOK_S: Final = 0.1
_ORDER_BYTES: Final = 65536
_WAITING: Final = 4
_GZIP: Final = 16 + zlib.MAX_WBITS


class _Sender:
    """A thread that packs and sends frames, while the next rows are made."""

    def __init__(self, sock: socket.socket, gzip: bool) -> None:
        self._sock = sock
        self._packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP) if gzip else None
        self._queue: queue.Queue[Piece] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def put(self, frame: Piece) -> None:
        """Send a frame, after those before it."""
        self._queue.put(frame)

    def finish(self, frame: Piece) -> None:
        """Send the last frame; it has gone when this returns."""
        self._queue.put(frame)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (frame := self._queue.get()).what is What.DATA:
                self._send_data(frame, self._packer.compress(frame.data) if self._packer else frame.data)
            if self._packer and frame.what is What.END:
                self._send_data(frame, self._packer.flush())
            send_frame(self._sock, frame)
        except OSError:
            os._exit(0)  # whoever wanted it has gone

    def _send_data(self, frame: Piece, data: bytes) -> None:
        if data:
            send_frame(self._sock, frame._replace(what=What.DATA, data=data))


def in_turn(pieces: Iterator[bytes], lock: int) -> Iterator[bytes]:
    """The pieces. While the processor is scarce only one of the processes that share `lock` makes one at a time.

    So several downloads take no more from the echo than one. Nobody waits for longer than ten seconds.
    """
    is_starved = False
    while True:
        if is_starved:
            _wait_for(lock)
        began, used = time.monotonic(), time.thread_time()
        piece = next(pieces, None)
        is_starved = time.thread_time() - used < _STARVED * (time.monotonic() - began)
        fcntl.lockf(lock, fcntl.LOCK_UN)
        if piece is None:
            return
        yield piece


def _wait_for(lock: int) -> None:
    """Take the lock, or go on without it after a while."""
    end = time.monotonic() + _LONGEST_TURN_S
    while time.monotonic() < end:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_S)
        else:
            return


def carry_out(order: DownloadRequest, sock: socket.socket, lock: int) -> None:
    """Send the download, to its end or to what went wrong."""
    sender = _Sender(sock, order.gzip and FORMATS[order.format].is_text)
    rows = size = 0
    try:
        batches = Counted(
            Log(Path(order.directory)).batches(parse(order.query, EVENT_FIELDS), order.since, order.until)
        )
        turns = turns_of(Path(order.directory), order.since, order.until)
        for chunk in in_turn(export(batches, order.format, turns), lock):
            rows, size = batches.rows, size + len(chunk)
            sender.put(Piece(What.DATA, rows, size, chunk))
        sender.finish(Piece(What.END, rows, size, b""))
    except (JournalError, RingError, OSError) as error:
        sender.finish(Piece(What.FAILED, rows, size, str(error).encode()))


def _end_with(sock: socket.socket) -> None:
    """Nothing ever comes on this socket but its end: then nobody wants the rest."""
    with contextlib.suppress(ConnectionResetError):  # it left something unread
        sock.recv(1)
    os._exit(0)


def _child(data: bytes, descriptor: int, lock: int) -> None:
    """Never returns."""
    status = 1
    try:
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        with socket.socket(fileno=descriptor) as sock:
            threading.Thread(target=_end_with, args=(sock,), name="watcher", daemon=True).start()
            carry_out(DownloadRequest.from_json(data), sock, lock)
            status = 0
    except BaseException:  # noqa: BLE001 - a fork must not go on as if it were its parent
        traceback.print_exc()
    finally:
        os._exit(status)


def main(control: socket.socket) -> None:
    """Obey orders until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the server says when it ends
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no one waits for the forks
    os.nice(_NICE)
    lock = os.memfd_create("turn")
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, _ORDER_BYTES, 1)
        if not data:
            return
        if os.fork() == 0:
            control.close()
            _child(data, descriptors[0], lock)
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
