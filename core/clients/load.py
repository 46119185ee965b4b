"""The load generator: what to do to a server, and what came of it."""

import time
from dataclasses import dataclass
from typing import Any, Final

from core.clients.connect import LoadError, connect_all
from core.clients.reply_check import Pattern, Stamps
from core.clients.traffic import Traffic
from core.signals import interrupt_calls

__all__ = ["REPLIES", "LoadError", "LoadSettings", "run"]

REPLIES: Final = ("stamp", "echo")

_LARGEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What to do to the server. Raises LoadError, naming the setting, for a value out of range."""

    host: str = "127.0.0.1"
    port: int = 21567
    connections: int = 100
    """Connections that send."""
    idle: int = 0
    """Connections that are kept open besides, silent."""
    size: int = 64
    """Bytes of a message."""
    seconds: float = 5.0
    depth: int = 1
    """Messages in flight on each connection."""
    reply: str = "stamp"
    """What the server answers: one of REPLIES."""

    def __post_init__(self) -> None:
        _within("port", self.port, 1, 65535)
        _within("connections", self.connections, 0, 1_000_000)
        _within("idle", self.idle, 0, 1_000_000)
        _within("connections and idle together", self.connections + self.idle, 1, 1_000_000)
        _within("size", self.size, 1, _LARGEST)
        _within("seconds", self.seconds, 0.001, 10_000_000)
        _within("depth", self.depth, 1, 65536)
        if self.reply not in REPLIES:
            raise LoadError(f"reply must be {' or '.join(REPLIES)}, not {self.reply!r}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise LoadError(f"{name} must be from {low:,} to {high:,}, not {value!r}")


def run(settings: LoadSettings) -> dict[str, Any]:
    """Put the load on the server and return what came of it; SIGINT in the main thread ends it early.

    The keys are those of the contract, and `seconds` (how long it sent) and `error_samples` (the first few errors
    in words). `echoes_per_s` counts what came back while sending; `echoes` and the byte sums count the replies after
    that too. Latencies are in microseconds, None without a reply. An error is a wrong reply, a reset, a
    missing reply, a connection closed too soon. Raises LoadError when the connections can't be made.
    """
    sockets = connect_all(settings.host, settings.port, settings.connections + settings.idle)
    stamps = Stamps() if settings.reply == "stamp" else None
    traffic = Traffic(sockets, settings.connections, Pattern(settings.size), settings.depth, stamps)
    try:
        with interrupt_calls(traffic.stop):
            traffic.send_until(time.perf_counter_ns() + int(settings.seconds * 1e9))
            traffic.finish()
    finally:
        traffic.close()
    return {
        "echoes": traffic.echoes,
        "echoes_per_s": round(traffic.echoes_in_time / traffic.seconds, 1),
        "bytes_out": traffic.bytes_out,
        "bytes_in": traffic.bytes_in,
        "errors": traffic.errors,
        "latency_us": traffic.latencies.summary(),
        "seconds": round(traffic.seconds, 3),
        "error_samples": traffic.error_samples,
    }
