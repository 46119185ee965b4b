"""What the web needs from the watch: the one face it sees, as types."""

from collections.abc import Iterator
from typing import Any, Protocol

Json = dict[str, Any]


class Tail(Protocol):
    """The newest matching events, taken piece by piece."""

    def take(self, limit: int = 100) -> Json:
        """Rows since the last call: `items` (at most `limit`, the newest) and `skipped`."""
        ...


class Download(Protocol):
    """A download that is ready to be streamed."""

    name: str
    mimetype: str
    chunks: Iterator[bytes]


class Monitor(Protocol):
    """Everything the pages, the API and the live updates show. Bad values raise ValueError with a clear line."""

    viewers: int

    def status(self) -> Json: ...
    def overview(self) -> Json: ...
    def connections(self, q: str, sort: str, limit: int, offset: int) -> Json: ...
    def connection(self, conn: int) -> Json | None: ...
    def events(
        self, q: str, since: str | None, until: str | None, limit: int, cursor: str | None, order: str
    ) -> Json: ...
    def download(self, format: str, q: str, since: str | None, until: str | None) -> Download: ...
    def series(self, range_s: int) -> Json: ...
    def tail(self, q: str) -> Tail: ...
    def health(self) -> tuple[bool, str]: ...
    def close_connection(self, conn: int) -> bool: ...
