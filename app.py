"""echoscope's command line, and the one place where core and web meet."""

import os
import signal

if os.getpid() == 1:
    # In a container, where the kernel ignores a signal without a handler (kill(2)): also while we load.
    for _number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(_number, lambda number, _frame: os._exit(128 + number))

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.command_line import (
    COUNT,
    DASHBOARD_PORT,
    ECHO_PORT,
    PORT,
    BasePath,
    HostName,
    Many,
    Networks,
    Numbers,
    Size,
    dashboard_option,
    echo_options,
    filter_terms,
    have_standard_streams,
    option,
    token_option,
    warn,
)

if TYPE_CHECKING:
    from web.serving.serving import Deployment, ServedEngine
    from web.serving.tools import Tools

MODELS = ("epoll", "epoll-et", "poll", "select", "busy", "blocking", "threads")
REPLIES = ("stamp", "echo")
FAULTS = (
    *("latency", "bandwidth", "slicer", "stop_reading", "hold", "corrupt", "limit_data", "timeout"),
    *("reset_peer", "half_close", "refuse"),
)
AUTH_MODES = ("auto", "none", "token", "users", "proxy")
ROLES = ("viewer", "operator", "admin")
PROXY_MODES = ("off", "optional", "required")
FORMATS = ("jsonl", "csv", "parquet", "perfetto")


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


@cli.command()
@option("--host", default="127.0.0.1", help="Address of the dashboard.")
@option("--port", type=PORT, default=DASHBOARD_PORT, help="Port of the dashboard; 0 picks a free one.")
@option("--allow-host", type=HostName(), multiple=True, help="Answer for this name too, behind a proxy; repeatable.")
@option(
    "--auth",
    type=click.Choice(AUTH_MODES),
    default="auto",
    help="Who may use the dashboard; auto: on loopback all, else who has the token.",
)
@option("--trusted-proxy", type=Networks(), multiple=True, help="Whose X-Forwarded-*, Remote-User count; repeatable.")
@option("--echo-host", default="127.0.0.1", help="Address of the echo server.")
@option("--echo-port", type=PORT, default=ECHO_PORT, help="Port of the echo server; 0 picks a free one.")
@option("--model", type=click.Choice(MODELS), default="epoll", help="How the server waits for its sockets.")
@option("--reply", type=click.Choice(REPLIES), default="stamp", help="stamp: `[time] ` before each chunk; echo: as is.")
@option("--workers", type=click.IntRange(0, 64), default=0, help="0: the echo loop is a thread; N: N processes.")
@option("--data-dir", type=click.Path(path_type=Path, file_okay=False), default="data", help="Where the log is kept.")
@option("--base-path", type=BasePath(), default="", help="Path below which a proxy shows it, such as /echo.")
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
@option("--tls", type=click.Choice(("off", "auto")), default="off", help="auto: TLS, with a certificate made here.")
@option("--tls-cert", type=click.Path(path_type=Path), default=None, help="TLS with this certificate chain (PEM).")
@option("--tls-key", type=click.Path(path_type=Path), default=None, help="The key of --tls-cert (PEM).")
@option("--tls-keylog", type=click.Path(path_type=Path), default=None, help="Write TLS secrets here, for Wireshark.")
@option(
    "--replay", type=click.Path(path_type=Path), default=None, help="Show the log of this directory, serve no echo."
)
@option("--gallery", is_flag=True, help="For developers: /gallery shows every component in every state.")
def serve(**values: Any) -> None:
    """Serve the dashboard and the echo server until SIGTERM or Ctrl-C."""
    from web.serving import serving

    serving.serve(values["host"], values["port"], _deployment(values))


def _deployment(values: dict[str, Any]) -> "Deployment":
    from core.orders.order_book import OrderBook
    from core.service import Service, ServiceError, Settings
    from web.serving.serving import Deployment

    _have_temporary_files(values["data_dir"] if values["replay"] is None else None)

    web_options = {
        "allow_hosts": values["allow_host"],
        "with_gallery": values["gallery"],
        "base_path": values["base_path"],
        "auth": values["auth"],
        "trusted_proxies": [network for networks in values["trusted_proxy"] for network in networks],
        "secrets_dir": None if values["replay"] is not None else values["data_dir"],
    }
    if values["replay"] is not None:
        web_options["make_book"] = lambda: OrderBook(values["replay"], writes=False)
    else:
        web_options["make_book"] = lambda: OrderBook(values["data_dir"])
    if values["auth"] == "proxy" and not values["trusted_proxy"]:
        raise click.UsageError("--auth proxy needs --trusted-proxy: whose word for who someone is counts?")
    if values["auth"] == "users" and values["replay"] is not None:
        raise click.UsageError("--auth users needs the users file of a data directory, which a replay only reads")
    if values["replay"] is not None:
        from core.replay import Replay

        return Deployment(lambda: Replay(values["replay"]), ServiceError, _tools, **web_options)
    web_values = ("host", "port", "allow_host", "auth", "trusted_proxy", "replay", "gallery", "base_path")
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
    from core.lab.lab_runs import LabRuns
    from core.orders.exclusive import OneAtATime
    from core.zoo.zoo_runner import ZooRunner
    from web.serving.tools import Tools

    guard = OneAtATime()
    return Tools(lab=LabRuns(data_dir, guard) if data_dir else None, zoo=ZooRunner(engine.monitor, guard))


def gunicorn_settings() -> dict[str, Any]:
    """What gunicorn.conf.py tells gunicorn, from ECHOSCOPE_* in the environment."""
    from web.serving.serving import url_host

    have_standard_streams()
    try:
        values = serve.make_context("gunicorn", []).params
        settings = _deployment(values).settings()
    except click.ClickException as error:
        raise SystemExit(_report(error)) from error
    return {**settings, "bind": f"{url_host(values['host'])}:{values['port']}"}


@cli.command()
@echo_options()
def client(host: str, port: int) -> None:
    """Talk to the echo server: a prompt, a line sent, the reply printed."""
    from core.clients import interactive

    try:
        interactive.run(host, port)
    except interactive.ClientError as error:
        raise click.ClickException(str(error)) from error


@cli.command()
@echo_options()
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
@option(
    "-q",
    "--query",
    default="",
    shell_complete=filter_terms,
    help="Filter, as in `kind:full bytes_in>1000 -peer:127.0.0.1`.",
)
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
@echo_options(None, None, ", a loopback one; else the dashboard tells it")
@option("--seconds", type=float, default=None, help="How long an animal stays; else as long as it likes.")
@option("--count", type=int, default=None, help="How many connections; else as many as it likes.")
@dashboard_option("The dashboard that is asked what was seen.")
@token_option()
@option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=None,
    variable="ECHOSCOPE_ZOO_DATA_DIR",
    help="Ask this log instead of a dashboard.",
)
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


@cli.command()
@option(
    "--models",
    type=Many(),
    default="blocking,busy,threads,select,poll,epoll,epoll-et",
    help="What to compare; asyncio and uvloop too.",
)
@option("--workers", type=Numbers(), default="1", variable="ECHOSCOPE_LAB_WORKERS", help="Server processes of each.")
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


@cli.group()
def fault() -> None:
    """Put faults on real connections of a running server, and take them back: asks its dashboard."""


def _fault_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the dashboard is, and how one is known there."""
    for decorate in (
        option("--json", "as_json", is_flag=True, default=False, variable="ECHOSCOPE_FAULT_JSON", help="As JSON."),
        token_option(),
        option("--port", type=PORT, default=DASHBOARD_PORT, help="Port of the dashboard."),
        option("--host", default="127.0.0.1", help="Address of the dashboard."),
    ):
        command = decorate(command)
    return command


def _ask_faults(values: dict[str, Any], method: str, path: str = "", body: dict[str, Any] | None = None) -> Any:
    from core.faults.fault_command import FaultApi, FaultCommandError

    try:
        return FaultApi(values["host"], values["port"], values["token"]).call(method, path, body)
    except FaultCommandError as error:
        raise click.ClickException(str(error)) from error


@fault.command("add")
@click.argument("kind", type=click.Choice(FAULTS))
@click.argument("attributes", nargs=-1, metavar="[NAME=NUMBER]...")
@option("--conn", type=int, default=None, variable="ECHOSCOPE_FAULT_CONN", help="On this connection.")
@option("--q", default=None, variable="ECHOSCOPE_FAULT_Q", help="On those that match, open ones and new ones.")
@option("--next", type=int, default=None, variable="ECHOSCOPE_FAULT_NEXT", help="On the next so many new ones.")
@option("--share", type=float, default=None, variable="ECHOSCOPE_FAULT_SHARE", help="On this share of new ones, 0..1.")
@option("--seed", type=int, default=None, variable="ECHOSCOPE_FAULT_SEED", help="Choose the share again as before.")
@option("--seconds", type=float, default=60.0, variable="ECHOSCOPE_FAULT_SECONDS", help="How long, 3600 at most.")
@option("--why", default="", show_default=False, variable="ECHOSCOPE_FAULT_WHY", help="The reason, for the record.")
@option("--dry-run", is_flag=True, default=False, variable="ECHOSCOPE_FAULT_DRY_RUN", help="Only count.")
@_fault_options
def fault_add(kind: str, attributes: tuple[str, ...], **values: Any) -> None:
    """Begin a fault, such as `add latency latency=200 jitter=50 --q peer:10.0.0.*`; prints its number."""
    import json

    from core.faults.fault_command import FaultCommandError, body_of, line

    try:
        body = body_of(kind, attributes, values)
    except FaultCommandError as error:
        raise click.UsageError(str(error)) from error
    answer = _ask_faults(values, "POST", body=body)
    if values["as_json"]:
        click.echo(json.dumps(answer))
    else:
        click.echo(f"{answer['matched']} would be touched now" if values["dry_run"] else line(answer))


@fault.command("list")
@_fault_options
def fault_list(**values: Any) -> None:
    """The faults that are on, a line each."""
    import json

    from core.faults.fault_command import line

    answer = _ask_faults(values, "GET")
    for text in [json.dumps(answer)] if values["as_json"] else [line(item) for item in answer["items"]]:
        click.echo(text)


@fault.command("remove")
@click.argument("number", type=click.IntRange(1))
@_fault_options
def fault_remove(number: int, **values: Any) -> None:
    """Take one back at once; what it held goes out in order."""
    _tell_ended(values, _ask_faults(values, "DELETE", f"/{number}"))


@fault.command("clear")
@_fault_options
def fault_clear(**values: Any) -> None:
    """Take all back at once."""
    _tell_ended(values, _ask_faults(values, "DELETE"))


def _tell_ended(values: dict[str, Any], answer: Any) -> None:
    import json

    ended = " ".join(map(str, answer["ended"])) or "none"
    click.echo(json.dumps(answer) if values["as_json"] else f"ended: {ended}")


@cli.group()
def user() -> None:
    """Who may sign in where --auth users is used: names, roles and passwords of a data directory."""


_DATA_DIR = option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), default="data", help="Where the users file is."
)


def _user_command(command: Callable[[], None]) -> None:
    from web.access.users import UsersError

    try:
        command()
    except UsersError as error:
        raise click.ClickException(str(error)) from error


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="viewer looks, operator orders, admin all.")
@_DATA_DIR
def user_add(name: str, role: str, data_dir: Path) -> None:
    """Add a user, or give one another role and password.

    The password is asked for on a terminal, else read from standard input, one line.
    """
    from web.access import user_command

    _user_command(lambda: user_command.add(data_dir, name, role))


@user.command("list")
@_DATA_DIR
def user_list(data_dir: Path) -> None:
    """Print the users: name, tab, role."""
    from web.access import user_command

    _user_command(lambda: user_command.show(data_dir))


@user.command("remove")
@click.argument("name")
@_DATA_DIR
def user_remove(name: str, data_dir: Path) -> None:
    """Remove a user, whose sessions end at once."""
    from web.access import user_command

    _user_command(lambda: user_command.remove(data_dir, name))


def _report(error: click.ClickException) -> int:
    warn(" ".join(error.format_message().split()))
    return error.exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status. Every expected error is one line on standard error."""
    have_standard_streams()
    name = "echoscope" if Path(sys.argv[0]).name == "echoscope" else "app.py"
    try:
        status = cli.main(arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        return _report(error)
    except click.Abort:
        return 130
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    sys.exit(main())
