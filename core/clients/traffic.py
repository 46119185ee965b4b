"""Messages on many connections, every byte of every reply checked.

One reply in one read, with the stamp of this second, is by far the commonest case: `Traffic._send_fast` handles it
with one comparison and two system calls. Anything else (a reply in pieces, a new second, a partial send, more
than one message in flight) takes the general way through `Traffic._ready`.
"""

import os
import select
import socket
import time
from array import array
from typing import Final

from core.clients.latency import SAMPLES, Latencies
from core.clients.link import Stream
from core.clients.reply_check import (
    READ_SIZE,
    STAMP_SIZE,
    EchoVerifier,
    MismatchError,
    Pattern,
    Stamps,
    StampVerifier,
    Verifier,
)

PATIENCE: Final = 5.0
"""Seconds that outstanding replies, and then the ends of the streams, are waited for."""
ERROR_SAMPLES: Final = 10

_FAST_SIZE: Final = 16 * 1024  # larger messages seldom come back in one read
_READY_AT_ONCE: Final = 1024
_READABLE: Final = select.EPOLLIN


class Traffic:
    """Takes connected non-blocking sockets: the first `active` send, the others are kept silent."""

    def __init__(
        self, sockets: list[socket.socket], active: int, pattern: Pattern, depth: int, stamps: Stamps | None
    ) -> None:
        self.echoes = self.echoes_in_time = self.bytes_out = self.bytes_in = self.errors = 0
        self.seconds = 0.0
        self.error_samples: list[str] = []
        self.latencies = Latencies()
        self._pattern = pattern
        self._size = pattern.size
        self._depth = depth
        self._stamps = stamps
        self._stream = memoryview(pattern.stream)
        self._messages = pattern.messages() if depth == 1 and pattern.size <= _FAST_SIZE else []
        self._stamp = b""
        self._unknown: list[bytes | None] = [None] * len(self._messages)
        self._expected = self._unknown if stamps else list[bytes | None](self._messages)
        self._reply_size = pattern.size + (STAMP_SIZE if stamps else 0)
        self._buffer = bytearray(READ_SIZE)
        self._running = True
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poller = select.epoll()
        self._poller.register(self._wake, select.EPOLLIN)
        self._links = {sock.fileno(): self._link(number, sock) for number, sock in enumerate(sockets)}
        self._active = list(self._links.values())[:active]
        self._unended = len(sockets)
        # [fd]: a link with one whole message in flight and none of its reply come. Only `answered` and
        # `since` of such a link are kept; _general() works out the rest.
        self._plain: list[Stream | None] = [None] * (max(self._wake, *self._links) + 1)

    def _link(self, number: int, sock: socket.socket) -> Stream:
        first = number * 7 % self._pattern.count
        start = first * self._size
        verifier: Verifier = EchoVerifier(self._pattern, start)
        if self._stamps:
            verifier = StampVerifier(self._pattern, start, self._stamps)
        self._poller.register(sock, select.EPOLLIN)
        return Stream(sock, first, self._size, self._depth, verifier)

    def stop(self) -> None:
        """End the sending; from any thread or a signal handler."""
        os.eventfd_write(self._wake, 1)

    def send_until(self, deadline: int) -> None:
        """Keep messages in flight until the deadline (perf_counter_ns), `stop`, or no connection is left.

        May be called again: what is still under way then is awaited, and the rest goes on.
        """
        started, before = time.perf_counter_ns(), self.echoes
        self._running = True
        for link in self._active:
            if link.fd in self._links and not link.wrong:
                self._general(link)
                self._offer(link, time.perf_counter_ns())
        if self._messages:
            self._send_fast(deadline)
        while self._running and self._links and self._turn(deadline):
            pass
        self._running = False
        self.echoes_in_time = self.echoes - before
        self.seconds = (time.perf_counter_ns() - started) / 1e9

    def finish(self) -> None:
        """Await the outstanding replies, end our side of each connection, read it to its end."""
        self._poller.unregister(self._wake)
        for link in list(self._links.values()):
            self._general(link)
            link.target = link.sent
            self._watch(link)
            self._end_if_answered(link)
        deadline = time.perf_counter_ns() + int(PATIENCE * 1e9)
        while self._unended and self._turn(deadline):
            pass
        for link in [link for link in self._links.values() if not link.ending]:
            self._drop(link, f"no reply within {PATIENCE:.0f} s")
        deadline = time.perf_counter_ns() + int(PATIENCE * 1e9)
        while self._links and self._turn(deadline):
            pass
        for link in list(self._links.values()):
            self._drop(link, f"not closed by the server within {PATIENCE:.0f} s of our end")

    def served(self) -> int:
        """How many of the sending connections have had a reply."""
        return sum(link.answered > link.first for link in self._active)

    def close(self) -> None:
        """Close what is still open."""
        for link in self._links.values():
            link.sock.close()
        self._poller.close()
        os.close(self._wake)

    def _send_fast(self, deadline: int) -> None:
        poll, clock, plain = self._poller.poll, time.perf_counter_ns, self._plain
        messages, size, last, limit = self._messages, self._size, len(self._messages) - 1, self._reply_size + 1
        samples, filled = array("q", bytes(8 * SAMPLES)), 0
        now = clock()
        while self._running and self._links and now < deadline:
            ready = poll((deadline - now) / 1e9, _READY_AT_ONCE)
            expected = self._expected_at(clock())
            for fd, mask in ready:
                link = plain[fd]
                if link is None or mask != _READABLE:
                    self._ready(fd, mask)
                    expected = self._expected
                    continue
                try:
                    data = link.recv(limit)
                    number = link.answered
                    if data != expected[number & last]:
                        self._unexpected(link, data)
                        expected = self._expected
                        continue
                    now = clock()
                    since = link.since
                    samples[filled] = now - since[0]
                    filled += 1
                    since[0] = now
                    link.answered = number = number + 1
                    taken = link.send(messages[number & last])
                except OSError as error:
                    self._failed(link, error)
                    continue
                if taken != size:
                    self._sent_in_part(link, taken)
            if filled > SAMPLES - _READY_AT_ONCE:
                self._count_fast(samples, filled)
                filled = 0
            now = clock()
        self._count_fast(samples, filled)

    def _count_fast(self, samples: "array[int]", filled: int) -> None:
        self.latencies.fold(samples, filled)
        self.echoes += filled
        self.bytes_in += filled * self._reply_size

    def _expected_at(self, now: int) -> list[bytes | None]:
        """Replies to _messages, for the fast way; a stamp too old to be true is not among them."""
        if self._stamps and now > self._stamps.fresh_until * 1e9:
            self._expected = self._unknown
        return self._expected

    def _general(self, link: Stream) -> None:
        """Take a link off the fast way: work out where it is."""
        if self._plain[link.fd]:
            self._plain[link.fd] = None
            link.verifier.position = link.answered * self._size
            link.sent = link.target = link.verifier.position + self._size

    def _unexpected(self, link: Stream, data: bytes) -> None:
        self._general(link)
        self._take(link, data, len(data))

    def _sent_in_part(self, link: Stream, taken: int) -> None:
        self._general(link)
        link.sent += taken - self._size
        self._send(link)

    def _turn(self, deadline: int) -> bool:
        """Serve what is ready; False when the deadline has passed."""
        remaining = deadline - time.perf_counter_ns()
        for fd, mask in self._poller.poll(max(remaining, 0) / 1e9, _READY_AT_ONCE):
            self._ready(fd, mask)
        return remaining > 0

    def _ready(self, fd: int, mask: int) -> None:
        if fd == self._wake:
            self._running = False
            return
        link = self._links[fd]
        self._general(link)
        if mask & ~select.EPOLLOUT:
            self._receive(link)
        if mask & select.EPOLLOUT and fd in self._links:
            self._send(link)

    def _receive(self, link: Stream) -> None:
        try:
            got = link.sock.recv_into(self._buffer)
        except OSError as error:
            self._failed(link, error)
        else:
            self._take(link, self._buffer, got)

    def _take(self, link: Stream, data: bytes | bytearray, got: int) -> None:
        """data[:got] has come; nothing is the end of the stream."""
        self.bytes_in += got
        if not got:
            self._ended(link)
        elif not link.wrong:
            now = time.perf_counter_ns()
            since = link.since[link.answered % self._depth]
            try:
                link.verifier.feed(data, got, link.sent, since / 1e9, now / 1e9)
            except MismatchError as mismatch:
                self._wrong(link, str(mismatch))
            else:
                self._answered(link, now)

    def _answered(self, link: Stream, now: int) -> None:
        while link.answered < link.verifier.position // self._size:
            self.latencies.add(now - link.since[link.answered % self._depth])
            link.answered += 1
            self.echoes += 1
        if self._running:
            self._offer(link, now)
        else:
            self._end_if_answered(link)
        if self._stamps and self._stamps.latest != self._stamp:
            self._stamp = self._stamps.latest
            self._expected = [self._stamp + message for message in self._messages]

    def _offer(self, link: Stream, now: int) -> None:
        """Let `depth` messages be in flight."""
        goal = link.answered + self._depth
        for number in range(link.target // self._size, goal):
            link.since[number % self._depth] = now
        link.target = goal * self._size
        self._send(link)
        whole = link.verifier.position == link.answered * self._size and link.sent == link.target
        if whole and self._messages and link.fd in self._links:
            self._plain[link.fd] = link

    def _send(self, link: Stream) -> None:
        """Send as far as `target`, or as the kernel takes it."""
        try:
            while link.sent < link.target:
                at = link.sent % self._pattern.period
                offered = min(READ_SIZE, link.target - link.sent)
                taken = link.send(self._stream[at : at + offered])
                link.sent += taken
                if taken < offered:
                    break
        except OSError as error:
            self._failed(link, error)
        self._watch(link)

    def _watch(self, link: Stream) -> None:
        """Tell the poller when it is another matter whether we wait for room."""
        writing = link.sent < link.target
        if writing != link.writing and link.fd in self._links:
            link.writing = writing
            self._poller.modify(link.fd, select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN)

    def _end_if_answered(self, link: Stream) -> None:
        if link.verifier.position == link.sent and not link.ending:
            self._end(link)

    def _end(self, link: Stream) -> None:
        link.target = link.sent
        link.ending = True
        self._unended -= 1
        try:
            link.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._failed(link, error)
        self._watch(link)

    def _ended(self, link: Stream) -> None:
        if link.ending:
            self._close(link)
        else:
            self._drop(link, "closed by the server")

    def _failed(self, link: Stream, error: OSError) -> None:
        if not isinstance(error, BlockingIOError):
            self._drop(link, error.strerror or str(error))

    def _wrong(self, link: Stream, why: str) -> None:
        self._error(1, link, why)
        link.wrong = True
        if not link.ending:
            self._end(link)

    def _drop(self, link: Stream, why: str) -> None:
        self._general(link)
        missing = -(-link.sent // self._size) - link.answered
        if not link.wrong:
            self._error(max(1, missing), link, f"{why}, {missing} replies missing" if missing else why)
        self._close(link)

    def _error(self, number: int, link: Stream, why: str) -> None:
        self.errors += number
        if len(self.error_samples) < ERROR_SAMPLES:
            self.error_samples.append(f"connection from {link.local_name()}: {why}")

    def _close(self, link: Stream) -> None:
        self._general(link)
        if not link.ending:
            self._unended -= 1
        self.bytes_out += link.sent - link.first * self._size
        self._poller.unregister(link.fd)
        del self._links[link.fd]
        link.sock.close()
