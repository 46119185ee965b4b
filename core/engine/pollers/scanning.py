"""What the backends share whose every wait looks at each descriptor: a table in the program, and turns for all."""

from core.engine.pollers.poller import MAX_READY


class ScanningPoller:
    """Keeps who is watched for what; `_watch` and `_forget` tell the backend."""

    scans = True
    asks = True
    descriptor_limit: int | None = None

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}
        self._from = 0

    def register(self, fd: int, mask: int) -> None:
        if fd in self._masks:
            raise FileExistsError(f"descriptor {fd} is already watched")
        self._watch(fd, mask)
        self._masks[fd] = mask

    def modify(self, fd: int, mask: int) -> None:
        if fd not in self._masks:
            raise KeyError(fd)
        self._watch(fd, mask)
        self._masks[fd] = mask

    def rearm(self, fd: int, mask: int) -> None:
        pass

    def unregister(self, fd: int) -> None:
        del self._masks[fd]
        self._forget(fd)

    def kernel_table(self) -> int | None:
        return None

    def close(self) -> None:
        for fd in list(self._masks):
            self.unregister(fd)

    def _watch(self, fd: int, mask: int) -> None:
        """From now on `fd` is watched for `mask`."""

    def _forget(self, fd: int) -> None:
        """`fd` is watched no more."""

    def _fair(self, ready: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """At most MAX_READY of `ready`, beginning where the last turn's ended, as epoll's ready list does by itself."""
        if len(ready) <= MAX_READY:
            return ready
        start = self._from % len(ready)
        self._from = start + MAX_READY
        return (ready[start:] + ready[:start])[:MAX_READY]
