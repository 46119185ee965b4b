"""Reads the rings of a measurement along, so that they never fill, and counts what became of connections."""

import threading
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from core.ring.events import ERRNO_BASE, REASON_MEANING, REASONS, Kind, Reason
from core.ring.recorder import Files
from core.ring.ring import RingReader

_PERIOD_S: Final = 0.1


class RingCounter:
    """Of workers 1..N in a directory; a thread of its own from `start` to `stop`."""

    def __init__(self, directory: Path, workers: int) -> None:
        """Raises OSError and RingError when a ring is not there."""
        self.opened = self.lost = 0
        self.refused: Counter[int] = Counter()
        self._readers = [RingReader(Files.of(directory, number + 1).ring) for number in range(workers)]
        self._taken = [0] * workers
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lab tape", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read what there is, then give the maps back."""
        self._over.set()
        self._thread.join()
        for reader in self._readers:
            reader.close()

    def refusal(self) -> str:
        """How many connections were refused, and why; empty when none was."""
        if not self.refused:
            return ""
        reason, _ = self.refused.most_common(1)[0]
        why = REASON_MEANING[Reason(reason)] if reason < ERRNO_BASE else REASONS[reason]
        number = sum(self.refused.values())
        return f"{number:,} {'connection was' if number == 1 else 'connections were'} refused: {why}"

    def _run(self) -> None:
        while not self._over.wait(_PERIOD_S):
            self.catch_up()
        self.catch_up()

    def catch_up(self) -> None:
        """Read what has been recorded up to now."""
        with self._lock:
            self._take()

    def _take(self) -> None:
        for index, reader in enumerate(self._readers):
            upto = reader.progress().head
            records = reader.read(self._taken[index], upto)
            kinds = np.bincount(records["kind"], minlength=len(Kind))
            self.opened += int(kinds[Kind.OPEN])
            if kinds[Kind.LOST]:
                self.lost += int(records["queue_chunks"][records["kind"] == Kind.LOST].sum())
            if kinds[Kind.REFUSE]:
                self.refused.update(records["reason"][records["kind"] == Kind.REFUSE].tolist())
            del records
            reader.release(upto)
            self._taken[index] = upto
