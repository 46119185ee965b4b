"""What retention has dropped from the beginning of the log: a small file in its folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = "dropped.json"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Sums over the segments dropped so far: `until` is the time (ns) of their last row, `through` the last number."""

    segments: int = 0
    rows: int = 0
    bytes: int = 0
    until: int | None = None
    through: int = -1


def read_dropped(folder: Path) -> tuple[Dropped, str]:
    """What was dropped, and why that is not known; empty: it is."""
    path = folder / NAME
    try:
        return Dropped(**json.loads(path.read_text())), ""
    except FileNotFoundError:
        return Dropped(), ""
    except (ValueError, TypeError):
        return Dropped(), f"{path}: damaged; what was dropped before is not known"
