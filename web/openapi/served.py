"""The document, and a page that shows it."""

import re

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from web.api.parameters import NoParameters, parse
from web.openapi.document import PREFIX, document
from web.openapi.operations import OPERATIONS, Operation


def blueprint() -> Blueprint:
    """/api/openapi.json and /api/docs."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/api/openapi.json")
    def openapi() -> Response:
        parse(NoParameters, request.args)
        return jsonify(document(_served()) | {"servers": [{"url": request.script_root or "/"}]})

    @routes.get("/api/docs")
    def docs() -> str:
        return render_template("api.html", paths=document(_served())["paths"])

    return routes


def _served() -> list[Operation]:
    """Those that this server has: one that only shows a log has no zoo."""
    there = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in current_app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    return [one for one in OPERATIONS if (one.method, PREFIX + one.path) in there]
