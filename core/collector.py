"""The garbage collector in a process that serves: a full collection holds the loop up, so it looks at little."""

import gc
from typing import Final

_SECOND_GENERATIONS: Final = 100
"""Collections of the second generation before a full one: ten by default, each of 45 ms with 15,000 connections."""


def relieve() -> None:
    """Call it once everything is loaded: what is there now is never looked at again, and full collections are rare.

    The engine makes no circles, so what it lets go of is gone at once; those of the web are few.
    """
    gc.collect()
    gc.freeze()
    first, second, _ = gc.get_threshold()
    gc.set_threshold(first, second, _SECOND_GENERATIONS)
