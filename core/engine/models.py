"""The models by name, and what a server of any of them answers."""

import socket
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from core.engine.faults.fault_tickets import Tickets
from core.engine.loop.registrations import Registrations
from core.engine.pollers.backends import POLLERS
from core.engine.processes.places import Places
from core.engine.server.listener import AcceptQueue
from core.engine.server.sample import Sample
from core.engine.server.server import Server
from core.engine.settings import ServerSettings
from core.engine.threads.blocking import BlockingServer, ThreadsServer
from core.faults.fault_order import FaultOrder
from core.ring.recorder import Recorder


class Engine(Protocol):
    """A server of any model. `run` is for one thread, all else for any other."""

    def run(self) -> None:
        """Serve until stopped; raises what a defect of the server raised."""

    def stop(self, timeout: float) -> None:
        """Stop accepting, deliver what is queued for at most `timeout` seconds, end `run`. Does not wait."""

    def close_connection(self, conn: int, how: str = "fin") -> None:
        """Close connection `conn` on behalf of an operator; unknown ones are ignored. Does not wait.

        `fin`: what is queued is delivered and our side ended; then the peer has FINISH_S seconds to end its own.
        `rst`: at once, with a reset, whatever is under way.
        """

    def sample(self, conns: list[int], done: Callable[[dict[int, Sample]], None]) -> None:
        """Ask the kernel about connections; `done` is called, maybe by another thread. Raises ValueError: too many."""

    def switch(self, model: str) -> str:
        """Go on with another model, every connection kept. Why that can't be; empty: it is done."""

    def begin_fault(self, order: FaultOrder) -> str:
        """Begin a fault, armed for new connections on return. Why that can't be; empty: it is done. Waits."""

    def arm(self, order: FaultOrder) -> bool:
        """The same before `run`; whether this model can."""

    def touch(self, number: int, conns: list[int]) -> int:
        """Put a fault that has begun on these open connections; how many of them have it now. Waits."""

    def end_fault(self, number: int) -> None:
        """Take a fault off all connections; nothing happens when it has ended. Waits."""

    def note_order(self, code: int, number: int, conn: int) -> None:
        """Record an order: the code of its reason, its number, the connection that it is about (0: none).

        Of one that is not open the row is the server's. Does not wait.
        """

    def accept_queue(self) -> AcceptQueue | None:
        """How many wait to be accepted; None once stopped."""

    def registrations(self) -> Registrations | None:
        """What the poller is believed to watch, against what the kernel watches; None where there is no such table."""

    @property
    def model(self) -> str:
        """The model in use."""


MODELS: Final[dict[str, Callable[..., Engine]]] = {
    **dict.fromkeys(POLLERS, Server),
    **{server.model: server for server in (BlockingServer, ThreadsServer)},
}
"""What makes a server of each model."""


def make_server(
    listener: socket.socket,
    recorder: Recorder,
    settings: ServerSettings,
    ids: Iterator[int],
    places: Places | None = None,
    tickets: Tickets | None = None,
) -> Engine:
    """A server of the model that the settings name; the arguments are those of core.engine.server.server.Server."""
    return MODELS[settings.model](listener, recorder, settings, ids, places, tickets)


def report(engine: Engine) -> dict[str, Any]:
    """What a server tells of itself beside its record, as plain values."""
    queue, found = engine.accept_queue(), engine.registrations()
    return {
        "accept_queue": queue and queue._asdict(),
        "registrations": found and {**found._asdict(), "differences": [one._asdict() for one in found.differences]},
    }
