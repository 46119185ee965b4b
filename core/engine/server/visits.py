"""The visits of the event-loop server: read, answer, and record one event a visit.

A *quiet* connection has nothing queued: its visit reads a chunk and offers the reply to the kernel at once, and
as long as the kernel takes it whole the connection object is never touched. Any remainder makes it *busy*:
the loop's table then holds another visit, which flushes, reads and obeys the marks, until the queue is empty.
So the hot path holds no branch for states that it can't be in.

The echo's record is written before the send, and revised if the kernel took less: a reply that a peer has
received is in the ring, even if this process was killed the moment after.
"""

import errno
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from core.engine.loop.calls import Calls
from core.engine.loop.loop import Loop, Timer, Visit
from core.engine.loop.phases import Record
from core.engine.pollers.poller import READ, URGENT
from core.engine.server.connection import Connection
from core.engine.server.sample import has_stopped_short, unread
from core.engine.server.tls import TlsError, TlsSocket
from core.engine.settings import STAMP_SIZE, ServerSettings
from core.ring.events import ERRNO_BASE, Kind, Reason
from core.ring.recorder import Recorder

# A visit flushes 2 MiB at most: with the default marks, all that is queued.
_FLUSH_SIZE: Final = 256 * 1024
_FLUSHES: Final = 8
# A read that fills the read size is followed by one of several chunks: a large message costs fewer system calls, and
# wakes its peer less often. Who asks for small reads wants to see them.
_VISIT_SIZE: Final = 1024 * 1024
_LEAST_SIZE: Final = 16 * 1024
_RESET: Final = (errno.ECONNRESET, errno.EPIPE)
_READABLE: Final = READ | URGENT
_ECHO: Final = int(Kind.ECHO)
_ECHO_EMPTIED: Final = Kind.ECHO | 1 << 8


class Served:
    """A connection with its socket, its registration and its timer."""

    sock: socket.socket

    __slots__ = ("conn", "mask", "quiet", "sock", "timer")

    def __init__(self, sock: socket.socket, conn: Connection) -> None:
        self.sock = sock
        self.conn = conn
        self.mask = READ
        self.timer: Timer | None = None
        self.quiet: Visit


class Visits:
    """What the loop calls for a connection that is ready; for the loop's thread alone."""

    def __init__(
        self,
        loop: Loop,
        recorder: Recorder,
        calls: Calls,
        settings: ServerSettings,
        close: Callable[[Served, int], None],
    ) -> None:
        """`close(link, reason)` is called once a connection is to be closed."""
        self._loop = loop
        self._recorder = recorder
        self._calls = calls
        self._settings = settings
        self._close = close
        # A stamp stands before each place where a chunk is read to, so that a reply is one piece of memory, and so are
        # the replies to several chunks of which only the last is not full.
        self._second = 0
        self._prefix = settings.stamp_size
        self._slot = self._prefix + settings.read_size
        chunks = _chunks(settings)
        self._most = chunks * settings.read_size  # bytes that a quiet visit reads
        self._buffer = bytearray(self._slot * chunks)
        self._whole = memoryview(self._buffer)
        self._body, *self._further = (
            self._whole[at + self._prefix : at + self._slot] for at in range(0, len(self._buffer), self._slot)
        )
        self.read_size = settings.read_size
        self._record = recorder.echo
        self._quiet, self._replace = self._quiet_visits()
        self.settling: Callable[[Served], bool] = lambda link: False
        """Asked before a connection under faults is settled; True: that is done, or it is closed."""

    def stamp(self) -> None:
        """Bring the stamps up to date; to be called once a turn."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            if self._prefix:
                stamp = f"[{time.ctime(second)}] ".encode("ascii")
                for at in range(0, len(self._buffer), self._slot):
                    self._buffer[at : at + STAMP_SIZE] = stamp

    def quiet(self, link: Served) -> Visit:
        """The visit of a connection with an empty queue."""
        return partial(self._sealed_visit, link) if isinstance(link.sock, TlsSocket) else self._quiet(link)

    def replace_record(self, record: Record) -> None:
        """Go on with another function for the record of an echo."""
        self._record = record
        self._replace(record)

    def _quiet_visits(self) -> tuple[Callable[[Served], Visit], Callable[[Record], None]]:
        """What makes the hot path of a connection, and what replaces its `record`.

        Every name in it is a local of a function around it. Those that all connections share are of the outer one, so
        that each has cells only for its own.
        """
        whole, body, prefix, read_size = self._whole, self._body, self._prefix, self._settings.read_size
        record = self._record

        def replace(other: Record) -> None:
            nonlocal record
            record = other

        def quiet_visit(link: Served) -> Visit:
            recv_into, send, conn = link.sock.recv_into, link.sock.send, link.conn.id

            def visit(mask: int) -> None:
                try:
                    received = recv_into(body)
                except OSError as error:
                    return self._unread(link, error)
                if not received:
                    return self._ended(link)
                if received == read_size:
                    return self._bulk(link)
                size = prefix + received
                record(conn, received, size, _ECHO_EMPTIED)
                try:
                    sent = send(whole[:size])
                except OSError as error:
                    return self._unsent(link, received, size, error)
                if sent < size:
                    return self._keep(link, received, size, sent)
                return None if mask == READ else self._echoed(link, mask, received, size)

            return visit

        return quiet_visit, replace

    def _echoed(self, link: Served, mask: int, received: int, size: int) -> None:
        """More than data was told of: there may be more to read than a short read lets expect."""
        if mask & URGENT and has_stopped_short(link.sock):
            self._revise(Kind.ECHO, link, received, size)
        self._loop.again(link.sock.fileno())

    def _sealed_visit(self, link: Served, mask: int) -> None:
        """A quiet visit under TLS: one read, answered at once."""
        conn = link.conn
        try:
            received = link.sock.recv_into(self._body)
        except OSError as error:
            return self._unread(link, error)
        if not received:
            return self._ended(link)
        size = self._prefix + received
        self._record(conn.id, received, size, _ECHO_EMPTIED if received < self._settings.read_size else _ECHO)
        try:
            sent = link.sock.send(self._whole[:size])
        except OSError as error:
            return self._unsent(link, received, size, error)
        if sent < size:
            return self._keep(link, received, size, sent)
        return self._go_on(link)

    def _go_on(self, link: Served) -> None:
        """Visit a connection again while there is something to read, also where the kernel knows nothing of it."""
        sock = link.sock
        if not isinstance(sock, TlsSocket) or not sock.held:
            self._loop.again(sock.fileno())
        elif not sock.is_called:
            sock.is_called = True
            self._loop.call_soon(partial(self._read_held, link, sock))

    def _read_held(self, link: Served, sock: TlsSocket) -> None:
        sock.is_called = False
        visit = self._loop.visits.get(sock.fileno())
        if visit is not None and sock.held and link.conn.wants & READ:
            visit(READ)

    def _bulk(self, link: Served) -> None:
        """A quiet visit's first read was full: read some more, then answer all at once."""
        received, size, failure = self._read_on(link.sock)
        self._record(link.conn.id, received, size, _ECHO_EMPTIED if self._emptied(link, received) else _ECHO)
        try:
            if failure is not None:
                raise failure
            sent = link.sock.send(self._whole[:size])
        except OSError as error:
            return self._unsent(link, received, size, error)
        if sent < size:
            return self._keep(link, received, size, sent)
        return self._loop.again(link.sock.fileno())

    def _read_on(self, sock: socket.socket) -> tuple[int, int, OSError | None]:
        """After a full read: bytes read in all, bytes of the replies, and what went wrong (but for want of more)."""
        received, failure = self._settings.read_size, None
        if self._further:
            self._calls.reads += 1
            try:
                received += sock.recvmsg_into(self._further)[0]
            except BlockingIOError:
                self._calls.eagains += 1
            except OSError as error:
                failure = error
        chunks = -(-received // self._settings.read_size)
        return received, received + chunks * self._prefix, failure

    def _keep(self, link: Served, received: int, size: int, sent: int) -> None:
        """The kernel took `sent` of the reply's `size` bytes: queue the rest."""
        conn = link.conn
        conn.receive(bytes(self._whole[sent:size]))
        conn.full = True
        self._revise(Kind.FULL, link, received, sent)
        self.settle(link)

    def _unsent(self, link: Served, received: int, size: int, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            self._calls.eagains += 1
            return self._keep(link, received, size, 0)
        link.conn.receive(bytes(self._whole[:size]))
        self._revise(Kind.READ, link, received, 0)
        return self.failed(link, error)

    def _revise(self, kind: int, link: Served, received: int, sent: int) -> None:
        """Another row than the echo's that was written before its send, which is now counted as a read and a write."""
        conn, emptied = link.conn, self._emptied(link, received)
        self._calls.reads += 1
        self._calls.writes += 1
        self._recorder.revise(kind, conn.id, received, sent, conn.queue_bytes, conn.queue_chunks, emptied)

    def _emptied(self, link: Served, received: int) -> bool:
        """Whether a quiet visit's reads have left nothing."""
        return received < self._most and not has_stopped_short(link.sock)

    def busy_visit(self, link: Served, mask: int) -> None:
        """A connection with a queue: flush if it may be writable (or broken), else read."""
        flushed = mask & ~_READABLE and link.conn.queue_bytes and self.flush(link)
        if not flushed and link.conn.wants & READ:
            self._read(link)

    def flush(self, link: Served) -> bool:
        """Offer what is queued; False when the send buffer is as full as it was."""
        conn = link.conn
        was_full = conn.full
        sent, error = self._offer(link)
        if not sent and error is None:
            return False
        if sent:
            kind = Kind.FULL if conn.full else Kind.NOT_FULL if was_full else Kind.WRITE
            self._recorder.emit(kind, conn.id, 0, sent, conn.queue_bytes, conn.queue_chunks)
        if error is None:
            self.settle(link)
        else:
            self.failed(link, error)
        return True

    def _offer(self, link: Served) -> tuple[int, OSError | None]:
        """Send until the queue is empty, the buffer full or the visit long enough: bytes taken, and what went wrong."""
        conn, total = link.conn, 0
        for _ in range(_FLUSHES):
            chunks = conn.pending(_FLUSH_SIZE)
            if not chunks:  # its faults let nothing go now
                break
            self._calls.writes += 1
            try:
                sent = link.sock.sendmsg(chunks)
            except BlockingIOError:
                self._calls.eagains += 1
                sent = 0
            except OSError as error:
                return total, error
            conn.sent(sent)
            total += sent
            conn.full = sent < sum(map(len, chunks))
            if conn.full or not conn.queue_bytes:
                break
        return total, None

    def _read(self, link: Served) -> None:
        conn = link.conn
        try:
            received = link.sock.recv_into(self._body)
        except OSError as error:
            return self._unread(link, error)
        if not received:
            return self._ended(link)
        self._calls.reads += 1
        conn.receive(bytes(self._whole[: self._prefix + received]))
        emptied = received < self._settings.read_size and not has_stopped_short(link.sock)
        self._recorder.emit(Kind.READ, conn.id, received, 0, conn.queue_bytes, conn.queue_chunks, emptied)
        if conn.faulted and self.flush(link):
            return None
        return self.settle(link)

    def first(self, link: Served, data: bytes) -> None:
        """Answer what came of a connection before its first visit."""
        conn = link.conn
        if isinstance(link.sock, TlsSocket):
            link.sock.feed(data)
            return self._loop.visits[link.sock.fileno()](READ)
        conn.receive(bytes(self._whole[: self._prefix]) + data)
        emptied = not has_stopped_short(link.sock)
        self._recorder.emit(Kind.READ, conn.id, len(data), 0, conn.queue_bytes, conn.queue_chunks, emptied)
        return self.settle(link)

    # -- after a visit

    def settle(self, link: Served) -> None:
        """Bring marks, interest and visit in line with the connection's state; close it when it is done."""
        conn = link.conn
        if conn.faulted and self.settling(link):
            return None
        paused = conn.throttle()
        if paused is not None:
            is_high = conn.queue_bytes > self._settings.marks.high
            reason = (Reason.HIGH_WATER if is_high else Reason.MAX_QUEUED) if paused else Reason.NONE
            kind = Kind.PAUSE if paused else Kind.RESUME
            self._recorder.emit(kind, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks, 0, reason)
        if conn.drained:
            return self._finish(link)
        wants = conn.wants
        fd = link.sock.fileno()
        self._loop.visits[fd] = link.quiet if wants == READ or conn.faulted else partial(self.busy_visit, link)
        if wants != link.mask:
            link.mask = wants
            self._loop.change(fd, wants)
            if not isinstance(link.sock, TlsSocket):
                return None
        return self._go_on(link)

    def _finish(self, link: Served) -> None:
        """Close a connection that has been sent everything.

        Closing while something is unread, or before more of it comes, would send a reset, which makes the peer's kernel
        throw away what the peer has not read yet (RFC 1122, 4.2.2.13): then wait for its end first. A server that stops
        has no time for what may come; an operator's order has.
        """
        conn, sock = link.conn, link.sock
        if conn.reason == Reason.PEER or not (conn.reason == Reason.OPERATOR or unread(sock)):
            return self._close(link, conn.reason)
        return self.end_side(link)

    def end_side(self, link: Served) -> None:
        """Send a FIN; what the peer still sends is read and not answered until it ends its side."""
        sock = link.sock
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            return self.failed(link, error)
        self._loop.visits[sock.fileno()] = partial(self._discard, link)
        link.mask = READ
        return self._loop.change(sock.fileno(), READ)

    def _discard(self, link: Served, mask: int) -> None:
        """A connection that is only waited for: what it still sends is counted, and not answered."""
        try:
            received = link.sock.recv_into(self._body)
        except OSError as error:
            return self._unread(link, error)
        self._calls.reads += 1
        if not received:
            return self._close(link, link.conn.reason)
        self._recorder.emit(Kind.READ, link.conn.id, received)
        return self._loop.again(link.sock.fileno())

    def _ended(self, link: Served) -> None:
        conn = link.conn
        self._calls.reads += 1
        conn.receive_eof()
        conn.reason = Reason.PEER
        self._recorder.emit(Kind.EOF, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks)
        if conn.queue_bytes:
            self.settle(link)
        else:
            self._close(link, Reason.PEER)

    def _unread(self, link: Served, error: OSError) -> None:
        self._calls.reads += 1
        if isinstance(error, BlockingIOError):
            self._calls.eagains += 1
        self.failed(link, error)

    def failed(self, link: Served, error: OSError) -> None:
        """Close a connection of which a call failed, unless it only would have blocked."""
        if not isinstance(error, BlockingIOError):  # readiness is a hint: select(2), BUGS
            code = error.errno or 0
            reason = error.reason if isinstance(error, TlsError) else 0
            self._close(link, reason or (Reason.RESET if code in _RESET else ERRNO_BASE + code))


def _chunks(settings: ServerSettings) -> int:
    """How many chunks a quiet visit reads: one more at most than go below the high-water mark, should all be queued."""
    most = min(_VISIT_SIZE, settings.marks.high + settings.read_size)
    return max(1, most // settings.read_size) if settings.read_size >= _LEAST_SIZE else 1
