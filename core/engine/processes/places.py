"""The limit of open connections, for all processes of a server together."""

import fcntl
import mmap
import os
from typing import Final, Self

_TRIES: Final = 20


class Places:
    """How many connections each process holds: a word for each in memory that they share, written by that one alone.

    Who takes a connection in holds a lock from before its accept(2) until it is counted, so that two never take the
    last place and nobody is refused for one who did not come. Nobody waits for the lock: a process that can't have it
    leaves its listener alone for a moment. The kernel releases it when its holder dies (fcntl(2)).
    """

    def __init__(self, fd: int, limit: int, number: int = 0) -> None:
        """`fd` is that of `make`, and becomes the object's; `number` is the word of this process."""
        self.fd = fd
        self.limit = limit
        self._number = number
        self._map = mmap.mmap(fd, 0)
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def make(cls, limit: int, processes: int) -> Self:
        """For processes numbered from 0; none holds anything. Raises OSError."""
        fd = os.memfd_create("places")
        os.truncate(fd, processes * 8)
        return cls(fd, limit)

    def enter(self) -> bool:
        """Take the lock; False: another process has it."""
        for _ in range(_TRIES):
            try:
                fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                os.sched_yield()
            else:
                return True
        return False

    def leave(self) -> None:
        """Release the lock."""
        fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def has_room(self) -> bool:
        """Whether there is a place for one more; it stays true while the lock is held."""
        return sum(self._words) < self.limit

    def hold(self, count: int) -> None:
        """Tell the others how many connections this process has."""
        self._words[self._number] = count

    def clear(self, number: int) -> None:
        """The process of that number is dead: its places are free."""
        self._words[number] = 0

    def close(self) -> None:
        """Give memory and descriptor back."""
        self._words.release()
        self._map.close()
        os.close(self.fd)
