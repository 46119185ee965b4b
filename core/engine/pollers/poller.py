"""Readiness: one small interface, one backend a system call.

A backend owns the kernel handle and nothing else: no callbacks, no timers, no table. `wait` answers pairs
`(descriptor, mask)`. READ and WRITE are the kernel's own POLLIN and POLLOUT, so that nothing is translated
a descriptor; an error or hang-up sets further bits, without READ or WRITE being certain (a reset connection
may show POLLHUP alone). A visit therefore treats every bit that it does not know as "both": the next read or
write finds the real errno.

Who watches for READ is also told URGENT, which is POLLPRI: TCP urgent data has come. A read ends in front of it, and
is short although more has arrived (tcp_recvmsg_locked() in net/ipv4/tcp.c).
"""

import select
from typing import Final, Protocol

READ: Final = select.POLLIN
WRITE: Final = select.POLLOUT
URGENT: Final = select.POLLPRI

MAX_READY: Final = 1024
"""Descriptors handled in one turn at most, so that timers and other threads get theirs."""


class Poller(Protocol):
    """What a backend answers. Descriptors are ints, timeouts seconds (None: for ever)."""

    name: str
    descriptor_limit: int | None
    """Descriptors of this number and above can't be watched; None: no limit of its own."""
    scans: bool
    """Whether a wait looks at every descriptor, ready or not."""
    asks: bool
    """Whether a wait is a system call."""

    def register(self, fd: int, mask: int) -> None:
        """Watch `fd`. Raises ValueError above `descriptor_limit`, FileExistsError when it is watched already."""

    def modify(self, fd: int, mask: int) -> None:
        """Change what is watched for; mask 0 leaves errors and hang-ups only. Raises KeyError or FileNotFoundError."""

    def rearm(self, fd: int, mask: int) -> None:
        """Tell again of readiness that a visit did not use up; `mask` is what is watched for.

        Level-triggered backends do so by themselves.
        """

    def unregister(self, fd: int) -> None:
        """Forget `fd`, which must still be open. Raises KeyError or FileNotFoundError when it is not watched."""

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        """Up to MAX_READY ready pairs; empty after `timeout`."""

    def kernel_table(self) -> int | None:
        """The descriptor under which the kernel keeps the table; None: there is none."""

    def close(self) -> None:
        """Give the kernel handle back."""


def events(mask: int) -> int:
    """What the kernel is asked for: an interest in reading includes urgent data."""
    return mask | URGENT if mask & READ else mask
