"""Downloads of the log: streamed, compressed on the way, few at a time."""

import errno
import socket
import threading
import zlib
from collections.abc import Callable, Iterator

from flask import Response, request

from web import sockets
from web.monitor import Monitor
from web.parameters import DownloadParameters
from web.problems import ProblemError

RETRY_AFTER_S = 5
# A person may pause a download in the browser; longer than this and the thread is wanted back.
STALL_S = 300.0
_GZIP = 16 + zlib.MAX_WBITS


class Stream(Iterator[bytes]):
    """The body of one download. `close` ends the work behind it and may be called more than once."""

    def __init__(
        self, source: Iterator[bytes], packed: bool, sock: socket.socket | None, release: Callable[["Stream"], None]
    ) -> None:
        self._source = source
        self._chunks = gzipped(source) if packed else source
        self._sock = sock
        self._release = release
        self._cut = False

    def __next__(self) -> bytes:
        if self._cut:
            # Ends the response unfinished, so that the browser doesn't take it for the whole set.
            raise ConnectionResetError(errno.ECONNRESET, "the server is stopping")
        return next(self._chunks)

    def cut(self) -> None:
        """Break the download off, from another thread."""
        self._cut = True
        if self._sock is not None:
            sockets.cut(self._sock)

    def close(self) -> None:
        """End the work (called when the response is over, or the browser has gone away)."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
        self._release(self)


def gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """`chunks` as one gzip stream, at the fastest level."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    for chunk in chunks:
        packed = compressor.compress(chunk)
        if packed:
            yield packed
    yield compressor.flush()


class Downloads:
    """Starts downloads, at most `most` at a time."""

    def __init__(self, monitor: Monitor, most: int) -> None:
        self._monitor = monitor
        self._most = most
        self._lock = threading.Lock()
        self._active: set[Stream] = set()
        self._stopping = False

    @property
    def active(self) -> int:
        """How many downloads are under way."""
        return len(self._active)

    def respond(self, asked: DownloadParameters) -> Response:
        """The download as a streamed attachment."""
        try:
            download = self._monitor.download(asked.format, asked.q, asked.since, asked.until)
        except ValueError as error:
            raise ProblemError(400, str(error)) from error
        accepts_gzip = request.accept_encodings["gzip"] > 0
        stream = self._open(download.chunks, accepts_gzip)
        response = Response(stream, mimetype=download.mimetype)
        response.headers.set("Content-Disposition", "attachment", filename=download.name)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "Accept-Encoding"
        if accepts_gzip:
            response.headers["Content-Encoding"] = "gzip"
        return response

    def stop(self) -> None:
        """Break off every download, and start no more."""
        with self._lock:
            self._stopping = True
            active = list(self._active)
        for stream in active:
            stream.cut()

    def _open(self, chunks: Iterator[bytes], packed: bool) -> Stream:
        sock = sockets.socket_of(request.environ)
        sockets.give_up_after(sock, STALL_S)
        stream = Stream(chunks, packed, sock, self._release)
        with self._lock:
            if self._stopping or len(self._active) >= self._most:
                why = "the server is stopping" if self._stopping else f"{self._most} downloads are under way"
                raise ProblemError(503, f"{why}; try again in a moment", {"Retry-After": str(RETRY_AFTER_S)})
            self._active.add(stream)
        return stream

    def _release(self, stream: Stream) -> None:
        with self._lock:
            self._active.discard(stream)
