"""Which modules a page loads, so that the browser asks for all of them at once and not for one after the other."""

import posixpath
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

_WEB: Final = Path(__file__).resolve().parents[1]
ROOT: Final = _WEB / "site" if (_WEB / "site").is_dir() else _WEB.parent
"""Where the browser's files are: in a checkout beside the packages, in an installed wheel within one."""
STATIC: Final = "/static/js"
_IMPORT: Final = re.compile(r'^(?:(?:import|export)\b[^;"]*?\bfrom\s*|import\s*)"(\.[^"]+)"', re.MULTILINE)


@lru_cache
def modules_of(folder: Path, view: str) -> tuple[str, ...]:
    """Paths on the server of `main.js`, the view and all that they import; `folder` is that of `main.js`.

    Read once: a module that comes later is loaded when it is met. One that is not there is left to the browser to miss.
    """
    found = [f"{STATIC}/main.js", f"{STATIC}/views/{view}/{view}.js"]
    for path in found:
        if not path.startswith(STATIC):
            continue
        try:
            text = (folder / path.removeprefix(f"{STATIC}/")).read_text()
        except FileNotFoundError:
            continue
        names = (posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in _IMPORT.findall(text))
        found += [name for name in dict.fromkeys(names) if name not in found]
    return tuple(found)
