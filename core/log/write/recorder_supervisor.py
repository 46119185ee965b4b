"""The server's side of the recorder: starts its process, starts another when it dies, and knows what it says."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from core.interpreter import EXECUTABLE
from core.log.format.dropped import Dropped
from core.log.write import seal_thread
from core.log.write.journal import Journal
from core.log.write.recorder_process import RecorderConfig
from core.log.write.recorder_status import RecorderStatus

SEAL_S: Final = 10.0
"""Seconds that sealing the log may take when the server stops."""
_ROOT: Final = Path(__file__).resolve().parents[3]
_HUNG_S: Final = 1.5
_BEGIN_S: Final = 20.0
"""As long as it may take until the first one has loaded all that it needs: on a busy machine."""
_FLUSH_S: Final = 5.0
"""How long anyone waits for the log to have everything: behind it the answer is what the log has."""
_GIVEN_UP_S: Final = 3.0
"""Nobody waits for a recorder that has been silent for so long: longer than a busy machine lets one wait."""
_STOP_S: Final = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_ENVIRONMENT: Final = {
    "OPENBLAS_NUM_THREADS": "1",  # it multiplies nothing, and each thread takes memory
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # mimalloc keeps 30 MB more
}


class RecorderSupervisor:
    """The recorder of a data directory, whose rings are there. May be used from any thread."""

    def __init__(
        self,
        directory: Path,
        rings: Mapping[int, Path],
        recovered: Journal,
        *,
        retain_bytes: int | None = None,
        retain_age: float | None = None,
        sync_s: float = 0.0,
    ) -> None:
        """`recovered` is the log as the start has left it. Raises OSError."""
        self._status = RecorderStatus.make()
        self._rings = {worker: _opened(path) for worker, path in rings.items()}
        self._config = {
            "directory": str(directory.resolve()),
            "retain_bytes": retain_bytes,
            "retain_age": retain_age,
            "sync_s": sync_s,
        }
        self._known = recovered.damage
        self._damage: Sequence[str] = ()
        self._status.log_bytes = recovered.log_bytes
        self.dropped = recovered.dropped
        """What retention has dropped."""
        self._trouble = ""
        self._death = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = self._has_begun = self._is_recording = False
        self._over = threading.Event()
        self._answers = threading.Condition()
        self._asked = self._flushed = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    @property
    def pid(self) -> int | None:
        """Its process; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    @property
    def log_bytes(self) -> int:
        """Size of the log."""
        return self._status.log_bytes

    def start(self) -> None:
        """Begin to record. Does not wait: what happens meanwhile is in the rings."""
        self._status.beat()
        self._is_recording = True
        self._thread.start()

    def stop(self) -> None:
        """Have it write what is left, end the log and seal it; what takes too long is left to the next start."""
        if not self._thread.is_alive():
            return self._close()
        self._over.set()
        self._order({"stop": SEAL_S})
        self._thread.join(SEAL_S + _STOP_S)
        process = self._process
        if process is not None and self._thread.is_alive():
            process.kill()
        self._thread.join()
        return self._close()

    def flush(self) -> None:
        """Have the log brought up to what is published, and wait for it; not for a recorder that hangs."""
        with self._answers:
            self._asked += 1
            mine = self._asked
            self._order({"flush": mine})
            end = time.monotonic() + (_FLUSH_S if self._has_begun else _BEGIN_S)
            while self._flushed < mine and not self._is_hung(_GIVEN_UP_S) and not self._over.is_set():
                left = end - time.monotonic()
                if left <= 0:
                    return
                self._answers.wait(min(left, 0.1))

    def trouble(self) -> str:
        """What is wrong with the recording; empty: nothing. Asks no lock and no process, so it always answers."""
        if not self._is_hung():
            return self._trouble
        if self._death:
            return f"the log can't be written: {self._death}, and is started again"
        who = "disk" if self._status.is_writing else "recorder"
        return f"the log can't be written: the {who} has not answered for {self._status.age:.1f} s"

    def _is_hung(self, after: float = _HUNG_S) -> bool:
        return self._is_recording and self._status.age > (after if self._has_begun else _BEGIN_S)

    def damage(self) -> Sequence[str]:
        """What is damaged in the log, a line each."""
        return (*self._known, *self._damage)

    def _run(self) -> None:
        # The process inherits it. Signals of a terminal go to all processes of a service; the server decides.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        pause = 0.0
        while not (pause and self._over.wait(pause)):
            try:
                process = self._spawn()
            except OSError as error:
                self._death = f"the recorder can't be started: {error.strerror or error}"
                ended = None
            else:
                self._listen(process)
                ended = process.wait()
                self._death = f"the recorder ended with {'signal' if ended < 0 else 'status'} {abs(ended)}"
            if self._over.is_set():
                return
            pause = 0.0 if self._ready and ended is not None else min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * pause))

    def _spawn(self) -> "subprocess.Popen[bytes]":
        self._ready = False
        config = RecorderConfig(
            **self._config,  # type: ignore[arg-type]
            look_s=seal_thread.LOOK_S,
            status=self._status.fd,
            rings=dict(self._rings),
        )
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "core.log.write.recorder_process", config.to_json()],
            executable=EXECUTABLE,
            pass_fds=[self._status.fd, *self._rings.values()],
            cwd=_ROOT,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        self._process = process
        if self._over.is_set():
            self._order({"stop": SEAL_S})
        return process

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        """Until it ends."""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                if line.endswith(b"\n"):
                    self._take(json.loads(line))
        self._process = None
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()

    def _take(self, said: dict[str, Any]) -> None:
        if "flushed" not in said:
            self._trouble = said["trouble"]
            self._damage = (*said["damage"], *[""] * (said["damages"] - len(said["damage"])))
            self.dropped = Dropped(**said["dropped"])
            return
        if not self._ready:
            self._ready, self._has_begun, self._death = True, True, ""
            if self._asked > self._flushed:  # by those who asked the one that died
                self._order({"flush": self._asked})
        with self._answers:
            self._flushed = max(self._flushed, said["flushed"])
            self._answers.notify_all()

    def _order(self, order: dict[str, Any]) -> None:
        """Of one that is not there, or so far behind that its pipe is full, nobody waits for an answer."""
        process = self._process
        if process is not None and process.stdin is not None:
            with suppress(OSError, ValueError):
                os.write(process.stdin.fileno(), json.dumps(order).encode() + b"\n")

    def _close(self) -> None:
        self._is_recording = False
        while self._rings:
            os.close(self._rings.popitem()[1])
        self._status.close()


def _opened(path: Path) -> int:
    """A descriptor, so that it can be handed over also when someone has removed the name."""
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)
