"""Whom to ask what was seen: the monitor itself, a dashboard over HTTP, or the log of a data directory."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from core.filter.query import EVENT_FIELDS, parse, parse_time
from core.log.read.log import JournalError, Log
from core.loopback import ask, reachable
from core.watch.then.runs import read_runs

Json = dict[str, Any]

_TIMEOUT_S: Final = 10.0


class SourceError(Exception):
    """Why nothing can be asked; the text is one line for the user."""


class Source(Protocol):
    """The part of the monitor that the zoo needs. May raise DeskError."""

    def status(self) -> Json:
        """`model` and `echo` at least."""

    def span(self) -> Json:
        """`until`: now, by the clock of the record."""

    def connections(self, q: str, sort: str, limit: int, offset: int) -> Json:
        """A page of connections."""

    def connection(self, conn: int) -> Json | None:
        """One connection; None when it is not known."""

    def events(self, q: str, since: str | None, until: str | None, limit: int, cursor: str | None, order: str) -> Json:
        """A page of the log."""


def echo_address(status: Json) -> tuple[str, int]:
    """Where clients of this machine find the echo server. Raises DeskError when there is none (a replay)."""
    if status.get("replay") or not status.get("echo"):
        raise SourceError("this is a replay of a log: there is no echo server to visit")
    return reachable(status["echo"]["host"]), int(status["echo"]["port"])


class HttpDesk:
    """The API of a dashboard at `url`; `token` is sent where there is one."""

    def __init__(self, url: str, token: str = "") -> None:
        """Raises DeskError for what is no http address."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise SourceError(f"{url!r} is not the address of a dashboard, such as http://127.0.0.1:5000")
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def status(self) -> Json:
        return self._get("/api/v1/status")

    def span(self) -> Json:
        return self._get("/api/v1/span")

    def connections(self, q: str, sort: str, limit: int, offset: int) -> Json:
        return self._get("/api/v1/connections", q=q, sort=sort, limit=limit, offset=offset)

    def connection(self, conn: int) -> Json | None:
        try:
            return self._get(f"/api/v1/connections/{conn}")
        except _MissingError:
            return None

    def events(self, q: str, since: str | None, until: str | None, limit: int, cursor: str | None, order: str) -> Json:
        return self._get("/api/v1/events", q=q, since=since, until=until, limit=limit, cursor=cursor, order=order)

    def _get(self, path: str, **parameters: Any) -> Json:
        given = {name: value for name, value in parameters.items() if value is not None}
        url = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(given)}" if given else "")
        try:
            request = urllib.request.Request(url, headers=self._headers)  # noqa: S310 - http or https, see above
            with ask(request, _TIMEOUT_S) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    raise _MissingError(f"{self.url} knows no {path}") from error
                raise SourceError(f"{self.url} answers {error.code} {error.reason}") from error
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise SourceError(f"no dashboard at {self.url}: {getattr(why, 'strerror', None) or why}") from error
        if not isinstance(answer, dict):
            raise SourceError(f"{self.url} is no dashboard")
        return answer


class _MissingError(SourceError):
    """There is nothing at that path."""


class LogDesk:
    """The log of a data directory: rows, and the model of the latest run; nothing of the present."""

    def __init__(self, directory: Path) -> None:
        """Raises DeskError when there is no log."""
        runs = read_runs(directory)
        try:
            self._log = Log(directory)
            self._log.span()
        except (JournalError, OSError) as error:
            raise SourceError(str(error)) from error
        self._about = dict(runs[-1].about) if runs else {"model": ""}

    def status(self) -> Json:
        return self._about

    def span(self) -> Json:
        return {"until": datetime.fromtimestamp(time.time(), UTC).isoformat()}

    def connections(self, q: str, sort: str, limit: int, offset: int) -> Json:
        raise SourceError("a log knows nothing of the present")

    def connection(self, conn: int) -> Json | None:
        raise SourceError("a log knows nothing of the present")

    def events(self, q: str, since: str | None, until: str | None, limit: int, cursor: str | None, order: str) -> Json:
        low = parse_time(since, time.time_ns()) if since else None
        page = self._log.search(parse(q, EVENT_FIELDS), low, None, limit, cursor, "desc" if order == "desc" else "asc")
        return {"items": page.items, "next": page.next}
