"""Takes connections from the listener: a bounded batch a visit, none while descriptors or room in the record lack."""

import socket
from collections.abc import Callable
from typing import Final

from core.engine.calls import Calls
from core.engine.listener import EXHAUSTED, AcceptQueue, accept_queue, close_port
from core.engine.loop import Loop
from core.engine.poller import READ
from core.engine.recorder import Recorder
from core.record.events import ERRNO_BASE, Kind

_BATCH: Final = 64
_RETRY: Final = 0.1


class Acceptor:
    """A listener in a loop. `admit(socket, address)` is called for each connection; `held()` is how many are open."""

    def __init__(
        self,
        listener: socket.socket,
        loop: Loop,
        recorder: Recorder,
        calls: Calls,
        admit: Callable[[socket.socket, tuple[str, int]], None],
        held: Callable[[], int],
    ) -> None:
        """`listener` is non-blocking and becomes the acceptor's."""
        self._listener = listener
        self._loop = loop
        self._recorder = recorder
        self._calls = calls
        self._admit = admit
        self._held = held
        self._stopped = False
        # socket.accept() asks for these anew each time, and makes enums of them, which takes longer than the call.
        self._kind = int(listener.family), int(listener.type), listener.proto

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
            # Each open connection must still be able to record its end.
            if self._recorder.room() < 4 * self._held() + _BATCH:
                return self._pause()
            self._calls.accepts += 1
            try:
                fd, address = self._listener._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                self._calls.eagains += 1
                return None
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._recorder.emit(Kind.REFUSE, reason=ERRNO_BASE + error.errno)
                    return self._pause()
                continue  # accept(2) also reports errors of the connection that was to be accepted
            self._admit(socket.socket(*self._kind, fd), address)
        return self._loop.again(self._listener.fileno())

    def _pause(self) -> None:
        """Leave the queue of connections alone for a while: it would stay ready and spin the loop."""
        self._loop.change(self._listener.fileno(), 0)
        self._loop.call_later(_RETRY, self._resume)

    def _resume(self) -> None:
        if not self._stopped:
            self._loop.change(self._listener.fileno(), READ)
