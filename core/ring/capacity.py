"""How many records the memory-mapped files hold. Tests, which start hundreds of servers, use smaller ones."""

import os
from typing import Final

SHRINK: Final = int(os.environ.get("_ECHOSCOPE_SHRINK", "0"))


def shrunk(capacity: int) -> int:
    """`capacity`, a power of two, divided by two as often as the environment says; not below 64."""
    return max(64, capacity >> SHRINK)
