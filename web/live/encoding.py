"""Values as JSON text."""

import json
from typing import Any


def encode(value: Any) -> str:
    """Compact JSON; NaN is refused, since browsers can't read it."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
