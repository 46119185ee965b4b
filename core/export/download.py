"""What a download is made of, and how far it has come: what record, watch and web share."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Protocol, Self


@dataclass(frozen=True)
class DownloadRequest:
    """A download: the log of a directory, filtered, in a format; times in nanoseconds since 1970, None for no bound."""

    directory: str
    format: str
    query: str
    since: int | None
    until: int | None
    gzip: bool

    def to_json(self) -> bytes:
        """As one message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """What `to_json` made."""
        return cls(**json.loads(data))


class DownloadError(Exception):
    """A download that broke off; one line."""


class Chunks(Protocol):
    """The pieces of one download; `rows` and `size` (bytes before gzip) count what has been answered.

    The work begins with `start`, or the first `next` or `fileno`. Raises DownloadError when it breaks off.
    """

    rows: int
    size: int

    def __iter__(self) -> Iterator[bytes]: ...
    def __next__(self) -> bytes: ...
    def start(self) -> None:
        """Begin the work."""

    def fileno(self) -> int:
        """The descriptor that becomes readable with the next piece."""

    def cancel(self) -> None:
        """Break it off; from any thread."""

    def close(self) -> None:
        """End it; from the thread that reads."""
