"""Errors as RFC 9457 problem details."""

import json
import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
PROBLEM_PATHS = ("/api/", "/healthz")
log = logging.getLogger("echoscope.web")


class ProblemError(Exception):
    """An error to be told to the client: `status`, and `detail` that says what is wrong and where."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members


def title(status: int) -> str:
    """What HTTP calls a status."""
    return HTTPStatus(status).phrase


def body(status: int, detail: str, **members: Any) -> bytes:
    """The JSON text of a problem."""
    problem = {"type": "about:blank", "title": title(status), "status": status, "detail": detail, **members}
    return json.dumps(problem).encode() + b"\n"


def _respond(problem: ProblemError) -> Response:
    content = body(problem.status, problem.detail, **problem.members)
    return Response(content, problem.status, problem.headers, mimetype=MEDIA_TYPE)


def _respond_http(error: HTTPException) -> Response:
    status = error.code or 500
    detail = error.description or HTTPStatus(status).phrase
    if status == 404:
        detail = f"there is nothing at {request.path}"
    elif status == 405:
        detail = f"{request.method} is not allowed at {request.path}"
    response = Response(status=status, headers=error.get_headers())
    if request.path.startswith(PROBLEM_PATHS):
        response.data = body(status, detail)
        response.content_type = MEDIA_TYPE
        return response
    response.vary.add("Accept")
    title = f"{status} {HTTPStatus(status).phrase}"
    if wants_page():
        response.data = render_template("problem.html", title=title, detail=detail.rstrip("."))
        response.content_type = "text/html; charset=utf-8"
    else:
        response.data = f"{title}: {detail}\n".encode()
        response.content_type = "text/plain; charset=utf-8"
    return response


def wants_page() -> bool:
    """Whether a browser asks for a page; a script, an image and curl take anything, and get a line."""
    return request.accept_mimetypes.best_match(("text/plain", "text/html")) == "text/html"


def _respond_error(error: Exception) -> Response:
    log.error("%s %r failed", request.method, request.path, exc_info=error)
    return _respond(ProblemError(500, "the server failed to answer this request; its log says why"))


def register(app: Flask) -> None:
    """Answer every error of `app` as a problem under /api, elsewhere as a page or a line of text."""
    app.register_error_handler(ProblemError, _respond)
    app.register_error_handler(HTTPException, _respond_http)
    app.register_error_handler(Exception, _respond_error)
