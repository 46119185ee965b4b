"""Engine, record and watch put together: one object that serves, is watched, and can be stopped."""

import errno
import fcntl
import math
import os
import resource
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.engine.connection import Marks
from core.engine.listener import BACKLOG, listen
from core.engine.poller import POLLERS
from core.engine.server import Server, ServerSettings
from core.record.events import Kind, Reason
from core.record.journal import Journal, JournalError
from core.record.ring import RingError, RingReader, RingWriter
from core.watch.monitor import About, Monitor
from core.watch.pump import Feed, Pump
from core.watch.table import Table

REPLIES: Final = ("stamp", "echo")
_DESCRIPTORS_KEPT: Final = 256
"""Descriptors that connections never get: the dashboard's viewers, downloads, the log."""


class ServiceError(Exception):
    """Why it can't be served, in one line."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the echo server and its record are told; sizes in bytes, times in seconds, 0 for no limit.

    Raises ServiceError for values that don't go together.
    """

    echo_host: str = "127.0.0.1"
    echo_port: int = 21567
    model: str = "epoll"
    reply: str = "stamp"
    workers: int = 0
    data_dir: Path = Path("data")
    max_connections: int = 0
    idle_timeout: float = 0.0
    high_water: int = 256 * 1024
    low_water: int = 64 * 1024
    read_size: int = 65536
    backlog: int = BACKLOG
    retain_bytes: int | None = None
    retain_age: float | None = None

    def __post_init__(self) -> None:
        if self.model not in POLLERS:
            raise ServiceError(f"unknown model {self.model!r}; known: {', '.join(POLLERS)}")
        if self.reply not in REPLIES:
            raise ServiceError(f"unknown reply {self.reply!r}; known: {', '.join(REPLIES)}")
        if self.workers != 0:
            raise ServiceError(f"--workers {self.workers}: worker processes are not available yet; leave it at 0")
        if self.low_water > self.high_water:
            raise ServiceError(f"--low-water {self.low_water} is above --high-water {self.high_water}")
        if not math.isfinite(self.idle_timeout) or self.idle_timeout < 0:
            raise ServiceError(f"--idle-timeout {self.idle_timeout} is not a number of seconds")


class Service:
    """Made in one process (which takes the port and the directory), started there or in a child of it."""

    def __init__(self, settings: Settings) -> None:
        """Take the data directory and the echo port. Raises ServiceError naming what can't be had."""
        self.settings = settings
        self._lock = _locked(settings.data_dir)
        try:
            self._listener = listen(settings.echo_host, settings.echo_port, settings.backlog)
        except (OSError, UnicodeError) as error:
            os.close(self._lock)
            why = error.strerror if isinstance(error, OSError) else str(error)
            address = _address_text(settings.echo_host, settings.echo_port)
            raise ServiceError(f"the echo server can't listen on {address}: {why}") from error
        self.echo_address: tuple[str, int] = self._listener.getsockname()[:2]
        self.monitor: Monitor
        self._engine: threading.Thread | None = None
        self._failure = ""
        self._stopped = False

    def start(self) -> None:
        """Take up where the log ends, then serve and watch in threads. Raises ServiceError."""
        _raise_descriptor_limit()
        settings = self.settings
        try:
            self._pump, self._ring, first_conn = _recover(settings)
        except (JournalError, RingError) as error:
            raise ServiceError(str(error)) from error
        except OSError as error:
            raise ServiceError(f"{error.filename or settings.data_dir}: {error.strerror}") from error
        about = About(settings.model, settings.reply, settings.workers, *self.echo_address)
        self._server = Server(self._listener, self._ring, self._server_settings(), first_conn=first_conn)
        self.monitor = Monitor(
            self._pump, settings.data_dir, about, lambda: self._failure, self._server.close_connection
        )
        self._engine = threading.Thread(target=self._serve, name="echo", daemon=True)
        self._engine.start()
        self._pump.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop accepting, deliver what is queued for at most `timeout` seconds, seal the log. May be repeated."""
        if self._stopped:
            return
        self._stopped = True
        if self._engine is not None:
            if self._engine.is_alive():
                self._server.stop(timeout)
            self._engine.join(timeout + 5.0)
            self._pump.stop()
            self._ring.close()
        self._listener.close()
        os.close(self._lock)

    def _serve(self) -> None:
        try:
            self._server.run()
        except Exception as error:
            self._failure = f"the echo loop stopped: {type(error).__name__}: {error}"
            raise

    def _server_settings(self) -> ServerSettings:
        settings = self.settings
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _DESCRIPTORS_KEPT
        return ServerSettings(
            model=settings.model,
            reply=settings.reply,
            read_size=settings.read_size,
            marks=Marks(settings.high_water, settings.low_water),
            max_connections=min(settings.max_connections or room, room),
            idle_timeout=settings.idle_timeout,
        )


def _locked(directory: Path) -> int:
    """Descriptor of the directory's lock, held until it is closed in every process that has inherited it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ServiceError(f"data directory {directory} can't be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        why = "another echoscope is using it" if error.errno == errno.EWOULDBLOCK else error.strerror
        raise ServiceError(f"data directory {directory}: {why}") from error
    return lock


def _recover(settings: Settings) -> tuple[Pump, RingWriter, int]:
    """Bring the log up to the last record that was written, even by a killed server, and begin a new ring.

    Connections that were open then are closed in the record. The third value is the next connection's id.
    """
    journal = Journal(
        settings.data_dir, retain_bytes=settings.retain_bytes or None, retain_age=settings.retain_age or None
    )
    pump, table, path = Pump(journal), Table(), settings.data_dir / "ring-0"
    last = journal.last_seq.get(0, 0)
    open_conns = journal.open_conns.get(0, {})
    if open_conns:
        table.restore(open_conns)
    if path.exists():
        last = _drain(RingReader(path), table, pump, last)
    ring = RingWriter(path, after=last)
    for conn in table["conn"][table.is_open()].tolist():
        ring.emit(Kind.CLOSE, conn, reason=Reason.CRASH)
    ring.publish(0, 0)
    first_conn = max(journal.max_conn, int(table["conn"][-1])) + 1
    pump.add(Feed(RingReader(path), table))
    pump.catch_up()
    pump.begin()
    return pump, ring, first_conn


def _drain(old: RingReader, table: Table, pump: Pump, last: int) -> int:
    """Take what the log has not got from the ring of a server that is dead; the last record's number."""
    feed = Feed(old, table)
    records = old.leftover(max(last, old.tail))
    if len(records):
        pump.ingest(feed, records, old.wall_offset)
        pump.flush()
        last = int(records["seq"][-1])
        if pump.log_error:
            raise OSError(errno.EIO, pump.log_error)
    last = max(last, old.tail)
    old.close()
    return last


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _address_text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
