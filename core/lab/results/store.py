"""Saved runs: one JSON file each, the newest few kept."""

import json
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from core.durable import write_durably

KEPT: Final = 50
_ID: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")

Json = dict[str, Any]


class Store:
    """The runs in a directory. Names of files are ids made here; what does not look like one is never opened."""

    def __init__(self, directory: Path, kept: int = KEPT) -> None:
        self._directory = directory
        self._kept = kept

    @staticmethod
    def new_id(now: datetime | None = None) -> str:
        """An id that no other run has; ids sort by time."""
        return f"{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

    def save(self, run: Json) -> None:
        """Write a run, whole or not at all, and let the oldest go. Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(run["id"])
        write_durably(path, json.dumps(run))
        for old in self.ids()[self._kept :]:
            self._path(old).unlink(missing_ok=True)

    def ids(self) -> list[str]:
        """Ids of all runs, newest first."""
        if not self._directory.is_dir():
            return []
        return sorted((path.stem for path in self._directory.glob("*.json") if _ID.fullmatch(path.stem)), reverse=True)

    def versions(self) -> dict[str, int]:
        """By id, newest first: something that is another number when the run was saved anew."""
        found = {}
        for run_id in self.ids():
            with suppress(FileNotFoundError):
                found[run_id] = self._path(run_id).stat().st_mtime_ns
        return found

    def load(self, run_id: str) -> Json | None:
        """A run; None when there is none of that id, or its file is not readable as one."""
        if not _ID.fullmatch(run_id):
            return None
        try:
            run = json.loads(self._path(run_id).read_text())
        except (OSError, ValueError):
            return None
        return run if isinstance(run, dict) and run.get("id") == run_id else None

    def delete(self, run_id: str) -> bool:
        """Whether there was such a run; it is gone."""
        if not _ID.fullmatch(run_id) or not self._path(run_id).exists():
            return False
        self._path(run_id).unlink(missing_ok=True)
        return True

    def _path(self, run_id: str) -> Path:
        return self._directory / f"{run_id}.json"
