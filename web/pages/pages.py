"""The pages of the dashboard."""

import time
from dataclasses import MISSING, fields
from typing import Any, Final

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from core.bad_value import BadValueError
from core.faults.effect import FaultKind
from core.faults.registry import FAULT_KINDS
from core.ring.events import FIELDS
from core.version import VERSION
from core.watch.kernel.facts import FACTS
from core.watch.kernel.suspicion import SUSPICIONS
from web.api.parameters import MAX_CONN
from web.monitor_protocol import Monitor
from web.pages.modules import ROOT, modules_of

_SCRIPTS: Final = ROOT / "static" / "js"


def blueprint(monitor: Monitor) -> Blueprint:
    """The routes of the pages; what they show comes by the API and the live updates."""
    pages = Blueprint("pages", __name__)
    pages.app_context_processor(lambda: _about(monitor) | {"modules": lambda view: modules_of(_SCRIPTS, view.strip())})

    @pages.get("/")
    def overview() -> str:
        return render_template("overview.html")

    @pages.get("/connections")
    def connections() -> str:
        return render_template("connections.html")

    @pages.get("/connections/<int:conn>")
    def connection(conn: int) -> tuple[str, int]:
        known = conn <= MAX_CONN and _is_known(monitor, conn, request.args.get("at"))
        page = render_template("connection.html", conn=conn, facts=FACTS, fields=FIELDS, suspicions=SUSPICIONS)
        return page, 200 if known else 404

    @pages.get("/events")
    def events() -> str:
        return render_template("events.html", fields=FIELDS)

    @pages.get("/loop")
    def loop() -> str:
        return render_template("loop.html")

    @pages.get("/lab")
    def lab() -> str:
        return render_template("lab.html")

    @pages.get("/orders")
    def orders() -> str:
        return render_template("orders.html", kinds=[(kind, _attributes(kind)) for kind in FAULT_KINDS.values()])

    @pages.get("/favicon.ico")
    def icon() -> BaseResponse:
        """What browsers ask for beside an answer that is no page."""
        return redirect(f"{request.script_root}/static/img/icon.svg")

    return pages


def _attributes(kind: type[FaultKind]) -> list[dict[str, Any]]:
    """What a form asks for: name, unit, the least and the most, and the default, if there is one."""
    found = []
    for one in fields(kind):
        unit, least, most = one.metadata["limits"]
        default = "" if one.default is MISSING else one.default
        found.append({"name": one.name, "unit": unit, "least": least, "most": most, "default": default})
    return found


def _is_known(monitor: Monitor, conn: int, at: str | None) -> bool:
    try:
        return monitor.knows(conn, monitor.moment(at) if at else None)
    except BadValueError:  # the page itself says what is wrong with the moment
        return False


def _about(monitor: Monitor) -> dict[str, Any]:
    """What templates know of the server before its first figures come."""
    return {"version": VERSION, "workers": monitor.workers, "now_ms": time.time_ns() // 1_000_000}
