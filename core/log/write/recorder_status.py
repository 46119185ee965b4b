"""What the recorder's process says of itself in memory that the server shares: read without waiting for it."""

import mmap
import os
import time
from typing import Final, Self

_BEAT, _WRITING_SINCE, _LOG_BYTES = 0, 1, 2
_SIZE: Final = mmap.PAGESIZE


class RecorderStatus:
    """Words of 8 bytes, each stored at once. Times are monotonic ns."""

    def __init__(self, fd: int) -> None:
        """Of the memory that `make` made, open as `fd`, which it keeps until it is closed."""
        self.fd = fd
        self._map = mmap.mmap(fd, _SIZE)
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def make(cls) -> Self:
        """New memory."""
        fd = os.memfd_create("echoscope-recorder")
        os.ftruncate(fd, _SIZE)
        return cls(fd)

    def beat(self) -> None:
        """It lives, and waits for no disk."""
        self._words[_BEAT] = time.monotonic_ns()
        self._words[_WRITING_SINCE] = 0

    def begin_write(self) -> None:
        """From now on it waits for the disk."""
        self._words[_WRITING_SINCE] = time.monotonic_ns()

    @property
    def age(self) -> float:
        """Seconds since it lived."""
        return (time.monotonic_ns() - self._words[_BEAT]) / 1e9

    @property
    def is_writing(self) -> bool:
        """Whether it waits for the disk."""
        return self._words[_WRITING_SINCE] > 0

    @property
    def log_bytes(self) -> int:
        """Size of the log."""
        return self._words[_LOG_BYTES]

    @log_bytes.setter
    def log_bytes(self, size: int) -> None:
        self._words[_LOG_BYTES] = size

    def close(self) -> None:
        """Give it back; what it said last is still answered. May be repeated."""
        if self._map.closed:
            return
        words, self._words = self._words, memoryview(bytearray(self._words)).cast("Q")
        words.release()
        self._map.close()
        os.close(self.fd)
