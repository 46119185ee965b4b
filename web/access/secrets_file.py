"""The secrets of a data directory: files that only their owner can read."""

import secrets
from pathlib import Path
from typing import Final

from core.durable import write_durably

TOKEN: Final = "token"  # noqa: S105 - the name of the file
KEY: Final = "session-key"
_MODE: Final = 0o600


def secret(directory: Path | None, name: str) -> str:
    """The secret of that name, made when there is none yet; without a directory a new one each time.

    Raises OSError.
    """
    if directory is None:
        return secrets.token_urlsafe(24)
    path = directory / name
    try:
        found = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        found = ""
    if len(found) >= 16 and found.isprintable() and found.isascii():
        return found
    return _made(path)


def _made(path: Path) -> str:
    made = secrets.token_urlsafe(24)
    write_durably(path, made + "\n", mode=_MODE)
    return made
