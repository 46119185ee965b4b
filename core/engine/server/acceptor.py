"""Takes connections from the listener in a loop: a bounded batch a visit."""

import socket
from collections.abc import Callable
from typing import Final

from core.engine.loop.calls import Calls
from core.engine.loop.loop import Loop
from core.engine.pollers.poller import READ
from core.engine.server.entrance import Accepted, Entrance
from core.engine.server.listener import AcceptQueue, accept_queue, close_port

_BATCH: Final = 64


class Acceptor:
    """A listener in a loop. `admit` is called for each connection."""

    def __init__(
        self,
        listener: socket.socket,
        loop: Loop,
        entrance: Entrance,
        calls: Calls,
        admit: Callable[[Accepted], None],
    ) -> None:
        """`listener` is non-blocking and becomes the acceptor's; `entrance` is its."""
        self._listener = listener
        self._loop = loop
        self._entrance = entrance
        self._calls = calls
        self._admit = admit
        self._stopped = False

    def start(self) -> None:
        """Begin to accept."""
        self._loop.add(self._listener.fileno(), READ, self._visit)

    def stop(self) -> None:
        """Accept no more: from now on the kernel refuses who comes, in every process that shares the socket."""
        if not self._stopped:
            self._stopped = True
            self._loop.remove(self._listener.fileno())
            close_port(self._listener)

    def close(self) -> None:
        """Give the listener back."""
        self._listener.close()

    def queue(self) -> AcceptQueue | None:
        """How many wait to be accepted; None once closed. From any thread."""
        return accept_queue(self._listener)

    def _visit(self, mask: int) -> None:
        for _ in range(_BATCH):
            self._calls.accepts += 1
            accepted = self._entrance.accept()
            if isinstance(accepted, float):
                self._calls.eagains += 1
                return self._pause(accepted) if accepted else None
            self._admit(accepted)
        return self._loop.again(self._listener.fileno())

    def _pause(self, seconds: float) -> None:
        """Leave the queue of connections alone for a while: it would stay ready and spin the loop."""
        self._loop.change(self._listener.fileno(), 0)
        self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        if not self._stopped:
            self._loop.change(self._listener.fileno(), READ)
