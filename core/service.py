"""Engine, record and watch put together: one object that serves, is watched, and can be stopped."""

import errno
import fcntl
import math
import os
import resource
import socket
import time
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from core.command_line import warn
from core.engine.faults.fault_tickets import Tickets
from core.engine.models import MODELS, make_server
from core.engine.pollers.backends import POLLERS
from core.engine.processes.places import Places
from core.engine.processes.worker import WorkerConfig
from core.engine.processes.workers import WorkerError, Workers
from core.engine.server.certificate import TlsFilesError, fingerprint, own_certificate
from core.engine.server.connection import WaterMarks
from core.engine.server.listener import BACKLOG, close_port, listen
from core.engine.server.tls import make_context
from core.engine.settings import ServerSettings
from core.engine.thread import EngineThread
from core.engine.threads.blocking import BlockingServer
from core.export.exporter import Exporter
from core.log.read.log import Log
from core.log.write.journal import Journal, JournalError
from core.log.write.recorder_process import wait_for_recorder
from core.log.write.recorder_supervisor import RecorderSupervisor
from core.ring.clock import wall_ns
from core.ring.recorder import Files, Recorder
from core.ring.ring import MOST_CONNECTIONS, RingError, is_written
from core.rings import Rings
from core.watch.engine import About
from core.watch.monitor import Monitor
from core.watch.now.watch_thread import Watch
from core.watch.then.checkpointer import Checkpointer
from core.watch.then.history import restore
from core.watch.then.past import Past, given, rows_between, set_damaged_aside
from core.watch.then.runs import Run, RunBook

REPLIES: Final = ("stamp", "echo")
TLS_MODES: Final = ("off", "auto")
PROXY_MODES: Final = ("off", "optional", "required")
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
MOST_WORKERS: Final = 64
_DESCRIPTORS_KEPT: Final = 256
"""Descriptors that connections never get: the dashboard's viewers, downloads, the log."""


_ORPHANS_TIMEOUT: Final = 8.0
"""Seconds after which the workers of a killed server have delivered what they had queued."""


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
    max_queued: int = 1024**3
    read_size: int = 65536
    backlog: int = BACKLOG
    retain_bytes: int = 8 * 1024**3
    retain_age: float = 0.0
    sync: float = 0.0
    proxy_protocol: str = "off"
    proxy_from: tuple[str, ...] = LOOPBACK
    tls: str = "off"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_keylog: Path | None = None

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ServiceError(f"unknown model {self.model!r}; known: {', '.join(MODELS)}")
        if self.reply not in REPLIES:
            raise ServiceError(f"unknown reply {self.reply!r}; known: {', '.join(REPLIES)}")
        if not 0 <= self.workers <= MOST_WORKERS:
            raise ServiceError(f"--workers {self.workers} is not in the range 0 to {MOST_WORKERS}")
        if self.low_water > self.high_water:
            raise ServiceError(f"--low-water {self.low_water} is above --high-water {self.high_water}")
        if not math.isfinite(self.idle_timeout) or self.idle_timeout < 0:
            raise ServiceError(f"--idle-timeout {self.idle_timeout} is not a number of seconds")

        if self.proxy_protocol not in PROXY_MODES:
            known = ", ".join(PROXY_MODES)
            raise ServiceError(f"unknown --proxy-protocol {self.proxy_protocol!r}; known: {known}")
        self._check_tls()
        if not math.isfinite(self.sync) or self.sync < 0:
            raise ServiceError(f"--sync {self.sync} is not a number of seconds")

    def _check_tls(self) -> None:
        if self.tls not in TLS_MODES:
            raise ServiceError(f"unknown --tls {self.tls!r}; known: {', '.join(TLS_MODES)}")
        if self.tls == "auto" and (self.tls_cert or self.tls_key):
            raise ServiceError("--tls auto makes a certificate: leave out --tls-cert and --tls-key")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ServiceError("--tls-cert and --tls-key go together")
        if self.has_tls and self.model not in POLLERS:
            raise ServiceError(f"--model {self.model} waits for each socket by itself, and can't do TLS")
        if self.tls_keylog is not None and not self.has_tls:
            raise ServiceError("--tls-keylog needs --tls-cert and --tls-key, or --tls auto")

    @property
    def has_tls(self) -> bool:
        """Whether the echo port speaks TLS."""
        return self.tls != "off" or self.tls_cert is not None

    def marks(self) -> WaterMarks | None:
        """The water marks of each connection's queue; None for models that read nothing while a reply waits."""
        return WaterMarks(self.high_water, self.low_water) if self.model in POLLERS else None


class Service:
    """Made in one process (which takes the port and the directory), started there or in a child of it."""

    def __init__(self, settings: Settings) -> None:
        """Take the data directory and the echo port. Raises ServiceError naming what can't be had."""
        self.settings = settings
        self._lock = _locked(settings.data_dir)
        try:
            self._listener = _listener_once_free(settings)
        except (OSError, UnicodeError) as error:
            os.close(self._lock)
            why = error.strerror if isinstance(error, OSError) else str(error)
            address = _address_text(settings.echo_host, settings.echo_port)
            raise ServiceError(f"the echo server can't listen on {address}: {why}") from error
        self.echo_address: tuple[str, int] = self._listener.getsockname()[:2]
        self.monitor: Monitor
        self._watch: Watch | None = None
        self._keeping: RecorderSupervisor | None = None
        self._recorder: Recorder | None = None
        self._places: Places | None = None
        self._exporter = Exporter()
        self._serving = self._stopped = False

    def start(self) -> None:
        """Take up where the log ends, then serve and watch. Raises ServiceError."""
        _raise_descriptor_limit()
        settings = self.settings
        shortage = self._shortage()
        if shortage:
            warn(shortage)
        try:
            self._start()
        except (JournalError, RingError, WorkerError) as error:
            raise ServiceError(str(error)) from error
        except OSError as error:
            raise ServiceError(f"{error.filename or settings.data_dir}: {error.strerror}") from error

    def _start(self) -> None:
        settings = self.settings
        self._tls_files = self._tls_certificate()
        limits: dict[str, Any] = {
            "retain_bytes": settings.retain_bytes or None,
            "retain_age": settings.retain_age or None,
        }
        wait_for_recorder(settings.data_dir)
        journal = Journal(settings.data_dir, **limits)
        log = Log(settings.data_dir)
        watch = Watch(partial(rows_between, log))
        recovered = dict(journal.last_seq)
        was_killed = any(journal.open_conns.values())
        restore(watch.series, settings.data_dir, log)
        self._rings = Rings(settings.data_dir, watch, journal, *given(settings.data_dir), sync=settings.sync > 0)
        workers = set(range(1, settings.workers + 1)) or {0}
        self._writers = self._rings.recover(workers)
        journal.damage += set_damaged_aside(settings.data_dir)
        for line in journal.damage:
            warn(line)
        self._first_conn = self._rings.next_conn()
        since = watch.begin()
        recorder = self._keeping = watch.recorder = RecorderSupervisor(
            settings.data_dir,
            {worker: self._rings.path(worker) for worker in workers},
            journal,
            sync_s=settings.sync,
            **limits,
        )
        self._engine: EngineThread | Workers = self._processes() if settings.workers else self._thread()
        about = About(tuple(MODELS), settings.reply, settings.workers, *self.echo_address, settings.marks())
        marks = {feed.table.worker: feed.taken for feed in watch.feeds}
        book = RunBook(settings.data_dir)
        run = Run(watch.begun, watch.begun, since, recovered, marks, about.as_dict(settings.model))
        book.begin(run, (log.span() or (0, 0))[0])
        self._keeper = Checkpointer(settings.data_dir, watch, log, watch.begun)
        if was_killed:
            self._keeper.keep_checkpoint()  # the events of this run don't tell what the crash ended
        past = Past(settings.data_dir, log, self._keeper.written)
        self.monitor = Monitor(
            watch, past, about, self._engine, self._exporter, lambda model: book.switch(wall_ns(), model)
        )
        # Worker processes serve as soon as each is there, and may fill their rings before the last one is.
        recorder.start()
        watch.start()
        self._watch = watch
        try:
            self._engine.start()
        except BaseException:
            watch.stop()
            recorder.stop()
            raise
        self._serving = True
        self._keeper.start()

    def stop_serving(self, timeout: float = 5.0) -> None:
        """Stop accepting, deliver what is queued for at most `timeout` seconds. May be repeated."""
        if self._serving:
            self._serving = False
            close_port(self._listener)
            self._engine.stop(timeout)

    def stop(self, timeout: float = 5.0) -> None:
        """Stop serving, seal the log. May be repeated."""
        if self._stopped:
            return
        self._stopped = True
        self.stop_serving(timeout)
        self._exporter.stop()
        if self._watch is not None and self._keeping is not None:
            self._keeper.stop()
            self._watch.stop()
            self._keeping.stop()
            self.monitor.close()
            if self._recorder is not None:
                self._recorder.close()
        if self._places is not None:
            self._places.close()
        self._listener.close()
        os.close(self._lock)

    def _thread(self) -> EngineThread:
        own, files = self._server_settings(), Files.of(self.settings.data_dir, 0)
        self._recorder = Recorder(self._writers.pop(0), files, keeps_origins=own.keeps_origins)
        tickets = Tickets.make()
        try:
            server = make_server(self._listener, self._recorder, own, count(self._first_conn), tickets=tickets)
        except ValueError as error:
            self._recorder.close()
            tickets.close()
            raise ServiceError(f"--model {self.settings.model}: {error}") from error
        return EngineThread(server, tickets)

    def _processes(self) -> Workers:
        if self.settings.max_connections:
            self._places = Places.make(self.settings.max_connections, self.settings.workers + 1)
        return Workers(self.settings.workers, self.settings.model, self.echo_address, self._prepare)

    def _prepare(self, worker: int) -> WorkerConfig:
        """What a worker is told; in its ring what an earlier one left open is closed."""
        writer = self._writers.pop(worker, None) or self._rings.resume(worker)
        writer.close()
        places = self._places
        if places is not None:
            places.clear(worker)
        settings, step = self.settings, self.settings.workers
        # Every worker has the ids of its own residue class, so that none needs to ask for the next.
        first, least = self._first_conn + worker - 1, self._rings.next_conn()
        first += max(0, -(-(least - first) // step)) * step
        host, port = self.echo_address
        directory = str(settings.data_dir.resolve())
        shared = (places.limit, places.fd) if places is not None else (0, -1)
        own = self._server_settings()
        listener = self._listener.fileno() if own.shares_listener else -1
        return WorkerConfig(directory, worker, host, port, settings.backlog, first, step, own, *shared, listener)

    def _server_settings(self) -> ServerSettings:
        settings = self.settings
        room = self._room()
        return ServerSettings(
            model=settings.model,
            reply=settings.reply,
            read_size=settings.read_size,
            marks=WaterMarks(settings.high_water, settings.low_water),
            max_connections=min(settings.max_connections or room, room),
            idle_timeout=settings.idle_timeout,
            max_queued=-(-settings.max_queued // max(1, settings.workers)),
            proxy_protocol=settings.proxy_protocol,
            proxy_from=settings.proxy_from,
            tls_cert=self._tls_files[0],
            tls_key=self._tls_files[1],
            tls_keylog=self._tls_files[2],
            shares_listener=_shares_listener(settings),
        )

    def _tls_certificate(self) -> tuple[str, str, str]:
        """The files of certificate, key and key log; empty: none. Tells the fingerprint. Raises ServiceError."""
        settings = self.settings
        if not settings.has_tls:
            return "", "", ""
        cert, key = settings.tls_cert, settings.tls_key
        try:
            if cert is None or key is None:
                cert, key = own_certificate(settings.data_dir)
            known_by = fingerprint(cert)
            keylog = settings.tls_keylog
            files = str(cert.resolve()), str(key.resolve()), str(keylog.resolve()) if keylog else ""
            make_context(*files)
        except TlsFilesError as error:
            raise ServiceError(str(error)) from error
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or error
            raise ServiceError(f"{error.filename or key}: {reason}") from error
        warn(f"TLS with the certificate whose SHA-256 fingerprint is {known_by}")
        return files

    def _room(self) -> int:
        """Connections that one process can take, whatever the limit is."""
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return min(descriptors - min(_DESCRIPTORS_KEPT, descriptors // 2), MOST_CONNECTIONS)

    def _shortage(self) -> str:
        """Why fewer connections can be taken than was asked for, in one line; empty: they can."""
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = self._room() * max(1, self.settings.workers)
        asked = self.settings.max_connections
        if asked <= room and descriptors >= 2 * _DESCRIPTORS_KEPT:
            return ""
        why = f"ulimit -n is {descriptors}" if room < MOST_CONNECTIONS else "a worker can record no more"
        return f"at most {min(asked or room, room)} connections are served: {why}"


def _listener_once_free(settings: Settings) -> socket.socket:
    """As `_listener`; waits for the workers of a server that was killed, which may still listen for a moment."""
    deadline = time.monotonic() + _ORPHANS_TIMEOUT
    while True:
        has_orphans = _has_orphans(settings.data_dir) and time.monotonic() < deadline
        try:
            return _listener(settings)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not has_orphans:
                raise
        time.sleep(0.02)


def _has_orphans(directory: Path) -> bool:
    """Whether a ring of the directory, whose lock is ours, is still being written."""
    try:
        return any(is_written(path) for path in directory.glob("ring-*"))
    except OSError:  # that of another user, say: whatever is wrong with it is told when the rings are recovered
        return False


def _listener(settings: Settings) -> socket.socket:
    """The socket that serves or, with worker processes, the one that keeps the port for them."""
    host, port = settings.echo_host, settings.echo_port
    listener = listen(host, port, settings.backlog)
    if not settings.workers or _shares_listener(settings):
        return listener
    # Only now is it certain that no one else has the port: shared sockets would silently join.
    with listener:
        port = listener.getsockname()[1]
    return listen(host, port, 0, shared=True)


def _shares_listener(settings: Settings) -> bool:
    """Whether all workers take from one accept queue: a client then never waits for one while another is idle."""
    return settings.workers > 0 and settings.model == BlockingServer.model


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


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _address_text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
