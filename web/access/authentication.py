"""Ways to know who sends a request: nobody asks, a token, users with passwords, or a proxy that has asked."""

import hashlib
import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, Final

from core.bad_value import BadValueError
from core.loopback import is_loopback
from web.access.client_address import Environ, TrustedProxies, is_forwarded
from web.access.identity import Identity
from web.access.roles import ROLES, Role
from web.access.secrets_file import KEY, TOKEN, secret
from web.access.sessions import COOKIE, Sessions
from web.access.throttle import Throttle
from web.access.users import Users, UsersError

MODES: Final = ("auto", "none", "token", "users", "proxy")
OPEN: Final = "open"
"""What `auto` means on loopback: everything is open to this machine."""
_THE_TOKEN: Final = "token"  # noqa: S105 - whom a session that began with the token belongs to


class WaitError(Exception):
    """Too many wrong attempts; `seconds` until the next one counts."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong attempts: wait {seconds:.0f} s")
        self.seconds = seconds


class Authentication:
    """Who someone is, by the mode of `--auth`. May be used from any thread."""

    def __init__(
        self,
        mode: str = "auto",
        *,
        host: str | None = "127.0.0.1",
        allow_hosts: Iterable[str] = (),
        proxies: TrustedProxies | None = None,
        directory: Path | None = None,
    ) -> None:
        """`host`: the address bound to (None: a Unix socket); secrets and users are in `directory`.

        Raises OSError when a secret can't be read or made.
        """
        is_open = mode == "auto" and host is not None and is_loopback(host) and not list(allow_hosts)
        self.mode = OPEN if is_open else _THE_TOKEN if mode == "auto" else mode
        self.proxies = proxies or TrustedProxies()
        self.throttle = Throttle()
        self.users = Users(directory) if directory is not None else None
        self.token = secret(directory, TOKEN) if self.asks else ""
        # With another token all sessions are over.
        key = secret(directory, KEY) if self.asks else "none"
        self.sessions = Sessions(hashlib.sha256(f"{key} {self.token}".encode()).hexdigest())

    @property
    def asks(self) -> bool:
        """Whether anyone has to say who he is."""
        return self.mode not in (OPEN, "none")

    def identify(self, environ: Environ) -> Identity | None:
        """Who sends this request; None when that is not known."""
        if self.mode == "none":
            return Identity(self.proxies.client(environ) or "unix socket", Role.ADMIN)
        if self.mode == OPEN:
            return self._this_machine(environ)
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(environ, token.strip())
        if self.mode == "proxy":
            return self._by_proxy(environ)
        claims = self.claims(environ)
        return None if claims is None else self._of_session(claims)

    def claims(self, environ: Environ) -> dict[str, Any] | None:
        """What the cookie of a request says, if it is valid."""
        try:
            cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
        except CookieError:
            return None
        return None if cookie is None else self.sessions.read(cookie.value)

    def sign_in(self, environ: Environ, name: str, password: str) -> str:
        """The cookie of a new session for a user, or with the token (no name); empty: that is wrong.

        Raises WaitError when the address has been wrong too often, BadValueError when the users can't be read.
        """
        address = self.proxies.client(environ)
        wait = self.throttle.wait_s(address)
        if wait:
            raise WaitError(wait)
        if self.mode == "users" and name:
            claims = self._user_claims(name, password)
        else:
            claims = {"name": _THE_TOKEN} if self._is_token(password) else None
        if claims is None:
            self.throttle.failed(address)
            return ""
        self.throttle.succeeded(address)
        return self.sessions.begin(claims)

    def _user_claims(self, name: str, password: str) -> dict[str, str] | None:
        if self.users is None:
            return None
        try:
            return {"user": name, "mark": self.users.mark(name)} if self.users.verify(name, password) else None
        except UsersError as error:
            raise BadValueError(str(error)) from error

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), self.token.encode())

    def _by_token(self, environ: Environ, token: str) -> Identity | None:
        if self._is_token(token):
            return Identity(_THE_TOKEN, Role.ADMIN)
        self.throttle.failed(self.proxies.client(environ))
        return None

    def _this_machine(self, environ: Environ) -> Identity:
        """On loopback only this machine can reach us, unless a proxy on it passes on what comes from elsewhere."""
        address = environ.get("REMOTE_ADDR", "")
        if is_loopback(address) and not is_forwarded(environ):
            return Identity("this machine", Role.ADMIN)
        return Identity(environ.get("HTTP_X_FORWARDED_FOR") or address or "behind a proxy", Role.VIEWER)

    def _by_proxy(self, environ: Environ) -> Identity | None:
        if not self.proxies.speaks(environ):
            return None
        name = environ.get("HTTP_REMOTE_USER") or environ.get("HTTP_X_FORWARDED_USER")
        if not name:
            return None
        groups = environ.get("HTTP_REMOTE_GROUPS") or environ.get("HTTP_X_FORWARDED_GROUPS") or ""
        roles = [ROLES.get(group.strip().removeprefix("echoscope-"), Role.VIEWER) for group in groups.split(",")]
        return Identity(str(name)[:64], max(roles))

    def _of_session(self, claims: dict[str, Any]) -> Identity | None:
        session = str(claims["session"])
        if claims.get("name") == _THE_TOKEN:
            return Identity(_THE_TOKEN, Role.ADMIN, session)
        name = claims.get("user")
        if self.mode != "users" or self.users is None or not isinstance(name, str):
            return None
        try:
            role = self.users.role(name)
            is_same = hmac.compare_digest(str(claims.get("mark")), self.users.mark(name))
        except UsersError:
            return None
        return Identity(name, role, session) if role is not None and is_same else None
