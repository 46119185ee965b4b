"""gunicorn around the dashboard: one process, many threads, an engine behind it.

`app.py serve` and `gunicorn -c gunicorn.conf.py` run the same `Deployment` with the same settings. The engine is made
before gunicorn forks, so that a taken port or directory ends the start with one line, and started in the worker,
whose threads don't survive a fork.
"""

import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from core.collector import relieve
from core.command_line import warn
from core.orders.order_book import OrderBook
from core.watch.now.watch_thread import NOT_TURNED
from web import create_app
from web.access.authentication import Authentication
from web.access.client_address import Environ, TrustedProxies
from web.access.security import StartResponse
from web.monitor_protocol import Monitor
from web.serving.systemd import ServiceManager
from web.serving.thread_worker import Worker
from web.serving.tools import Tools

THREADS = 64
"""Of the web server: a viewer holds one for as long as it watches, a download while it lasts."""
LEAST_THREADS = 8
STOP_S = 5.0
KILLED_AFTER_S = 60
"""What gunicorn's master does with a worker that doesn't stop: longer than all that a stop waits for."""
_BOOT_FAILED = 3


class ServedEngine(Protocol):
    """What serves the echo and is watched: made before the fork, started after it."""

    @property
    def echo_address(self) -> tuple[str, int] | None:
        """Where the echo server is; None when there is none."""
        ...

    @property
    def monitor(self) -> Monitor: ...
    def start(self) -> None: ...
    def stop_serving(self, timeout: float) -> None: ...
    def stop(self) -> None: ...


def url_host(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def fail(reason: object, status: int = 1) -> "SystemExit":
    """Say in one line why it ends; to be raised."""
    warn(str(reason))
    return SystemExit(status)


_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def starting(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What gunicorn loads: the real application takes its place as soon as the engine runs."""
    start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "1")])
    return [b"echoscope is starting\n"]


class Deployment:
    """gunicorn's settings and hooks. `failure` is the exception type of the engine's own one-line errors.

    `make_tools` is called with the engine once that runs; `allow_hosts` are names that the dashboard answers for
    besides those of the address it is bound to.
    """

    def __init__(
        self,
        make_engine: Callable[[], ServedEngine],
        failure: type[Exception],
        make_tools: Callable[[ServedEngine], Tools] = lambda _engine: Tools(),
        allow_hosts: Iterable[str] = (),
        with_gallery: bool = False,
        base_path: str = "",
        auth: str = "auto",
        trusted_proxies: Iterable[str] = (),
        secrets_dir: Path | None = None,
        make_book: Callable[[], OrderBook] = OrderBook,
    ) -> None:
        self._make_engine = make_engine
        self._failure = failure
        self._make_tools = make_tools
        self._allow_hosts = tuple(allow_hosts)
        self._with_gallery = with_gallery
        self._base_path = base_path
        self._auth = auth
        self._proxies = TrustedProxies(trusted_proxies)
        self._secrets_dir = secrets_dir
        self._make_book = make_book
        self._engine: ServedEngine | None = None
        self._stop_asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopper: threading.Thread | None = None
        self._manager = ServiceManager({})

    def settings(self) -> dict[str, Any]:
        """All that gunicorn is told, whichever way it is started, but for the address."""
        return {
            "wsgi_app": "web.serving.serving:starting",
            "worker_class": "gthread",
            "threads": THREADS,
            "timeout": 0,  # a worker that was stopped for a while must not be killed: its connections are real
            "graceful_timeout": KILLED_AFTER_S,
            "keepalive": 15,
            "sendfile": False,  # each write has its time, see `thread_worker.py`
            "control_socket_disable": True,
            "limit_request_line": 8190,
            "loglevel": "warning",
            "proc_name": "echoscope",
            "on_starting": self.on_starting,
            "when_ready": self.when_ready,
            "post_fork": self.post_fork,
            "post_worker_init": self.post_worker_init,
            "worker_exit": self.worker_exit,
        }

    def on_starting(self, arbiter: Any) -> None:
        """Refuse what can't work, then take the echo port and the data directory."""
        if arbiter.cfg.workers != 1:
            raise fail(
                f"{arbiter.cfg.workers} gunicorn workers asked for: the dashboard is one process; leave out -w and"
                " WEB_CONCURRENCY, and set ECHOSCOPE_WORKERS for more echo processes"
            )
        if not issubclass(arbiter.worker_class, ThreadWorker):
            raise fail(f"gunicorn worker class {arbiter.cfg.worker_class_str} can't be used: leave out -k (gthread)")
        arbiter.worker_class = Worker
        for name in ("max_requests", "reload", "preload_app", "timeout"):
            if arbiter.cfg.settings[name].get():
                raise fail(
                    f"gunicorn's --{name.replace('_app', '').replace('_', '-')} can't be used: it would restart the"
                    " echo server, or share what has to be made in the worker"
                )
        if arbiter.cfg.threads < LEAST_THREADS:
            raise fail(f"{arbiter.cfg.threads} gunicorn threads are too few: at least {LEAST_THREADS} are needed")
        arbiter.log.error_log.addFilter(_is_news)
        self._manager = ServiceManager()
        try:
            self._engine = self._make_engine()
        except self._failure as error:
            raise fail(error) from error

    def when_ready(self, arbiter: Any) -> None:
        """Replace the signals that would bring a second worker beside the first."""

        def refuse(number: int, _frame: object) -> None:
            name = signal.Signals(number).name
            os.write(2, f"echoscope: {name} ignored: there is one worker process; restart it instead\n".encode())

        signal.signal(signal.SIGTTIN, refuse)
        signal.signal(signal.SIGUSR2, refuse)
        signal.signal(signal.SIGHUP, lambda *_: arbiter.signal(signal.SIGTERM, None))

    def post_fork(self, arbiter: Any, _worker: Any) -> None:
        """Obey a stop that comes before the worker has handlers of its own: those of the master only note it."""
        for number in _STOPS:
            signal.signal(number, self._ask_to_stop)
        while not arbiter.SIG_QUEUE.empty():
            if arbiter.SIG_QUEUE.get() in _STOPS:
                sys.exit(0)

    def _ask_to_stop(self, _number: int, _frame: object) -> None:
        self._stop_asked.put(None)

    def post_worker_init(self, worker: Any) -> None:
        """Start the engine and put the application in place; say where they are."""
        engine = self._engine
        assert engine is not None
        for number in (*_STOPS, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        if not self._stop_asked.empty():
            sys.exit(0)
        try:
            engine.start()
        except self._failure as error:
            raise fail(error, _BOOT_FAILED) from error
        except OSError as error:
            raise fail(f"{error.filename or 'the server'}: {error.strerror}", _BOOT_FAILED) from error
        bound = worker.sockets[0].getsockname()
        host = bound[0] if isinstance(bound, tuple) else None
        reserve = max(4, worker.cfg.threads // 4)
        most_viewers = worker.cfg.threads - reserve
        tools = self._make_tools(engine)
        authentication = self._authentication(host)
        app = create_app(
            engine.monitor,
            authentication=authentication,
            book=self._book(),
            allow_hosts=self._allow_hosts,
            most_viewers=most_viewers,
            most_downloads=max(1, reserve // 4),
            tools=tools,
            with_gallery=self._with_gallery,
            base_path=self._base_path,
        )
        app.extensions["echoscope"][0].start()
        worker.wsgi = app
        relieve()
        self._stopper = threading.Thread(
            target=self._stop, args=(worker, engine, app, tools), name="stopper", daemon=True
        )
        self._stopper.start()
        if worker.age == 1:
            self._announce(bound, engine.echo_address, authentication)
        self._manager.tell("READY=1")
        self._manager.be_watched(lambda: NOT_TURNED not in engine.monitor.health()[1])

    def _book(self) -> OrderBook:
        try:
            book = self._make_book()
        except OSError as error:
            raise fail(f"{error.filename}: {error.strerror}", _BOOT_FAILED) from error
        if book.damage:
            warn(book.damage)
        return book

    def _authentication(self, host: str | None) -> Authentication:
        try:
            return Authentication(
                self._auth,
                host=host,
                allow_hosts=self._allow_hosts,
                proxies=self._proxies,
                directory=self._secrets_dir,
            )
        except OSError as error:
            raise fail(f"{error.filename}: {error.strerror}", _BOOT_FAILED) from error

    @staticmethod
    def _announce(bound: Any, echo: tuple[str, int] | None, authentication: Authentication) -> None:
        url = f"http://{url_host(bound[0])}:{bound[1]}" if isinstance(bound, tuple) else f"unix:{bound}"
        if authentication.mode == "token":
            url += f"/?token={authentication.token}"
        try:
            sys.stdout.write(f"dashboard {url}\n" + (f"echo {url_host(echo[0])}:{echo[1]}\n" if echo else ""))
            sys.stdout.flush()
        except OSError as error:
            warn(f"where it serves can't be written to standard output: {error.strerror}")
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _stop(self, worker: Any, engine: ServedEngine, app: Any, tools: Tools) -> None:
        """Accept no more, deliver what is queued, and meanwhile end viewers, tools and downloads; then end the log."""
        self._stop_asked.get()
        self._manager.tell("STOPPING=1")
        live, downloads = app.extensions["echoscope"]
        try:
            _all_at_once(lambda: engine.stop_serving(STOP_S), live.stop, tools.stop, downloads.stop)
            engine.stop()
        finally:
            # The requests that were under way have had their time; idle kept-alive connections need none.
            worker.cfg.set("graceful_timeout", 0)
            worker.handle_exit(signal.SIGTERM, None)

    def worker_exit(self, _arbiter: Any, worker: Any) -> None:
        """Make sure that the engine has stopped, also when gunicorn's master was killed, then leave."""
        if self._stopper is None or worker.pid != os.getpid():
            return
        self._stop_asked.put(None)
        self._stopper.join()
        sys.stdout.flush()
        sys.stderr.flush()
        # The interpreter would wait for threads that sit on idle browser connections for up to five seconds.
        os._exit(0)


def _all_at_once(*calls: Callable[[], None]) -> None:
    """Make these calls, each in a thread of its own while the system has some, and wait for all of them."""
    threads = []
    for call in calls:
        thread = threading.Thread(target=call, name="stopping", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            call()
        else:
            threads.append(thread)
    for thread in threads:
        thread.join()


def _is_news(record: Any) -> bool:
    """Whether gunicorn's line adds to the one line that says why a worker didn't start."""
    return not str(record.msg).startswith(("Worker (pid:%s) exited with code", "Shutting down", "Reason: "))


class _Embedded(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        super().__init__(prog="echoscope")

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return starting


def _listen(host: str, port: int) -> socket.socket:
    """The dashboard's listening socket; SystemExit with one clear line when it can't be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise fail(f"the dashboard can't listen on {url_host(host)}:{port}: {why}") from error


def serve(host: str, port: int, deployment: Deployment) -> None:
    """Serve until a signal ends it (SystemExit with the status)."""
    listener, master = _listen(host, port), os.getpid()
    try:
        _Embedded({**deployment.settings(), "workers": 1, "bind": f"fd://{listener.detach()}"}).run()
    except SystemExit as end:
        # gunicorn's number for what is a failed start like any other to us; its worker passes here too.
        if end.code == _BOOT_FAILED and os.getpid() == master:
            raise SystemExit(1) from end
        raise
