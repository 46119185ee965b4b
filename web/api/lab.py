"""The lab over HTTP: ask how long, start, follow, cancel; read, compare, download and delete saved runs."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Protocol

from flask import Blueprint, Response, jsonify, request
from pydantic import BeforeValidator

from core.bad_value import BadValueError
from web.api.csv_answer import encoder, runs_csv
from web.api.orders import Orders, one_at_a_time
from web.api.parameters import NoParameters, Strict, TableParameters, parse
from web.api.problems import ProblemError
from web.monitor_protocol import Json

_NOTED: Final = ("models", "workers", "idle", "seconds", "repeats")
"""What the record of orders keeps of a run."""


class Lab(Protocol):
    """What the web needs of the lab. Bad orders raise ValueError, a second run BusyError."""

    def options(self) -> Json: ...
    def estimate(self, values: Mapping[str, Any]) -> Json: ...
    def start(self, values: Mapping[str, Any]) -> Json: ...
    def cancel(self, run_id: str) -> bool: ...
    def live(self) -> Json: ...
    def runs(self) -> list[Json]: ...
    def run(self, run_id: str) -> Json | None: ...
    def compare(self, before: str, after: str) -> Json | None: ...
    def csv(self, run_id: str) -> str | None: ...
    def delete(self, run_id: str) -> bool: ...
    def stop(self) -> None: ...


def _texts(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value


def _numbers(value: Any) -> Any:
    return [_number(part) for part in _texts(value)]


class LabEstimateParameters(Strict):
    """An order whose length is asked for; lists are separated by commas."""

    models: Annotated[list[str] | None, BeforeValidator(_texts)] = None
    workers: Annotated[list[Any] | None, BeforeValidator(_numbers)] = None
    idle: Annotated[list[Any] | None, BeforeValidator(_numbers)] = None
    active: Annotated[Any, BeforeValidator(_number)] = None
    size: Annotated[Any, BeforeValidator(_number)] = None
    depth: Annotated[Any, BeforeValidator(_number)] = None
    seconds: float | None = None
    repeats: Annotated[Any, BeforeValidator(_number)] = None
    seed: Annotated[Any, BeforeValidator(_number)] = None


class CompareParameters(Strict):
    """The run to compare with."""

    to: str


class RunDownloadParameters(Strict):
    """As what a run is downloaded."""

    format: Literal["json", "csv"] = "json"


def blueprint(lab: Lab | None, orders: Orders) -> Blueprint:
    """The routes under /api/v1/lab; without a lab they say that there is none."""
    routes = Blueprint("lab", __name__)
    _reading(routes, lab)
    _ordering(routes, lab, orders)
    return routes


def _there(lab: Lab | None) -> Lab:
    if lab is None:
        raise ProblemError(409, "there is no lab here: this shows the log of a server that has stopped")
    return lab


def _found(answer: Any, run_id: str) -> Any:
    if answer is None:
        raise ProblemError(404, f"no run {run_id!r:.60} is kept")
    return answer


def _reading(routes: Blueprint, lab: Lab | None) -> None:
    @routes.get("/api/v1/lab")
    def options() -> Response:
        parse(NoParameters, request.args)
        return jsonify({**_there(lab).options(), **_there(lab).live()})

    @routes.get("/api/v1/lab/estimate")
    def estimate() -> Response:
        asked = parse(LabEstimateParameters, request.args).model_dump(exclude_none=True)
        return _answered(lambda: _there(lab).estimate(asked))

    @routes.get("/api/v1/lab/runs")
    def runs() -> Response:
        asked = parse(TableParameters, request.args)
        return encoder(asked.format, "lab-runs", runs_csv)({"items": _there(lab).runs()})

    @routes.get("/api/v1/lab/runs/<run_id>")
    def run(run_id: str) -> Response:
        asked = parse(TableParameters, request.args)
        found = _found(_there(lab).run(run_id), run_id)
        return encoder(asked.format, f"lab-{run_id}", lambda _: _there(lab).csv(run_id) or "")(found)

    @routes.get("/api/v1/lab/runs/<run_id>/compare")
    def compared(run_id: str) -> Response:
        other = parse(CompareParameters, request.args).to
        _found(_there(lab).run(other), other)
        return jsonify(_found(_there(lab).compare(run_id, other), run_id))

    @routes.get("/api/v1/lab/runs/<run_id>/download")
    def download(run_id: str) -> Response:
        return _attachment(_there(lab), run_id, parse(RunDownloadParameters, request.args).format)


def _attachment(lab: Lab, run_id: str, kind: str) -> Response:
    found = _found(lab.csv(run_id) if kind == "csv" else lab.run(run_id), run_id)
    response = Response(found, mimetype="text/csv") if kind == "csv" else jsonify(found)
    response.headers.set("Content-Disposition", "attachment", filename=f"echoscope-lab-{run_id}.{kind}")
    return response


def _ordering(routes: Blueprint, lab: Lab | None, orders: Orders) -> None:
    @routes.post("/api/v1/lab/runs")
    def start() -> tuple[Response, int]:
        parse(NoParameters, request.args)
        # Only a body that says it is JSON: a form of another site can't send one without being asked about first.
        body = request.get_json()
        if not isinstance(body, dict):
            raise ProblemError(400, "the body is not a JSON object with an order")
        with orders.order("lab", {"start": {name: body[name] for name in _NOTED if name in body}}), one_at_a_time():
            return _answered(lambda: _there(lab).start(body)), 202

    @routes.post("/api/v1/lab/runs/<run_id>/cancel")
    def cancel(run_id: str) -> Response:
        parse(NoParameters, request.args)
        with orders.order("lab", {"cancel": run_id[:60]}):
            _found(_there(lab).run(run_id), run_id)
            if not _there(lab).cancel(run_id):
                raise ProblemError(409, f"run {run_id} is over")
        return jsonify({"cancelling": run_id})

    @routes.delete("/api/v1/lab/runs/<run_id>")
    def delete(run_id: str) -> Response:
        parse(NoParameters, request.args)
        with orders.order("lab", {"delete": run_id[:60]}):
            _found(_there(lab).run(run_id), run_id)
            if not _there(lab).delete(run_id):
                raise ProblemError(409, f"run {run_id} is under way: cancel it first")
        return jsonify({"deleted": run_id})


def _answered(question: Any) -> Response:
    """The lab's answer as JSON; what it calls a bad value becomes a 400."""
    try:
        return jsonify(question())
    except BadValueError as error:
        raise ProblemError(400, str(error)) from error
    except OSError as error:
        raise ProblemError(503, f"the lab can't keep a run: {error.strerror or error}") from error
