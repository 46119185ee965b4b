"""The dashboard's web application. It knows the monitor that it is handed, and nothing behind it."""

from collections.abc import Iterable
from typing import Any

from flask import Flask, Response, request
from flask.json.provider import DefaultJSONProvider

from core.orders.order_book import OrderBook
from web.access import login
from web.access.authentication import Authentication
from web.access.security import Guard, SameOrigin
from web.api import api, lab, metrics, orders, problems, streams, zoo
from web.api.bounded import Bounded
from web.api.downloads import Downloads
from web.faults import fault_routes
from web.live.live import Live
from web.monitor_protocol import Monitor
from web.openapi import served
from web.pages import assets, gallery, pages
from web.pages.modules import ROOT
from web.serving.base_path import BasePath
from web.serving.tools import Tools

MAX_BODY_BYTES = 64_000
NO_TOOLS = Tools()


class _Json(DefaultJSONProvider):
    """Keys in our order; what is nested beyond all sense is bad JSON, no failure of ours."""

    sort_keys = False

    def loads(self, s: str | bytes, **options: Any) -> Any:
        try:
            return super().loads(s, **options)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _no_store(response: Response) -> Response:
    if request.path.startswith(problems.PROBLEM_PATHS):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def create_app(
    monitor: Monitor,
    *,
    authentication: Authentication | None = None,
    book: OrderBook | None = None,
    allow_hosts: Iterable[str] = (),
    most_viewers: int = 48,
    most_downloads: int = 4,
    tools: Tools = NO_TOOLS,
    with_gallery: bool = False,
    base_path: str = "",
) -> Flask:
    """The application that shows `monitor` to whom `authentication` lets (None: all, as on loopback).

    Orders are noted in `book` (None: one in memory). It answers for the names `allow_hosts` besides loopback names and
    addresses. `with_gallery`: also /gallery, for whoever changes the pages.

    `app.extensions["echoscope"]` holds its `Live` and `Downloads`: start the one, stop both.
    """
    app = Flask(__name__, root_path=str(ROOT))
    app.json = _Json(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    downloads = Downloads(monitor, most_downloads)
    problems.register(app)
    app.register_blueprint(pages.blueprint(monitor))
    app.register_blueprint(assets.vendor_blueprint(ROOT / "node_modules"))
    app.register_blueprint(api.health_blueprint(monitor))
    app.register_blueprint(metrics.blueprint(monitor))
    bounded = Bounded()
    app.register_blueprint(api.blueprint(monitor, bounded))
    app.register_blueprint(api.connections_blueprint(monitor, bounded))
    app.register_blueprint(api.fields_blueprint(monitor, bounded))
    app.register_blueprint(api.downloads_blueprint(monitor, downloads, bounded))
    given = orders.Orders(book or OrderBook(), monitor.note_order)
    app.register_blueprint(orders.blueprint(monitor, given))
    app.register_blueprint(fault_routes.blueprint(monitor, given))
    monitor.find_order = given.book.find
    app.register_blueprint(lab.blueprint(tools.lab, given))
    if tools.zoo is not None:
        app.register_blueprint(zoo.blueprint(tools.zoo, given))
    app.register_blueprint(served.blueprint())
    app.after_request(assets.compress)
    app.after_request(_no_store)
    if with_gallery:
        app.register_blueprint(gallery.blueprint())
    authentication = authentication or Authentication()
    same_origin = SameOrigin(allow_hosts)
    live = Live(app, monitor, most_viewers, same_origin, tools.lab, authentication)
    app.register_blueprint(streams.blueprint(live.streams))
    login.register(app, authentication, given)
    app.wsgi_app = Guard(app.wsgi_app, same_origin)  # type: ignore[method-assign]
    if base_path:
        app.wsgi_app = BasePath(app.wsgi_app, base_path)  # type: ignore[method-assign]
    app.extensions["echoscope"] = (live, downloads)
    return app
