"""Downloads of the log: streamed, few at a time, ended when the browser goes away, and followed by their token."""

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator

from flask import Response, request

from core.bad_value import BadValueError
from core.export.download import Chunks, DownloadError
from web.api.parameters import DownloadParameters
from web.api.problems import ProblemError
from web.api.tickets import DownloadState, Ticket, Tickets
from web.live import sockets
from web.monitor_protocol import Download, Json, Monitor

RETRY_AFTER_S = 5
# A person may pause a download in the browser; longer than this and the thread is wanted back.
STALL_S = 300.0
HALF_CLOSED_S = 10.0
"""How long a client that has ended its side may wait for the next piece: it looks as if it had gone."""
log = logging.getLogger("echoscope.web")


class Stream(Iterator[bytes]):
    """The body of one download. `close` ends the work behind it and may be called more than once."""

    def __init__(
        self, chunks: Chunks, ticket: Ticket, sock: socket.socket | None, release: Callable[["Stream"], None]
    ) -> None:
        self.ticket = ticket
        self._chunks = chunks
        self.sock = sock
        self._release = release
        self._cut = False

    def __next__(self) -> bytes:
        try:
            # A filter may find nothing for long: then it is only here that the browser is seen to have gone.
            if not self._cut and sockets.wait_for(self._chunks.fileno(), self.sock, HALF_CLOSED_S):
                return next(self._chunks)
        except StopIteration:
            self.ticket.end(DownloadState.DONE)
            sockets.break_off_by_reset(self.sock, False)
            raise
        except DownloadError as error:
            if not self._cut:
                self.ticket.end(DownloadState.FAILED)
                log.error("%s: %s", self.ticket.name, error)
        self.close()
        # The response ends unfinished, so that the browser doesn't take it for the whole set.
        if self.sock is not None:
            sockets.reset(self.sock)
        raise ConnectionResetError(errno.ECONNRESET, "the download was broken off")

    def cut(self, state: DownloadState) -> None:
        """Break the download off, from another thread."""
        self.ticket.end(state)
        self._cut = True
        self._chunks.cancel()
        if self.sock is not None:
            sockets.reset(self.sock)
        # Not every web server closes a response whose connection was reset while it was written.
        self._release(self)

    def close(self) -> None:
        """End the work (called when the response is over, or the browser has gone away)."""
        self.ticket.end(DownloadState.CANCELLED)
        self._chunks.close()
        self._release(self)


class Downloads:
    """Starts downloads, at most `most` at a time."""

    def __init__(self, monitor: Monitor, most: int) -> None:
        self._monitor = monitor
        self._most = most
        self._lock = threading.Lock()
        self._active: set[Stream] = set()
        self._tickets = Tickets()
        self._stopping = False

    @property
    def active(self) -> int:
        """How many downloads are under way."""
        return len(self._active)

    def respond(self, asked: DownloadParameters) -> Response:
        """The download as a streamed attachment."""
        accepts_gzip = request.accept_encodings["gzip"] > 0
        try:
            download = self._monitor.download(asked.format, asked.q, asked.since, asked.until, accepts_gzip)
        except BadValueError as error:
            raise ProblemError(400, str(error)) from error
        if request.method == "HEAD":  # asks what it would be, and neither begins it nor uses its token up
            download.chunks.close()
            response = Response(iter(()), mimetype=download.mimetype)
        else:
            response = Response(self._begin(asked, download), mimetype=download.mimetype)
        response.headers.set("Content-Disposition", "attachment", filename=download.name)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "Accept-Encoding"
        if download.gzip:
            response.headers["Content-Encoding"] = "gzip"
        return response

    def _begin(self, asked: DownloadParameters, download: Download) -> Stream:
        stream = self._open(download.chunks, Ticket(download.name, asked, download.chunks))
        try:
            download.chunks.start()
        except DownloadError as error:
            stream.ticket.refuse(str(error))
            stream.close()
            raise ProblemError(503, str(error)) from error
        # Over HTTP/1.0 the end of the connection is that of the file.
        sockets.break_off_by_reset(stream.sock)
        return stream

    def progress(self, token: str) -> Json:
        """How far the download with that token has come."""
        ticket = self._known(token)
        if ticket.estimate is None and ticket.state is not DownloadState.REFUSED:
            asked = ticket.asked
            ticket.estimate = self._monitor.estimate(asked.format, asked.q, asked.since, asked.until)
        return ticket.as_dict()

    def cancel(self, token: str) -> Json:
        """Break what is under way with that token off; one that is over stays as it is."""
        ticket = self._known(token)
        with self._lock:
            streams = [stream for stream in self._active if stream.ticket.asked.token == token]
        for stream in streams:
            stream.cut(DownloadState.CANCELLED)
        return ticket.as_dict()

    def stop(self) -> None:
        """Break off every download, and start no more."""
        with self._lock:
            self._stopping = True
            active = list(self._active)
        for stream in active:
            stream.cut(DownloadState.FAILED)

    def _known(self, token: str) -> Ticket:
        ticket = self._tickets.find(token)
        if ticket is None:
            raise ProblemError(404, f"no download with the token {token!r:.70} is known")
        return ticket

    def _open(self, chunks: Chunks, ticket: Ticket) -> Stream:
        sock = sockets.socket_of(request.environ)
        sockets.give_up_after(sock, STALL_S)
        stream = Stream(chunks, ticket, sock, self._release)
        with self._lock:
            if self._stopping or len(self._active) >= self._most:
                why = "the server is stopping" if self._stopping else f"{self._most} downloads are under way"
                why += "; try again in a moment"
                # Whoever asked by a link sees no answer: the page asks by the token what has become of it.
                ticket.refuse(why)
                self._tickets.add(ticket)
                raise ProblemError(503, why, {"Retry-After": str(RETRY_AFTER_S)})
            self._tickets.add(ticket)
            self._active.add(stream)
        return stream

    def _release(self, stream: Stream) -> None:
        with self._lock:
            self._active.discard(stream)
