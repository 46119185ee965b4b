"""Files for the browser: the vendored libraries, caching, compression."""

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, abort, request, send_from_directory

from web.problems import ProblemError

VENDOR: Final = {
    "socket.io.esm.min.js": "socket.io-client/dist/socket.io.esm.min.js",
    "uPlot.esm.js": "uplot/dist/uPlot.esm.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
}
"""Name under /vendor/ and path in node_modules: nothing else of node_modules is served."""
VENDOR_MAX_AGE_S = 86_400
_WORTH_IT = 1024
_TEXT = ("text/", "application/json", "application/problem+json", "application/javascript", "image/svg+xml")


def vendor_blueprint(modules: Path) -> Blueprint:
    """The browser libraries that `make setup` put into `modules`, by their allowed names."""
    vendor = Blueprint("vendor", __name__)

    @vendor.get("/vendor/<name>")
    def library(name: str) -> Response:
        path = VENDOR.get(name)
        if path is None:
            abort(404)
        if not (modules / path).is_file():
            raise ProblemError(503, f"{path} is not in node_modules; run `make setup` to fetch the browser libraries")
        return send_from_directory(modules, path, max_age=VENDOR_MAX_AGE_S)

    return vendor


@lru_cache(maxsize=64)
def _compress_file(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


def compress(response: Response) -> Response:
    """Compress a text answer when the client accepts gzip (an after_request function)."""
    is_file = response.direct_passthrough
    if (
        (response.is_streamed and not is_file)
        or response.status_code != 200
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
        response.set_data(_compress_file(content) if is_file else gzip.compress(content, 1))
        response.headers["Content-Encoding"] = "gzip"
        tag, _ = response.get_etag()
        if tag is not None:
            response.set_etag(tag, weak=True)
    return response
