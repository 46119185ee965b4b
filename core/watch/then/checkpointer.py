"""Keeps the past cheap to reach: writes checkpoints and the charts' history, in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from core.log.read.log import Log
from core.ring.clock import wall_ns
from core.watch.now.series import LONGEST
from core.watch.now.watch_thread import Watch
from core.watch.then import checkpoint
from core.watch.then.history import HistoryWriter

INTERVAL: Final = 300_000
"""Events between two checkpoints: log and fold bring so many back in about 150 ms."""
_BATCH_COST: Final = 1000
"""A batch of the log takes as long as so many events more; a server that has little to say writes two a second."""
_BATCHES_PER_S: Final = 2.0
_EVENTS_PER_BYTE: Final = 0.4
"""At ten bytes of log an event, checkpoints are a quarter of the log at most; large tables get them less often."""
_SHARE: Final = 4
_LEAST_BYTES: Final = 64 * 1024**2
_TICK_S: Final = 0.25
_HISTORY_S: Final = 10.0
_SECOND_NS: Final = 1_000_000_000
_log = logging.getLogger("echoscope.keeper")


def events_between(size: int, least: int = INTERVAL) -> float:
    """Events from one checkpoint to the next, when the last one has `size` bytes."""
    return max(least, size * _EVENTS_PER_BYTE)


class Checkpointer:
    """Works beside the watch; what it can't write now it tries again later. May be used from any thread."""

    def __init__(self, directory: Path, watch: Watch, log: Log, begun: int, interval: int = INTERVAL) -> None:
        """Raises OSError when the folders can't be made."""
        self._watch = watch
        self._log = log
        self._begun = begun
        self._interval = interval
        self._folder = directory / checkpoint.FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._history = HistoryWriter(directory)
        self._lock = threading.Lock()
        self._written = 0.0  # monotonic seconds
        self._kept = 0  # the history has everything up to this time (wall clock, ns)
        self._counted = self._events()
        self._checked = time.monotonic()
        self._bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        for partial in self._folder.glob("*.partial"):
            partial.unlink()

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    def stop(self) -> None:
        """Keep what is there now, and end. The watch must still have its rings."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._watch.catch_up()
        self._attempt(self.keep_history)
        if self._events() > self._counted:
            self._attempt(self.keep_checkpoint)
        self._history.close()

    def written(self, upto: int) -> int:
        """Bring the log, and the history, up to `upto` (ns) if need be; up to when the log has everything."""
        whole = self._watch.written(upto)
        if self._kept < upto // _SECOND_NS * _SECOND_NS:  # the charts show whole seconds only
            self._attempt(self.keep_history)
        return whole

    def keep_history(self) -> None:
        """Write what the charts have gained."""
        with self._lock:
            with self._watch.lock:
                kept, news = wall_ns(), self._watch.series.news()
                marks = {feed.table.worker: feed.taken for feed in self._watch.feeds}
            try:
                if news:
                    self._history.append(news, marks)
            except OSError:
                with self._watch.lock:
                    self._watch.series.put_back(news)
                raise
            self._written, self._kept = time.monotonic(), kept

    def keep_checkpoint(self) -> None:
        """Write the state as it is now, and drop what is beyond the limits."""
        with self._watch.lock:
            made = checkpoint.snapshot(self._watch.feeds, self._begun)
            self._counted, self._checked = self._events(), time.monotonic()
        if made.time:
            self._bytes = checkpoint.write(self._folder, made).stat().st_size
        self._retain()

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            if time.monotonic() - self._written >= _HISTORY_S:
                self._attempt(self.keep_history)
            if self._is_due():
                self._attempt(self.keep_checkpoint)

    def _attempt(self, keep: Callable[[], None]) -> None:
        try:
            keep()
        except OSError as error:
            # A full disk, most likely, which the recorder tells of; here nothing is lost but time.
            _log.warning("the past can't be kept: %s", error)
            self._written, self._counted = time.monotonic(), self._events()

    def _events(self) -> int:
        with self._watch.lock:
            return sum(feed.taken for feed in self._watch.feeds)

    def _is_due(self) -> bool:
        events = self._events() - self._counted
        batches = min(events, (time.monotonic() - self._checked) * _BATCHES_PER_S)
        return events + batches * _BATCH_COST >= events_between(self._bytes, self._interval)

    def _retain(self) -> None:
        """Drop checkpoints that are older than the log, and thin them out where they are too many for it."""
        span = self._log.span()
        kept = []
        for at, path in checkpoint.list_checkpoints(self._folder):
            if span and at < span[0]:
                path.unlink(missing_ok=True)
            else:
                kept.append(path)
        most = max(_LEAST_BYTES, self._watch.recorder.log_bytes // _SHARE)
        if sum(path.stat().st_size for path in kept) > most:
            for path in kept[1:-1:2]:
                path.unlink(missing_ok=True)
        self._history.retain(wall_ns() // _SECOND_NS - LONGEST)
