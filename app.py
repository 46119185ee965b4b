"""echoscope's command line, and the one place where core and web meet."""

import ipaddress
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if (
    os.getpid() == 1
):  # in a container, where the kernel ignores a signal without a handler (kill(2)): also while we load
    for _number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(_number, lambda number, _frame: os._exit(128 + number))

if TYPE_CHECKING:
    from web.serving.serving import Deployment, ServedEngine
    from web.serving.tools import Tools

MODELS = ("epoll", "epoll-et", "poll", "select", "busy", "blocking", "threads")
REPLIES = ("stamp", "echo")
PROXY_MODES = ("off", "optional", "required")
FORMATS = ("jsonl", "csv", "parquet", "perfetto")
F = TypeVar("F", bound=Callable[..., Any])
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


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


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """A click option that also reads ECHOSCOPE_<OPTION>, and shows its default and its variable."""
    long_name = next(name for name in names if name.startswith("--"))
    variable = "ECHOSCOPE_" + long_name.removeprefix("--").replace("-", "_").upper()
    settings.setdefault("show_default", settings.get("default") is not None)
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


class _ServeByDefault(click.Group):
    """`serve` when no command is named, so that `app.py --port 7000` works."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from core.version import VERSION

        click.echo(f"echoscope {VERSION}")
        ctx.exit()


@click.group(cls=_ServeByDefault, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
def cli() -> None:
    """A real echo server and a live view into it. Without a command: serve."""


PORT = click.IntRange(0, 65_535)
COUNT = click.IntRange(0, 10_000_000)


@cli.command()
@option("--host", default="127.0.0.1", help="Address of the dashboard.")
@option("--port", type=PORT, default=5000, help="Port of the dashboard; 0 picks a free one.")
@option("--allow-host", type=HostName(), multiple=True, help="Answer for this name too, behind a proxy; repeatable.")
@option("--echo-host", default="127.0.0.1", help="Address of the echo server.")
@option("--echo-port", type=PORT, default=21567, help="Port of the echo server; 0 picks a free one.")
@option("--model", type=click.Choice(MODELS), default="epoll", help="How the server waits for its sockets.")
@option("--reply", type=click.Choice(REPLIES), default="stamp", help="stamp: `[time] ` before each chunk; echo: as is.")
@option("--workers", type=click.IntRange(0, 64), default=0, help="0: the echo loop is a thread; N: N processes.")
@option("--data-dir", type=click.Path(path_type=Path, file_okay=False), default="data", help="Where the log is kept.")
@option("--max-connections", type=COUNT, default=0, help="Refuse more; 0: what the descriptors allow.")
@option("--idle-timeout", type=click.FloatRange(0, 10**7), default=0.0, help="Close silent ones after, s; 0: never.")
@option("--max-queued", type=Size(0, 2**40), default="1GiB", help="Queued bytes of all connections; 0: no bound.")
@option("--high-water", type=Size(1, 2**31), default="256KiB", help="Queued bytes above which reading pauses.")
@option("--low-water", type=Size(0, 2**31), default="64KiB", help="Queued bytes below which reading resumes.")
@option("--read-size", type=Size(1, 2**26), default="64KiB", help="Most bytes of one read.")
@option("--backlog", type=click.IntRange(1, 2**20), default=4096, help="Connections that may wait to be accepted.")
@option("--retain-bytes", type=Size(0, 2**62), default="8GiB", help="Drop the oldest log above this; 0: keep all.")
@option("--retain-age", type=click.FloatRange(0, 10**10), default=0.0, help="Drop log older than this, s; 0: keep all.")
@option("--sync", type=click.FloatRange(0, 3600), default=0.0, help="Have the disk keep the log every so often, s.")
@option(
    "--proxy-protocol",
    type=click.Choice(PROXY_MODES),
    default="off",
    help="Whether a proxy may or must name the client (PROXY protocol v1, v2).",
)
@option(
    "--proxy-from",
    type=Networks(),
    default="127.0.0.0/8,::1",
    help="Addresses of proxies whose header is accepted, with commas.",
)
@option(
    "--replay", type=click.Path(path_type=Path), default=None, help="Show the log of this directory, serve no echo."
)
@option("--gallery", is_flag=True, help="For developers: /gallery shows every component in every state.")
def serve(**values: Any) -> None:
    """Serve the dashboard and the echo server until SIGTERM or Ctrl-C."""
    from web.serving import serving

    serving.serve(values["host"], values["port"], _deployment(values))


def _deployment(values: dict[str, Any]) -> "Deployment":
    from core.service import Service, ServiceError, Settings
    from web.serving.serving import Deployment

    _have_temporary_files(values["data_dir"] if values["replay"] is None else None)

    web_options = {"allow_hosts": values["allow_host"], "with_gallery": values["gallery"]}
    if values["replay"] is not None:
        from core.replay import Replay

        return Deployment(lambda: Replay(values["replay"]), ServiceError, _tools, **web_options)
    web_values = ("host", "port", "allow_host", "replay", "gallery")
    engine_values = {name: value for name, value in values.items() if name not in web_values}
    try:
        settings = Settings(**engine_values)
    except ServiceError as error:
        raise click.UsageError(str(error)) from error
    return Deployment(
        lambda: Service(settings), ServiceError, lambda made: _tools(made, settings.data_dir), **web_options
    )


def _have_temporary_files(data_dir: Path | None) -> None:
    """Gunicorn keeps a small file in the folder for temporary files; where there is none, the data directory serves."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        if data_dir is None:
            raise click.UsageError("no folder for temporary files can be written: set TMPDIR to one") from None
        tempfile.tempdir = str(data_dir.resolve())


def _tools(engine: "ServedEngine", data_dir: Path | None = None) -> "Tools":
    from core.exclusive import OneAtATime
    from core.lab.lab_runs import LabRuns
    from core.zoo.zoo_runner import ZooRunner
    from web.serving.tools import Tools

    guard = OneAtATime()
    return Tools(lab=LabRuns(data_dir, guard) if data_dir else None, zoo=ZooRunner(engine.monitor, guard))


def gunicorn_settings() -> dict[str, Any]:
    """What gunicorn.conf.py tells gunicorn, from ECHOSCOPE_* in the environment."""
    from web.serving.serving import url_host

    try:
        values = serve.make_context("gunicorn", []).params
        settings = _deployment(values).settings()
    except click.ClickException as error:
        raise SystemExit(_report(error)) from error
    return {**settings, "bind": f"{url_host(values['host'])}:{values['port']}"}


@cli.command()
@option("--host", default="127.0.0.1", help="Address of the echo server.")
@option("--port", type=click.IntRange(1, 65_535), default=21567, help="Port of the echo server.")
def client(host: str, port: int) -> None:
    """Talk to the echo server: a prompt, a line sent, the reply printed."""
    from core.clients import interactive

    try:
        interactive.run(host, port)
    except interactive.ClientError as error:
        raise click.ClickException(str(error)) from error


@cli.command()
@option("--host", default="127.0.0.1", help="Address of the echo server.")
@option("--port", type=click.IntRange(1, 65_535), default=21567, help="Port of the echo server.")
@option("--connections", type=click.IntRange(0, 1_000_000), default=100, help="Connections that send.")
@option("--idle", type=click.IntRange(0, 1_000_000), default=0, help="Silent connections kept open besides.")
@option("--size", type=Size(1, 2**26), default="64", help="Bytes of a message.")
@option("--seconds", type=click.FloatRange(0.001, 10**7), default=5.0, help="How long to send.")
@option("--depth", type=click.IntRange(1, 65_536), default=1, help="Messages in flight on each connection.")
@option("--reply", type=click.Choice(REPLIES), default="stamp", help="What the server answers, to check each byte.")
def load(**values: Any) -> None:
    """Put load on an echo server, check every byte of every reply, and print one JSON object."""
    import json

    from core.clients.load import LoadError, LoadSettings, run

    try:
        click.echo(json.dumps(run(LoadSettings(**values))))
    except LoadError as error:
        raise click.ClickException(str(error)) from error


@cli.command()
@option(
    "--data-dir", type=click.Path(path_type=Path), default="data", help="Data directory of a server, running or not."
)
@option("-q", "--query", default="", help="Filter, as in `kind:full bytes_in>1000 -peer:127.0.0.1`.")
@option("--since", default=None, help="From this time: RFC 3339, or 10m, 2h, 1d ago.")
@option("--until", default=None, help="Up to this time, likewise.")
@option("--format", "format_name", type=click.Choice(FORMATS), default="jsonl", help="How rows are written.")
@option("-o", "--output", type=click.Path(path_type=Path), default=None, help="Write to this file.")
@option("-f", "--follow", is_flag=True, default=False, help="Go on with what is written from now on, until Ctrl-C.")
@option("--stats", is_flag=True, default=False, help="Print sums instead of rows.")
@option("--verify", is_flag=True, default=False, help="Check the whole log; status 1 when it is damaged.")
@option("--json", "as_json", is_flag=True, default=False, help="Sums and checks as JSON.")
def log(**values: Any) -> int:
    """Write the matching events of a log to standard output or a file, sum them up, or check the log."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # mimalloc keeps 30 MB more than it uses
    from core.bad_value import BadValueError
    from core.export import log_command as command
    from core.log.read.log import JournalError
    from core.ring.ring import RingError

    try:
        return command.run(command.LogOptions(**values))
    except (JournalError, RingError) as error:
        raise click.ClickException(str(error)) from error
    except BadValueError as error:
        raise click.UsageError(str(error)) from error
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough; what is still buffered must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        raise click.ClickException(f"{error.filename or values['output'] or 'output'}: {error.strerror}") from error


@cli.command()
@click.argument("name", required=False)
@option("--host", default=None, help="Address of the echo server, a loopback one; else the dashboard tells it.")
@option("--port", type=click.IntRange(1, 65_535), default=None, help="Its port; else 21567, or the dashboard tells it.")
@option("--seconds", type=float, default=None, help="How long an animal stays; else as long as it likes.")
@option("--count", type=int, default=None, help="How many connections; else as many as it likes.")
@option("--dashboard", default="http://127.0.0.1:5000", help="The dashboard that is asked what was seen.")
@option("--data-dir", type=click.Path(path_type=Path), default=None, help="Ask this log instead of a dashboard.")
@option("--brief", is_flag=True, default=False, help="Leave as soon as all that is expected was seen.")
@option("--json", "as_json", is_flag=True, default=False, help="Results as JSON.")
def zoo(**values: Any) -> int:
    """Let a badly behaved client loose on the echo server, and check what was seen of it.

    Without a NAME: list the animals. `all`: one after the other. Status 1: something expected was not seen.
    """
    from core.zoo import zoo_command as command
    from core.zoo.client_set import ZooError
    from core.zoo.source import SourceError

    try:
        return command.run(command.Options(**values))
    except ZooError as error:
        raise click.UsageError(str(error)) from error
    except SourceError as error:
        raise click.ClickException(str(error)) from error


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


@cli.command()
@option(
    "--models",
    type=Many(),
    default="blocking,busy,threads,select,poll,epoll,epoll-et",
    help="What to compare; asyncio and uvloop too.",
)
@option("--workers", "workers", type=Numbers(), default="1", help="Server processes of each.")
@option("--active", type=click.IntRange(1, 5_000), default=100, help="Connections that send.")
@option("--idle", "idle", type=Numbers(), default="0,100,1000,10000", help="Silent connections besides.")
@option("--size", type=Size(1, 2**20), default="64", help="Bytes of a message.")
@option("--depth", type=click.IntRange(1, 64), default=1, help="Messages in flight on each connection.")
@option("--seconds", type=click.FloatRange(0.1, 60), default=2.0, help="Length of one measurement.")
@option("--repeats", type=click.IntRange(1, 20), default=3, help="How often each is measured, interleaved.")
@option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, help="Of the order in which they are measured.")
@option("--json", "as_json", is_flag=True, default=False, help="Print JSON instead of a table.")
@option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Keep the run in this data directory, for its dashboard.",
)
def lab(**values: Any) -> int:
    """Compare the I/O models on this machine: each point in a server process of its own."""
    from core.lab import lab_command as command
    from core.lab.plan import LabOrder, OrderError

    as_json, save = values.pop("as_json"), values.pop("save")
    try:
        return command.run(LabOrder(**values), as_json, save)
    except OrderError as error:
        raise click.UsageError(str(error)) from error


def _report(error: click.ClickException) -> int:
    print(f"echoscope: {' '.join(error.format_message().split())}", file=sys.stderr)
    return error.exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status. Every expected error is one line on standard error."""
    try:
        status = cli.main(arguments, prog_name="app.py", standalone_mode=False)
    except click.ClickException as error:
        return _report(error)
    except click.Abort:
        return 130
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    sys.exit(main())
