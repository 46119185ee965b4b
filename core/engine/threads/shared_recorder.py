"""The ring's one writer, made of several threads: whoever writes holds the ledger."""

import threading
import time

from core.ring.recorder import Recorder


class SharedRecorder:
    """A recorder under a lock: `with ledger as recorder: ...` is one visit, published at its end.

    Whatever threads share is read and changed within such a section only. Time in which no thread is in one counts as
    waited, so that the share of time that the server is busy can be told as it is of a loop.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = threading.Lock()
        self._turns = self._waited = 0
        self._left = time.monotonic_ns()

    def __enter__(self) -> Recorder:
        self._lock.acquire()
        self._waited += time.monotonic_ns() - self._left
        self._turns += 1
        return self._recorder

    def __exit__(self, *_: object) -> None:
        try:
            self._recorder.publish(self._turns, self._waited)
        finally:
            self._left = time.monotonic_ns()
            self._lock.release()

    def beat(self) -> None:
        """Turn, so that a stalled server can be told from an idle one."""
        with self:
            pass
