"""The log as a crash left it, made whole; and where it stands."""

import os
from contextlib import suppress
from pathlib import Path

from core.durable import PARTIAL, set_aside
from core.log.format.files import HOT, JournalError, NewerVersionError, is_sealed, list_segments, segment_path
from core.log.format.hot_segment import END_OF_STREAM
from core.log.format.log_state import STATE_COLUMNS, LogState
from core.log.format.parquet_segment import SealedFile
from core.log.read.index import HotSegment, Segment, load, opened
from core.log.write.retention import RetentionTotals


def recover(folder: Path, ledger: RetentionTotals) -> tuple[LogState, list[str], tuple[Path, bytes]]:
    """Finishes what was begun and cuts the torn tail of the newest segment.

    Answers where the log stands, what is damaged, a line each, and of which file (or folder, if there is none) what was
    cut. A segment of which nothing can be read is set aside,
    one that is damaged in part stays: it is told from what can be read when it is sealed. Raises JournalError for a
    segment of a newer version, OSError.
    """
    for partial in folder.glob(f"*{PARTIAL}"):
        partial.unlink()
    damage: list[str] = []
    for number, path in list_segments(folder):
        if number <= ledger.dropped.through:  # killed between counting it and removing it
            ledger.remove(number)
        elif is_sealed(path) and (hot := segment_path(folder, number, HOT)).exists():
            _exchange(path, hot, damage)
    segments: list[Segment] = []
    listed = list_segments(folder)
    unread = sum(path.stat().st_size for _, path in listed)
    for number, path in listed:
        size = path.stat().st_size
        segment = _loaded(path, damage, is_newest=number == listed[-1][0])
        if segment is not None:
            segments.append(segment)
            unread -= size
    state = _where(segments, damage)
    if unread:
        state.pass_over(unread)
    newest = segments[-1] if segments else None
    rest = _cut(newest) if isinstance(newest, HotSegment) else b""
    return state, damage, (listed[-1][1] if listed else folder, rest)


def _exchange(sealed: Path, hot: Path, damage: list[str]) -> None:
    """Removes the hot form of a sealed segment: whoever sealed it was killed before that."""
    try:
        SealedFile(sealed)
        hot.unlink()
    except NewerVersionError:
        raise
    except JournalError as error:
        damage.append(f"{error}; kept as {set_aside(sealed).name}")


def _loaded(path: Path, damage: list[str], *, is_newest: bool) -> Segment | None:
    """A segment as far as it can be read; None when there is nothing in it, or nothing that can be read."""
    try:
        segment = load(path, is_newest=is_newest, is_written=False)
    except NewerVersionError:
        raise
    except JournalError as error:
        damage.append(f"{error}; kept as {set_aside(path).name}")
        return None
    if isinstance(segment, HotSegment):
        if segment.head is None:  # killed while it was begun: there is no row in it
            path.unlink()
            return None
        damage += [f"{path}: {what}" for what in segment.damage]
    return segment


def _where(segments: list[Segment], damage: list[str]) -> LogState:
    """The sum of all rows: from the newest segment on whose state can be read."""
    state, base = LogState(), 0
    for i, segment in reversed(list(enumerate(segments))):
        with suppress(JournalError):
            state, base = segment.state(), i
            break
    for segment in segments[base:]:
        gaps = list(segment.gaps) if isinstance(segment, HotSegment) else []
        with opened(segment) as reader:
            for unit in segment.units:
                while gaps and gaps[0].offset < unit.place:
                    state.pass_over(gaps.pop(0).length)
                try:
                    state.fold(reader.read(unit, STATE_COLUMNS))
                except JournalError as error:
                    state.pass_over(unit.summary.rows, unit.summary.high_conn)
                    damage.append(f"{error}: {unit.summary.rows} rows")
        for gap in gaps:
            state.pass_over(gap.length)
    return state


def _cut(segment: HotSegment) -> bytes:
    """Cuts the first part of a unit that a killed process left at the end, and answers it."""
    fd = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
    try:
        rest = os.pread(fd, os.fstat(fd).st_size - segment.size, segment.size)
        if rest in (b"", END_OF_STREAM):
            return b""
        os.ftruncate(fd, segment.size)
        return rest
    finally:
        os.close(fd)
