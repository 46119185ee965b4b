"""The HTTP API under /api/v1, and /healthz."""

from collections.abc import Callable
from typing import NoReturn

from flask import Blueprint, Response, g, jsonify, request

from core.bad_value import BadValueError
from web.api.bounded import Bounded
from web.api.csv_answer import Encode, columns_csv, encoder, groups_csv, items_csv, turns_csv
from web.api.downloads import Downloads
from web.api.parameters import (
    MAX_CONN,
    ConnectionsParameters,
    CourseParameters,
    DownloadParameters,
    EstimateParameters,
    EventsParameters,
    FieldsParameters,
    GroupsParameters,
    HistogramParameters,
    MomentParameters,
    NoParameters,
    SeriesParameters,
    SuggestParameters,
    TableParameters,
    parse,
)
from web.api.problems import ProblemError
from web.live import sockets
from web.monitor_protocol import Json, Monitor


class _Questions:
    """What is asked of the monitor: its answers as JSON, what it calls a bad value as a 400, few at once."""

    def __init__(self, monitor: Monitor, bounded: Bounded) -> None:
        self._monitor = monitor
        self._bounded = bounded

    def ask(self, question: Callable[[], Json], encode: Encode = jsonify) -> Response:
        """One that takes a while."""
        sock = sockets.socket_of(request.environ)
        with self._bounded.work(lambda: not sockets.has_gone(sock)):
            return _answer(question, encode)

    def ask_at(
        self,
        asked: MomentParameters,
        question: Callable[[int | None], Json],
        encode: Encode = jsonify,
        *,
        is_quick: bool = False,
    ) -> Response:
        """Of the moment that is asked for, or of now. `is_quick`: of now it takes no time to speak of."""
        if asked.at is None and is_quick:
            return _answer(lambda: question(None), encode)
        return self.ask(lambda: question(None if asked.at is None else self._monitor.moment(asked.at)), encode)


def _answer(question: Callable[[], Json], encode: Encode = jsonify) -> Response:
    try:
        return encode(question())
    except BadValueError as error:
        raise ProblemError(400, str(error)) from error


def _found(monitor: Monitor, conn: int, at: int | None) -> Json:
    item = monitor.connection(conn, at) if conn <= MAX_CONN else None
    return item or _none(conn)


def _none(conn: int) -> NoReturn:
    raise ProblemError(404, f"no connection {conn} is known")


def health_blueprint(monitor: Monitor) -> Blueprint:
    """/healthz, for whatever watches over services."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def healthz() -> Response:
        ok, reason = monitor.health()
        if ok:
            answer = {"status": "ok"}
        else:
            answer = {"status": "unhealthy"} if g.me is None else {"status": "failing", "reason": reason}
        response = jsonify(answer)
        response.status_code = 200 if ok else 503
        return response

    return health


def blueprint(monitor: Monitor, bounded: Bounded) -> Blueprint:
    """The routes of the API, reading from `monitor`."""
    questions = _Questions(monitor, bounded)
    api = Blueprint("api", __name__)

    @api.get("/api/v1/status")
    def status() -> Response:
        return questions.ask_at(parse(MomentParameters, request.args), monitor.status, is_quick=True)

    @api.get("/api/v1/overview")
    def overview() -> Response:
        return questions.ask_at(parse(MomentParameters, request.args), monitor.overview, is_quick=True)

    @api.get("/api/v1/span")
    def span() -> Response:
        parse(NoParameters, request.args)
        return _answer(monitor.span)

    @api.get("/api/v1/loop")
    def loop() -> Response:
        asked = parse(TableParameters, request.args)
        return encoder(asked.format, "turns", turns_csv)(monitor.loop())

    @api.get("/api/v1/events")
    def events() -> Response:
        asked = parse(EventsParameters, request.args)
        return questions.ask(
            lambda: monitor.events(
                asked.q, asked.since, asked.until, asked.limit, asked.cursor, asked.order, asked.mark
            )
        )

    @api.get("/api/v1/events/histogram")
    def histogram() -> Response:
        asked = parse(HistogramParameters, request.args)
        return questions.ask(lambda: monitor.histogram(asked.q, asked.since, asked.until, asked.bins, asked.cursor))

    @api.get("/api/v1/series")
    def series() -> Response:
        asked = parse(SeriesParameters, request.args)
        encode = encoder(asked.format, "series", columns_csv)
        return questions.ask_at(asked, lambda at: monitor.series(asked.range, at), encode, is_quick=True)

    return api


def connections_blueprint(monitor: Monitor, bounded: Bounded) -> Blueprint:
    """The connections: a list, one, its charts."""
    questions = _Questions(monitor, bounded)
    api = Blueprint("connections", __name__)

    @api.get("/api/v1/connections")
    def connections() -> Response:
        asked = parse(ConnectionsParameters, request.args)
        encode = encoder(asked.format, "connections", items_csv)
        return questions.ask_at(
            asked, lambda at: monitor.connections(asked.q, asked.sort, asked.limit, asked.offset, at), encode
        )

    @api.get("/api/v1/connections/groups")
    def connection_groups() -> Response:
        asked = parse(GroupsParameters, request.args)
        encode = encoder(asked.format, f"connections-by-{asked.by:.20}", groups_csv)
        return questions.ask_at(
            asked, lambda at: monitor.groups(asked.by, asked.q, asked.sort, asked.limit, at), encode
        )

    @api.get("/api/v1/connections/<int:conn>")
    def connection(conn: int) -> Response:
        return questions.ask_at(parse(MomentParameters, request.args), lambda at: _found(monitor, conn, at))

    @api.get("/api/v1/connections/<int:conn>/series")
    def course(conn: int) -> Response:
        asked = parse(CourseParameters, request.args)
        if conn > MAX_CONN or not monitor.knows(conn):
            _none(conn)
        encode = encoder(asked.format, f"connection-{conn}", columns_csv)
        return questions.ask(lambda: monitor.course(conn, asked.since, asked.until), encode)

    return api


def fields_blueprint(monitor: Monitor, bounded: Bounded) -> Blueprint:
    """What a filter may be made of, for those who complete what is typed."""
    questions = _Questions(monitor, bounded)
    api = Blueprint("fields", __name__)

    @api.get("/api/v1/fields")
    def fields() -> Response:
        asked = parse(FieldsParameters, request.args)
        return _answer(lambda: monitor.fields(asked.of))

    @api.get("/api/v1/fields/values")
    def values() -> Response:
        asked = parse(SuggestParameters, request.args)
        return questions.ask_at(asked, lambda at: monitor.suggest(asked.of, asked.field, asked.text, at))

    return api


def downloads_blueprint(monitor: Monitor, downloads: Downloads, bounded: Bounded) -> Blueprint:
    """Downloads: what one would be, itself, how far it is, its end."""
    questions = _Questions(monitor, bounded)
    api = Blueprint("downloads", __name__)

    @api.get("/api/v1/events/download")
    def download() -> Response:
        return downloads.respond(parse(DownloadParameters, request.args))

    @api.get("/api/v1/events/estimate")
    def estimate() -> Response:
        asked = parse(EstimateParameters, request.args)
        return questions.ask(lambda: monitor.estimate(asked.format, asked.q, asked.since, asked.until))

    @api.get("/api/v1/downloads/<token>")
    def progress(token: str) -> Response:
        parse(NoParameters, request.args)
        return jsonify(downloads.progress(token))

    @api.delete("/api/v1/downloads/<token>")
    def cancel(token: str) -> Response:
        parse(NoParameters, request.args)
        return jsonify(downloads.cancel(token))

    return api
