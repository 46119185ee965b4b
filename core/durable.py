"""Files that outlast a power loss, and what is done with those that did not."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

PARTIAL: Final = ".partial"
"""Ending of a file that is being made."""
DAMAGED: Final = ".damaged"
"""What could not be read is kept under its name with this ending."""


def set_aside(path: Path) -> Path:
    """Renames a damaged file, so that it is kept but never read again; what it is called now."""
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


def write_durably(path: Path, text: str, mode: int = 0o666) -> None:
    """Puts a small file in place of another, whole or not at all, also when the power fails. Raises OSError.

    `mode` is that of the file, before the umask.
    """
    partial = path.with_suffix(PARTIAL)
    try:
        partial.unlink(missing_ok=True)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    sync(path.parent)
