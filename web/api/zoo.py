"""The zoo over HTTP: which animals there are, what is out, what was seen; let one out, call it back."""

from typing import Protocol

from flask import Blueprint, Response, jsonify, request

from core.zoo.client_set import ZooError
from core.zoo.source import SourceError
from web.access.login import lacks
from web.access.roles import Role
from web.api.orders import Orders, one_at_a_time
from web.api.parameters import NoParameters, ZooOrder, parse, parse_body
from web.api.problems import ProblemError
from web.monitor_protocol import Json


class Zoo(Protocol):
    """Lets badly behaved clients out, one at a time. The errors are those of core.zoo."""

    def answer(self) -> Json:
        """`animals`, `running` (or None), `results` by name, `busy` (what else runs), `refusal` (why none can run)."""
        ...

    def start(self, name: str, count: int | None, seconds: float | None, brief: bool) -> Json: ...
    def cancel(self) -> str:
        """The name of the one that is called back; empty: none was out."""
        ...

    def stop(self) -> None: ...


def _let_out(zoo: Zoo, name: str, order: ZooOrder) -> Json:
    try:
        with one_at_a_time():
            return zoo.start(name, order.count, order.seconds, order.brief)
    except ZooError as error:
        raise ProblemError(400, str(error)) from error
    except SourceError as error:
        raise ProblemError(409, str(error)) from error


def blueprint(zoo: Zoo, orders: Orders) -> Blueprint:
    """The routes of the zoo."""
    routes = Blueprint("zoo", __name__)

    @routes.get("/api/v1/zoo")
    def animals() -> Response:
        parse(NoParameters, request.args)
        answer = zoo.answer()
        return jsonify(answer | {"refusal": answer["refusal"] or lacks(Role.OPERATOR)})

    @routes.post("/api/v1/zoo/<name>")
    def start(name: str) -> Response:
        parse(NoParameters, request.args)
        # Only a body that says it is JSON: a form of another site can't send one without being asked about first.
        asked = parse_body(ZooOrder, request.get_json())
        with orders.order("zoo", {"start": name[:60]}):
            response = jsonify(_let_out(zoo, name, asked))
        response.status_code = 202
        return response

    @routes.delete("/api/v1/zoo")
    def stop() -> Response:
        parse(NoParameters, request.args)
        with orders.order("zoo", {"cancel": ""}):
            name = zoo.cancel()
            if not name:
                raise ProblemError(409, "no animal is out")
        return jsonify({"stopping": name})

    return routes
