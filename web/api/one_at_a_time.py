"""What starts something on this machine: one at a time, with a clear answer if another runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.exclusive import BusyError
from web.api.problems import ProblemError


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
