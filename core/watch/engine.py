"""What the watch knows of the engine without knowing it: what it is asked, and what the status says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from core.faults.fault_order import FaultOrder

Json = dict[str, Any]


@dataclass(frozen=True)
class About:
    """What the server is, as the status shows it."""

    models: tuple[str, ...]
    """All that there are."""
    reply: str
    workers: int
    echo_host: str
    echo_port: int
    marks: tuple[int, int] | None = None
    """High and low water of a connection's queue, bytes; None: reading does not stop by marks."""

    def as_dict(self, model: str) -> Json:
        """As the status shows it, with the model in use."""
        echo = {"host": self.echo_host, "port": self.echo_port}
        marks = None if self.marks is None else {"high": self.marks[0], "low": self.marks[1]}
        return {"model": model, "reply": self.reply, "workers": self.workers, "echo": echo, "marks": marks}


class EchoServer(Protocol):
    """What the monitor asks of the echo server, be it a thread or processes."""

    def failure(self) -> str:
        """Why it is not running; empty while it is."""

    def close_connection(self, conn: int, worker: int, how: str) -> None:
        """Close a connection, `fin` or `rst`. Does not wait."""

    def sample(self, worker: int, conns: list[int], timeout: float) -> Mapping[int, Mapping[str, Any]]:
        """What the kernel says of connections of a worker, as far as it answers in time."""

    def switch(self, model: str) -> str:
        """Go on with another model. Why that can't be; empty: it is done."""

    def begin_fault(self, order: FaultOrder) -> str:
        """Begin a fault, armed for new connections on return. Why that can't be; empty: it is done."""

    def touch(self, number: int, conns: Mapping[int, list[int]]) -> int:
        """Put a fault that has begun on open connections, by worker; how many of them have it now."""

    def end_fault(self, number: int) -> None:
        """Take a fault off all connections; nothing happens when it has ended."""

    def note_order(self, code: int, number: int, conn: int, worker: int) -> None:
        """Record an order by the code of its reason, about a connection of that worker or none (0). Does not wait."""

    def model(self) -> str:
        """The model in use."""

    def report(self, worker: int) -> Mapping[str, Any] | None:
        """What a worker tells of its accept queue and its registrations; None when it does not answer in time."""

    def accept_queue(self) -> tuple[int, int] | None:
        """How many wait to be accepted, and how many may; None where that is not told."""
