"""Names of the log's files: which segments there are, hot (Arrow stream) or sealed (Parquet)."""

import os
import re
from pathlib import Path
from typing import Final

from core.durable import DAMAGED

VERSION: Final = 2
"""Version of the log; older ones are read too."""
FOLDER: Final = "log"
HOT: Final = ".arrows"
SEALED: Final = ".parquet"
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
