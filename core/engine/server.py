"""The echo server: accepts, reads, answers, and records one event a visit.

A *quiet* connection has nothing queued: its visit reads a chunk and offers the reply to the kernel at once, and
as long as the kernel takes it whole the connection object is never touched. Any remainder makes it *busy*:
the loop's table then holds another visit, which flushes, reads and obeys the marks, until the queue is empty.
So the hot path holds no branch for states that it can't be in.

The echo's record is written before the send, and revised if the kernel took less: a reply that a peer has
received is in the ring, even if this process was killed the moment after.
"""

import errno
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event
from typing import Final

from core.engine.acceptor import Acceptor
from core.engine.calls import Calls, turn_end
from core.engine.connection import Connection, Marks, State, Step
from core.engine.listener import AcceptQueue, packed
from core.engine.loop import Loop, Timer, Visit
from core.engine.poller import POLLERS, READ, Poller
from core.engine.recorder import Recorder
from core.engine.registrations import Registrations
from core.engine.sample import MOST_SAMPLES, Sample, take, tcp_info
from core.record.events import ERRNO_BASE, Kind, Reason

STAMP_SIZE: Final = 27
"""Bytes of `[` + ctime + `] `."""

# A visit flushes 2 MiB at most: with the default marks, all that is queued.
_FLUSH_SIZE: Final = 256 * 1024
_FLUSHES: Final = 8
# A read that fills the read size is followed by one of several chunks: a large message costs fewer system calls, and
# wakes its peer less often. Who asks for small reads wants to see them.
_VISIT_SIZE: Final = 1024 * 1024
_LEAST_SIZE: Final = 16 * 1024
_HEARTBEAT: Final = 1.0
_SWITCH_TIMEOUT: Final = 5.0
_RESET: Final = (errno.ECONNRESET, errno.EPIPE)
_ECHO: Final = int(Kind.ECHO)
_ECHO_EMPTIED: Final = Kind.ECHO | 1 << 8
# struct tcp_info (linux/tcp.h): tcpi_last_data_sent and tcpi_last_data_recv, ms.
_LAST_DATA: Final = struct.Struct("44xI4xI")


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How the server behaves; sizes in bytes, times in seconds."""

    model: str = "epoll"
    reply: str = "stamp"
    read_size: int = 65536
    marks: Marks
    max_connections: int
    idle_timeout: float = 0.0


class Link:
    """A connection with its socket, its registration and its timer."""

    __slots__ = ("conn", "mask", "quiet", "sock", "timer")

    def __init__(self, sock: socket.socket, conn: Connection) -> None:
        self.sock = sock
        self.conn = conn
        self.mask = READ
        self.timer: Timer | None = None
        self.quiet: Visit


class Server:
    """One listener, one loop, one thread. Its methods but `run` may be called from others."""

    def __init__(
        self, listener: socket.socket, recorder: Recorder, settings: ServerSettings, ids: Iterator[int]
    ) -> None:
        """`listener` is non-blocking and becomes the server's; `ids` gives each connection its own."""
        self._recorder = recorder
        self._settings = settings
        self._ids = ids
        self._links: dict[int, Link] = {}
        self._stopping = False
        self._calls = Calls()
        self._loop = Loop(POLLERS[settings.model](), turn_end(recorder, self._calls), self._stamp)
        self._acceptor = Acceptor(listener, self._loop, recorder, self._calls, self._admit, self._links.__len__)
        self._descriptor_limit = self._loop.poller.descriptor_limit
        # A stamp stands before each place where a chunk is read to, so that a reply is one piece of memory, and so are
        # the replies to several chunks of which only the last is not full.
        self._second = 0
        self._prefix = STAMP_SIZE if settings.reply == "stamp" else 0
        self._slot = self._prefix + settings.read_size
        chunks = _chunks(settings)
        self._most = chunks * settings.read_size  # bytes that a quiet visit reads
        self._buffer = bytearray(self._slot * chunks)
        self._whole = memoryview(self._buffer)
        self._body, *self._further = (
            self._whole[at + self._prefix : at + self._slot] for at in range(0, len(self._buffer), self._slot)
        )
        self._quiet_visit = self._quiet_visits()

    def run(self) -> None:
        """Serve until stopped; every event but START and STOP comes from a visit."""
        self._acceptor.start()
        self._recorder.emit(Kind.START)
        self._beat()
        try:
            self._loop.run()
        finally:
            for link in list(self._links.values()):
                self._close(link, Reason.SHUTDOWN)
            self._recorder.emit(Kind.STOP)
            self._recorder.publish(0, 0)
            self._acceptor.close()
            self._loop.close()

    def stop(self, timeout: float) -> None:
        """Stop accepting, deliver what is queued for at most `timeout` seconds, end `run`. Does not wait."""
        self._loop.call_soon(partial(self._begin_stop, timeout))

    @property
    def loop(self) -> Loop:
        """The loop, for whoever drives the server from its thread."""
        return self._loop

    def close_connection(self, conn: int) -> None:
        """Close connection `conn` on behalf of an operator; unknown ones are ignored. Does not wait."""
        self._loop.call_soon(partial(self._close_by_id, conn))

    def switch(self, model: str) -> str:
        """Go on with another poller, every connection kept. Why that can't be; empty: it is done.

        Waits for the loop's thread, so it is for others.
        """
        if model not in POLLERS:
            return f"{model} has no poller that could take over: start the server anew with --model {model}"
        make, answer, given_up = POLLERS[model], SimpleQueue[str](), Event()
        self._loop.call_soon(lambda: None if given_up.is_set() else answer.put(self._exchange(make)))
        try:
            return answer.get(timeout=_SWITCH_TIMEOUT)
        except Empty:
            given_up.set()
            return f"the loop has not turned for {_SWITCH_TIMEOUT:g} s"

    @property
    def model(self) -> str:
        """The poller in use."""
        return self._loop.poller.name

    def accept_queue(self) -> AcceptQueue | None:
        """How many wait to be accepted; None once stopped."""
        return self._acceptor.queue()

    def sample(self, conns: list[int], done: Callable[[dict[int, Sample]], None]) -> None:
        """Ask the kernel about at most MOST_SAMPLES connections; `done` is called in the loop's thread.

        Closed and unknown ones are left out. Does not wait: the loop's thread alone knows that a descriptor is still
        the same connection's.
        """
        if len(conns) > MOST_SAMPLES:
            raise ValueError(f"{len(conns)} connections to be sampled at once: at most {MOST_SAMPLES}")
        links = self._links
        self._loop.call_soon(lambda: done({conn: take(links[conn].sock) for conn in conns if conn in links}))

    def registrations(self) -> Registrations | None:
        """Loop.registrations, with the connections that are concerned; None also when the loop is closed."""
        try:
            found = self._loop.registrations()
        except (OSError, ValueError):  # the epoll descriptor has just been closed
            return None
        if found is None or not found.differences:
            return found
        conns = {link.sock.fileno(): link.conn.id for link in list(self._links.values())}
        named = [one._replace(conn=conns.get(one.fd, 0)) for one in found.differences]
        return found._replace(differences=named)

    def _stamp(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second = second
            if self._prefix:
                stamp = f"[{time.ctime(second)}] ".encode("ascii")
                for at in range(0, len(self._buffer), self._slot):
                    self._buffer[at : at + STAMP_SIZE] = stamp

    def _beat(self) -> None:
        """Turn at least once a second, so that a stalled loop can be told from an idle one."""
        self._loop.call_later(_HEARTBEAT, self._beat)

    # -- accepting

    def _admit(self, sock: socket.socket, address: tuple[str, int]) -> None:
        peer, port = packed(address)
        reason = self._refusal(sock.fileno())
        if not reason:
            link = Link(sock, Connection(next(self._ids), self._settings.marks))
            link.quiet = self._quiet_visit(link)
            sock.setblocking(False)
            try:
                self._loop.add(sock.fileno(), READ, link.quiet)
            except OSError as error:  # ENOSPC: /proc/sys/fs/epoll/max_user_watches
                reason = ERRNO_BASE + (error.errno or 0)
        if reason:
            sock.close()
            return self._recorder.emit_peer(Kind.REFUSE, 0, peer, port, reason)
        self._links[link.conn.id] = link
        self._recorder.emit_peer(Kind.OPEN, link.conn.id, peer, port, 0)
        if self._settings.idle_timeout:
            self._watch_idle(link, self._settings.idle_timeout)
        return None

    def _refusal(self, fd: int) -> int:
        if len(self._links) >= self._settings.max_connections:
            return Reason.LIMIT
        if self._descriptor_limit is not None and fd >= self._descriptor_limit:
            return Reason.SELECT_LIMIT
        return 0

    # -- the visits

    def _quiet_visits(self) -> Callable[[Link], Visit]:
        """Makes the hot path of a connection: every name in it is a local of a function around it.

        Those that all connections share are of the outer one, so that each has cells only for its own.
        """
        whole, body, prefix, read_size = self._whole, self._body, self._prefix, self._settings.read_size
        record = self._recorder.echo

        def quiet_visit(link: Link) -> Visit:
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
                return None if mask == READ else self._loop.again(link.sock.fileno())

            return visit

        return quiet_visit

    def _bulk(self, link: Link) -> None:
        """A quiet visit's first read was full: read some more, then answer all at once."""
        received, size, failure = self._read_on(link.sock)
        self._recorder.echo(link.conn.id, received, size, _ECHO_EMPTIED if received < self._most else _ECHO)
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

    def _keep(self, link: Link, received: int, size: int, sent: int) -> None:
        """The kernel took `sent` of the reply's `size` bytes: queue the rest."""
        conn = link.conn
        conn.receive(bytes(self._whole[sent:size]))
        conn.full = True
        self._revise(Kind.FULL, link, received, sent)
        self._settle(link)

    def _unsent(self, link: Link, received: int, size: int, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            self._calls.eagains += 1
            return self._keep(link, received, size, 0)
        link.conn.receive(bytes(self._whole[:size]))
        self._revise(Kind.READ, link, received, 0)
        return self._failed(link, error)

    def _revise(self, kind: int, link: Link, received: int, sent: int) -> None:
        """Another row than the echo's that was written before its send, which is now counted as a read and a write."""
        conn, emptied = link.conn, received < self._most
        self._calls.reads += 1
        self._calls.writes += 1
        self._recorder.revise(kind, conn.id, received, sent, conn.queue_bytes, conn.queue_chunks, emptied)

    def _busy_visit(self, link: Link, mask: int) -> None:
        """A connection with a queue: flush if it may be writable (or broken), else read."""
        flushed = mask != READ and link.conn.queue_bytes and self._flush(link)
        if not flushed and link.conn.wants & READ:
            self._read(link)

    def _flush(self, link: Link) -> bool:
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
            self._settle(link)
        else:
            self._failed(link, error)
        return True

    def _offer(self, link: Link) -> tuple[int, OSError | None]:
        """Send until the queue is empty, the buffer full or the visit long enough: bytes taken, and what went wrong."""
        conn, total = link.conn, 0
        for _ in range(_FLUSHES):
            chunks = conn.pending(_FLUSH_SIZE)
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

    def _read(self, link: Link) -> None:
        conn = link.conn
        try:
            received = link.sock.recv_into(self._body)
        except OSError as error:
            return self._unread(link, error)
        if not received:
            return self._ended(link)
        self._calls.reads += 1
        conn.receive(bytes(self._whole[: self._prefix + received]))
        emptied = received < self._settings.read_size
        self._recorder.emit(Kind.READ, conn.id, received, 0, conn.queue_bytes, conn.queue_chunks, emptied)
        return self._settle(link)

    # -- after a visit

    def _settle(self, link: Link) -> None:
        """Bring marks, interest and visit in line with the connection's state; close it when it is done."""
        conn = link.conn
        paused = conn.throttle()
        if paused is not None:
            kind, reason = (Kind.PAUSE, Reason.HIGH_WATER) if paused else (Kind.RESUME, Reason.NONE)
            self._recorder.emit(kind, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks, 0, reason)
        if conn.drained:
            return self._finish(link)
        wants = conn.wants
        fd = link.sock.fileno()
        if wants != link.mask:
            link.mask = wants
            self._loop.change(fd, wants)
        else:
            self._loop.again(fd)
        self._loop.visits[fd] = link.quiet if wants == READ else partial(self._busy_visit, link)
        return None

    def _finish(self, link: Link) -> None:
        """Close a connection that has been sent everything.

        Closing while something is unread would send a reset, which makes the peer's kernel throw away what the
        peer has not read yet (RFC 1122, 4.2.2.13): then wait for its end first.
        """
        conn, sock = link.conn, link.sock
        if conn.reason == Reason.PEER or not unread(sock):
            return self._close(link, conn.reason)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            return self._failed(link, error)
        self._loop.visits[sock.fileno()] = partial(self._discard, link)
        link.mask = READ
        return self._loop.change(sock.fileno(), READ)

    def _discard(self, link: Link, mask: int) -> None:
        """A connection that is only waited for: what it still sends came after the stop."""
        try:
            received = link.sock.recv_into(self._body)
        except OSError as error:
            return self._unread(link, error)
        self._calls.reads += 1
        return self._loop.again(link.sock.fileno()) if received else self._close(link, link.conn.reason)

    def _ended(self, link: Link) -> None:
        conn = link.conn
        self._calls.reads += 1
        conn.receive_eof()
        conn.reason = Reason.PEER
        self._recorder.emit(Kind.EOF, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks)
        if conn.queue_bytes:
            self._settle(link)
        else:
            self._close(link, Reason.PEER)

    def _unread(self, link: Link, error: OSError) -> None:
        self._calls.reads += 1
        if isinstance(error, BlockingIOError):
            self._calls.eagains += 1
        self._failed(link, error)

    def _failed(self, link: Link, error: OSError) -> None:
        if not isinstance(error, BlockingIOError):  # readiness is a hint: select(2), BUGS
            code = error.errno or 0
            self._close(link, Reason.RESET if code in _RESET else ERRNO_BASE + code)

    def _close(self, link: Link, reason: int) -> None:
        conn = link.conn
        if link.timer is not None:
            self._loop.cancel(link.timer)
        self._loop.remove(link.sock.fileno())
        self._recorder.last_sample(conn.id, tcp_info(link.sock))
        link.sock.close()
        del self._links[conn.id]
        del link.quiet  # it holds the link: a circle that only the garbage collector would find
        conn.step(Step.CLOSE)
        self._recorder.emit(Kind.CLOSE, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks, 0, reason)
        if self._stopping and not self._links:
            self._loop.stop()

    # -- time and orders from outside

    def _watch_idle(self, link: Link, delay: float) -> None:
        link.timer = self._loop.call_later(delay, partial(self._check_idle, link))

    def _check_idle(self, link: Link) -> None:
        """The kernel knows when data last went either way: the hot path need not keep the time."""
        sent, received = _LAST_DATA.unpack(link.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA.size))
        remaining = self._settings.idle_timeout - min(sent, received) / 1000
        if remaining <= 0:
            self._close(link, Reason.IDLE)
        else:
            self._watch_idle(link, remaining)

    def _close_by_id(self, conn: int) -> None:
        link = self._links.get(conn)
        if link is not None:
            self._close(link, Reason.OPERATOR)

    def _exchange(self, make: Callable[[], Poller]) -> str:
        try:
            self._loop.exchange(make())
        except (OSError, ValueError) as error:  # EMFILE, ENOSPC; select's limit
            return str(error)
        self._descriptor_limit = self._loop.poller.descriptor_limit
        return ""

    def _begin_stop(self, timeout: float) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._acceptor.stop()
        for link in list(self._links.values()):
            self._drain(link)
        if self._links:
            self._loop.call_later(timeout, self._loop.stop)
        else:
            self._loop.stop()

    def _drain(self, link: Link) -> None:
        """Answer what has already arrived, then only deliver what is queued."""
        self._loop.visits[link.sock.fileno()](READ)
        if link.conn.state is not State.CLOSED:
            link.conn.step(Step.SHUTDOWN)
            link.conn.reason = link.conn.reason or Reason.SHUTDOWN
            self._settle(link)


def _chunks(settings: ServerSettings) -> int:
    """How many chunks a quiet visit reads: one more at most than go below the high-water mark, should all be queued."""
    most = min(_VISIT_SIZE, settings.marks.high + settings.read_size)
    return max(1, most // settings.read_size) if settings.read_size >= _LEAST_SIZE else 1


def unread(sock: socket.socket) -> int:
    """Bytes in the receive buffer: SIOCINQ, which is FIONREAD (tcp(7))."""
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0\0\0\0"))[0])
