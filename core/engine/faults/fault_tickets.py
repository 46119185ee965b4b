"""The places of new connections in the order in which they are opened, counted for all processes of a server."""

import fcntl
import mmap
import os
from typing import Final, Self

SLOTS: Final = 64
"""Faults that count connections at the same time."""


class Tickets:
    """A counter for each slot, in memory that all processes share.

    The lock is held for the time of an addition, and only when a connection is opened while such a fault is armed; the
    kernel releases it when its holder dies (fcntl(2)).
    """

    def __init__(self, fd: int) -> None:
        """`fd` is that of `make`, and becomes the object's."""
        self.fd = fd
        self._map = mmap.mmap(fd, 0)
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def make(cls) -> Self:
        """All at 0. Raises OSError."""
        fd = os.memfd_create("tickets")
        os.truncate(fd, SLOTS * 8)
        return cls(fd)

    def clear(self, slot: int) -> None:
        """Count from 0 again."""
        self._words[slot] = 0

    def take(self, slot: int) -> int:
        """The next number, which no other process gets."""
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            place = self._words[slot]
            self._words[slot] = place + 1
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)
        return place

    def close(self) -> None:
        """Give memory and descriptor back."""
        self._words.release()
        self._map.close()
        os.close(self.fd)
