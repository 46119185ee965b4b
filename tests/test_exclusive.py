"""One at a time."""

import json
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from core.orders.exclusive import BusyError, OneAtATime
from web.api import problems
from web.api.orders import one_at_a_time


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


@pytest.fixture
def client() -> Client:
    app = Flask(__name__)
    problems.register(app)
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
