"""Times as people and programs write them."""

from datetime import UTC, datetime

from core.ring.clock import wall_ns


def rfc3339(ns: int) -> str:
    """`2026-11-23T14:22:05.123456789Z` of nanoseconds since 1970 (RFC 3339)."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def now_rfc3339() -> str:
    """Now, on the clock of the events."""
    return rfc3339(wall_ns())
