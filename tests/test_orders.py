"""One at a time, and only from the machine itself."""

import json
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from core.exclusive import BusyError, OneAtATime
from web.access.local_only import one_at_a_time, require_local
from web.access.security import local_refusal
from web.api import problems


def test_a_second_claim_is_told_what_runs() -> None:
    now = [1_795_442_400.0]
    guard = OneAtATime(lambda: now[0])
    claim = guard.claim("lab run 3", 60)
    now[0] += 12
    with pytest.raises(BusyError, match=r"^lab run 3 has been running since 14:00:00 UTC and may take 48 s more;"):
        guard.claim("zoo: burst")
    assert guard.running() == claim.running


def test_after_its_release_the_next_may_run() -> None:
    guard = OneAtATime()
    with guard.claim("first") as first:
        assert guard.running() is not None
    assert guard.running() is None
    second = guard.claim("second")
    first.release()
    assert guard.running() == second.running


def test_of_unknown_length() -> None:
    guard = OneAtATime()
    guard.claim("something")
    with pytest.raises(BusyError, match="UTC; only one"):
        guard.claim("another")


@pytest.mark.parametrize("environ", [{"REMOTE_ADDR": "127.0.0.1"}, {"REMOTE_ADDR": "::1"}])
def test_from_this_machine(environ: dict[str, str]) -> None:
    assert local_refusal(environ) is None
    assert local_refusal({**environ, "HTTP_X_FORWARDED_FOR": "127.0.0.1"}) is None


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"REMOTE_ADDR": "192.168.1.7"}, "192.168.1.7"),
        ({"REMOTE_ADDR": ""}, "a Unix socket"),
        ({}, "a Unix socket"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "10.0.0.9, 127.0.0.1"}, "10.0.0.9"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=10.0.0.9"}, "a proxy"),
    ],
)
def test_from_elsewhere(environ: dict[str, str], named: str) -> None:
    assert named in (local_refusal(environ) or "")


@pytest.fixture
def client() -> Client:
    app = Flask(__name__)
    problems.register(app)
    app.before_request(require_local)
    guard = OneAtATime()

    @app.route("/api/v1/run", methods=["GET", "POST"])
    def run() -> dict[str, Any]:
        with one_at_a_time():
            guard.claim("lab run 1", 60)
        return {}

    return app.test_client()


def test_a_second_run_is_a_conflict(client: Client) -> None:
    assert client.post("/api/v1/run").status_code == 200
    second = client.post("/api/v1/run")
    problem = json.loads(second.data)
    assert (second.status_code, problem["running"], problem["seconds"]) == (409, "lab run 1", 60)
    assert "lab run 1" in problem["detail"]


def test_orders_from_elsewhere_are_forbidden(client: Client) -> None:
    foreign = {"REMOTE_ADDR": "192.0.2.1"}
    assert client.post("/api/v1/run", environ_overrides=foreign).status_code == 403
    assert client.get("/api/v1/run", environ_overrides=foreign).status_code == 200
