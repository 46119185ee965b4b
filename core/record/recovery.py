"""The log as a crash left it, made whole; and where it stands."""

import os
from pathlib import Path

from core.record.files import HOT, PARTIAL, JournalError, is_sealed, list_segments, segment_path
from core.record.retention import Ledger
from core.record.sealed import SealedFile, SealedReader
from core.record.segment import END_OF_STREAM, read_head, read_state, read_unit, walk
from core.record.state import STATE_COLUMNS, State


def recover(folder: Path, ledger: Ledger) -> State:
    """Finishes what was begun, checks every segment, cuts the torn tail of the newest, and says where the log stands.

    Raises JournalError for a segment that is damaged or not ours, OSError.
    """
    for partial in folder.glob(f"*{PARTIAL}"):
        partial.unlink()
    for number, path in list_segments(folder):
        if number <= ledger.dropped.through:  # killed between counting it and removing it
            ledger.remove(number)
        elif is_sealed(path):  # killed before its hot form was removed: the sealed one is whole
            segment_path(folder, number, HOT).unlink(missing_ok=True)
    segments = list_segments(folder)
    for _, path in segments[:-1]:
        _check(path)
    for _, path in reversed(segments):
        state = _recover_sealed(path) if is_sealed(path) else _recover_hot(path)
        if state is not None:
            return state
        # The crash came within the head: there is no row in it.
        path.unlink()
    return State()


def _check(path: Path) -> None:
    if is_sealed(path):
        SealedFile(path)
        return
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if read_head(fd, path) is None:
            raise JournalError(f"{path}: ends within its head")
    finally:
        os.close(fd)


def _recover_sealed(path: Path) -> State:
    file = SealedFile(path)
    state = file.state()
    with SealedReader(path) as reader:
        for group in range(len(file.groups)):
            state.fold(reader.read(group, STATE_COLUMNS))
    return state


def _recover_hot(path: Path) -> State | None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        head = read_head(fd, path)
        if head is None:
            return None
        state, end = read_state(head, path), head.end
        for entry in walk(fd, head.end, os.fstat(fd).st_size):
            state.fold(read_unit(fd, path, head, entry, STATE_COLUMNS))
            end = entry.offset + entry.length
        if os.pread(fd, len(END_OF_STREAM) + 1, end) != END_OF_STREAM:
            os.ftruncate(fd, end)
        return state
    finally:
        os.close(fd)
