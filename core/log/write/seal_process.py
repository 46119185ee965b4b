"""Rewrites segments in a process of its own, `python -m core.log.write.seal_process`.

Sealing a segment holds the interpreter for seconds in all. In the recorder's process, where it is done at a low
priority, whoever needed the interpreter next would wait with it until the machine had nothing better to do.
"""

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self

from core.durable import PARTIAL
from core.interpreter import EXECUTABLE
from core.log.format.files import JournalError
from core.log.write.seal_job import Abandoned, rewrite
from core.signals import end_with_parent

IDLE_S: Final = 60.0
"""How long the process waits for another segment: starting it takes a third of what sealing a large one does."""
_ROOT: Final = Path(__file__).resolve().parents[3]
_COMMAND: Final = (sys.executable, "-m", "core.log.write.seal_process")
_POLL_S: Final = 0.2
_NICE: Final = 5


class Rewriter:
    """Starts the process when there is something to do; it ends when it has been idle, and with whoever started it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rewrite(self, source: Path, keep_on: Callable[[], bool] = lambda: True) -> Path:
        """As `sealing.rewrite`; `keep_on` is asked a few times a second.

        Raises OSError also when the process ended without a word.
        """
        try:
            said = self._told(source, keep_on)
        except BaseException:
            self.close()
            _remove(source)
            raise
        return _outcome(json.loads(said), source)

    def close(self) -> None:
        """End the process. May be repeated."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                process.kill()

    def _told(self, source: Path, keep_on: Callable[[], bool]) -> bytes:
        """What a process says of it; one that had just ended for want of work is replaced."""
        order = json.dumps(str(source.resolve())).encode() + b"\n"
        while True:
            process = self._running()
            said = _answer(process, order, keep_on)
            if said:
                return said
            if process.wait() != 0:
                raise OSError(f"the process that seals it ended with status {process.returncode}")
            self.close()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                _COMMAND, executable=EXECUTABLE, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        return self._process


def _answer(process: "subprocess.Popen[bytes]", order: bytes, keep_on: Callable[[], bool]) -> bytes:
    """The line that it answers; empty when it ends instead."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.write(order)
    poll = select.poll()  # select(2) takes no descriptor of 1024 or more, and this may be the clients' process
    poll.register(process.stdout, select.POLLIN)
    while keep_on():
        if poll.poll(_POLL_S * 1000):
            return process.stdout.readline()
    raise Abandoned


def _outcome(told: dict[str, Any], source: Path) -> Path:
    if "damaged" in told:
        raise JournalError(told["damaged"])
    if "errno" in told:
        raise OSError(told["errno"], told["strerror"], str(source))
    return source.with_suffix(PARTIAL)


def _remove(source: Path) -> None:
    with suppress(OSError):
        source.with_suffix(PARTIAL).unlink()


class _Pace:
    """Rests for as long as the last slice took, so that a core is never taken for more than half of the time."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> bool:
        time.sleep(time.monotonic() - self._began)
        self._began = time.monotonic()
        return True


def _carried_out(source: Path) -> dict[str, Any]:
    """How it went."""
    try:
        rewrite(source, _Pace())
    except JournalError as error:
        return {"damaged": str(error)}
    except OSError as error:
        return {"errno": error.errno, "strerror": error.strerror or str(error)}
    return {}


def _listen(orders: IO[bytes], to: "queue.Queue[bytes]") -> None:
    """Until whoever gives the orders is gone: then nobody wants what is being done."""
    for order in orders:
        to.put(order)
    os._exit(0)


def main() -> None:
    """Rewrite the segments whose paths come as JSON, a line each; say of each how it went, a JSON object a line."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the server says when it ends
    with suppress(OSError):  # where it is not allowed to, it works as fast as all others
        os.nice(_NICE)
    orders: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, orders), name="orders", daemon=True).start()
    with suppress(queue.Empty):
        while True:
            order = orders.get(timeout=IDLE_S)
            print(json.dumps(_carried_out(Path(json.loads(order)))), flush=True)
    os._exit(0)  # the thread that listens holds its input, which an ordinary end would wait for


if __name__ == "__main__":
    main()
