"""What the dashboard can start besides showing the server; each None where it can't be had (a replay, a test)."""

from dataclasses import dataclass

from web.api.lab import Lab
from web.api.zoo import Zoo


@dataclass(frozen=True)
class Tools:
    """Made in the process that serves, once its engine runs."""

    lab: Lab | None = None
    zoo: Zoo | None = None

    def stop(self) -> None:
        """End what is under way; the server is stopping."""
        if self.lab is not None:
            self.lab.stop()
        if self.zoo is not None:
            self.zoo.stop()
