"""The recorder's process, `python -m core.log.write.recorder_process CONFIG`: it alone writes the log.

Its standard input brings orders, a JSON object a line: `{"flush": N}` is answered by `{"flushed": N}` once everything
that was published is in the log; `{"stop": SECONDS}` writes what is left, ends the log, and seals it for so long at
most. The end of the input means that the server is gone, and ends the process. On its standard output it says what is
wrong whenever that changes.
"""

import fcntl
import json
import os
import select
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from core.log.format.files import FOLDER
from core.log.write.journal import Journal
from core.log.write.log_writer import LogWriter
from core.log.write.recorder_status import RecorderStatus
from core.log.write.seal_process import Rewriter
from core.log.write.seal_thread import Sealer
from core.ring.ring import RingReader
from core.signals import end_with_parent

TICK_S: Final = 0.1
_FULL: Final = 0.25
"""From this share of a ring on it has the priority of all others: behind it, events would be lost."""
_NICE: Final = 10
_DAMAGE_TOLD: Final = 8
_DAMAGE_CUT: Final = 300
"""Lines, and characters of each, so that a report is never longer than what a pipe takes at once (pipe(7))."""


@dataclass(frozen=True)
class RecorderConfig:
    """What the process is told at its start: `rings` are descriptors by worker, `status` one of RecorderStatus."""

    directory: str
    retain_bytes: int | None
    retain_age: float | None
    sync_s: float
    look_s: float
    status: int
    rings: Mapping[int, int]

    def to_json(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` made."""
        values = json.loads(text)
        return cls(**values | {"rings": {int(worker): fd for worker, fd in values["rings"].items()}})


def _lock(directory: Path) -> int:
    """Waits until no other recorder writes the log: one that was killed may still wait for its disk. A descriptor."""
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def _has_ended(pipe: int) -> bool:
    """Whether nobody can write to it any more."""
    poll = select.poll()
    poll.register(pipe, 0)  # POLLHUP is told in any case (poll(2))
    return bool(poll.poll(0))


def wait_for_recorder(directory: Path) -> None:
    """Waits until the recorder of a server that was killed is gone. Raises OSError."""
    os.close(_lock(directory))


class _Priority:
    """Gives way to the loop; not when a ring fills up. Where it could not be raised again it is not lowered."""

    def __init__(self) -> None:
        self._is_low = False
        self._may = True

    def follow(self, fill: float) -> None:
        """Of the calling thread, which nice(2) speaks of on Linux."""
        if not self._may or self._is_low == (fill < _FULL / (1 if self._is_low else 2)):
            return
        try:
            os.setpriority(os.PRIO_PROCESS, 0, 0 if self._is_low else _NICE)
            self._is_low = not self._is_low
        except PermissionError:
            self._may = False


class _Recorder:
    """Writes, drops and seals until it is told to stop."""

    def __init__(self, config: RecorderConfig) -> None:
        self._config = config
        self._status = RecorderStatus(config.status)
        self._directory = Path(config.directory)
        self._lock = _lock(self._directory)
        # Only now: the next server waits for whoever has the lock, not for one that was about to take it.
        if _has_ended(0):
            os._exit(0)
        limits = {"retain_bytes": config.retain_bytes, "retain_age": config.retain_age}
        self._journal = Journal(self._directory, **limits)  # type: ignore[arg-type]
        self._writer = LogWriter(self._journal, config.sync_s, self._status)
        for worker, fd in config.rings.items():
            self._writer.attach(worker, RingReader(Path(f"/proc/self/fd/{fd}")))
            os.close(fd)
        self._sealer = Sealer(self._journal, Rewriter(), config.look_s)
        self._syncer = threading.Thread(target=self._sync_on, name="syncer", daemon=True)
        self._said: dict[str, Any] = {}
        self._rest = b""

    def run(self) -> None:
        """Until the input ends, or a stop is ordered."""
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        priority = _Priority()
        self._sealer.start()
        if self._config.sync_s:
            self._syncer.start()
        poll = select.poll()
        poll.register(0, select.POLLIN)
        self._say({"flushed": 0})
        while True:
            self._status.beat()
            self._status.log_bytes = self._journal.log_bytes
            self._report()
            poll.poll(TICK_S * 1000)
            flush = 0
            for order in self._orders():
                flush = max(flush, order.get("flush", 0))
                if "stop" in order:
                    return self._stop(order["stop"])
            priority.follow(1.0 if flush else self._writer.fill())  # whoever asked waits for it
            self._writer.write(everything=flush > 0)
            if flush:
                self._say({"flushed": flush})

    def _orders(self) -> Iterator[dict[str, Any]]:
        with suppress(BlockingIOError):
            while True:
                data = os.read(0, 65536)
                if not data:
                    self._leave()
                *lines, self._rest = (self._rest + data).split(b"\n")
                yield from map(json.loads, lines)

    def _leave(self) -> None:
        """The server is gone; what it published is in the rings, and also there for the next start."""
        self._writer.write(everything=True)
        os._exit(0)

    def _stop(self, seal_s: float) -> None:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)
        self._sealer.stop()
        self._writer.write(everything=True)
        if self._config.sync_s:
            self._writer.sync()
        with suppress(OSError):  # without its end mark a segment is as good; what it lacks is still in the rings
            self._writer.close()
        self._sealer.finish(seal_s)
        self._status.log_bytes = self._journal.log_bytes
        self._report()

    def _report(self) -> None:
        """Say what is wrong, if that is something else than before."""
        writer, sealer = self._writer, self._sealer
        trouble = (writer.error, writer.sync_error or sealer.sync_error, sealer.failure, sealer.error)
        now = {
            "trouble": next(filter(None, trouble), sealer.retention_error),
            "damage": [line[:_DAMAGE_CUT] for line in self._journal.damage[:_DAMAGE_TOLD]],
            "damages": len(self._journal.damage),
            "dropped": asdict(self._journal.dropped),
        }
        if now != self._said and self._say(now):
            self._said = now

    def _say(self, message: dict[str, Any]) -> bool:
        """Whether there was room for it."""
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(1, json.dumps(message).encode() + b"\n")
            return True
        return False

    def _sync_on(self) -> None:
        while True:
            time.sleep(self._config.sync_s)
            self._writer.sync()


def main() -> None:
    """Record until told to stop, or until the server is gone."""
    end_with_parent()
    _Recorder(RecorderConfig.from_json(sys.argv[1])).run()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
