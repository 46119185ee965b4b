"""Waiting for something to become true: one deadline for all tests, and what was seen last when it never did."""

import time
from collections.abc import Callable
from typing import Any

import pytest

DEADLINE_S = 60.0
"""How long anything may take. Nothing does unless it hangs: a machine may be busy with something else."""


def wait_until(condition: Callable[[], Any], what: str | Callable[[], str], *, pause_s: float = 0.01) -> Any:
    """Ask `condition` every `pause_s` seconds until it answers something true, and return that.

    Fails after DEADLINE_S with `what`, a text or what makes one then, and the last answer. A condition may have an
    effect, such as a message that is sent until something shows.
    """
    end = time.monotonic() + DEADLINE_S
    while not (answer := condition()):
        if time.monotonic() > end:
            wanted = what() if callable(what) else what
            pytest.fail(f"not within {DEADLINE_S:g} s: {wanted}; seen last: {answer!r}")
        time.sleep(pause_s)
    return answer
