"""Where the command line writes to: a file that is whole or not there, a pipe, a terminal."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

_EVERY_S: Final = 0.2


@contextmanager
def opened(path: Path | None, *, whole: bool) -> Iterator[BinaryIO]:
    """Standard output (None), or a file; when `whole`, a regular one gets its name only once all is written.

    Raises OSError.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if not whole or _is_special(path):
        with open(path, "wb") as sink:
            yield sink
        return
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb") as sink:
        try:
            yield sink
            sink.close()
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _is_special(path: Path) -> bool:
    """Whether it is there and no regular file: a pipe, a device."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def shown(chunks: Iterable[bytes], rows: Callable[[], int], total: int) -> Iterator[bytes]:
    """The same chunks; on standard error, one line that says how far it is."""
    size, due = 0, 0.0
    for chunk in chunks:
        size += len(chunk)
        yield chunk
        if time.monotonic() >= due:
            due = time.monotonic() + _EVERY_S
            share = f" of about {total:,} ({min(100, 100 * rows() // max(1, total))} %)"
            _say(f"{rows():,} rows{share}, {size / 1e6:,.1f} MB")
    _say(f"{rows():,} rows, {size / 1e6:,.1f} MB")
    sys.stderr.write("\n")


def _say(text: str) -> None:
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()


def is_for_people(path: Path | None) -> bool:
    """Whether progress can be shown: people see standard error, and the rows go elsewhere."""
    return path is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
