"""One connection served by blocking calls, from its first byte to its close, by the thread that calls `serve`.

The reply is offered with MSG_DONTWAIT first: what the kernel does not take of it at once is seen and recorded, and
only then waited for. So the queue never holds more than one reply, and nothing is read meanwhile.

A blocked recv(2) or send(2) is woken by shutdown(2) from another thread: inet_shutdown() in net/ipv4/af_inet.c ends
with sk_state_change(), and tcp_recvmsg() and sk_stream_wait_memory() then see RCV_SHUTDOWN and SEND_SHUTDOWN.
close(2) would wake nobody.
"""

import contextlib
import socket
import struct
import time
from typing import Final

from core.engine.server.connection import Connection, State, Transition
from core.engine.server.listener import reset_on_close
from core.engine.server.proxied import HEADER_S, NO_HEADER, Address, Proxies, reason_of, record_open
from core.engine.server.proxy_header import ProxyHeader, ProxyHeaderError
from core.engine.server.sample import has_stopped_short, tcp_info, unread
from core.engine.settings import FINISH_S, STAMP_SIZE, ServerSettings
from core.engine.threads.shared_recorder import SharedRecorder
from core.ring.events import ERRNO_BASE, Kind, Reason
from core.ring.recorder import Recorder

_RESET: Final = (ConnectionResetError, BrokenPipeError)
_FLUSH_SIZE: Final = 256 * 1024
_LONGEST_SEND: Final = 1.0
_SHORTEST: Final = 0.001
_TIMEVAL: Final = struct.Struct("ll")
# struct tcp_info (linux/tcp.h): tcpi_state; tcpi_last_data_sent and tcpi_last_data_recv, ms.
_STATE_AND_LAST_DATA: Final = struct.Struct("B43xI4xI")
_CLOSE_WAIT: Final = 8  # net/tcp_states.h


class Conversation:
    """A connection, its blocking socket and what is asked of it from outside.

    `drain`, `finish`, `reset`, `order` and `is_over` are for other threads, which hold the ledger. `wake` is after how
    many seconds of silence the thread looks about at the latest; 0: never.
    """

    def __init__(
        self,
        sock: socket.socket,
        conn: Connection,
        settings: ServerSettings,
        ledger: SharedRecorder,
        wake: float,
    ) -> None:
        self.sock = sock
        self.conn = conn
        self._idle_timeout = settings.idle_timeout
        self._read_size = settings.read_size
        self._ledger = ledger
        self._wake = wake
        self._draining = False
        self._lingering = False  # only the peer's end is waited for
        self._finish_by = 0.0  # as for one that lingers, until then (monotonic); 0: it does not
        self._ordered = 0  # the reason to close for, at once
        self._second = 0
        self._prefix = settings.stamp_size
        # As in the server: the stamp stands before the place where chunks are read to.
        self._whole = memoryview(bytearray(self._prefix + settings.read_size))
        self._body = self._whole[self._prefix :]
        self._header: tuple[Proxies, Address] | None = None
        self._limit_waits(settings.idle_timeout)

    def await_header(self, proxies: Proxies, address: Address) -> None:
        """Have `serve` read a PROXY header first, and record the connection when it has come."""
        self._header = proxies, address

    def serve(self) -> None:
        """Until the connection is closed."""
        conn = self.conn
        if self._header is not None:
            self._read_header(*self._header)
        while conn.state is not State.CLOSED:
            if self._ordered:
                self.close(self._ordered)
            elif conn.queue_bytes:
                self._deliver()
            elif conn.state is State.DRAINING:
                self._finish()
            elif self._draining:
                self._read_last()
            else:
                if self._finish_by:
                    self._end_side()
                self._read()

    def order(self, reason: int) -> None:
        """Close at once, whatever waits."""
        self._ordered = reason
        with contextlib.suppress(OSError):  # ENOTCONN: the peer has reset it, which wakes as well
            self.sock.shutdown(socket.SHUT_RDWR)

    def reset(self, reason: int) -> None:
        """Close at once, with a reset."""
        reset_on_close(self.sock)
        self._ordered = reason
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)  # wakes as well, and sends nothing; a send looks up every second

    def finish(self, reason: int) -> None:
        """Deliver what is queued, end our side, wait for the peer's end for FINISH_S; what still comes is not answered.

        A read that blocks goes on, and ends with the peer's end: SHUT_RD would answer what still comes with a reset.
        """
        if self._finish_by:
            return
        self._finish_by = time.monotonic() + FINISH_S
        self.conn.reason = self.conn.reason or reason
        if not self.conn.queue_bytes:
            self._end_side()

    def is_over(self) -> bool:
        """Whether one that was to finish has; when its time is up it is closed."""
        if self.conn.state is not State.CLOSED and time.monotonic() > self._finish_by:
            self.order(self.conn.reason)
            return True
        return self.conn.state is State.CLOSED

    def _end_side(self) -> None:
        with contextlib.suppress(OSError):  # ENOTCONN: the peer has reset it
            self.sock.shutdown(socket.SHUT_WR)

    def drain(self) -> None:
        """Answer what has arrived, deliver what is queued, close.

        A thread that has something to read or to send comes by itself. To wake the others, reading is ended.
        """
        self._draining = True
        if not self.conn.queue_bytes and not unread(self.sock):
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RD)

    def close(self, reason: int) -> None:
        """Close the connection, in the record as well."""
        conn = self.conn
        with self._ledger as recorder:
            if self._header is not None:
                self._record_open(recorder, None)
            recorder.last_sample(conn.id, tcp_info(self.sock))
            self.sock.close()
            conn.step(Transition.CLOSE)
            recorder.emit(Kind.CLOSE, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks, 0, reason)

    # -- before the first byte is answered

    def _read_header(self, proxies: Proxies, address: Address) -> None:
        """Wait for the header, answer what has come behind it; closes the connection where there must be one."""
        header, data, reason = NO_HEADER, bytearray(), 0
        if proxies.may_name(address[0]):
            header, reason = self._await_header(proxies, data)
        elif proxies.required:
            reason = Reason.PROXY_DENIED
        if reason:
            return self.close(reason)
        self._limit_waits(self._idle_timeout)
        with self._ledger as recorder:
            self._record_open(recorder, header)
            payload = bytes(data[header.size :])
            if payload:
                self._stamp()
                self.conn.receive(bytes(self._whole[: self._prefix]) + payload)
                recorder.emit(Kind.READ, self.conn.id, len(payload), 0, self.conn.queue_bytes, self.conn.queue_chunks)
        return None

    def _await_header(self, proxies: Proxies, data: bytearray) -> tuple[ProxyHeader, int]:
        """The header, with what has come in `data`; else the reason to close."""
        until = time.monotonic() + HEADER_S
        while (remaining := until - time.monotonic()) > 0 and not self._ordered:
            self._set_limit(socket.SO_RCVTIMEO, min(remaining, self._wake or remaining))
            try:
                piece = self.sock.recv(self._read_size)
            except BlockingIOError:
                self._ledger.beat()
                continue
            except OSError as error:
                return NO_HEADER, self._reason(error)
            if not piece and self._draining:  # `drain` has ended the reading
                data.clear()
                return NO_HEADER, 0
            data += piece
            try:
                header = proxies.parse(data, is_all=not piece)
            except ProxyHeaderError as error:
                return NO_HEADER, reason_of(error)
            if header is not None:
                return header, 0
        return NO_HEADER, self._ordered or (Reason.PROXY_TIMEOUT if proxies.required else 0)

    def _record_open(self, recorder: Recorder, header: ProxyHeader | None) -> None:
        assert self._header is not None
        (_, address), self._header = self._header, None
        record_open(recorder, self.conn.id, address, header)

    # -- the steps of `serve`; each makes one call that may block, and records what came of it

    def _read(self, flags: int = 0) -> None:
        try:
            received = self.sock.recv_into(self._body, 0, flags)
        except OSError as error:
            return self._failed(error)
        return self._answer(received) if received else self._ended()

    def _answer(self, received: int) -> None:
        """Record the echo, then send, and put the record right if the kernel took less (see core.engine.server.visits).

        All in one section: the record that is put right must still be the newest.
        """
        conn, size = self.conn, self._prefix + received
        emptied = received < self._read_size and not has_stopped_short(self.sock)
        with self._ledger as recorder:
            if self._finish_by:
                return self._threw_away(recorder, received)
            self._stamp()
            recorder.echo(conn.id, received, size, Kind.ECHO | emptied << 8)
            sent, error = self._offer(size)
            if sent == size:
                return None
            conn.receive(bytes(self._whole[sent:size]))
            conn.full = error is None
            kind = Kind.FULL if conn.full else Kind.READ
            recorder.revise(kind, conn.id, received, sent, conn.queue_bytes, conn.queue_chunks, emptied)
            self._throttle(recorder)
        return None if error is None else self._failed(error)

    def _threw_away(self, recorder: Recorder, received: int) -> None:
        """What comes from one that is only waited for is counted, and not answered."""
        if self._finish_by and time.monotonic() > self._finish_by:
            self._ordered = self.conn.reason
        recorder.emit(Kind.READ, self.conn.id, received)

    def _offer(self, size: int) -> tuple[int, OSError | None]:
        """Bytes of the reply that the kernel has room for now, and what else went wrong."""
        try:
            return self.sock.send(self._whole[:size], socket.MSG_DONTWAIT), None
        except BlockingIOError:
            return 0, None
        except OSError as error:
            return 0, error

    def _deliver(self) -> None:
        """Wait until the kernel has taken the rest of the reply; a longer wait is cut into rows of a second."""
        conn = self.conn
        try:
            sent = self.sock.sendmsg(conn.pending(_FLUSH_SIZE))
        except OSError as error:
            return self._failed(error)
        with self._ledger as recorder:
            conn.sent(sent)
            conn.full = conn.queue_bytes > 0
            kind = Kind.FULL if conn.full else Kind.NOT_FULL
            recorder.emit(kind, conn.id, 0, sent, conn.queue_bytes, conn.queue_chunks)
            self._throttle(recorder)
        return None

    def _read_last(self) -> None:
        """What has arrived before the stop is answered."""
        self._read(socket.MSG_DONTWAIT)
        if self.conn.state is not State.CLOSED:
            self.conn.step(Transition.SHUTDOWN)
            self.conn.reason = self.conn.reason or Reason.SHUTDOWN

    def _finish(self) -> None:
        """Close when all is sent; while something is unread, which would make it a reset, end only our side first."""
        self._lingering = self._lingering or (self.conn.reason != Reason.PEER and unread(self.sock) > 0)
        if not self._lingering:
            return self.close(self._ordered or self.conn.reason)
        try:
            self.sock.shutdown(socket.SHUT_WR)
            while received := self.sock.recv_into(self._body):
                with self._ledger as recorder:
                    self._threw_away(recorder, received)
        except BlockingIOError:
            return self._look_about()
        except OSError as error:
            return self._failed(error)
        return self.close(self._ordered or self.conn.reason)

    # -- what comes of them

    def _ended(self) -> None:
        if self._draining and self._info()[0] != _CLOSE_WAIT:
            return  # it is `drain` that has ended the reading
        conn = self.conn
        conn.receive_eof()
        conn.reason = conn.reason or Reason.PEER
        with self._ledger as recorder:
            recorder.emit(Kind.EOF, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks)

    def _failed(self, error: OSError) -> None:
        if isinstance(error, BlockingIOError):  # the time of SO_RCVTIMEO or SO_SNDTIMEO is up
            return self._look_about()
        return self.close(self._reason(error))

    def _reason(self, error: OSError) -> int:
        """Why to close when a call has failed so."""
        return self._ordered or (Reason.RESET if isinstance(error, _RESET) else ERRNO_BASE + (error.errno or 0))

    def _look_about(self) -> None:
        """Nothing has happened for a while: turn once, and see whether that is too long."""
        self._ledger.beat()
        if self._finish_by and time.monotonic() > self._finish_by:
            return self.close(self._ordered or self.conn.reason)
        if self._idle_timeout and not self._ordered:
            remaining = self._idle_timeout - min(self._info()[1:]) / 1000
            if remaining <= 0:
                return self.close(Reason.IDLE)
            self._limit_waits(remaining)
        return None

    def _throttle(self, recorder: Recorder) -> None:
        """The rows of the marks. Reading stops whenever anything is queued; the marks say when that is much."""
        conn = self.conn
        paused = conn.throttle()
        if paused is not None:
            kind, reason = (Kind.PAUSE, Reason.HIGH_WATER) if paused else (Kind.RESUME, Reason.NONE)
            recorder.emit(kind, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks, 0, reason)

    def _stamp(self) -> None:
        second = int(time.time())
        if self._prefix and second != self._second:
            self._second = second
            self._whole[:STAMP_SIZE] = f"[{time.ctime(second)}] ".encode("ascii")

    def _limit_waits(self, remaining: float) -> None:
        """How long recv and send block at most; they then fail with EAGAIN (socket(7), SO_RCVTIMEO)."""
        limits = [seconds for seconds in (self._wake, remaining) if seconds]
        if limits:
            self._set_limit(socket.SO_RCVTIMEO, min(limits))
        self._set_limit(socket.SO_SNDTIMEO, min([*limits, _LONGEST_SEND]))

    def _set_limit(self, name: int, seconds: float) -> None:
        microseconds = int(max(seconds, _SHORTEST) * 1_000_000)
        self.sock.setsockopt(socket.SOL_SOCKET, name, _TIMEVAL.pack(*divmod(microseconds, 1_000_000)))

    def _info(self) -> tuple[int, int, int]:
        layout = _STATE_AND_LAST_DATA
        state, sent, received = layout.unpack(self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, layout.size))
        return state, sent, received
