"""What befalls the processes of a server while it serves: they are killed and stopped, and their disk is full."""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.processes import Echoscope

RECORDER: Final = "core.log.write.recorder_process"
WORKER: Final = "core.engine.processes.worker"
_PAUSE_S: Final = 5.0
"""Between two of them."""
_STOPPED_S: Final = 3.0
_FULL_S: Final = 3.0


def running(server: Echoscope, module: str) -> list[int]:
    """The processes of a server that run a module."""
    return [pid for pid in server.pids() if module in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ")
    except OSError:  # it has ended
        return ""


class Troubles:
    """One after the other, in turn; what can't be done is done the next time."""

    def __init__(self, server: Echoscope) -> None:
        self._server = server
        self._over = threading.Event()
        self.done: dict[str, int] = {}
        self._kinds: list[Callable[[], str]] = [self._kill_recorder, self._stop_recorder, self._fill_disk]
        if running(server, WORKER):
            self._kinds.append(self._kill_worker)

    def run(self) -> None:
        """Until `end`."""
        while not self._over.wait(_PAUSE_S):
            kind = self._kinds[0]
            self._kinds.append(self._kinds.pop(0))
            try:
                what = kind()
            except (ProcessLookupError, IndexError):  # it is being started again
                continue
            self.done[what] = self.done.get(what, 0) + 1

    def end(self) -> None:
        """After the one that goes on."""
        self._over.set()

    def _recorder(self) -> int:
        return running(self._server, RECORDER)[0]

    def _kill_recorder(self) -> str:
        os.kill(self._recorder(), signal.SIGKILL)
        return "recorders killed"

    def _stop_recorder(self) -> str:
        recorder = self._recorder()
        os.kill(recorder, signal.SIGSTOP)
        time.sleep(_STOPPED_S)
        os.kill(recorder, signal.SIGCONT)
        return f"recorders stopped for {_STOPPED_S:.0f} s"

    def _fill_disk(self) -> str:
        """No file can grow: to whoever writes it is as with a full disk, and the rest of the machine goes on."""
        recorder = self._recorder()
        before = resource.prlimit(recorder, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        time.sleep(_FULL_S)
        resource.prlimit(recorder, resource.RLIMIT_FSIZE, before)
        return f"disks full for {_FULL_S:.0f} s"

    def _kill_worker(self) -> str:
        os.kill(running(self._server, WORKER)[0], signal.SIGKILL)
        return "workers killed"


@contextmanager
def troubled(server: Echoscope) -> Iterator[dict[str, int]]:
    """While it lasts; how often each thing befell it."""
    troubles = Troubles(server)
    thread = threading.Thread(target=troubles.run)
    thread.start()
    try:
        yield troubles.done
    finally:
        troubles.end()
        thread.join()
