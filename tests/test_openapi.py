"""The API as it is described: every route and parameter, nothing that breaks unseen, answers that are as declared."""

import copy
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from conftest import clean_environment
from fake_monitor import FakeMonitor
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from waiting import DEADLINE_S

from core.lab.lab_runs import LabRuns
from core.orders.exclusive import OneAtATime
from core.service import Service, Settings
from web import create_app
from web.openapi import changes
from web.openapi.document import PREFIX, document
from web.openapi.operations import OPERATIONS
from web.serving.tools import Tools

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


class Zoo:
    """Has no animals, and lets none out."""

    def answer(self) -> dict[str, Any]:
        return {"animals": [], "running": None, "results": {}, "busy": None, "refusal": ""}

    def start(self, name: str, count: int | None, seconds: float | None, brief: bool) -> dict[str, Any]:
        raise AssertionError("nothing is let out here")

    def cancel(self) -> str:
        return ""

    def stop(self) -> None:
        pass


@pytest.fixture
def app(monitor: FakeMonitor, tmp_path: Path) -> Any:
    """With all that there can be."""
    return create_app(monitor, tools=Tools(lab=LabRuns(tmp_path, OneAtATime()), zoo=Zoo()))


def test_every_route_is_described_and_there_is_no_other(app: Any) -> None:
    there = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).removeprefix(PREFIX))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(PREFIX)
    }
    assert there == {(one.method, one.path) for one in OPERATIONS}
    paths = app.test_client().get("/api/openapi.json").get_json()["paths"]
    assert {(method.upper(), path.removeprefix(PREFIX)) for path, of in paths.items() for method in of} == there


def test_the_parameters_described_are_those_that_are_known(app: Any) -> None:
    client = app.test_client()
    for one in OPERATIONS:
        path = PREFIX + re.sub(r"\{\w+\}", "1", one.path)
        sent: dict[str, Any] = {"json": {}} if one.method == "POST" else {}
        needed = dict.fromkeys(one.takes.model_json_schema().get("required", ()), "1")
        answer = client.open(path, method=one.method, query_string={**needed, "nonsense": "1"}, **sent)
        known = re.search(r'unknown parameter "nonsense"; known: (.*)', answer.get_json(force=True)["detail"])
        assert known is not None, (path, answer.text)
        described = document([one])["paths"][PREFIX + one.path][one.method.lower()]["parameters"]
        names = [parameter["name"] for parameter in described if parameter["in"] == "query"]
        assert known[1].split(", ") == (names or ["none"]), path


def test_the_copy_is_that_of_the_code() -> None:
    assert changes.main([]) == 0


def altered(change: Any) -> list[str]:
    before = document()
    after = copy.deepcopy(before)
    change(after)
    return changes.breaks(before, after)


STATUS = f"{PREFIX}/status"
EVENTS = f"{PREFIX}/events"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda now: now["paths"].pop(STATUS), f"GET {STATUS} is gone"),
        (lambda now: now["paths"][EVENTS]["get"]["parameters"].pop(0), f"GET {EVENTS}: parameter q is gone"),
        (
            lambda now: now["paths"][EVENTS]["get"]["parameters"][0].update(required=True),
            f"GET {EVENTS}: parameter q must be given now",
        ),
        (
            lambda now: now["paths"][EVENTS]["get"]["parameters"][3]["schema"].update(maximum=10),
            f"GET {EVENTS}: parameter limit takes something else",
        ),
        (
            lambda now: now["paths"][EVENTS]["get"]["responses"]["200"]["content"]["application/json"]["schema"][
                "required"
            ].remove("next"),
            f"GET {EVENTS}: next of the answer is gone",
        ),
        (lambda now: now["components"]["schemas"]["Event"]["required"].remove("seq"), "seq of Event is gone"),
        (
            lambda now: now["paths"][f"{PREFIX}/model"]["post"]["requestBody"]["content"]["application/json"]["schema"][
                "required"
            ].append("why"),
            f"POST {PREFIX}/model: why of the body must be given now",
        ),
    ],
)
def test_a_change_that_breaks_is_named(change: Any, line: str) -> None:
    assert altered(change) == [line]


def test_what_is_added_breaks_nothing() -> None:
    def add(now: Any) -> None:
        now["paths"][f"{PREFIX}/new"] = now["paths"][STATUS]
        now["paths"][STATUS]["get"]["parameters"].append(
            {"name": "more", "in": "query", "required": False, "schema": {"type": "string"}}
        )
        now["components"]["schemas"]["Event"]["required"].append("more")
        now["paths"][EVENTS]["get"]["parameters"][3]["schema"].update(maximum=10**6)

    assert altered(add) == []


def test_a_change_is_taken_into_the_copy_only_when_it_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(changes, "KEPT", tmp_path / "openapi.json")
    assert changes.main([]) == 1
    assert changes.main(["--write"]) == 0
    assert changes.main([]) == 0
    kept = document()
    kept["components"]["schemas"]["Event"]["required"].append("old")
    (tmp_path / "openapi.json").write_text(json.dumps(kept))
    assert changes.main(["--write"]) == 1
    assert "old of Event is gone" in capsys.readouterr().err


def test_the_page_shows_all_of_it_and_has_nothing_inline(app: Any) -> None:
    answer = app.test_client().get("/api/docs")
    assert answer.status_code == 200
    assert all(f"{one.method} {PREFIX}{one.path}" in answer.text for one in OPERATIONS)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Any]:
    """The application of a real server, which has a connection."""
    assert clean_environment()
    service = Service(Settings(echo_port=0, data_dir=tmp_path / "data", reply="echo"))
    service.start()
    with socket.create_connection(service.echo_address, timeout=DEADLINE_S) as client:
        client.sendall(b"hello")
        assert client.recv(5)
        yield create_app(service.monitor, tools=Tools(lab=LabRuns(tmp_path, OneAtATime()), zoo=Zoo()))
    service.stop()


# Its answer has no end or has to be closed, or it begins what takes long.
LEFT_OUT = {
    ("get", f"{PREFIX}/events/stream"),
    ("get", f"{PREFIX}/events/download"),
    ("post", f"{PREFIX}/lab/runs"),
    ("post", f"{PREFIX}/zoo/{{name}}"),
}


def test_made_up_requests_are_answered_as_declared(served: Any) -> None:
    load_all_checks()
    asked = 0
    for result in schemathesis.openapi.from_wsgi("/api/openapi.json", served).get_all_operations():
        operation = result.ok()
        if (operation.method, operation.path) in LEFT_OUT:
            continue
        # What has nothing but an identity in its path can't be asked wrongly.
        wrongly = [GenerationMode.NEGATIVE] if len(operation.query) or len(operation.body) else []
        for mode in (GenerationMode.POSITIVE, *wrongly):

            @settings(
                max_examples=3,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[hypothesis.Phase.generate],
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                # The client of a WSGI application undoes no compression.
                case.call_and_validate(headers={"Accept-Encoding": "identity"}, checks=CHECKS)

            ask()
            asked += 1
    assert asked > len(OPERATIONS)
