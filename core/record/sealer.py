"""Seals the segments that have ended, in a thread, beside the live path."""

import os
import threading
import time
from typing import Final

from core.record.files import JournalError
from core.record.journal import Journal
from core.record.sealing import Abandoned, rewrite

LOOK_S: Final = 1.0
RETRY_S: Final = 30.0
_NICE: Final = 5


class Sealer:
    """Exchanges the ended segments of a journal for Parquet files, oldest first.

    Nothing depends on it: a segment that can't be sealed stays as it is, and is tried again `RETRY_S` later if it was
    the disk, at the next start if it is damaged.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)
        self._damaged: set[int] = set()
        self._slice_began = 0.0
        self.error = ""
        """Why the oldest segment could not be sealed, the last time it was tried; empty when all is well."""
        self.failure = ""
        """Why the thread has ended; empty as long as it should run."""

    def start(self) -> None:
        """Seal in a thread of its own until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Leave what is not sealed to the next start. May be called without `start`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def seal_next(self) -> bool:
        """Seals the oldest segment that has ended; whether there may be another."""
        found = next((each for each in self._journal.unsealed() if each[0] not in self._damaged), None)
        if found is None or self._stop.is_set():
            return False
        number, path = found
        self._slice_began = time.monotonic()
        try:
            self._journal.seal(number, rewrite(path, self._goes_on))
            self.error = ""
        except Abandoned:
            return False
        except JournalError as error:
            self._damaged.add(number)
            self.error = str(error)
        except FileNotFoundError:  # dropped by retention
            return True
        except OSError as error:
            self.error = f"{path}: can't be sealed: {error.strerror or error}"
            return False
        return True

    def _run(self) -> None:
        # A thread has a priority of its own (setpriority(2), "BUGS"): the echo and the pump come first.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            wait = LOOK_S
            while not self._stop.wait(wait):
                while self.seal_next():
                    pass
                wait = RETRY_S if self.error else LOOK_S
        except Exception as error:
            self.failure = f"sealing the log stopped: {type(error).__name__}: {error}"
            raise

    def _goes_on(self) -> bool:
        """Rests for as long as the last slice took, so that a core is never taken for more than half of the time."""
        self._stop.wait(time.monotonic() - self._slice_began)
        self._slice_began = time.monotonic()
        return not self._stop.is_set()
