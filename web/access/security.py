"""What every request must pass and every answer carries, Socket.IO's included."""

from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from core.loopback import is_loopback
from web.access.client_address import Environ, is_address
from web.api import problems

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
PART_HEADERS: Final = tuple(
    header for header in HEADERS if header[0] in ("X-Content-Type-Options", "Cross-Origin-Resource-Policy")
)
"""Of a script or a style sheet: the others say what a document may do, and would be a quarter of what a page weighs.

No referrer goes anywhere else: the document's policy lets neither fetch from other servers.
"""
_PARTS: Final = ("text/javascript", "text/css")
_OWN_PATHS: Final = ("/api", "/socket.io")
"""What no page of another site may even read."""
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


def _host_name(host_header: str) -> str:
    try:
        return urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        return ""


def _first(environ: Environ, name: str, default: str) -> str:
    """The first value of a header that proxies add to."""
    return str(environ.get(name, default)).split(",")[0].strip()


class SameOrigin:
    """Whether a page may talk to us: one that was loaded under the name by which it asks.

    Behind a proxy that ends TLS the page is https and its request to us is not: under one of `allow_hosts` both are the
    same.
    """

    def __init__(self, allow_hosts: Iterable[str]) -> None:
        self._allowed = frozenset(name.lower() for name in allow_hosts)

    def knows(self, name: str) -> bool:
        """Whether a Host's name is one of those allowed."""
        return name.rstrip(".") in self._allowed

    def __call__(self, origin: str, environ: Environ) -> bool:
        host, scheme = environ.get("HTTP_HOST", ""), environ["wsgi.url_scheme"]
        own = {f"{scheme}://{host}"}
        if self.knows(_host_name(host)):
            own |= {f"http://{host}", f"https://{host}"}
        # A proxy's word: a page of another site can't set these without being asked first (CORS), which we never allow.
        if "HTTP_X_FORWARDED_HOST" in environ or "HTTP_X_FORWARDED_PROTO" in environ:
            scheme = _first(environ, "HTTP_X_FORWARDED_PROTO", scheme)
            own.add(f"{scheme}://{_first(environ, 'HTTP_X_FORWARDED_HOST', host)}")
        # A browser's own word, which no page can change; a proxy that has renamed the host leaves it.
        return origin in own or environ.get("HTTP_SEC_FETCH_SITE") == "same-origin"


class Guard:
    """WSGI middleware against other sites in the same browser.

    Whatever the server is bound to, it answers for IP literals, loopback names and the allowed names alone: any other
    name may have been made to resolve to it (DNS rebinding). The API and the live updates are for its own pages and for
    programs that are no browsers; so is what changes something, wherever it is.
    """

    def __init__(self, app: App, same_origin: SameOrigin) -> None:
        self._app = app
        self._same_origin = same_origin

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            present = {name.lower(): value for name, value in headers}
            wanted = PART_HEADERS if present.get("content-type", "").startswith(_PARTS) else HEADERS
            return start_response(status, headers + [h for h in wanted if h[0].lower() not in present], *rest)

        refusal = self._host_refusal(environ) or self._site_refusal(environ)
        if refusal is None:
            return self._app(environ, start)
        content = problems.body(403, refusal)
        start("403 Forbidden", [("Content-Type", problems.MEDIA_TYPE), ("Content-Length", str(len(content)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    def _host_refusal(self, environ: Environ) -> str | None:
        # Browsers always send a Host; an old HTTP/1.0 client that sends none cannot have been rebound.
        if "HTTP_HOST" not in environ:
            return None
        name = _host_name(environ["HTTP_HOST"])
        if is_loopback(name) or is_address(name) or self._same_origin.knows(name):
            return None
        return f"this server does not answer for the host {name!r:.100} (serve --allow-host NAME lets it)"

    def _site_refusal(self, environ: Environ) -> str | None:
        site, origin = environ.get("HTTP_SEC_FETCH_SITE"), environ.get("HTTP_ORIGIN")
        is_safe = environ["REQUEST_METHOD"] in _SAFE_METHODS
        if is_safe and not environ.get("PATH_INFO", "").startswith(_OWN_PATHS):
            return None
        if site is not None:
            allowed = site in ("same-origin", "none")
        else:
            allowed = is_safe or origin is None or self._same_origin(origin, environ)
        return None if allowed else f"{environ['REQUEST_METHOD']} is allowed from this server's own pages only"
