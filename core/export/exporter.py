"""The server's side of the exporter: starts its process when it is first needed, and reads what it sends."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from core.export.download import DownloadError, DownloadRequest
from core.export.exporter_frames import Piece, What, read_frame
from core.interpreter import EXECUTABLE

_ROOT: Final = Path(__file__).resolve().parents[2]
_STOP_TIMEOUT: Final = 2.0
_ENVIRONMENT: Final = {
    # Threads of a library would not survive a fork: that of OpenBLAS, and jemalloc's in the background of Arrow.
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # mimalloc keeps 30 MB more, which buys nothing here
}


class ExporterChunks(Iterator[bytes]):
    """One download, made in another process; see :class:`core.export.download.ExporterChunks`."""

    def __init__(self, begin: Callable[[bool], socket.socket]) -> None:
        """`begin(anew)` orders the download, from a new process when `anew`, and answers where it comes."""
        self.rows = 0
        self.size = 0
        self._begin = begin
        self._has_begun = False
        self._sock: socket.socket | None = None
        self._is_over = False
        self._lock = threading.Lock()

    def __next__(self) -> bytes:
        try:
            frame = self._frame()
        except (EOFError, OSError) as error:
            raise DownloadError("the exporter ended without a word") from error
        self._has_begun = True
        self.rows, self.size = frame.rows, frame.size
        if frame.what is What.FAILED:
            raise DownloadError(frame.data.decode())
        if frame.what is What.END:
            raise StopIteration
        return frame.data

    def start(self) -> None:
        """Order it, as asking for the first piece would."""
        try:
            self._socket()
        except OSError as error:
            raise DownloadError(f"no download can be made: {error.strerror or error}") from error

    def fileno(self) -> int:
        """The descriptor that becomes readable with the next piece."""
        return self._socket().fileno()

    def cancel(self) -> None:
        """Break it off; from any thread."""
        with self._lock:
            self._is_over = True
            if self._sock is not None and self._sock.fileno() >= 0:
                # Not close(): a thread that waits in recv would wait on, or read what is not its own.
                self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it; from the thread that reads."""
        with self._lock:
            self._is_over = True
            if self._sock is not None:
                self._sock.close()

    def _frame(self) -> Piece:
        """The next one. An order that a dying process took with it is given once more."""
        try:
            return read_frame(self._socket())
        except EOFError:
            with self._lock:
                if self._has_begun or self._is_over or self._sock is None:
                    raise
                self._sock.close()
                self._sock = self._begin(True)
        return read_frame(self._socket())

    def _socket(self) -> socket.socket:
        with self._lock:
            if self._sock is None:
                if self._is_over:
                    raise DownloadError("it was broken off before it began")
                self._sock = self._begin(False)
            return self._sock


class Exporter:
    """Makes downloads in another process; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Its process; None while there is none."""
        return self._process.pid if self._process else None

    def download(self, order: DownloadRequest) -> ExporterChunks:
        """The pieces of a download, which begins when the first is asked for."""
        return ExporterChunks(lambda anew: self._begin(order, anew))

    def prepare(self) -> None:
        """Start the process, so that the next download finds it ready. Does not wait."""
        with self._lock:
            self._started()

    def stop(self) -> None:
        """End the process and all downloads. May be repeated."""
        with self._lock:
            self._end()

    def _begin(self, order: DownloadRequest, anew: bool) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs, self._lock, ExitStack() as undo:
            undo.callback(ours.close)
            if anew:
                self._end()
            try:
                socket.send_fds(self._started(), [order.to_json()], [theirs.fileno()])
            except BrokenPipeError:  # it was killed
                self._end()
                socket.send_fds(self._started(), [order.to_json()], [theirs.fileno()])
            undo.pop_all()
        return ours

    def _started(self) -> socket.socket:
        """The control socket of a process that was alive a moment ago."""
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._control is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs, ExitStack() as undo:
                undo.callback(ours.close)
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-m", "core.export.exporter_process", str(theirs.fileno())],
                    executable=EXECUTABLE,
                    pass_fds=[theirs.fileno()],
                    cwd=_ROOT,
                    env={**os.environ, **_ENVIRONMENT},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
                undo.pop_all()
            self._control = ours
        return self._control

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
