"""All that an engine writes: its events, the turns of its loop, a last sample of each connection."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from core.durable import damaged_path
from core.ring.clock import wall_ns
from core.ring.flight_recorder import FACTS_SIZE, INFO_SIZE, ORIGIN, SAMPLE, TURN, LatestWriter
from core.ring.ring import RingError, RingWriter


class Files(NamedTuple):
    """The files of one worker in a data directory."""

    ring: Path
    turns: Path
    samples: Path
    origins: Path

    @classmethod
    def of(cls, directory: Path, worker: int) -> Self:
        """Where they are."""
        return cls(*(directory / f"{name}-{worker}" for name in cls._fields))


def prepare(files: Files) -> list[str]:
    """Make what is not there yet besides the ring; what was damaged is kept under another name and told, a line each.

    Raises OSError.
    """
    told = []
    for path, layout in ((files.turns, TURN), (files.samples, SAMPLE)):
        if path.exists() and not path.stat().st_size:
            told.append(f"{path}: it was emptied")
        try:
            LatestWriter(path, layout).close()
        except RingError as error:
            told.append(f"{error}; kept as {path.rename(damaged_path(path)).name}")
            LatestWriter(path, layout).close()
    return told


class Recorder:
    """What the engine calls; the first seven are RingWriter's, `turn` takes the fields of TURN but its number."""

    echo: Callable[[int, int, int, int], None]
    emit: Callable[..., None]
    emit_peer: Callable[[int, int, bytes, int, int], None]
    emit_numbered: Callable[[int, int, int, int, int, int, int], None]
    revise: Callable[[int, int, int, int, int, int, int], None]
    publish: Callable[..., int]
    keep_room: Callable[[int], bool]
    turn: Callable[..., None]

    def __init__(self, events: RingWriter, files: Files, *, keeps_origins: bool = False) -> None:
        """Write events to `events`, the rest to files that are made if need be. Raises OSError and RingError.

        `origin` may be called if the recorder `keeps_origins`.
        """
        self._events = events
        self._turns = LatestWriter(files.turns, TURN)
        self._samples = LatestWriter(files.samples, SAMPLE)
        self._origins = LatestWriter(files.origins, ORIGIN) if keeps_origins else None
        self.echo, self.emit, self.emit_peer = events.echo, events.emit, events.emit_peer
        self.emit_numbered = events.emit_numbered
        self.revise, self.publish, self.keep_room = events.revise, events.publish, events.keep_room
        self.turn = self._turns.write

    def last_sample(self, conn: int, info: bytes) -> None:
        """Keep the struct tcp_info of a connection that is about to be closed."""
        self._samples.write(wall_ns(), conn, min(len(info), INFO_SIZE), info[:INFO_SIZE])

    def origin(self, conn: int, via: bytes, port: int, facts: Mapping[str, str | int]) -> None:
        """Keep how a connection came: the packed address of its proxy (zeros: none), and what else is known."""
        if self._origins is None:
            raise ValueError("this recorder keeps no origins")
        longest = FACTS_SIZE
        while len(text := json.dumps(_cut(facts, longest), separators=(",", ":")).encode()) > FACTS_SIZE:
            longest //= 2
        self._origins.write(conn, via, port, len(text), text)

    def close(self) -> None:
        """Give the maps back; the files stay."""
        for writer in (self._events, self._turns, self._samples, self._origins):
            if writer is not None:
                writer.close()


def _cut(facts: Mapping[str, str | int], longest: int) -> dict[str, str | int]:
    return {name: value[:longest] if isinstance(value, str) else value for name, value in facts.items()}
