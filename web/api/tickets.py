"""What is told of downloads while they last, and for a while after."""

import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from core.export.download import Chunks
from web.api.parameters import DownloadParameters
from web.monitor_protocol import Json

MOST_KEPT: Final = 64
KEPT_S: Final = 300.0
"""How long a download that is over is remembered."""


class DownloadState(StrEnum):
    """How a download is doing."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUSED = "refused"


@dataclass(eq=False)
class Ticket:
    """One download; the first end that is told stands."""

    name: str
    asked: DownloadParameters
    chunks: Chunks
    state: DownloadState = DownloadState.RUNNING
    estimate: Json | None = None
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    reason: str = ""
    """Why it was refused."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, state: DownloadState) -> None:
        """It is over."""
        with self._lock:
            if self.ended is None:
                self.state, self.ended = state, time.monotonic()

    def refuse(self, reason: str) -> None:
        """It never began."""
        self.reason = reason
        self.end(DownloadState.REFUSED)

    def as_dict(self) -> Json:
        """As the API tells it; `bytes` are before gzip, as the file will be."""
        estimate = self.estimate and {name: self.estimate[name] for name in ("rows", "bytes", "exact")}
        return {
            "token": self.asked.token,
            "state": self.state,
            "rows": self.chunks.rows,
            "bytes": self.chunks.size,
            "estimate": estimate,
            "elapsed_s": round((self.ended or time.monotonic()) - self.started, 3),
            "name": self.name,
            "reason": self.reason,
        }


class Tickets:
    """Downloads by their token: those under way, and the last that ended."""

    def __init__(self) -> None:
        self._tickets: dict[str, Ticket] = {}
        self._lock = threading.Lock()

    def add(self, ticket: Ticket) -> None:
        """Keep it if it has a token, in place of an earlier one: a browser's Retry asks for the same once more."""
        token = ticket.asked.token
        with self._lock:
            self._forget()
            if token is not None:
                self._tickets.pop(token, None)
                self._tickets[token] = ticket

    def find(self, token: str) -> Ticket | None:
        """The download with that token."""
        with self._lock:
            self._forget()
            return self._tickets.get(token)

    def _forget(self) -> None:
        now = time.monotonic()
        over = [(token, ticket.ended) for token, ticket in self._tickets.items() if ticket.ended is not None]
        for number, (token, ended) in enumerate(reversed(over)):
            if number >= MOST_KEPT or now - ended > KEPT_S:
                del self._tickets[token]
