"""Puts faults on connections of a loop and takes them off; for the loop's thread alone.

A connection under a fault has another visit in the loop's table, and a `FaultedConnection` in place of its plain one.
Both go back when its last fault ends, so all others know nothing of faults.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from core.engine.faults.fault_tickets import Tickets
from core.engine.faults.faulted import FaultedConnection
from core.engine.loop.loop import Loop, Timer
from core.engine.pollers.poller import READ, URGENT, WRITE
from core.engine.server.connection import State
from core.engine.server.listener import reset_on_close
from core.engine.server.sample import unread
from core.engine.server.visits import Served, Visits
from core.engine.settings import FINISH_S
from core.faults.effect import Deed
from core.faults.fault_order import FaultOrder
from core.ring.events import Kind, Reason
from core.ring.peer_text import peer_text
from core.ring.recorder import Recorder

_KNOWN: Final = READ | WRITE | URGENT


@dataclass
class _Touched:
    """The faults on a connection by number, and when it is to be looked at again."""

    orders: dict[int, FaultOrder] = field(default_factory=dict)
    timer: Timer | None = None
    due: float | None = None


class Faulting:
    """The faults of a server's loop."""

    def __init__(
        self,
        loop: Loop,
        recorder: Recorder,
        visits: Visits,
        links: dict[int, Served],
        close: Callable[[Served, int], None],
        tickets: Tickets,
    ) -> None:
        """`links` are the connections by id, `close(link, reason)` closes one; `tickets` are all workers'."""
        self._loop = loop
        self._recorder = recorder
        self._visits = visits
        self._links = links
        self._close = close
        self._tickets = tickets
        self._orders: dict[int, tuple[FaultOrder, Timer]] = {}
        self._touched: dict[int, _Touched] = {}
        self.armed: list[FaultOrder] = []
        """Those that are for new connections."""
        visits.settling = self._settling

    def begin(self, order: FaultOrder) -> None:
        """Put it on new connections if it is for such, until its time is over."""
        timer = self._loop.call_later(order.until - time.monotonic(), partial(self.end, order.number))
        self._orders[order.number] = order, timer
        if order.new is not None:
            self.armed = [*self.armed, order]

    def touch(self, number: int, conns: Iterable[int]) -> int:
        """Put a fault on open connections too; how many of these have it now."""
        found = self._orders.get(number)
        links = [self._links[conn] for conn in conns if conn in self._links]
        return sum(self._put_on(link, found[0]) for link in links) if found is not None else 0

    def end(self, number: int) -> None:
        """Take a fault off all its connections; nothing happens when it has ended."""
        found = self._orders.pop(number, None)
        if found is None:
            return
        self._loop.cancel(found[1])
        self.armed = [order for order in self.armed if order.number != number]
        for conn in [conn for conn, touched in self._touched.items() if number in touched.orders]:
            self._take_off(self._links[conn], number)

    def end_all(self) -> None:
        """Take every fault off."""
        for number in list(self._orders):
            self.end(number)

    def release(self, link: Served) -> None:
        """Take all faults off a connection."""
        touched = self._touched.get(link.conn.id)
        for number in list(touched.orders) if touched is not None else ():
            if link.conn.state is not State.CLOSED:
                self._take_off(link, number)

    def opened(self, link: Served, address: bytes, port: int) -> None:
        """A connection was opened, which may be closed on return: put on it what is armed for such."""
        peer = peer_text(address, port)
        for order in self.armed:
            assert order.new is not None
            place = self._tickets.take(order.slot) if order.new.counts else 0
            if order.new.chooses(place, peer) and link.conn.state is not State.CLOSED:
                self._put_on(link, order)

    def closing(self, link: Served) -> None:
        """A connection is about to be closed in the record."""
        touched = self._touched.pop(link.conn.id, None)
        if touched is not None:
            self._wake_at(link, touched, None)
            for order in touched.orders.values():
                self._record(link, order, ended=True)

    def _put_on(self, link: Served, order: FaultOrder) -> bool:
        conn = link.conn
        touched = self._touched.get(conn.id)
        if touched is not None and order.number in touched.orders:
            return True
        if conn.state is State.CLOSED or (conn.reason and conn.reason != Reason.PEER):
            return False  # it is being closed, and only the peer's end is waited for
        if touched is None:
            touched = self._touched[conn.id] = _Touched()
            conn = link.conn = FaultedConnection.of(conn, time.monotonic)
            link.quiet = partial(self._visit, link)
        assert isinstance(conn, FaultedConnection)
        touched.orders[order.number] = order
        conn.begin(order.number, order.kind.effect(time.monotonic(), order.seed << 64 | conn.id))
        self._record(link, order, ended=False)
        self._visits.settle(link)
        return True

    def _take_off(self, link: Served, number: int) -> None:
        touched = self._touched[link.conn.id]
        self._record(link, touched.orders.pop(number), ended=True)
        conn = link.conn
        if not isinstance(conn, FaultedConnection):
            if not touched.orders:
                del self._touched[conn.id]
            return
        del conn.effects[number]
        if not touched.orders:
            self._wake_at(link, touched, None)
            del self._touched[conn.id]
            link.conn = conn.plain()
            link.quiet = self._visits.quiet(link)
        self._visits.settle(link)

    def _record(self, link: Served, order: FaultOrder, *, ended: bool) -> None:
        conn, reason = link.conn, Reason[f"FAULT_{order.kind.name.upper()}"]
        self._recorder.emit_numbered(
            Kind.FAULT, conn.id, order.number, conn.queue_bytes, conn.queue_chunks, ended, reason
        )

    # -- the visit of a connection under faults

    def _visit(self, link: Served, mask: int) -> None:
        # Where neither reading nor writing is wanted, nothing else would find the error, and the loop would spin.
        if mask & ~_KNOWN:
            code = link.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                return self._visits.failed(link, OSError(code, os.strerror(code)))
        return self._visits.busy_visit(link, mask)

    def _settling(self, link: Served) -> bool:
        """What `settle` asks first: True when the connection is done with, and there is nothing left to settle."""
        conn = link.conn
        assert isinstance(conn, FaultedConnection)
        deed = conn.deed()
        if deed is Deed.RESET:
            reset_on_close(link.sock)
            self._close(link, Reason.FAULT)
            return True
        if deed is Deed.CLOSE:
            self._end_side(link, FINISH_S) if unread(link.sock) else self._close(link, Reason.FAULT)
            return True
        if deed is Deed.END_SIDE and conn.state is State.OPEN:
            self._end_side(link, None)
            return True
        self._wake_at(link, self._touched[conn.id], conn.due())
        return False

    def _wake_at(self, link: Served, touched: _Touched, due: float | None) -> None:
        if touched.due == due:
            return
        if touched.timer is not None:
            self._loop.cancel(touched.timer)
            touched.timer = None
        touched.due = due
        if due is not None:
            touched.timer = self._loop.call_later(due - time.monotonic(), partial(self._wake, link, touched))

    def _wake(self, link: Served, touched: _Touched) -> None:
        touched.timer = touched.due = None
        if not (link.conn.queue_bytes and self._visits.flush(link)):
            self._visits.settle(link)

    def _end_side(self, link: Served, seconds: float | None) -> None:
        """Send a FIN; what the peer still sends is read and not answered, until it ends its side or time is up.

        Closing while something is unread would make it a reset, which could take replies with it that were delivered.
        """
        conn = link.conn
        assert isinstance(conn, FaultedConnection)
        self._wake_at(link, self._touched[conn.id], None)
        link.conn = conn.plain()
        link.conn.drop()
        link.conn.reason = Reason.FAULT
        if seconds is not None:
            if link.timer is not None:
                self._loop.cancel(link.timer)
            link.timer = self._loop.call_later(seconds, partial(self._close, link, Reason.FAULT))
        self._visits.end_side(link)
