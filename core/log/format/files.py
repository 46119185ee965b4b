"""Names of the log's files: which segments there are, hot (Arrow stream) or sealed (Parquet)."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

VERSION: Final = 2
"""Version of the log; older ones are read too."""
FOLDER: Final = "log"
HOT: Final = ".arrows"
SEALED: Final = ".parquet"
PARTIAL: Final = ".partial"
DAMAGED: Final = ".damaged"
"""What could not be read of a segment is kept under its name with this ending."""
KEY: Final = b"echoscope"
"""Metadata of a segment that holds its version."""
_NAME: Final = re.compile(rf"segment-(\d{{8,}})({HOT}|{SEALED})")
_SET_ASIDE: Final = re.compile(rf"segment-(\d{{8,}})(?:-\d+)?{DAMAGED}")


class JournalError(Exception):
    """A log that can't be used; one clear line that names the file."""


class NewerVersionError(JournalError):
    """A file of a newer echoscope: nothing is wrong with it, but this one must not go on with it."""


def segment_path(folder: Path, number: int, suffix: str = HOT) -> Path:
    """Path of the segment with that number."""
    return folder / f"segment-{number:08d}{suffix}"


def list_segments(folder: Path) -> list[tuple[int, Path]]:
    """Numbers and paths of the segments, oldest first; of one that is there in both forms the sealed one."""
    found = _listed(folder)
    # A listing that runs while a segment is exchanged may miss both of its names (readdir(3)).
    if found and len(found) <= max(found) - min(found):
        found |= _listed(folder)
    return sorted(found.items())


def list_damaged(folder: Path) -> list[tuple[int, Path]]:
    """Numbers and paths of what was set aside, oldest first."""
    found = ((_SET_ASIDE.fullmatch(name), name) for name in os.listdir(folder))
    return sorted((int(match[1]), folder / name) for match, name in found if match)


def set_aside(path: Path) -> Path:
    """Renames a damaged segment, so that it is kept but never taken for a part of the log; what it is called now."""
    return path.rename(damaged_path(path))


def damaged_path(path: Path) -> Path:
    """A free name for what is damaged of a file."""
    target, count = path.with_suffix(DAMAGED), 1
    while target.exists():
        count += 1
        target = path.with_name(f"{path.stem}-{count}{DAMAGED}")
    return target


def sync(path: Path) -> None:
    """What a file holds, or the names in a folder, reach the disk before anything that is done after it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durably(path: Path, text: str) -> None:
    """Puts a small file in place of another, whole or not at all, also when the power fails. Raises OSError."""
    partial = path.with_suffix(PARTIAL)
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    sync(path.parent)


def is_sealed(path: Path) -> bool:
    """Whether it is a Parquet file."""
    return path.suffix == SEALED


def check_version(version: bytes, path: Path) -> None:
    """Raises JournalError for a file that is not ours, or of a newer version."""
    if version.isdigit() and int(version) > VERSION:
        raise NewerVersionError(
            f"{path}: written by a newer echoscope (log version {int(version)}; this one reads {VERSION})"
        )
    if not version.isdigit() or int(version) < 1:
        raise JournalError(f"{path}: not a segment of an echoscope log")


def _listed(folder: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for name in sorted(os.listdir(folder)):  # of two names of a segment the sealed one comes last
        match = _NAME.fullmatch(name)
        if match:
            found[int(match[1])] = folder / name
    return found
