"""What starts something on this machine: only from the machine itself, one at a time, with a clear answer if not."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import request

from core.exclusive import BusyError
from web.access.security import local_refusal
from web.api.problems import ProblemError


def require_local() -> None:
    """For the `before_request` of a blueprint: POST, PUT, PATCH and DELETE from elsewhere end with a 403."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    refusal = local_refusal(request.environ)
    if refusal is not None:
        raise ProblemError(403, refusal)


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
