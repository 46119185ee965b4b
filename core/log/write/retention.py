"""What retention has dropped from the beginning of the log, remembered across restarts."""

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from core.durable import set_aside, write_durably
from core.log.format.dropped import NAME, read_dropped
from core.log.format.files import HOT, SEALED, JournalError, list_damaged, segment_path
from core.log.format.summary import Summary
from core.log.read.index import load


class RetentionTotals:
    """Drops segments, and keeps the sums in a file of the log's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._is_kept = True
        self.dropped, self.damage = read_dropped(folder)

    def set_damaged_aside(self) -> list[str]:
        """Keeps a damaged file under another name; what is to be told, a line each. Raises OSError."""
        return [f"{self.damage}; kept as {set_aside(self._path).name}"] if self.damage else []

    def drop(self, number: int) -> None:
        """Drops a segment in both of its forms, and counts it once, however often it is tried.

        Raises OSError when a file can't be removed.
        """
        if number > self.dropped.through:
            self._count(number)
        self.remove(number)
        if not self._is_kept:  # the disk was full: now it has room
            self._save()

    def _count(self, number: int) -> None:
        summaries, size = self._look(number)
        last = max((summary.last for summary in summaries), default=self.dropped.until)
        self.dropped = replace(
            self.dropped,
            segments=self.dropped.segments + 1,
            rows=self.dropped.rows + sum(summary.rows for summary in summaries),
            bytes=self.dropped.bytes + size,
            until=last,
            through=number,
        )
        self._save()

    def remove(self, number: int) -> None:
        """Removes the files of a segment."""
        for suffix in (HOT, SEALED):
            segment_path(self._folder, number, suffix).unlink(missing_ok=True)
        for one, path in list_damaged(self._folder):
            if one == number:
                path.unlink(missing_ok=True)

    def _look(self, number: int) -> tuple[list[Summary], int]:
        """Summaries of what can be read of a segment, and its size."""
        for suffix in (SEALED, HOT):
            path = segment_path(self._folder, number, suffix)
            with suppress(FileNotFoundError):
                size = path.stat().st_size
                return _summaries(path), size
        return [], 0

    def _save(self) -> None:
        """The sums are worth less than the log: what can't be kept now is kept the next time."""
        try:
            write_durably(self._path, json.dumps(asdict(self.dropped)))
            self._is_kept = True
        except OSError:
            self._is_kept = False


def _summaries(path: Path) -> list[Summary]:
    """Of what can be read of a segment."""
    try:
        return [unit.summary for unit in load(path).units]
    except (JournalError, OSError):  # a bad sector is no reason to keep it
        return []
