"""Files for the browser: the vendored libraries, caching, compression."""

import gzip
import io
import re
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from flask import Blueprint, Response, abort, request, send_file

from web.api.problems import ProblemError


class Library(NamedTuple):
    """A file of node_modules, and what it lacks at its end to be a module."""

    path: str
    ending: bytes = b""


VENDOR: Final = {
    "socket.io.esm.min.js": Library("socket.io-client/dist/socket.io.esm.min.js"),
    # Its module is published with all its comments, twice the size; the small one sets a variable.
    "uPlot.esm.js": Library("uplot/dist/uPlot.iife.min.js", b"\nexport default uPlot;\n"),
    "uPlot.min.css": Library("uplot/dist/uPlot.min.css"),
}
"""Name under /vendor/ and what it is: nothing else of node_modules is served."""
VENDOR_MAX_AGE_S = 86_400
_WORTH_IT = 512
_TEXT = ("text/", "application/json", "application/problem+json", "application/javascript", "image/svg+xml")
_PACKED_FILES = 256
"""More than there are, so that each is packed once."""
_DOCSTRING = re.compile(rb"^[ \t]*/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*$", re.MULTILINE)
"""A comment that stands alone on its lines."""


def vendor_blueprint(modules: Path) -> Blueprint:
    """The browser libraries that `make setup` put into `modules`, by their allowed names."""
    vendor = Blueprint("vendor", __name__)

    @vendor.get("/vendor/<name>")
    def library(name: str) -> Response:
        if name not in VENDOR:
            abort(404)
        path, ending = VENDOR[name]
        file = modules / path
        if not file.is_file():
            raise ProblemError(503, f"{path} is not in node_modules; run `make setup` to fetch the browser libraries")
        if not ending:
            return send_file(file, max_age=VENDOR_MAX_AGE_S)
        content = io.BytesIO(file.read_bytes() + ending)
        changed = file.stat().st_mtime
        return send_file(
            content, download_name=name, max_age=VENDOR_MAX_AGE_S, last_modified=changed, etag=f"{name}-{changed}"
        )

    return vendor


@lru_cache(maxsize=_PACKED_FILES)
def _compress_file(content: bytes, is_module: bool) -> bytes:
    """Our modules go without their docstrings, a third of their weight; every line keeps its number."""
    if is_module:
        content = _DOCSTRING.sub(lambda found: b"\n" * found[0].count(b"\n"), content)
    return gzip.compress(content, 9, mtime=0)


def compress(response: Response) -> Response:
    """Compress a text answer when the client accepts gzip (an after_request function)."""
    is_file = response.direct_passthrough
    if (
        (response.is_streamed and not is_file)
        or response.status_code not in (200, 404)
        or not response.content_type.startswith(_TEXT)
        or "Content-Encoding" in response.headers
    ):
        return response
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings["gzip"] > 0 or request.method == "HEAD":
        return response
    response.direct_passthrough = False
    content = response.get_data()
    if len(content) >= _WORTH_IT:
        response.set_data(
            _compress_file(content, request.path.startswith("/static/js/"))
            if is_file
            else gzip.compress(content, _level(response))
        )
        response.headers["Content-Encoding"] = "gzip"
        if is_file:
            _lighten(response)
        tag, _ = response.get_etag()
        if tag is not None:
            response.set_etag(tag, weak=True)
    return response


def _lighten(response: Response) -> None:
    """Without what a page has no use for, a tenth of its small modules: its ETag tells whether a file has changed."""
    for name in ("Accept-Ranges", "Last-Modified"):
        response.headers.pop(name, None)
    if response.headers.get("Content-Disposition", "").startswith("inline"):
        del response.headers["Content-Disposition"]


def _level(response: Response) -> int:
    """A page is asked for once and takes 2 ms at most; the figures of the API come all the time."""
    return 6 if response.mimetype == "text/html" else 1
