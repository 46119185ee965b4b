"""Orders: what changes something on the server, each with a number, an actor, a reason and a result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, g, jsonify, request

from core.bad_value import BadValueError
from core.orders.exclusive import BusyError
from core.orders.order_book import OrderBook
from web.api.parameters import (
    MAX_CONN,
    CloseMatching,
    CloseOrder,
    ModelOrder,
    NoParameters,
    OrdersParameters,
    parse,
    parse_body,
)
from web.api.problems import ProblemError
from web.monitor_protocol import Json, Monitor

DONE = "done"
NUMBER_HEADER = "Order-Number"


class Orders:
    """Records the orders of requests."""

    def __init__(self, book: OrderBook, note: Callable[[str, int, int], None]) -> None:
        """`note(what, number, conn)` is called for each order that is recorded."""
        self.book = book
        self._note = note

    @contextmanager
    def order(self, what: str, on: Json, why: str = "") -> Iterator[int]:
        """What is done in this block is an order; answers its number. Its result is how the block ends.

        The answer of the request carries the number in a header.
        """
        number = self._give(what, on, why)
        g.order = number
        try:
            yield number
        except ProblemError as problem:
            self.book.finish(number, f"refused: {problem.detail}")
            raise
        except BadValueError as error:
            self.book.finish(number, f"refused: {error}")
            raise ProblemError(400, str(error)) from error
        except BaseException as error:
            self.book.finish(number, f"failed: {type(error).__name__}")
            raise
        self.book.finish(number, DONE)

    def refused(self, what: str, why_not: str) -> None:
        """Record an order that its sender may not give."""
        self.book.finish(self._give(what, {"path": request.path[:200]}, ""), f"refused: {why_not}")

    def _give(self, what: str, on: Json, why: str) -> int:
        me, origin = g.me, g.get("origin", "")
        number = self.book.give(what, who=me.name, role=me.role.text, origin=origin, on=on, why=why)
        conn = on.get("conn", 0)
        self._note(what, number, conn if isinstance(conn, int) else 0)
        return number


def blueprint(monitor: Monitor, orders: Orders) -> Blueprint:
    """Their record, and those that concern connections and the model."""
    routes = Blueprint("orders", __name__)
    routes.after_app_request(_number)

    @routes.get("/api/v1/orders")
    def listed() -> Response:
        asked = parse(OrdersParameters, request.args)
        return jsonify(orders.book.page(asked.limit, asked.cursor))

    @routes.post("/api/v1/connections/<int:conn>/close")
    def close(conn: int) -> Response:
        parse(NoParameters, request.args)
        asked = parse_body(CloseOrder, request.get_json() if request.data else {})
        with orders.order("close", {"conn": conn, "how": asked.how}, asked.why):
            check_server(monitor)
            if conn > MAX_CONN or not monitor.knows(conn):
                raise ProblemError(404, f"no connection {conn} is known")
            if not monitor.close_connection(conn, asked.how):
                raise ProblemError(409, f"connection {conn} is closed already")
        return jsonify({"closing": conn, "how": asked.how})

    @routes.post("/api/v1/connections/close")
    def close_matching() -> Response:
        parse(NoParameters, request.args)
        asked = parse_body(CloseMatching, request.get_json())
        if asked.dry_run:
            return jsonify({"matched": _matching(monitor, asked.q), "closed": 0})
        with orders.order("close", {"q": asked.q, "how": asked.how}, asked.why):
            check_server(monitor)
            matched, closed = monitor.close_matching(asked.q, asked.how)
        return jsonify({"matched": matched, "closed": closed})

    @routes.post("/api/v1/model")
    def model() -> Response:
        parse(NoParameters, request.args)
        # Only a body that says it is JSON: a form of another site can't send one without being asked about first.
        asked = parse_body(ModelOrder, request.get_json())
        with orders.order("model", {"model": asked.model}):
            check_server(monitor)
            refusal = monitor.switch_model(asked.model)
            if refusal:
                raise ProblemError(409, refusal)
        return jsonify({"model": asked.model})

    return routes


def _number(response: Response) -> Response:
    if "order" in g:
        response.headers[NUMBER_HEADER] = str(g.order)
    return response


def check_server(monitor: Monitor) -> None:
    """Raises a 409 when there is no server to order something from."""
    if monitor.is_replay:
        raise ProblemError(409, "this is a replay of a log: there is no server to give orders to")


def _matching(monitor: Monitor, q: str) -> int:
    try:
        return len(monitor.matching(q))
    except BadValueError as error:
        raise ProblemError(400, str(error)) from error


def order_name(endpoint: str) -> str:
    """The name of the order that a route gives."""
    names = {"orders.model": "model", "orders": "close", "faults": "fault"}
    blueprint_name = endpoint.partition(".")[0]
    return names.get(endpoint) or names.get(blueprint_name, blueprint_name)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """What is begun in this block may find another running: a 409 that names it, with `running`, `since`, `seconds`."""
    try:
        yield
    except BusyError as error:
        running = error.running
        raise ProblemError(
            409, str(error), running=running.what, since=running.since, seconds=running.seconds
        ) from error
