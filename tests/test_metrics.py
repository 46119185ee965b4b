"""Metrics: their text, how many there are, that counters only grow, and that every query of deploy/ has an answer."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from conftest import Server
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_plain
from test_table import OFFSET, array, record
from waiting import DEADLINE_S, wait_until

from core.ring.events import Kind
from core.ring.records import Records
from core.watch.kernel.verdict import Evidence, judge
from core.watch.kernel.verdict_column import VERDICTS, from_record
from core.watch.measures import Histogram
from core.watch.now.listing import Listing
from core.watch.now.table import Table

ROOT = Path(__file__).resolve().parent.parent
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def families(server: Server, accept: str = "*/*") -> dict[str, Any]:
    response = server.get("/metrics", headers={"Accept": accept})
    assert response.status_code == 200, response.text
    parse = parse_open if "openmetrics" in response.headers["Content-Type"] else parse_plain
    return {family.name: family for family in parse(response.text)}


def samples(found: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(one.name, str(one.labels)): one.value for family in found.values() for one in family.samples}


def test_scraped(server: Server) -> None:
    plain = server.get("/metrics")
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert server.get("/metrics", headers={"Accept": OPEN_METRICS}).headers["Content-Type"] == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    assert server.get("/metrics?q=1").status_code == 400
    server.talk(b"x", 27)
    with server.connect() as idle:
        idle.sendall(b"y")
        assert idle.recv(1)
        wait_until(lambda: samples(families(server))["echoscope_echoes_total", "{}"] == 2, "both echoes are counted")
        before = families(server, OPEN_METRICS)
        assert set(samples(before)) == set(samples(families(server))), "the same series in both formats"
        assert all(name.startswith("echoscope_") for name in before)
        assert len(samples(before)) <= 200
        assert sum(one.value for one in before["echoscope_connections"].samples) == 1
        wait_until(
            lambda: samples(families(server))["echoscope_connections_closed_total", "{'end': 'ordinary'}"] == 1,
            "the end is counted",
        )
        now = samples(families(server))
        assert now["echoscope_turn_seconds_count", "{}"] > 0
        # Those of a histogram are counters too.
        counters = [key for key in now if re.search(r"_(total|count|bucket|sum)$", key[0])]
        assert len(counters) > 20
        assert [key for key in counters if now[key] < samples(before)[key]] == []


def test_a_replay_has_no_metrics(browser: Any, monitor: Any) -> None:
    monitor.is_replay = True
    assert browser.get("/metrics").status_code == 404


def test_a_duration_is_counted_in_the_bucket_that_it_does_not_exceed() -> None:
    histogram = Histogram((0.1, 1.0))
    histogram.add(np.array([0.1, 0.05, 0.5, 1.5, 1.5]))
    assert (histogram.counts.tolist(), round(histogram.total, 6)) == ([2, 1, 2], 3.65)


def queue_lives(records: np.ndarray) -> list[int]:
    """How long (ns) each queue was not empty, row by row."""
    begun: dict[int, int] = {}
    lived = []
    for one in records:
        conn, time, queued = int(one["conn"]), int(one["time"]), int(one["queue_bytes"])
        if queued:
            begun.setdefault(conn, time)
        elif conn in begun:
            lived.append(time - begun.pop(conn))
    return lived


EVENTS = st.lists(
    st.tuples(st.sampled_from([Kind.ECHO, Kind.READ, Kind.WRITE, Kind.FULL]), st.integers(1, 4), st.booleans()),
    max_size=40,
)


@given(EVENTS, st.integers(1, 7))
def test_how_long_replies_wait_does_not_depend_on_the_batches(events: list[tuple[Kind, int, bool]], size: int) -> None:
    table = Table()
    opened = [record(Kind.OPEN, conn, 1, 9) for conn in range(1, 5)]
    rows = array(
        record(kind, conn, 10 + 400_000 * place**2, queue_bytes=int(queued and kind is not Kind.ECHO))
        for place, (kind, conn, queued) in enumerate(events)
    )
    table.fold(Records.of(array(opened), OFFSET))
    for start in range(0, len(rows), size):
        table.fold(Records.of(rows[start : start + size], OFFSET))
    expected = Histogram(table.reply_waits.bounds)
    expected.add(np.array(queue_lives(rows), np.float64) / 1e9)
    assert table.reply_waits.counts.tolist() == expected.counts.tolist()
    assert table.reply_waits.total == pytest.approx(expected.total)


LIVES = st.lists(
    st.tuples(
        st.sampled_from([Kind.ECHO, Kind.FULL, Kind.PAUSE, Kind.EOF, Kind.CLOSE, Kind.READ]),
        st.integers(0, 1),
        st.sampled_from([0, 9]),
        st.sampled_from([0, 500_000_000, 2_000_000_000, 30_000_000_000]),
    ),
    min_size=1,
    max_size=20,
)


@given(LIVES, st.booleans())
def test_verdicts_in_a_column_are_those_of_one_connection_without_a_sample(
    lives: list[tuple[Kind, int, int, int]], is_late: bool
) -> None:
    table, now = Table(), OFFSET + 40_000_000_000
    for conn, (kind, bytes_in, queued, ago) in enumerate(lives, 1):
        time = now - OFFSET - ago
        rows = [record(Kind.OPEN, conn, time, 9)]
        rows += [record(kind, conn, time, bytes_in=bytes_in, queue_bytes=queued, reason=int(kind is Kind.CLOSE))]
        table.fold(Records.of(array(rows), OFFSET))
    found = [VERDICTS[code] for code in from_record(table, now, is_late=is_late)[1:]]
    items = Listing([table], now).items(np.arange(1, table.size))
    scenes = [
        Evidence(
            item["state"],
            queue_bytes=item["queue_bytes"],
            idle_s=item["idle_s"],
            heard=item["bytes_in"] > 0,
            loop_age=9.0 if is_late else 0.0,
        )
        for item in items
    ]
    assert found == [judge(scene).code for scene in scenes]


def queries() -> list[str]:
    """Every query of the dashboard and of the alerts."""
    board = json.loads((ROOT / "deploy/grafana.json").read_text())
    texts = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [text.replace("$__rate_interval", "1m").replace("$instance", ".*") for text in texts]


def test_every_query_has_an_answer_of_a_real_prometheus(server: Server, tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("the queries of deploy/ need a Prometheus: install Debian's package prometheus")
    target = server.url.removeprefix("http://")
    rules = ROOT / "deploy/alerts.yml"
    # JSON is YAML.
    configuration = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "echoscope", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(configuration))
    command = [program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb"]
    command += ["--web.listen-address=127.0.0.1:0"]
    session = requests.Session()
    session.trust_env = False
    url, told = "", tmp_path / "prometheus.log"

    def ask(path: str, **parameters: str) -> Any:
        answer = session.get(f"{url}/api/v1/{path}", params=parameters, timeout=DEADLINE_S)
        return answer.json()["data"] if answer.status_code == 200 else None

    with told.open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            listens = re.compile(r'msg="Listening on" address=(\S+)')
            url = f"http://{wait_until(lambda: listens.search(told.read_text()), told.read_text)[1]}"
            server.talk(b"x", 27)
            asked = queries()
            assert len(asked) > 20
            missing = wait_until(
                lambda: not [text for text in asked if not (ask("query", query=text) or {}).get("result")] or None,
                lambda: (
                    f"an answer to {[text for text in asked if not (ask('query', query=text) or {}).get('result')]}"
                ),
                pause_s=0.2,
            )
            assert missing
            names = set(ask("label/__name__/values"))
            groups = wait_until(
                lambda: (
                    all(rule["health"] == "ok" for group in ask("rules")["groups"] for rule in group["rules"])
                    and ask("rules")["groups"]
                ),
                "every alert is evaluated without an error",
                pause_s=0.2,
            )
            alerts = [rule["query"] for group in groups for rule in group["rules"]]
            assert {name for query in alerts for name in re.findall(r"\bechoscope_\w+", query)} <= names
            assert len(alerts) == rules.read_text().count("- alert:")
        finally:
            process.kill()


def test_every_metric_is_in_the_reference(server: Server) -> None:
    text = (ROOT / "docs/reference.md").read_text()
    assert [name for name in families(server, OPEN_METRICS) if f"`{name}" not in text] == []
