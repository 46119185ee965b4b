"""The recipes of docs/deploy.md, run as they are written; the files of deploy/; the words with systemd."""

import re
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from click.shell_completion import ShellComplete
from conftest import ROOT, Server, StartServer, clean_environment, serving
from test_live import Viewer
from waiting import DEADLINE_S, wait_until
from warm import nursery

import app
from core.command_line import DASHBOARD_PORT, ECHO_PORT
from core.loopback import ask
from core.version import VERSION
from web.serving.systemd import ServiceManager

RECIPES = dict(re.findall(r"```(nginx|haproxy|caddy)\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL))


@pytest.fixture(scope="module", params=["", "/echo"], ids=["root", "below a path"])
def below(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    """A server behind a proxy, and its path there."""
    options = ["--trusted-proxy", "127.0.0.1", "--auth", "none", "--base-path", request.param]
    with serving(tmp_path_factory.mktemp("behind"), nursery(), *options) as server:
        assert server.talk(b"hello", 32)
        yield request.param, server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def written(kind: str, folder: Path, server: Server, port: int, path: str) -> list[str]:
    """The recipe with these ports and that path, in a file; the command that runs it."""
    text = RECIPES[kind].replace("127.0.0.1:5000", server.url.removeprefix("http://"))
    text = text.replace("location / ", f"location {path}/ ").replace("path_beg / ", f"path_beg {path}/ ")
    text = text.replace("handle /* ", f"handle {path}/* ")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};").replace("bind :80", f"bind 127.0.0.1:{port}")
    text = text.replace("http://echo.example {", f"{{\n  admin off\n}}\nhttp://127.0.0.1:{port} {{")
    if kind == "nginx":
        kept = "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = f"pid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{kept}{text}}}\n"
    file = folder / f"{kind}.conf"
    file.write_text(text)
    return {
        "nginx": ["nginx", "-e", str(folder / "errors"), "-p", str(folder), "-g", "daemon off;", "-c", str(file)],
        "haproxy": ["haproxy", "-db", "-f", str(file)],
        "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)],
    }[kind]


@contextmanager
def proxy(kind: str, folder: Path, server: Server, path: str) -> Iterator[str]:
    """The URL of the dashboard behind that proxy."""
    if shutil.which(kind) is None:
        pytest.skip(f"{kind} is not installed")
    port = free_port()
    command = written(kind, folder, server, port, path)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=environment) as run,
    ):
        try:
            url = f"http://127.0.0.1:{port}{path}"
            wait_until(lambda: answers(f"{url}/healthz"), lambda: (folder / "said").read_text())
            yield url
        finally:
            run.terminate()


def answers(url: str) -> bool:
    try:
        return ask(url, DEADLINE_S).status == 200
    except OSError:
        return False


@pytest.mark.parametrize("kind", ["nginx", "haproxy", "caddy"])
def test_a_recipe_as_it_is_written(below: tuple[str, Server], tmp_path: Path, kind: str) -> None:
    path, server = below
    with proxy(kind, tmp_path, server, path) as url:
        with requests.Session() as session:
            page = session.get(f"{url}/", timeout=DEADLINE_S)
            for address in set(re.findall(r'(?:href|src)="(/[^"#]*)"', page.text)):
                asked = session.get(url.removesuffix(path) + address, timeout=DEADLINE_S)
                assert asked.status_code == 200, address
        for transport in ("websocket", "polling"):
            viewer = Viewer(url.removesuffix(path), transports=[transport], path=f"{path}/socket.io")
            assert viewer.client.transport() == transport
            assert viewer.watch(view="overview") == {"ok": True}
            wait_until(lambda viewer=viewer: len(viewer.frames) >= 3, "frames come")
            viewer.close()
        rows = requests.get(f"{url}/api/v1/events/download?format=csv", timeout=DEADLINE_S)
        assert "echo" in rows.text


# -- systemd


def test_systemd_is_told_when_it_serves_that_it_works_and_when_it_stops(
    start_server: StartServer, tmp_path: Path
) -> None:
    told: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_S)
        server = start_server(environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})
        while told.count(b"WATCHDOG=1") < 3:
            told.append(manager.recv(1000))
        assert server.stop()[0] == 0
        while told[-1] != b"STOPPING=1":
            told.append(manager.recv(1000))
    assert told[0] == b"READY=1"
    assert set(told) == {b"READY=1", b"WATCHDOG=1", b"STOPPING=1"}


def test_a_manager_that_has_gone_and_one_that_watches_another_process(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    manager = ServiceManager(environment)
    assert environment == {}
    manager.be_watched(lambda: pytest.fail("another process is watched"))
    manager.tell("READY=1")
    manager.tell("READY=1")
    assert capsys.readouterr().err == "echoscope: NOTIFY_SOCKET /nowhere/notify: No such file or directory\n"
    ServiceManager({}).tell("READY=1")


# -- the files of deploy/


def test_the_manifests_run_what_there_is() -> None:
    docker, compose, cluster, unit = (
        (ROOT / "deploy" / name).read_text()
        for name in ("Dockerfile", "compose.yaml", "kubernetes.yaml", "echoscope.service")
    )
    assert "read_only: true" in compose
    assert "readOnlyRootFilesystem: true" in cluster
    assert "enableServiceLinks: false" in cluster
    (user,) = re.findall(r"runAsUser: (\d+)", cluster)
    assert f"USER {user}" in docker
    ports = {str(DASHBOARD_PORT), str(ECHO_PORT)}
    assert set(re.findall(r"containerPort: (\d+)", cluster)) == set(re.findall(r" port: (\d+)", cluster)) == ports
    assert set(re.findall(r"127.0.0.1:(\d+):", compose)) == ports
    for sources in re.findall(r"^COPY (?!--)(.*) \S+$", docker, re.MULTILINE):
        assert all((ROOT / name).exists() for name in sources.split()), sources
    known = {option.envvar for option in app.cli.commands["serve"].params}
    assert set(re.findall(r"(ECHOSCOPE_\w+)=", docker + unit)) <= known


# -- as an installed program


def test_what_is_installed_is_all_that_it_needs(tmp_path: Path) -> None:
    (tmp_path / "unpacked").mkdir()
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, timeout=DEADLINE_S, capture_output=True)
    (wheel,) = tmp_path.glob("echoscope-*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(tmp_path / "unpacked")
        scripts = next(name for name in files.namelist() if name.endswith("entry_points.txt"))
        assert "echoscope = app:main" in files.read(scripts).decode()
        about = files.read(scripts.replace("entry_points.txt", "METADATA")).decode()
    wanted = [line for line in (ROOT / "requirements.in").read_text().splitlines() if line and line[0] != "#"]
    assert set(re.findall(r"^Requires-Dist: (\S+)", about, re.MULTILINE)) == set(wanted)
    assert f"Version: {VERSION}" in about
    code = "import sys, app; sys.argv[0] = '/usr/bin/echoscope'; sys.exit(app.main())"
    arguments = ["-c", code, "serve", "--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path / "data")]
    server = Server(arguments, {"PYTHONPATH": str(tmp_path / "unpacked"), "PYTHONSAFEPATH": "1"})
    try:
        server.wait_ready()
        page = server.get("/events").text
        for address in re.findall(r'(?:href|src)="(/(?:static|vendor)/[^"#]*)"', page):
            assert server.get(address).status_code == 200, address
        assert server.talk(b"hello", 32)
        assert "start" in server.get("/api/v1/events/download?format=csv").text
        assert server.stop()[0] == 0
    finally:
        server.close()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ki", ["kind:"]),
        ("kind:ful", ["kind:full"]),
        ("kind:full,not", ["kind:full,not_full"]),
        ("conn:17 -kind:res", ["conn:17 -kind:resume"]),
        ("emptied:", ["emptied:true", "emptied:false"]),
        ("nothing:x", []),
    ],
)
def test_filters_are_completed(typed: str, offered: list[str]) -> None:
    completing = ShellComplete(app.cli, {}, "echoscope", "_ECHOSCOPE_COMPLETE")
    assert [item.value for item in completing.get_completions(["log", "-q"], typed)] == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completions(shell: str) -> None:
    environment = clean_environment() | {"_ECHOSCOPE_COMPLETE": f"{shell}_source"}
    code = "import sys, app; sys.argv[:] = ['/usr/bin/echoscope']; sys.exit(app.main())"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
    )
    # bash 4.4 or newer is needed, which click looks for.
    assert "_ECHOSCOPE_COMPLETE" in ran.stdout, ran.stderr
