"""Who may do what: every route and every event, for every role, from everywhere."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
from commands import failure, run
from conftest import Site, StartServer
from fake_monitor import FakeMonitor
from waiting import DEADLINE_S, wait_until
from werkzeug.test import Client

from core.orders.exclusive import OneAtATime
from core.zoo.zoo_runner import ZooRunner
from web import create_app
from web.access.authentication import MODES, Authentication
from web.access.client_address import TrustedProxies
from web.access.login import local_path
from web.access.roles import EVENTS, ROLES, RULES, Role
from web.access.sessions import ABSOLUTE_S, COOKIE, IDLE_S, Sessions
from web.access.throttle import FREE, LONGEST_S, Throttle
from web.access.users import Users, UsersError
from web.serving.tools import Tools

PASSWORD = "correct horse"
"""Of every user of these tests."""
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a user of each role, named like it."""
    directory = tmp_path_factory.mktemp("users")
    for role in ROLES:
        assert Users(directory).add(role, role, PASSWORD)
    return directory


class NoLab:
    """A lab that starts nothing."""

    def options(self) -> Any:
        return {}

    def runs(self) -> Any:
        return []

    def run(self, *_: Any) -> Any:
        return None

    def start(self, _values: Any) -> Any:
        return {}

    live = stop = options
    estimate = start
    compare = csv = cancel = delete = run


def application(monitor: FakeMonitor, authentication: Authentication) -> Any:
    """The whole application, with tools that do nothing."""
    tools: Any = Tools(lab=NoLab(), zoo=ZooRunner(monitor, OneAtATime()))
    return create_app(monitor, authentication=authentication, tools=tools, with_gallery=True)


def client_of(app: Any, role: str = "", headers: dict[str, str] | None = None) -> Client:
    """A browser in which a user of that role has signed in."""
    client = app.test_client()
    if role:
        signed_in = client.post("/login", data={"name": role, "password": PASSWORD}, headers=headers or {})
        assert signed_in.status_code == 303
    return client


def path_of(rule: Any) -> str:
    """An address of a route."""
    values = {
        "conn": "1",
        "token": "abc",
        "run_id": "x",
        "number": "7",
        "name": "nothing",
        "filename": "css/base.css",
        "component": "chart",
    }
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<int:{name}>", values[name]).replace(f"<path:{name}>", values[name])
        path = path.replace(f"<{name}>", values[name])
    return path


def method_of(rule: Any) -> str:
    return next(iter(rule.methods - {"HEAD", "OPTIONS"}))


# -- the table


def test_every_route_and_event_has_a_rule(monitor: FakeMonitor) -> None:
    app = application(monitor, Authentication())
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == RULES.keys()
    live = app.extensions["echoscope"][0]
    assert live._io.server.handlers["/"].keys() == EVENTS.keys()


def test_a_route_without_a_rule_is_not_served(monitor: FakeMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RULES, "api.status")
    with pytest.raises(LookupError, match=r"without a rule in web/access/roles.py: api\.status"):
        create_app(monitor)


@pytest.mark.parametrize("role", ROLES)
def test_who_may_not_order_sees_no_controls_for_it(users: Path, monitor: FakeMonitor, role: str) -> None:
    client = client_of(application(monitor, Authentication("users", directory=users)), role)
    may = ROLES[role] >= Role.OPERATOR
    assert ('data-ref="orderForm"' in client.get("/orders").text) == may
    assert ("Take back all" in client.get("/orders").text) == may
    for path in ("/connections", "/connections/1"):
        assert ("Close or fault" in client.get(path).text) == may
    assert "Sign out" in client.get("/orders").text


@pytest.mark.parametrize("role", ["", *ROLES])
def test_every_route_for_every_role(users: Path, monitor: FakeMonitor, role: str) -> None:
    """Nobody gets further than his role; whoever has it gets an answer, be it that there is no such thing."""
    app = application(monitor, Authentication("users", directory=users))
    rank = ROLES[role] if role else Role.ANYONE
    client = client_of(app, role)
    for rule in app.url_map.iter_rules():
        if rule.endpoint in ("login.sign_in", "login.sign_out"):
            continue
        answer = client.open(path_of(rule), method=method_of(rule), json={} if method_of(rule) != "GET" else None)
        least = RULES[rule.endpoint]
        expected = () if rank >= least else (403,) if role else (401,)
        assert (answer.status_code in (401, 403)) == bool(expected), f"{role} {rule} {answer.status_code}"
        assert not expected or answer.status_code in expected, f"{role} {rule} {answer.status_code}"
        if expected and rule.rule.startswith("/api"):
            assert answer.content_type == "application/problem+json"
            assert (answer.status_code != 401) or answer.headers["WWW-Authenticate"].startswith("Bearer")
        answer.close()


FROM = {
    "loopback": ({"Host": "localhost"}, {}),
    "network": ({"Host": "192.0.2.1:5000"}, {"REMOTE_ADDR": "192.0.2.9"}),
    "forwarded by no trusted proxy": (
        {"Host": "localhost", "X-Forwarded-For": "127.0.0.1"},
        {"REMOTE_ADDR": "192.0.2.9"},
    ),
    "forwarded by a trusted proxy": (
        {"Host": "localhost", "X-Forwarded-For": "192.0.2.9"},
        {"REMOTE_ADDR": "10.0.0.1"},
    ),
}
REFUSED = {
    "rebound": {"Host": "evil.example"},
    "rebound with its origin": {"Host": "evil.example", "Origin": "http://evil.example"},
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site", "Origin": "http://other.localhost"},
    "null origin": {"Origin": "null"},
    "foreign origin": {"Origin": "http://evil.example"},
}


@pytest.mark.parametrize("why", REFUSED)
def test_from_other_sites_no_role_helps(users: Path, monitor: FakeMonitor, why: str) -> None:
    app = application(monitor, Authentication("users", directory=users))
    client = client_of(app, "admin")
    headers = REFUSED[why]
    for rule in app.url_map.iter_rules():
        method = method_of(rule)
        reads_own = rule.rule.startswith("/api") and "Sec-Fetch-Site" in headers
        if method == "GET" and "Host" not in headers and not reads_own:
            continue
        answer = client.open(path_of(rule), method=method, headers=headers)
        assert answer.status_code == 403, f"{why} {rule} {answer.status_code}"
        answer.close()
    assert monitor.closed == []


@pytest.mark.parametrize("where", FROM)
@pytest.mark.parametrize("mode", ["none", "token", "users", "open"])
def test_what_is_open_to_whom_without_signing_in(users: Path, monitor: FakeMonitor, mode: str, where: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    authentication = Authentication("auto" if mode == "open" else mode, directory=users, proxies=proxies)
    client = application(monitor, authentication).test_client()
    headers, environ = FROM[where]
    read, ordered = (
        client.get("/api/v1/status", headers=headers, environ_overrides=environ),
        client.post("/api/v1/connections/1/close", headers=headers, environ_overrides=environ),
    )
    expected = {"none": (200, 200), "open": (200, 200 if where == "loopback" else 403)}.get(mode, (401, 401))
    assert (read.status_code, ordered.status_code) == expected


@pytest.mark.parametrize(
    ("mode", "host", "names", "meant"),
    [
        ("auto", "127.0.0.1", [], "open"),
        ("auto", "::1", [], "open"),
        ("auto", "::ffff:127.0.0.1", [], "open"),
        ("auto", "127.0.0.1", ["echo.example"], "token"),
        ("auto", "0.0.0.0", [], "token"),
        ("auto", "::", [], "token"),
        ("auto", "192.0.2.1", [], "token"),
        ("auto", None, [], "token"),
        ("none", "0.0.0.0", [], "none"),
        ("token", "127.0.0.1", [], "token"),
    ],
)
def test_what_auto_means(tmp_path: Path, mode: str, host: str | None, names: list[str], meant: str) -> None:
    assert Authentication(mode, host=host, allow_hosts=names, directory=tmp_path).mode == meant


# -- the token


@pytest.fixture
def token(tmp_path: Path) -> Authentication:
    return Authentication("token", directory=tmp_path)


def test_the_token_is_the_owner_s_and_stays(tmp_path: Path, token: Authentication) -> None:
    for name in ("token", "session-key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert (tmp_path / "token").read_text().strip() == token.token
    assert Authentication("token", directory=tmp_path).token == token.token
    assert Authentication("token", directory=None).token != token.token
    (tmp_path / "token").write_text("")
    assert len(Authentication("token", directory=tmp_path).token) >= 24


def test_the_token_leaves_the_address(monitor: FakeMonitor, token: Authentication) -> None:
    client = create_app(monitor, authentication=token).test_client()
    answer = client.get(f"/events?q=kind:echo&token={token.token}&live=1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/events?q=kind%3Aecho&live=1")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie
    assert client.get("/events").status_code == 200
    assert client.get("/api/v1/me").json == {"name": "token", "role": "admin", "auth": "token"}
    assert client.post("/api/v1/connections/1/close").status_code == 200


def test_a_wrong_token(monitor: FakeMonitor, token: Authentication) -> None:
    client = create_app(monitor, authentication=token).test_client()
    page = client.get("/?token=wrong", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert b"Wrong token." in page.data
    assert "Set-Cookie" not in page.headers
    assert client.get("/api/v1/status", headers={"Authorization": "Bearer wrong"}).status_code == 401
    bearer = {"Authorization": f"Bearer {token.token}"}
    assert client.get("/api/v1/status", headers=bearer).status_code == 200
    assert client.get("/metrics", headers=bearer).status_code == 200


def test_a_page_without_a_right_is_a_form_and_health_says_little(
    monitor: FakeMonitor, token: Authentication, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = create_app(monitor, authentication=token).test_client()
    page = client.get("/connections?q=peer:1.2.3.4", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert b'value="/connections?q=peer:1.2.3.4"' in page.data
    assert b"<script type" not in page.data
    monkeypatch.setattr(monitor, "health", lambda: (False, "the disk is full"))
    assert client.get("/healthz").json == {"status": "unhealthy"}
    bearer = {"Authorization": f"Bearer {token.token}"}
    assert client.get("/healthz", headers=bearer).json["reason"] == "the disk is full"


def test_behind_tls_the_cookie_is_secure(monitor: FakeMonitor, tmp_path: Path) -> None:
    authentication = Authentication("token", directory=tmp_path, proxies=TrustedProxies(["10.0.0.1"]))
    client = create_app(monitor, authentication=authentication).test_client()
    for address, is_secure in (("10.0.0.1", True), ("10.0.0.2", False)):
        answer = client.get(
            f"/?token={authentication.token}",
            headers={"X-Forwarded-Proto": "https"},
            environ_overrides={"REMOTE_ADDR": address},
        )
        assert ("Secure" in answer.headers["Set-Cookie"]) is is_secure


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/events?q=a", "/events?q=a"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\n/evil.example", "/"),
        ("", "/"),
    ],
)
def test_a_sign_in_never_leads_elsewhere(asked: str, path: str) -> None:
    assert local_path(asked) == path


# -- sessions


def test_a_session_ends_when_it_is_idle_and_at_last() -> None:
    now = [1_795_442_400.0]
    sessions = Sessions("key", lambda: now[0])
    cookie = sessions.begin({"name": "token"})
    claims = sessions.read(cookie)
    assert claims is not None
    assert sessions.renewed(claims) is None
    now[0] += IDLE_S - 1
    assert sessions.read(cookie)
    renewed = sessions.renewed(claims)
    now[0] += 2
    assert sessions.read(cookie) is None
    assert renewed is not None
    while now[0] < claims["began"] + ABSOLUTE_S:
        again = sessions.read(renewed)
        assert again is not None
        now[0] += IDLE_S - 1
        renewed = sessions.renewed(again) or ""
    assert sessions.read(renewed) is None


@pytest.mark.parametrize("cookie", ["", "x", "e30.x", "a" * 5000])
def test_what_is_no_cookie_of_ours(cookie: str) -> None:
    assert Sessions("key").read(cookie) is None
    assert Sessions("key").read(Sessions("other").begin({"name": "token"})) is None


def test_a_log_out_ends_the_session(users: Path, monitor: FakeMonitor) -> None:
    client = client_of(create_app(monitor, authentication=Authentication("users", directory=users)), "viewer")
    stolen = client.get_cookie(COOKIE).value
    assert client.get("/api/v1/status").status_code == 200
    assert client.post("/logout").headers["Location"] == "/login"
    client.set_cookie(COOKIE, stolen)
    assert client.get("/api/v1/status").status_code == 401


# -- users


def test_users_are_added_changed_and_removed(tmp_path: Path) -> None:
    users = Users(tmp_path)
    assert users.roles() == {}
    assert users.add("ann", "viewer", PASSWORD)
    assert not users.add("ann", "operator", PASSWORD)
    assert users.roles() == {"ann": Role.OPERATOR}
    assert stat.S_IMODE((tmp_path / "users.json").stat().st_mode) == 0o600
    assert PASSWORD not in (tmp_path / "users.json").read_text()
    assert users.verify("ann", PASSWORD)
    assert not users.verify("ann", "wrong horse")
    assert not users.verify("bob", PASSWORD)
    assert Users(tmp_path).remove("ann")
    assert users.roles() == {}
    assert not users.remove("ann")


@pytest.mark.parametrize(
    ("name", "role", "password", "why"),
    [
        ("", "viewer", PASSWORD, "is not a name"),
        ("a" * 65, "viewer", PASSWORD, "is not a name"),
        ("a\nb", "viewer", PASSWORD, "is not a name"),
        ("ann", "king", PASSWORD, "unknown role 'king'; known: viewer, operator, admin"),
        ("ann", "viewer", "short", "a password has 8 to 1024 characters, not 5"),
    ],
)
def test_what_is_no_user(tmp_path: Path, name: str, role: str, password: str, why: str) -> None:
    with pytest.raises(UsersError, match=why):
        Users(tmp_path).add(name, role, password)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"users": {"ann": {}}}', '{"users": {"ann": {"role": "king", "hash": ""}}}']
)
def test_a_damaged_users_file_lets_nobody_in(tmp_path: Path, monitor: FakeMonitor, content: str) -> None:
    client = create_app(monitor, authentication=Authentication("users", directory=tmp_path)).test_client()
    (tmp_path / "users.json").write_text(content)
    assert client.post("/login", data={"name": "ann", "password": PASSWORD}).status_code == 500
    assert client.get("/api/v1/status").status_code == 401


def test_a_role_or_password_that_changes_is_felt_at_once(tmp_path: Path, monitor: FakeMonitor) -> None:
    users = Users(tmp_path)
    users.add("ann", "operator", PASSWORD)
    app = create_app(monitor, authentication=Authentication("users", directory=tmp_path))
    client = app.test_client()
    assert client.post("/login", data={"name": "ann", "password": PASSWORD}).status_code == 303
    assert client.post("/api/v1/connections/1/close").status_code == 200
    text = json.loads((tmp_path / "users.json").read_text())
    text["users"]["ann"]["role"] = "viewer"
    (tmp_path / "users.json").write_text(json.dumps(text))
    assert client.post("/api/v1/connections/1/close").status_code == 403
    users.add("ann", "viewer", "another horse")
    assert client.get("/api/v1/status").status_code == 401


def test_who_guesses_waits(tmp_path: Path, monitor: FakeMonitor) -> None:
    client = create_app(monitor, authentication=Authentication("token", directory=tmp_path)).test_client()
    said = [client.post("/login", data={"password": "guess"}).status_code for _ in range(FREE + 1)]
    assert said == [401] * FREE + [429]
    elsewhere = {"REMOTE_ADDR": "127.0.0.2"}
    assert client.post("/login", data={"password": "guess"}, environ_overrides=elsewhere).status_code == 401


def test_it_waits_longer_each_time_but_not_for_ever() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    waits = []
    for _ in range(FREE + 10):
        throttle.failed("a")
        waits.append(throttle.wait_s("a"))
        now[0] += waits[-1]
    assert waits[: FREE + 2] == [0.0] * (FREE - 1) + [1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_S
    assert throttle.wait_s("b") == 0
    throttle.succeeded("a")
    assert throttle.wait_s("a") == 0


def test_the_command_that_keeps_the_users(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path))
    assert "added ann (viewer)" in run("user", "add", "ann", "--role", "viewer", *data, stdin=PASSWORD + "\n").stdout
    assert "changed ann (admin)" in run("user", "add", "ann", "--role", "admin", *data, stdin=PASSWORD + "\n").stdout
    assert run("user", "list", *data).stdout == "ann\tadmin\n"
    assert Users(tmp_path).verify("ann", PASSWORD)
    assert "8 to 1024 characters" in failure(run("user", "add", "bob", "--role", "viewer", *data, stdin="short\n"), 1)
    assert run("user", "remove", "ann", *data).stdout == "removed ann\n"
    assert "no user 'ann'" in failure(run("user", "remove", "ann", *data), 1)


# -- a proxy that has asked


@pytest.mark.parametrize(
    ("address", "headers", "role"),
    [
        ("10.0.0.1", {"Remote-User": "ann", "Remote-Groups": "dev,operator"}, "operator"),
        ("10.0.0.1", {"Remote-User": "ann", "Remote-Groups": "echoscope-admin, x"}, "admin"),
        ("10.0.0.1", {"Remote-User": "ann"}, "viewer"),
        ("10.0.0.1", {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "admin"}, "admin"),
        ("10.0.0.1", {}, ""),
        ("10.0.0.2", {"Remote-User": "ann", "Remote-Groups": "admin"}, ""),
        ("127.0.0.1", {"Remote-User": "ann", "Remote-Groups": "admin"}, ""),
        ("127.0.0.1", {"Remote-User": "ann", "X-Forwarded-For": "10.0.0.1"}, ""),
    ],
)
def test_whom_a_proxy_names(
    tmp_path: Path, monitor: FakeMonitor, address: str, headers: dict[str, str], role: str
) -> None:
    authentication = Authentication("proxy", directory=tmp_path, proxies=TrustedProxies(["10.0.0.1"]))
    client = create_app(monitor, authentication=authentication).test_client()
    answer = client.get("/api/v1/me", headers=headers, environ_overrides={"REMOTE_ADDR": address})
    if role:
        assert answer.json == {"name": "ann", "role": role, "auth": "proxy"}
    else:
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("", "10.0.0.1"),
        ("192.0.2.9", "192.0.2.9"),
        ("1.2.3.4, 192.0.2.9", "192.0.2.9"),
        ("192.0.2.9, 10.0.0.7", "192.0.2.9"),
        ("10.0.0.7", "10.0.0.7"),
    ],
)
def test_the_client_is_the_last_that_no_trusted_proxy_is(forwarded: str, client: str) -> None:
    environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert TrustedProxies(["10.0.0.0/24"]).client(environ) == client
    assert TrustedProxies().client(environ) == "10.0.0.1"


# -- live updates


def live_client(url: str, cookie: str = "", **headers: str) -> socketio.Client:
    client = socketio.Client(reconnection=False)
    client.connect(url, headers={**headers, "Cookie": f"{COOKIE}={cookie}"}, wait_timeout=DEADLINE_S)
    return client


@pytest.fixture
def signed(users: Path) -> Iterator[Any]:
    """A site with users, and a session of the viewer."""
    site = Site(authentication=Authentication("users", directory=users))
    answer = requests.post(
        site.url + "/login", data={"name": "viewer", "password": PASSWORD}, allow_redirects=False, timeout=DEADLINE_S
    )
    yield site, answer.cookies[COOKIE]
    site.close()


def test_live_updates_need_a_session_and_end_with_it(signed: Any) -> None:
    site, cookie = signed
    with pytest.raises(socketio.exceptions.ConnectionError):
        live_client(site.url)
    client = live_client(site.url, cookie)
    assert client.call("watch", {"view": "overview"}, timeout=DEADLINE_S) == {"ok": True}
    requests.post(site.url + "/logout", cookies={COOKIE: cookie}, allow_redirects=False, timeout=DEADLINE_S)
    wait_until(lambda: not client.connected, "the session's connection is ended")
    client.shutdown()


# -- the server as it is started


def test_bound_to_the_network_it_prints_its_token(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--host", "0.0.0.0")
    url, _, token = server.url.partition("/?token=")
    assert token == (tmp_path / "data" / "token").read_text().strip()
    local = url.replace("0.0.0.0", "127.0.0.1")
    assert requests.get(local + "/api/v1/status", timeout=DEADLINE_S).status_code == 401
    with requests.Session() as session:
        page = session.get(f"{local}/?token={token}", timeout=DEADLINE_S)
        assert (page.status_code, page.url) == (200, local + "/")
        assert session.get(local + "/api/v1/status", timeout=DEADLINE_S).status_code == 200


def test_modes_are_those_of_the_command_line() -> None:
    import app

    assert app.AUTH_MODES == MODES


def test_the_zoo_shows_the_token_of_its_environment(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--auth", "token")
    asked = ("zoo", "says-nothing", "--brief", "--dashboard", server.url.partition("/?")[0])
    port = str(server.echo[1])
    refused = run(*asked, "--echo-port", port, ECHOSCOPE_DATA_DIR=str(tmp_path))
    assert "answers 401" in failure(refused, 1)
    shown = run(*asked, "--echo-port", port, ECHOSCOPE_DATA_DIR=str(tmp_path / "data"))
    assert shown.returncode == 0, shown.stdout + shown.stderr
