"""What a run was measured on: figures of one machine say nothing of another."""

import os
import platform
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.version import VERSION


def machine() -> dict[str, Any]:
    """Processor, memory, system and versions, as JSON values."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "echoscope": VERSION,
        "uvloop": _version("uvloop"),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cores() -> tuple[set[int], set[int]]:
    """The processors of the server, and that of the generator: the last one, where there are two."""
    usable = sorted(os.sched_getaffinity(0))
    return set(usable[:-1] or usable), {usable[-1]}
