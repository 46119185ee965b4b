"""The path below which a proxy shows the dashboard."""

from collections.abc import Iterable

from web.access.client_address import Environ
from web.access.security import App, StartResponse


class BasePath:
    """WSGI middleware: makes the prefix the SCRIPT_NAME of every request, whether the proxy has taken it off or not.

    All links, redirects and cookies begin with it (PEP 3333); without it the server answers too, for health checks.
    """

    def __init__(self, app: App, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            path = path.removeprefix(self._prefix)
        return self._app({**environ, "SCRIPT_NAME": self._prefix, "PATH_INFO": path or "/"}, start_response)
