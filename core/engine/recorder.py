"""Where an engine's events, turns and last samples go."""

from collections.abc import Callable
from typing import Protocol


class Recorder(Protocol):
    """What core.ring.recorder.Recorder offers."""

    echo: Callable[[int, int, int, int], None]
    emit: Callable[..., None]
    emit_peer: Callable[[int, int, bytes, int, int], None]
    revise: Callable[[int, int, int, int, int, int, int], None]
    publish: Callable[..., int]
    keep_room: Callable[[int], bool]
    turn: Callable[..., None]

    def last_sample(self, conn: int, info: bytes) -> None: ...
