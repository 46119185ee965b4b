"""`app.py fault`: asks the API of a running dashboard to count, begin, list and end faults."""

import json
import urllib.error
import urllib.request
from dataclasses import fields
from typing import Any

from core.faults.fault_order import TARGETS
from core.faults.registry import FAULT_KINDS
from core.loopback import ask, reachable

_TIMEOUT_S = 30.0
Json = dict[str, Any]


class FaultCommandError(Exception):
    """Why it could not be done, in one line."""


class FaultApi:
    """The API of the dashboard at a host and port; `token` is sent where there is one."""

    def __init__(self, host: str, port: int, token: str) -> None:
        reached = reachable(host)
        self._url = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str = "", body: Json | None = None) -> Json:
        """What /api/v1/faults answers. Raises FaultCommandError."""
        data = None if body is None else json.dumps(body).encode()
        url = f"{self._url}/api/v1/faults{path}"
        request = urllib.request.Request(url, data, self._headers, method=method)  # noqa: S310 - it is http
        try:
            with ask(request, _TIMEOUT_S) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise FaultCommandError(_detail(error)) from error
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise FaultCommandError(f"no dashboard at {self._url}: {getattr(why, 'strerror', None) or why}") from error
        if not isinstance(answer, dict):
            raise FaultCommandError(f"{self._url} is no dashboard")
        return answer


def body_of(kind: str, attributes: tuple[str, ...], values: Json) -> Json:
    """The order that the command line means; `attributes` are texts NAME=NUMBER. Raises FaultCommandError."""
    on = {name: values[name] for name in (*TARGETS, "seed") if values[name] is not None}
    body: Json = {"kind": kind, "on": on, "seconds": values["seconds"], "why": values["why"]}
    for text in attributes:
        name, equals, number = text.partition("=")
        if not equals or not number.removeprefix("-").isdecimal():
            known = ", ".join(f"{one.name}=NUMBER" for one in fields(FAULT_KINDS[kind])) or "none"
            raise FaultCommandError(f"{text!r} is no attribute of a fault {kind}: {known}")
        body[name] = int(number)
    return body | ({"dry_run": True} if values["dry_run"] else {})


def line(item: Json) -> str:
    """A fault as a line of text."""
    kind = FAULT_KINDS[item["kind"]]
    given = " ".join(f"{one.name}={item[one.name]}" for one in fields(kind))
    on = " ".join(f"{name}={value}" for name, value in item["on"].items())
    why = f" ({item['why']})" if item["why"] else ""
    return f"{item['id']} {item['kind']} {given or '-'} on {on}: {item['matched']} touched, ends {item['ends']}{why}"


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the dashboard answers {error.code} {error.reason}"
