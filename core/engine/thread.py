"""The engine as a background thread of this process."""

import queue
import threading
from collections.abc import Mapping
from typing import Any

from core.engine.faults.fault_tickets import Tickets
from core.engine.models import Engine, report
from core.engine.server.listener import AcceptQueue
from core.engine.server.sample import Sample
from core.faults.fault_order import FaultOrder


class EngineThread:
    """Runs one server; worker 0."""

    def __init__(self, server: Engine, tickets: Tickets) -> None:
        """`tickets` are the server's."""
        self._server = server
        self._tickets = tickets
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name="echo", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop accepting, deliver what is queued for at most `timeout` seconds, wait for the end."""
        if self._thread.is_alive():
            self._server.stop(timeout)
        self._thread.join(timeout + 5.0)
        if not self._thread.is_alive():
            self._tickets.close()

    def close_connection(self, conn: int, worker: int, how: str) -> None:
        """Close a connection on behalf of an operator, `fin` or `rst`. Does not wait."""
        self._server.close_connection(conn, how)

    def sample(self, worker: int, conns: list[int], timeout: float) -> dict[int, Sample]:
        """What the kernel says of these connections (Server.sample); empty when the loop does not answer in time."""
        answer: queue.SimpleQueue[dict[int, Sample]] = queue.SimpleQueue()
        if not self._thread.is_alive():
            return {}
        self._server.sample(conns, answer.put)
        try:
            return answer.get(timeout=timeout)
        except queue.Empty:
            return {}

    def switch(self, model: str) -> str:
        """Go on with another model, every connection kept. Why that can't be; empty: it is done."""
        return self._server.switch(model) if self._thread.is_alive() else "the server has stopped"

    def begin_fault(self, order: FaultOrder) -> str:
        """As core.engine.models.Engine.begin_fault."""
        if not self._thread.is_alive():
            return "the server has stopped"
        self._tickets.clear(order.slot)
        return self._server.begin_fault(order)

    def touch(self, number: int, conns: Mapping[int, list[int]]) -> int:
        """Put a fault that has begun on open connections, by worker; how many of them have it now."""
        return sum(self._server.touch(number, own) for own in conns.values()) if self._thread.is_alive() else 0

    def end_fault(self, number: int) -> None:
        """Take a fault off all connections; nothing happens when it has ended."""
        if self._thread.is_alive():
            self._server.end_fault(number)

    def note_order(self, code: int, number: int, conn: int, worker: int) -> None:
        """As core.engine.models.Engine.note_order."""
        if self._thread.is_alive():
            self._server.note_order(code, number, conn)

    def model(self) -> str:
        """The model in use."""
        return self._server.model

    def accept_queue(self) -> AcceptQueue | None:
        """How many wait to be accepted; None once stopped."""
        return self._server.accept_queue()

    def report(self, worker: int) -> dict[str, Any] | None:
        """What the server tells of itself (core.engine.models.report); None once stopped."""
        return report(self._server) if self._thread.is_alive() else None

    def failure(self) -> str:
        """Why it is not serving; empty while it is."""
        return self._failure

    def _run(self) -> None:
        try:
            self._server.run()
        except Exception as error:
            self._failure = f"the echo loop stopped: {type(error).__name__}: {error}"
            raise
