"""select(2)."""

import select

from core.engine.pollers.poller import READ, URGENT, WRITE
from core.engine.pollers.scanning import ScanningPoller


class SelectPoller(ScanningPoller):
    """select(2): three bit sets of FD_SETSIZE bits; a descriptor of 1024 or more can't be named in them."""

    name = "select"
    descriptor_limit: int | None = 1024

    def __init__(self) -> None:
        super().__init__()
        self._readers: set[int] = set()
        self._writers: set[int] = set()

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        readable, writable, urgent = select.select(self._readers, self._writers, self._readers, timeout)
        masks = dict.fromkeys(readable, READ)
        for fd in writable:
            masks[fd] = masks.get(fd, 0) | WRITE
        for fd in urgent:
            masks[fd] = masks.get(fd, 0) | URGENT
        return self._fair(list(masks.items()))

    def _watch(self, fd: int, mask: int) -> None:
        if fd >= 1024:
            raise ValueError(f"select() cannot watch descriptor {fd}: its limit is 1024")
        (self._readers.add if mask & READ else self._readers.discard)(fd)
        (self._writers.add if mask & WRITE else self._writers.discard)(fd)

    def _forget(self, fd: int) -> None:
        self._readers.discard(fd)
        self._writers.discard(fd)
