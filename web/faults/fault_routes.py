"""Faults over HTTP: count, begin, list, take back one or all."""

from flask import Blueprint, Response, g, jsonify, request

from core.bad_value import BadValueError
from core.faults.fault_order import FaultRequest
from web.api.orders import Orders, check_server
from web.api.parameters import MAX_CONN, NoParameters, parse
from web.api.problems import ProblemError
from web.monitor_protocol import Faults, Monitor


def blueprint(monitor: Monitor, orders: Orders) -> Blueprint:
    """The routes under /api/v1/faults."""
    routes = Blueprint("faults", __name__)

    @routes.get("/api/v1/faults")
    def listed() -> Response:
        parse(NoParameters, request.args)
        return jsonify({"items": monitor.faults.listed()})

    @routes.post("/api/v1/faults")
    def begin() -> tuple[Response, int]:
        parse(NoParameters, request.args)
        # Only a body that says it is JSON: a form of another site can't send one without being asked about first.
        try:
            asked = FaultRequest.from_json(request.get_json())
            if asked.dry_run:
                _check_known(monitor, asked)
                return jsonify({"matched": monitor.faults.count(asked), "dry_run": True}), 200
        except BadValueError as error:
            raise ProblemError(400, str(error)) from error
        on = {"kind": asked.kind.name, **asked.kind.attributes(), **asked.on.to_json(), "seconds": asked.seconds}
        with orders.order("fault", on, asked.why) as number:
            check_server(monitor)
            _check_known(monitor, asked)
            return jsonify(_begun(monitor.faults, number, asked)), 201

    @routes.delete("/api/v1/faults/<int:number>")
    def end(number: int) -> Response:
        parse(NoParameters, request.args)
        with orders.order("fault", {"remove": number}):
            if not monitor.faults.end(number):
                raise ProblemError(404, f"no fault {number} is on")
        return jsonify({"ended": [number]})

    @routes.delete("/api/v1/faults")
    def end_all() -> Response:
        parse(NoParameters, request.args)
        with orders.order("fault", {"remove": "all"}):
            ended = monitor.faults.end_all()
        return jsonify({"ended": ended})

    return routes


def _begun(faults: Faults, number: int, asked: FaultRequest) -> dict[str, object]:
    begun, refusal = faults.begin(number, asked, g.me.name)
    if begun is None:
        raise ProblemError(409, refusal)
    return begun


def _check_known(monitor: Monitor, asked: FaultRequest) -> None:
    conn = asked.on.conn
    if conn is not None and (conn > MAX_CONN or not monitor.knows(conn)):
        raise ProblemError(404, f"no connection {conn} is known")
