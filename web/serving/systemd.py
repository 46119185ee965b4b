"""What systemd is told: that both ports accept, that the server still works, that it stops (sd_notify(3))."""

import os
import socket
import threading
from collections.abc import Callable, MutableMapping

from core.command_line import warn


class ServiceManager:
    """The service manager that has started this process; where there is none, nothing is told."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Takes the variables out: gunicorn would say too early that it is ready, and a child process is no service."""
        self._address = environment.pop("NOTIFY_SOCKET", "")
        every_us, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        self._every_s = int(every_us) / 1e6 if every_us.isdigit() and pid in ("", str(os.getpid())) else 0.0

    def tell(self, state: str) -> None:
        """Send a line such as READY=1. It is no reason to stop when nobody listens any more: a line says so."""
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(state.encode(), name)
        except OSError as error:
            warn(f"NOTIFY_SOCKET {self._address}: {error.strerror}")
            self._address = ""

    def be_watched(self, works: Callable[[], bool]) -> None:
        """From now on, twice as often as it is wanted, say that we are alive, as long as that works."""
        if self._address and self._every_s:
            threading.Thread(target=self._watch, args=(works,), name="watchdog", daemon=True).start()

    def _watch(self, works: Callable[[], bool]) -> None:
        pause = threading.Event()
        while self._address:
            if works():
                self.tell("WATCHDOG=1")
            pause.wait(self._every_s / 2)
