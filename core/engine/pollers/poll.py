"""poll(2)."""

import select

from core.engine.pollers.poller import events
from core.engine.pollers.scanning import ScanningPoller


class PollPoller(ScanningPoller):
    """poll(2): the table crosses into the kernel at every wait, which looks at each entry."""

    name = "poll"

    def __init__(self) -> None:
        super().__init__()
        self._poll = select.poll()

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        return self._fair(self._poll.poll(None if timeout is None else timeout * 1000))

    def _watch(self, fd: int, mask: int) -> None:
        self._poll.register(fd, events(mask))

    def _forget(self, fd: int) -> None:
        self._poll.unregister(fd)
