"""The event-loop server: takes connections in, lets the loop visit them, closes them, obeys orders from outside."""

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from core.engine.faults.fault_tickets import Tickets
from core.engine.faults.faulting import Faulting
from core.engine.loop.calls import Calls, turn_end
from core.engine.loop.loop import Loop, Timer
from core.engine.loop.phases import Phases
from core.engine.loop.registrations import Registrations
from core.engine.pollers.backends import POLLERS
from core.engine.pollers.poller import READ, Poller
from core.engine.processes.places import Places
from core.engine.server.acceptor import Acceptor
from core.engine.server.connection import Connection, QueueRoom, State, Transition
from core.engine.server.entrance import Accepted, Entrance
from core.engine.server.listener import AcceptQueue, packed, reset_on_close
from core.engine.server.proxied import HeaderWait, Proxies
from core.engine.server.sample import MOST_SAMPLES, Sample, take, tcp_info
from core.engine.server.tls import HANDSHAKE_S, TlsSocket, make_context
from core.engine.server.visits import Served, Visits
from core.engine.settings import FINISH_S, ServerSettings
from core.faults.fault_order import FaultOrder
from core.ring.events import ERRNO_BASE, Kind, Reason
from core.ring.recorder import Recorder

T = TypeVar("T")
_HEARTBEAT: Final = 1.0
_ORDER_TIMEOUT: Final = 5.0
# struct tcp_info (linux/tcp.h): tcpi_last_data_sent and tcpi_last_data_recv, ms.
_LAST_DATA: Final = struct.Struct("44xI4xI")


class Server:
    """One listener, one loop, one thread. Its methods but `run` may be called from others."""

    def __init__(
        self,
        listener: socket.socket,
        recorder: Recorder,
        settings: ServerSettings,
        ids: Iterator[int],
        places: Places | None = None,
        tickets: Tickets | None = None,
    ) -> None:
        """`listener` is non-blocking and becomes the server's; `ids` gives each connection its own."""
        self._recorder = recorder
        self._settings = settings
        self._room = QueueRoom(settings.max_queued)
        self._ids = ids
        self._links: dict[int, Served] = {}
        self._stopping = False
        self._calls = Calls()
        self._loop = Loop(POLLERS[settings.model]())
        self._visits = Visits(self._loop, recorder, self._calls, settings, self._close)
        phases = Phases(recorder.echo, self._visits.replace_record, self._calls)
        self._loop.before_wait = turn_end(recorder, self._calls, phases.spent)
        self._loop.after_wait = self._visits.stamp
        self._loop.measured = phases.turn
        self._entrance = Entrance(listener, recorder, settings.max_connections, self._links.__len__, places)
        self._acceptor = Acceptor(listener, self._loop, self._entrance, self._calls, self._admit)
        self._descriptor_limit = self._loop.poller.descriptor_limit
        self._own_tickets = None if tickets is not None else Tickets.make()
        counted = tickets or self._own_tickets
        assert counted is not None
        self._faulting = Faulting(self._loop, recorder, self._visits, self._links, self._close, counted)
        files = settings.tls_cert, settings.tls_key, settings.tls_keylog
        self._tls = make_context(*files) if settings.tls_cert else None
        self._handshakes: dict[int, Timer] = {}
        proxies = Proxies.of(settings)
        self._headers: HeaderWait | None = None
        if proxies is not None:
            self._headers = HeaderWait(self._loop, recorder, proxies, self._visits, self._opened, self._close)

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
            if self._own_tickets is not None:
                self._own_tickets.close()

    def stop(self, timeout: float) -> None:
        """Stop accepting, deliver what is queued for at most `timeout` seconds, end `run`. Does not wait."""
        self._loop.call_soon(partial(self._begin_stop, timeout))

    @property
    def loop(self) -> Loop:
        """The loop, for whoever drives the server from its thread."""
        return self._loop

    def close_connection(self, conn: int, how: str = "fin") -> None:
        """As core.engine.models.Engine.close_connection."""
        self._loop.call_soon(partial(self._close_by_id, conn, how))

    def switch(self, model: str) -> str:
        """Go on with another poller, every connection kept. Why that can't be; empty: it is done.

        Waits for the loop's thread, so it is for others.
        """
        if model not in POLLERS:
            return f"{model} has no poller that could take over: start the server anew with --model {model}"
        answer = self._ask(partial(self._exchange, POLLERS[model]))
        return _late() if answer is None else answer

    def begin_fault(self, order: FaultOrder) -> str:
        """As core.engine.models.Engine.begin_fault."""
        return "" if self._ask(partial(self.arm, order)) else _late()

    def arm(self, order: FaultOrder) -> bool:
        """Begin a fault: in the loop's thread, or before `run`."""
        self._faulting.begin(order)
        return True

    def touch(self, number: int, conns: list[int]) -> int:
        """As core.engine.models.Engine.touch."""
        return self._ask(partial(self._faulting.touch, number, conns)) or 0

    def end_fault(self, number: int) -> None:
        """As core.engine.models.Engine.end_fault."""
        self._ask(partial(self._faulting.end, number))

    def note_order(self, code: int, number: int, conn: int) -> None:
        """As core.engine.models.Engine.note_order."""
        self._loop.call_soon(partial(self._note_order, code, number, conn))

    def _note_order(self, code: int, number: int, conn: int) -> None:
        known = conn if conn in self._links and not self._waits(conn) else 0
        self._recorder.emit_numbered(Kind.ORDER, known, number, 0, 0, 0, code)

    def _waits(self, conn: int) -> bool:
        """Whether a connection is not in the record yet."""
        return self._headers is not None and self._headers.has(conn)

    def _ask(self, question: Callable[[], T]) -> T | None:
        """What the loop's thread answers; None, and nothing is done, when it does not turn for too long."""
        # Taken by the loop, which then obeys, or by who gives up: only one can have it.
        order, answer = [question], SimpleQueue[T]()

        def obey() -> None:
            with suppress(IndexError):
                answer.put(order.pop()())

        self._loop.call_soon(obey)
        try:
            return answer.get(timeout=_ORDER_TIMEOUT)
        except Empty:
            with suppress(IndexError):
                order.pop()
                return None
            return answer.get()

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

    def _beat(self) -> None:
        """Turn at least once a second, so that a stalled loop can be told from an idle one."""
        self._loop.call_later(_HEARTBEAT, self._beat)

    # -- accepting

    def _admit(self, accepted: Accepted) -> None:
        sock, (peer, port) = accepted.sock, packed(accepted.address)
        reason = self._refusal(sock.fileno()) if accepted.has_place else Reason.LIMIT
        if not reason:
            link = Served(sock, Connection(next(self._ids), self._settings.marks, self._room))
            link.quiet = self._visits.quiet(link)
            sock.setblocking(False)
            try:
                self._loop.add(sock.fileno(), READ, link.quiet)
            except OSError as error:  # ENOSPC: /proc/sys/fs/epoll/max_user_watches
                reason = ERRNO_BASE + (error.errno or 0)
        if reason:
            sock.close()
            self._entrance.left()
            return self._recorder.emit_peer(Kind.REFUSE, 0, peer, port, reason)
        self._links[link.conn.id] = link
        if self._headers is not None:
            return self._headers.begin(link, accepted.address)
        self._recorder.emit_peer(Kind.OPEN, link.conn.id, peer, port, 0)
        return self._opened(link, peer, port)

    def _opened(self, link: Served, peer: bytes, port: int) -> None:
        """A connection is in the record; on return it may be closed, by a fault."""
        if self._tls is not None:
            self._begin_tls(link, self._tls)
        if self._settings.idle_timeout:
            self._watch_idle(link, self._settings.idle_timeout)
        if self._faulting.armed:
            self._faulting.opened(link, peer, port)

    def _begin_tls(self, link: Served, context: ssl.SSLContext) -> None:
        sock = link.sock = TlsSocket(link.sock, context, partial(self._shaken, link))
        link.quiet = self._visits.quiet(link)
        self._loop.visits[sock.fileno()] = link.quiet
        self._handshakes[link.conn.id] = self._loop.call_later(
            HANDSHAKE_S, partial(self._close, link, Reason.TLS_TIMEOUT)
        )

    def _shaken(self, link: Served) -> None:
        """The handshake of a connection is over."""
        self._loop.cancel(self._handshakes.pop(link.conn.id))
        assert isinstance(link.sock, TlsSocket)
        self._recorder.origin(link.conn.id, bytes(16), 0, link.sock.facts())

    def _refusal(self, fd: int) -> int:
        if self._descriptor_limit is not None and fd >= self._descriptor_limit:
            return Reason.SELECT_LIMIT
        return 0

    def _close(self, link: Served, reason: int) -> None:
        conn = link.conn
        del self._links[conn.id]  # first: should anything fail, it is not closed a second time
        if link.timer is not None:
            self._loop.cancel(link.timer)
        if self._headers is not None:
            self._headers.closing(link)
        if conn.id in self._handshakes:
            self._loop.cancel(self._handshakes.pop(conn.id))
        self._faulting.closing(link)
        try:
            self._loop.remove(link.sock.fileno())
            self._recorder.last_sample(conn.id, tcp_info(link.sock))
        finally:
            link.sock.close()
        self._entrance.left()
        del link.quiet  # it holds the link: a circle that only the garbage collector would find
        conn.step(Transition.CLOSE)
        self._recorder.emit(Kind.CLOSE, conn.id, 0, 0, conn.queue_bytes, conn.queue_chunks, 0, reason)
        if self._stopping and not self._links:
            self._loop.stop()

    # -- time and orders from outside

    def _watch_idle(self, link: Served, delay: float) -> None:
        link.timer = self._loop.call_later(delay, partial(self._check_idle, link))

    def _check_idle(self, link: Served) -> None:
        """The kernel knows when data last went either way: the hot path need not keep the time."""
        sent, received = _LAST_DATA.unpack(link.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA.size))
        remaining = self._settings.idle_timeout - min(sent, received) / 1000
        if remaining <= 0:
            self._close(link, Reason.IDLE)
        else:
            self._watch_idle(link, remaining)

    def _close_by_id(self, conn: int, how: str) -> None:
        link = self._links.get(conn)
        if link is None:
            return
        if how == "rst":
            reset_on_close(link.sock)
            self._close(link, Reason.OPERATOR)
        elif link.conn.reason != Reason.OPERATOR:
            if link.timer is not None:
                self._loop.cancel(link.timer)
            link.timer = self._loop.call_later(FINISH_S, partial(self._close, link, Reason.OPERATOR))
            self._faulting.release(link)
            if link.conn.state is not State.CLOSED:
                self._drain(link, Reason.OPERATOR)

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
        self._faulting.end_all()
        for link in list(self._links.values()):
            self._drain(link, Reason.SHUTDOWN)
        if self._links:
            self._loop.call_later(timeout, self._loop.stop)
        else:
            self._loop.stop()

    def _drain(self, link: Served, reason: int) -> None:
        """Answer what has already arrived, one visit's worth, then only deliver what is queued."""
        self._loop.visits[link.sock.fileno()](READ)
        if link.conn.state is not State.CLOSED:
            link.conn.step(Transition.SHUTDOWN)
            link.conn.reason = link.conn.reason or reason
            self._visits.settle(link)


def _late() -> str:
    return f"the loop has not turned for {_ORDER_TIMEOUT:g} s"
