"""What the commands of app.py have in common: types and variables of options, lines on standard error.

One variable means one thing: ECHOSCOPE_PORT is the dashboard's port wherever it is read.
"""

import contextlib
import ipaddress
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

PORT: Final = click.IntRange(0, 65_535)
COUNT: Final = click.IntRange(0, 10_000_000)
DASHBOARD_PORT: Final = 5000
ECHO_PORT: Final = 21567
OWN_PATHS: Final = frozenset(
    [
        "api",
        "connections",
        "events",
        "favicon.ico",
        "gallery",
        "healthz",
        "lab",
        "login",
        "logout",
        "loop",
        "metrics",
        "orders",
        "socket.io",
        "static",
        "vendor",
    ]
)
"""What the paths of the dashboard begin with: a base path of that name could not be told from them."""

F = TypeVar("F", bound=Callable[..., Any])
_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SERVICE_LINK: Final = re.compile(r"(tcp|udp|sctp)://")


class Size(click.ParamType[int]):
    """A number of bytes: 65536, 64KiB, 1.5MiB, 10MB."""

    name = "size"

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes as an integer; a value that is none, or out of range, ends in a clear line."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) *([a-z]*)", value.strip().lower())
        if match is None or match[2] not in _UNITS:
            self.fail(f"{value!r} is not a size such as 65536, 64KiB or 1MiB.", param, ctx)
        size = int(float(match[1]) * _UNITS[match[2]]) if "." in match[1] else int(match[1]) * _UNITS[match[2]]
        if not self._least <= size <= self._most:
            self.fail(f"{value} is not in the range {self._least:,} to {self._most:,} bytes.", param, ctx)
        return size


class Networks(click.ParamType[tuple[str, ...]]):
    """Addresses and CIDR blocks: 10.0.0.0/8,192.0.2.7,2001:db8::/32."""

    name = "cidr"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The blocks as text; one that is none ends in a clear line."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(str(ipaddress.ip_network(part.strip())) for part in str(value).split(","))
        except ValueError as error:
            self.fail(f"{error} (an address or a block such as 10.0.0.0/8, several with commas).", param, ctx)


class HostName(click.ParamType[str]):
    """A name as it stands in a browser's address bar, without scheme and port."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name in small letters; what is none ends in a clear line."""
        name = str(value).lower().rstrip(".")
        if not re.fullmatch(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]", name):
            self.fail(f"{value!r} is not a host name such as echo.example (without scheme, port and *).", param, ctx)
        return name.strip("[]")


class BasePath(click.ParamType[str]):
    """A path below which a proxy shows the dashboard, such as /echo; the empty text and / are none."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path without a slash at its end; what is none ends in a clear line."""
        path = str(value).rstrip("/")
        segments = path.split("/")[1:]
        if (path and not re.fullmatch(r"(/[A-Za-z0-9._~-]{1,64}){1,16}", path)) or {".", ".."} & set(segments):
            self.fail(
                f"{value!r} is not a path such as /echo (letters, digits and ._~-, a slash before each).", param, ctx
            )
        if segments and segments[0] in OWN_PATHS:
            self.fail(f"{value!r} begins like a path of the dashboard itself: choose another one.", param, ctx)
        return path


class Target(click.ParamType[str]):
    """The host of a server to connect to; of one that listens on all addresses, its loopback one."""

    name = "host"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The host."""
        from core.loopback import reachable

        return reachable(str(value))


class Many(click.ParamType[tuple[str, ...]]):
    """Several values, separated by commas."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The values as texts."""
        return value if isinstance(value, tuple) else tuple(part.strip() for part in str(value).split(","))


class Numbers(Many):
    """Several whole numbers, separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """The numbers; what is none ends in a clear line."""
        texts = super().convert(value, param, ctx)
        wrong = next((text for text in texts if not re.fullmatch(r"[0-9]{1,9}", str(text))), None)
        if wrong is not None:
            self.fail(f"{wrong!r} is not a whole number.", param, ctx)
        return tuple(int(text) for text in texts)


class _Option(click.Option):
    """An option that tells what Kubernetes sets for a Service from what a person sets."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        value = super().resolve_envvar_value(ctx)
        if value is None or not _SERVICE_LINK.match(value) or not self.opts[0].endswith("port"):
            return value
        warn(
            f"{self.envvar}={value} is ignored: Kubernetes sets it for a Service of that name"
            " (enableServiceLinks: false keeps it away)"
        )
        return None


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """A click option that also reads ECHOSCOPE_<OPTION>, and shows its default and its variable.

    `variable`: another one, for an option whose name means something else to the server.
    """
    long_name = next(name for name in names if name.startswith("--"))
    variable = settings.pop("variable", "ECHOSCOPE_" + long_name.removeprefix("--").replace("-", "_").upper())
    settings.setdefault("show_default", settings.get("default") is not None)
    return click.option(*names, cls=_Option, envvar=variable, show_envvar=True, **settings)


def echo_options(host: str | None = "127.0.0.1", port: int | None = ECHO_PORT, found: str = "") -> Callable[[F], F]:
    """Where the echo server is, as parameters `host` and `port`; `found`: where from, when they are not given.

    By their older names, --host and --port, they read no variable: those are the dashboard's.
    """

    def add(command: F) -> F:
        port_help = f"Its port{found}; --port is the same."
        command = option("--echo-port", "--port", "port", type=click.IntRange(1, 65_535), default=port, help=port_help)(
            command
        )
        host_help = f"Address of the echo server{found}; --host is the same."
        return option("--echo-host", "--host", "host", type=Target(), default=host, help=host_help)(command)

    return add


def dashboard_option(purpose: str) -> Callable[[F], F]:
    """Which dashboard to ask, as parameter `dashboard`: that of this environment unless another is named."""
    shown = f"that of ECHOSCOPE_HOST and ECHOSCOPE_PORT, else http://127.0.0.1:{DASHBOARD_PORT}"
    return option("--dashboard", default=_dashboard, show_default=shown, help=purpose)


def _dashboard() -> str:
    """The URL of the dashboard that a server of this environment would serve."""
    from core.loopback import reachable

    host = reachable(os.environ.get("ECHOSCOPE_HOST") or "127.0.0.1")
    port = os.environ.get("ECHOSCOPE_PORT") or ""
    if not port or _SERVICE_LINK.match(port):
        port = str(DASHBOARD_PORT)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def filter_terms(_ctx: click.Context, _option: click.Parameter, typed: str) -> list[CompletionItem]:
    """What the last term of a filter of events may go on with: a field, or a value of one (for click's completions)."""
    from core.filter.catalogue import fields

    before, _, term = typed.rpartition(" ")
    start = f"{before} " if before else ""
    minus = "-" if term.startswith("-") else ""
    named = {entry["name"]: entry for entry in fields("events")}
    name, colon, value = term.removeprefix("-").partition(":")
    if colon:
        values = [(one["value"], one["meaning"]) for one in named.get(name, {"values": []})["values"]]
        known, _, last = value.rpartition(",")
        start += f"{minus}{name}:" + (f"{known}," if known else "")
        return [CompletionItem(start + one, help=meaning) for one, meaning in values if one.startswith(last)]
    found = [(one, entry) for one, entry in named.items() if one.startswith(name)]
    return [CompletionItem(f"{start}{minus}{one}:", help=entry["meaning"]) for one, entry in found]


def token_option() -> Callable[[F], F]:
    """The token for a dashboard that asks for one, as parameter `token`: that of this environment's data directory."""
    shown = "that of the data directory of ECHOSCOPE_DATA_DIR, else of data, where it can be read"
    return option("--token", default=_token, show_default=shown, help="Token of the dashboard, where it asks for one.")


def _token() -> str:
    try:
        path = Path(os.environ.get("ECHOSCOPE_DATA_DIR") or "data") / "token"
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""  # there is none, or it is someone else's: the dashboard says whether it needs one


def warn(line: str) -> None:
    """Say something on standard error, in one line."""
    with contextlib.suppress(BrokenPipeError):  # the reader of standard error has gone: there is none to tell
        print(f"echoscope: {line}", file=sys.stderr, flush=True)


def have_standard_streams() -> None:
    """Open on nothing those that were closed: a socket or a file of the log would get their numbers, and our words."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
