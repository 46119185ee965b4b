"""How connections come in, whatever the model: one at a time, while they can be recorded and are not too many."""

import socket
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from core.engine.processes.places import Places
from core.engine.server.listener import EXHAUSTED
from core.ring.events import ERRNO_BASE, Kind, Reason
from core.ring.recorder import Recorder

_RETRY_S: Final = 0.1
_RETRY_SOON_S: Final = 0.001
_EPISODE_NS: Final = 1_000_000_000
"""What is short again within this time has not been enough in between."""


class Accepted(NamedTuple):
    """A connection, the address of its peer, and whether the limit of connections leaves a place for it."""

    sock: socket.socket
    address: tuple[str, int]
    has_place: bool


class Entrance:
    """A listener and what stands between it and a server: room in the record, descriptors, the limit of connections."""

    def __init__(
        self,
        listener: socket.socket,
        recorder: Recorder,
        limit: int,
        held: Callable[[], int],
        places: Places | None,
    ) -> None:
        """`held()` is how many connections the server has, `limit` how many it may have; `places` is of all servers."""
        self._listener = listener
        self._recorder = recorder
        self._limit = limit
        self._held = held
        self._places = places
        self._short_of = 0
        self._short_at = 0
        # socket.accept() asks for these anew each time, and makes enums of them, which takes longer than the call.
        self._kind = int(listener.family), int(listener.type), listener.proto

    def accept(self) -> Accepted | float:
        """The next connection; 0.0: nobody waits; else for how many seconds the listener is to be left alone."""
        # Each open connection must still be able to record its end.
        if not self._recorder.keep_room(self._held() + 1):
            return self._pause(Reason.RING_FULL)
        if self._places is None:
            return self._accept()
        if not self._places.enter():
            return _RETRY_SOON_S
        try:
            return self._accept()
        finally:
            self._places.leave()

    def left(self) -> None:
        """A connection that was accepted is not among those held, or no longer."""
        if self._places is not None:
            self._places.hold(self._held())

    def _accept(self) -> Accepted | float:
        try:
            fd, address = self._listener._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return 0.0
        except OSError as error:
            if error.errno in EXHAUSTED:
                return self._pause(ERRNO_BASE + error.errno)
            return _RETRY_SOON_S  # accept(2) also reports errors of the connection that was to be accepted
        held, places = self._held(), self._places
        has_place = held < self._limit and (places is None or places.has_room())
        if has_place and places is not None:
            places.hold(held + 1)
        return Accepted(socket.socket(*self._kind, fd), address, has_place)

    def _pause(self, reason: int) -> float:
        """Something is short: say so once for as long as it lasts."""
        now = time.monotonic_ns()
        if reason != self._short_of or now - self._short_at > _EPISODE_NS:
            self._recorder.emit(Kind.REFUSE, reason=reason)
        self._short_of, self._short_at = reason, now
        return _RETRY_S
