"""Sessions of browsers: a signed cookie says who it is, and the server remembers only those that were ended."""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from itsdangerous import BadSignature, URLSafeSerializer

COOKIE: Final = "echoscope_session"
IDLE_S: Final = 12 * 3600
ABSOLUTE_S: Final = 7 * 24 * 3600
_RENEWED_S: Final = IDLE_S / 12
"""A cookie that is older is replaced when it is used, so that a session in use goes on."""
_MOST_ENDED: Final = 10_000

Json = dict[str, Any]


class Sessions:
    """Makes and reads the cookies. May be used from any thread."""

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        """Cookies that were signed with another `key` are none."""
        self._serializer = URLSafeSerializer(key, salt="echoscope session")
        self._clock = clock
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}

    def begin(self, claims: Json) -> str:
        """A cookie for a new session of whom the claims describe."""
        now = self._clock()
        return self._sign({**claims, "session": secrets.token_urlsafe(12), "began": now, "used": now})

    def read(self, cookie: str) -> Json | None:
        """The claims of a cookie, with `session`; None when it is not ours, has run out or was ended."""
        try:
            claims = self._serializer.loads(cookie)
        except BadSignature:
            return None
        now = self._clock()
        if not isinstance(claims, dict) or now > claims["used"] + IDLE_S or now > claims["began"] + ABSOLUTE_S:
            return None
        with self._lock:
            return None if claims["session"] in self._ended else claims

    def renewed(self, claims: Json) -> str | None:
        """A cookie in place of the one with these claims; None while that is new enough."""
        now = self._clock()
        return self._sign({**claims, "used": now}) if now > claims["used"] + _RENEWED_S else None

    def end(self, session: str) -> None:
        """Take no cookie of this session any more."""
        now = self._clock()
        with self._lock:
            self._ended = {name: at for name, at in self._ended.items() if at + ABSOLUTE_S > now}
            if len(self._ended) >= _MOST_ENDED:
                del self._ended[next(iter(self._ended))]
            self._ended[session] = now

    def is_ended(self, session: str) -> bool:
        """Whether it was ended."""
        with self._lock:
            return session in self._ended

    def _sign(self, claims: Json) -> str:
        return str(self._serializer.dumps(claims))
