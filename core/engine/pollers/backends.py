"""The backends by name."""

from collections.abc import Callable
from typing import Final

from core.engine.pollers.busy import BusyPoller
from core.engine.pollers.epoll import EdgePoller, EpollPoller
from core.engine.pollers.poll import PollPoller
from core.engine.pollers.poller import Poller
from core.engine.pollers.select import SelectPoller

POLLERS: Final[dict[str, Callable[[], Poller]]] = {
    backend.name: backend for backend in (EpollPoller, EdgePoller, PollPoller, SelectPoller, BusyPoller)
}
