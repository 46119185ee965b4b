"""How processes end: with the one that started them, and by Ctrl-C."""

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def end_with_parent() -> None:
    """Be killed when the thread that started this process is gone, also while stopped by a signal (prctl(2)).

    Whoever calls it looks afterwards, by the end of a pipe say, whether that thread was gone already.
    """
    with suppress(OSError, AttributeError):  # the end of the pipe is enough for one that is not stopped
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextmanager
def interrupt_calls(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT calls `stop`, a second one raises KeyboardInterrupt. Outside the main thread nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
