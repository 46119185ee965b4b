"""Metrics for Prometheus: text 0.0.4, or OpenMetrics 1.0 where it is asked for. Few series, however many connections.

Naming: https://prometheus.io/docs/practices/naming/ (base units, `_total` for counters).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flask import Blueprint, Response, request
from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from core.watch.measures import Histogram, Measures
from web.api.parameters import NoParameters, parse
from web.api.problems import ProblemError
from web.monitor_protocol import Monitor

_PLAIN: Final = ("text/plain; version=0.0.4", "text/plain")
_OPEN: Final = ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text")


class _Scrape(Collector):
    """What is known at one moment, as metric families."""

    def __init__(self, measured: Measures, is_healthy: bool) -> None:
        self._measured = measured
        self._is_healthy = is_healthy

    def collect(self) -> Iterator[Metric]:
        yield from _server(self._measured, self._is_healthy)
        yield from _connections(self._measured)
        yield from _bytes(self._measured)
        yield from _record(self._measured.status)
        yield _histogram("turn_seconds", "Time that a loop worked in one turn, its wait left out", self._measured.turns)
        yield _histogram(
            "reply_queue_seconds", "Time for which the queue of a connection was not empty", self._measured.replies
        )


def _server(measured: Measures, is_healthy: bool) -> Iterator[Metric]:
    status = measured.status
    about = {name: str(status[name]) for name in ("version", "model", "reply", "workers")}
    yield InfoMetricFamily("echoscope_server", "Version, model, reply and number of worker processes", about)
    yield _gauge("uptime_seconds", "Time since the server began", status["uptime_s"])
    yield _gauge("healthy", "1 when /healthz answers 200", int(is_healthy))
    yield _gauge("viewers", "Dashboards that are connected", status["viewers"] or 0)
    yield _gauge("loop_busy_ratio", "Share of the last second in which the loops did not wait", _busy(measured.rates))
    yield _gauge("loop_beat_age_seconds", "Time since the slowest loop turned", measured.beat_age_s)
    queue = status.get("accept_queue")
    if queue is not None:
        yield _gauge("accept_queue_connections", "Connections that wait to be accepted", queue["length"])
        yield _gauge("accept_queue_limit_connections", "Most that may wait to be accepted", queue["limit"])


def _connections(measured: Measures) -> Iterator[Metric]:
    told = measured.status["connections"]
    yield _by("verdict", "connections", "Open connections by verdict, as far as the record tells", measured.verdicts)
    yield _by("state", "connections_by_state", "Open connections by state", measured.states)
    yield _counter("connections_accepted", "Connections that were accepted", told["accepted"])
    yield _counter("connections_refused", "Connections that were not accepted", told["refused"])
    closed = CounterMetricFamily(
        "echoscope_connections_closed", "Connections that ended, by kind of end", labels=["end"]
    )
    for end, count in measured.ends.items():
        closed.add_metric([end], count)
    yield closed


def _bytes(measured: Measures) -> Iterator[Metric]:
    status, queue = measured.status, measured.status["queue"]
    yield _counter("echoes", "Reads that were answered", status["echoes"])
    yield _counter("received_bytes", "Bytes read from clients", status["bytes_in"])
    yield _counter("sent_bytes", "Bytes that the kernel took for clients", status["bytes_out"])
    yield _gauge("queue_bytes", "Reply bytes that wait in the server, all connections together", queue["bytes"])
    yield _gauge("queue_replies", "Replies that wait in the server", queue["chunks"])
    yield _gauge("queue_max_bytes", "Reply bytes in the largest queue of a connection", queue["max_bytes"])


def _record(status: Mapping[str, Any]) -> Iterator[Metric]:
    recorder = status["recorder"]
    yield _counter("events", "Events that were recorded", recorder["events"])
    yield _counter("events_lost", "Events that could not be recorded", recorder["lost"])
    yield _counter("events_dropped", "Events that retention dropped from the log", recorder["dropped"]["events"])
    yield _gauge(
        "record_lag_seconds", "Age of the oldest event that is not in the log", (recorder["lag_ms"] or 0) / 1000
    )
    yield _gauge("log_bytes", "Size of the log", recorder["log_bytes"] or 0)
    yield _gauge("log_damaged", "1 when a part of the log can't be read", int(bool(recorder["damaged"])))


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"echoscope_{name}", meaning, value)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"echoscope_{name}", meaning, value)


def _by(label: str, name: str, meaning: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"echoscope_{name}", meaning, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family


def _histogram(name: str, meaning: str, counted: Histogram) -> Metric:
    family = HistogramMetricFamily(f"echoscope_{name}", meaning)
    bounds = [*(str(bound) for bound in counted.bounds), "+Inf"]
    family.add_metric([], list(zip(bounds, counted.counts.cumsum().tolist(), strict=True)), counted.total)
    return family


def _busy(rates: Mapping[str, Any]) -> float:
    return float(rates["loop_busy"] or 0.0)


def _open_metrics(scrape: Collector) -> Response:
    text = openmetrics.generate_latest(scrape)  # type: ignore[no-untyped-call]
    return Response(text, content_type=openmetrics.CONTENT_TYPE_LATEST)


def blueprint(monitor: Monitor) -> Blueprint:
    """/metrics."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        parse(NoParameters, request.args)
        if monitor.is_replay:
            raise ProblemError(404, "this is a replay of a log: there is no server to measure")
        scrape = _Scrape(monitor.measures(), monitor.health()[0])
        wanted = request.accept_mimetypes.best_match((*_PLAIN, *_OPEN), _PLAIN[0])
        if wanted in _OPEN:
            response = _open_metrics(scrape)
        else:
            response = Response(generate_latest(scrape), content_type=CONTENT_TYPE_PLAIN_0_0_4)
        response.vary.add("Accept")
        return response

    return routes
