"""Drops the segments that are beyond the log's limits and seals the others that have ended, beside the live path."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from core.log.format.files import JournalError
from core.log.write import seal_job as sealing
from core.log.write.journal import Journal

LOOK_S: Final = 1.0
RETRY_S: Final = 30.0


class Rewriter(Protocol):
    """Who does the work."""

    def rewrite(self, source: Path, keep_on: Callable[[], bool] = ...) -> Path:
        """As `sealing.rewrite`."""

    def close(self) -> None:
        """There will be nothing more to do."""


class Here:
    """In the thread that asks."""

    rewrite = staticmethod(sealing.rewrite)

    def close(self) -> None:
        """There is nothing to close."""


class Sealer:
    """Has the oldest segments of a journal dropped in time, and exchanges those that have ended for Parquet files.

    Nothing depends on it: a segment that can't be sealed stays as it is, and is tried again `RETRY_S` later. What is
    damaged of one is left out; one of which nothing can be read is set aside.
    """

    def __init__(self, journal: Journal, rewriter: Rewriter | None = None, look_s: float = LOOK_S) -> None:
        self._journal = journal
        self._look_s = look_s
        self._rewriter: Rewriter = rewriter or Here()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)
        self._errors: dict[int, str] = {}
        self._passed: set[int] = set()  # those that failed this time: one must not keep the others from being sealed
        self.retention_error = ""
        """Why the oldest segment could not be dropped, the last time it was tried; empty when all is well."""
        self.sync_error = ""
        """Why what has ended could not be synced, the last time it was tried; empty when all is well."""
        self.failure = ""
        """Why the thread has ended; empty as long as it should run."""

    @property
    def error(self) -> str:
        """Why a segment could not be sealed, the last time it was tried; empty when all is well."""
        return next(iter(list(self._errors.values())), "")

    def start(self) -> None:
        """Seal in a thread of its own until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; `finish` seals what is left. May be called without `start`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._rewriter.close()

    def finish(self, seconds: float) -> None:
        """Seal all that has ended, in this thread: the server has stopped. What takes longer is left as it is."""
        end = time.monotonic() + seconds
        self._rewriter = Here()
        while self._seal_next(lambda: time.monotonic() < end):
            pass

    def seal_next(self) -> bool:
        """Seals the oldest segment that has ended, one that has just failed last; whether there may be another."""
        return self._seal_next(lambda: not self._stop.is_set())

    def _seal_next(self, keep_on: Callable[[], bool]) -> bool:
        waiting = self._journal.unsealed()
        if not waiting or not keep_on():
            return False
        if self._passed.issuperset(number for number, _ in waiting):
            self._passed.clear()
        number, path = next(one for one in waiting if one[0] not in self._passed)
        try:
            self._journal.seal(number, self._rewriter.rewrite(path, keep_on))
            self._errors.pop(number, None)
        except sealing.Abandoned:
            return False
        except JournalError as error:
            kept = self._journal.give_up(number)
            self._journal.damage.append(f"{error}; kept as {kept.name}")
        except OSError as error:
            waiting = self._journal.unsealed()
            if (number, path) not in waiting:  # dropped by retention
                self._errors.pop(number, None)
                return True
            self._passed.add(number)
            self._errors[number] = f"{path}: can't be sealed: {error.strerror or error}"
            return not self._passed.issuperset(number for number, _ in waiting)
        return True

    def sync(self) -> None:
        """Has the disk keep the segments that have ended, and looks after the one that is written."""
        try:
            self._journal.check()
            self._journal.sync_ended()
            self.sync_error = ""
        except OSError as error:
            self.sync_error = f"the log can't be synced: {error.strerror or error}"

    def retain(self) -> None:
        """Drops what is beyond the limits, as far as the disk lets it."""
        try:
            self._journal.retain()
            self.retention_error = ""
        except OSError as error:
            self.retention_error = f"the oldest of the log can't be dropped: {error.strerror or error}"

    def _run(self) -> None:
        try:
            next_try = 0.0
            while not self._stop.wait(self._look_s):
                self.retain()
                self.sync()
                if time.monotonic() < next_try:
                    continue
                while self.seal_next():
                    self.retain()
                next_try = time.monotonic() + RETRY_S if self.error else 0.0
        except Exception as error:
            self.failure = f"sealing the log stopped: {type(error).__name__}: {error}"
            raise
