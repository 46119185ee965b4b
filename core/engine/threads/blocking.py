"""The two servers that ask no poller: their threads block in the calls themselves."""

import errno
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

from core.engine.faults.fault_tickets import Tickets
from core.engine.processes.places import Places
from core.engine.server.connection import Connection, State
from core.engine.server.entrance import Accepted, Entrance
from core.engine.server.listener import AcceptQueue, accept_queue, close_port, packed
from core.engine.server.proxied import Proxies
from core.engine.server.sample import MOST_SAMPLES, Sample, take
from core.engine.settings import ServerSettings
from core.engine.threads.conversation import Conversation
from core.engine.threads.shared_recorder import SharedRecorder
from core.faults.fault_order import FaultOrder
from core.ring.events import ERRNO_BASE, Kind, Reason
from core.ring.recorder import Recorder

MOST_THREADS: Final = 1000
"""Connections that `threads` serves at once."""

_HEARTBEAT: Final = 1.0


class BlockingServer:
    """One connection at a time, served by the thread that runs the server; the others wait to be accepted."""

    model = "blocking"
    _most = 1
    _wake_after = _HEARTBEAT

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
        self._listener = listener
        self._settings = settings
        self._ids = ids
        self._proxies = Proxies.of(settings)
        self._ledger = SharedRecorder(recorder)
        # All of what follows is read and changed with the ledger held.
        self._conversations: dict[int, Conversation] = {}
        most = min(settings.max_connections, self._most)
        self._entrance = Entrance(listener, recorder, most, self._conversations.__len__, places)
        self._stopping = self._over = False
        self._finishing: list[Conversation] = []
        self._failure: BaseException | None = None
        self._cutter: threading.Timer | None = None
        # A shutdown(2) of the listener would end a blocked accept(2) too, but for every process that has inherited
        # it; so accept is waited for with poll(2), beside a wake-up.
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._door, self._closed_door = select.poll(), select.poll()
        self._closed_door.register(self._wake, select.POLLIN)
        self._door.register(self._wake, select.POLLIN)
        self._door.register(listener, select.POLLIN)

    def run(self) -> None:
        """Serve until stopped."""
        with self._ledger as recorder:
            recorder.emit(Kind.START)
        try:
            while not self._stopping:
                self._next()
        finally:
            self._end()
        if self._failure is not None:
            raise self._failure

    def stop(self, timeout: float) -> None:
        """Stop accepting, deliver what is queued for at most `timeout` seconds, end `run`. Does not wait."""
        with self._ledger:
            if self._stopping or self._over:
                return
            self._stopping = True
            if not self._settings.shares_listener:
                close_port(self._listener)
            for conversation in self._open():
                conversation.drain()
            cutter = threading.Timer(timeout, self._cut)
            cutter.daemon = True
            try:
                cutter.start()
            except RuntimeError:  # the system has no more threads: nobody can keep the time
                self._close_all()
            else:
                self._cutter = cutter
            os.eventfd_write(self._wake, 1)

    def close_connection(self, conn: int, how: str = "fin") -> None:
        """As core.engine.models.Engine.close_connection."""
        with self._ledger:
            for conversation in self._open():
                if conversation.conn.id != conn:
                    continue
                if how == "rst":
                    conversation.reset(Reason.OPERATOR)
                else:
                    conversation.finish(Reason.OPERATOR)
                    self._finishing.append(conversation)

    def sample(self, conns: list[int], done: Callable[[dict[int, Sample]], None]) -> None:
        """As core.engine.server.server.Server.sample; answered by the calling thread."""
        if len(conns) > MOST_SAMPLES:
            raise ValueError(f"{len(conns)} connections to be sampled at once: at most {MOST_SAMPLES}")
        with self._ledger:
            samples = {one.conn.id: take(one.sock) for one in self._open() if one.conn.id in conns}
        done(samples)

    def switch(self, model: str) -> str:
        """There is no poller that could be exchanged."""
        return f"{self.model} has no poller to exchange: start the server anew with --model {model}"

    def begin_fault(self, order: FaultOrder) -> str:
        """A thread that blocks in a call can't be told to wait, to slice or to stop."""
        return (
            f"{self.model} can't do {order.kind.name}: its threads block in recv(2) and send(2), where no fault "
            "reaches them; start the server with a model that has a poller, such as --model epoll"
        )

    def arm(self, order: FaultOrder) -> bool:
        """It can't."""
        return False

    def touch(self, number: int, conns: list[int]) -> int:
        """No fault has ever begun."""
        return 0

    def end_fault(self, number: int) -> None:
        """No fault has ever begun."""

    def note_order(self, code: int, number: int, conn: int) -> None:
        """As core.engine.models.Engine.note_order."""
        with self._ledger as recorder:
            known = conn if any(conversation.conn.id == conn for conversation in self._open()) else 0
            recorder.emit_numbered(Kind.ORDER, known, number, 0, 0, 0, code)

    def registrations(self) -> None:
        """There is no poller that keeps a table."""

    def accept_queue(self) -> AcceptQueue | None:
        """How many wait to be accepted; None once stopped."""
        return accept_queue(self._listener)

    # -- accepting

    def _next(self) -> None:
        """Wait for a connection, for a second at most, and serve it."""
        self._door.poll(_HEARTBEAT * 1000)
        with self._ledger as recorder:
            self._finishing = [one for one in self._finishing if not one.is_over()]
            accepted = 0.0 if self._stopping else self._entrance.accept()
            conversation = self._admit(recorder, accepted) if isinstance(accepted, Accepted) else None
        if conversation is not None:
            self._begin(conversation)
        elif isinstance(accepted, float):  # the queue of connections would stay ready: leave it alone for a while
            self._closed_door.poll(accepted * 1000)

    def _admit(self, recorder: Recorder, accepted: Accepted) -> Conversation | None:
        sock, (peer, port) = accepted.sock, packed(accepted.address)
        if not accepted.has_place:
            sock.close()
            recorder.emit_peer(Kind.REFUSE, 0, peer, port, Reason.LIMIT)
            return None
        conn = Connection(next(self._ids), self._settings.marks)
        conversation = Conversation(sock, conn, self._settings, self._ledger, self._wake_after)
        self._conversations[conn.id] = conversation
        if self._proxies is not None:
            conversation.await_header(self._proxies, accepted.address)
            return conversation
        recorder.emit_peer(Kind.OPEN, conn.id, peer, port, 0)
        return conversation

    def _begin(self, conversation: Conversation) -> None:
        """Serve it in this thread: no other is accepted before it is closed."""
        self._serve(conversation)

    def _serve(self, conversation: Conversation) -> None:
        try:
            conversation.serve()
        except Exception as error:
            with self._ledger:
                self._failure = error
            self.stop(0.0)
            raise
        finally:
            with self._ledger:
                open_still = conversation.conn.state is not State.CLOSED
            if open_still:
                conversation.close(Reason.SHUTDOWN)
            with self._ledger:
                del self._conversations[conversation.conn.id]
                self._entrance.left()

    # -- orders and the end

    def _open(self) -> list[Conversation]:
        """Those whose sockets are open; the ledger is held."""
        return [one for one in self._conversations.values() if one.conn.state is not State.CLOSED]

    def _cut(self) -> None:
        """The time for delivering what is queued is up."""
        with self._ledger:
            self._close_all()

    def _close_all(self) -> None:
        for conversation in self._open():
            conversation.order(Reason.SHUTDOWN)

    def _end(self) -> None:
        self.stop(0.0)  # when it is a defect that has ended the server
        self._await_threads()
        with self._ledger as recorder:
            self._over = True
            recorder.emit(Kind.STOP)
        if self._cutter is not None:
            self._cutter.cancel()
            self._cutter.join()
        self._listener.close()
        os.close(self._wake)

    def _await_threads(self) -> None:
        """All is served by this one."""


class ThreadsServer(BlockingServer):
    """One thread a connection, MOST_THREADS at most.

    Their stacks are left at the system's size: it is address space, not memory (1,000 waiting threads were measured
    at 16 MB with 8 MiB and with 256 KiB each), and threading.stack_size() would be that of the web's threads too.
    """

    model = "threads"
    _most = MOST_THREADS
    _wake_after = 0.0  # the thread that accepts is the one that keeps the beat

    def __init__(
        self,
        listener: socket.socket,
        recorder: Recorder,
        settings: ServerSettings,
        ids: Iterator[int],
        places: Places | None = None,
        tickets: Tickets | None = None,
    ) -> None:
        super().__init__(listener, recorder, settings, ids, places, tickets)
        self._threads: dict[int, threading.Thread] = {}

    def _begin(self, conversation: Conversation) -> None:
        """Serve it in a thread of its own."""
        conn = conversation.conn.id
        thread = threading.Thread(target=self._serve, args=(conversation,), name=f"connection {conn}", daemon=True)
        with self._ledger:
            self._threads[conn] = thread
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            conversation.close(ERRNO_BASE + errno.EAGAIN)
            with self._ledger:
                del self._conversations[conn], self._threads[conn]
                self._entrance.left()

    def _serve(self, conversation: Conversation) -> None:
        try:
            super()._serve(conversation)
        finally:
            with self._ledger:
                del self._threads[conversation.conn.id]

    def _await_threads(self) -> None:
        with self._ledger:
            threads = list(self._threads.values())
        for thread in threads:
            while thread.is_alive():
                thread.join(_HEARTBEAT)
                self._ledger.beat()
