"""The modules that a page names beforehand: all that it imports, and nothing else; and what a page weighs."""

import gzip
import posixpath
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from web.pages.modules import modules_of

SCRIPTS = ROOT / "static" / "js"


def test_imports_are_followed_each_once_and_vendors_are_named(tmp_path: Path) -> None:
    (tmp_path / "views" / "x").mkdir(parents=True)
    (tmp_path / "main.js").write_text(
        'import { a } from "./a.js";\nexport const a = /** @type {(x: import("./types.js").T) => void} */ (b);\n'
    )
    (tmp_path / "a.js").write_text(
        'import {\n  b,\n} from "./b.js";\nimport "../../vendor/lib.js";\nconst from = "./no.js";\n'
    )
    (tmp_path / "b.js").write_text('export { a } from "./a.js";\nconst c = await import("./later.js");\n')
    (tmp_path / "views" / "x" / "x.js").write_text('import { b } from "../../b.js";\n')
    expected = {"main.js", "views/x/x.js", "a.js", "b.js"}
    assert set(modules_of(tmp_path, "x")) == {f"/static/js/{name}" for name in expected} | {"/vendor/lib.js"}


def test_a_view_that_is_not_there_is_left_to_the_browser(tmp_path: Path) -> None:
    assert modules_of(tmp_path, "none") == ("/static/js/main.js", "/static/js/views/none/none.js")


VIEWS = sorted(path.stem for path in (SCRIPTS / "views").glob("*/*.js") if path.stem == path.parent.name)


@pytest.mark.parametrize("view", VIEWS)
def test_every_named_module_of_our_pages_is_there(view: str) -> None:
    for name in modules_of(SCRIPTS, view):
        assert name.startswith("/vendor/") or (SCRIPTS / name.removeprefix("/static/js/")).is_file()
    assert not re.search(r"types", " ".join(modules_of(SCRIPTS, view)))


def test_modules_are_served_without_docstrings_and_their_lines_keep_their_numbers(browser: Any) -> None:
    for path in SCRIPTS.rglob("*.js"):
        name = f"/static/js/{path.relative_to(SCRIPTS)}"
        with browser.get(name, headers={"Accept-Encoding": "gzip"}) as answer:
            packed = answer.headers.get("Content-Encoding") == "gzip"
            served = (gzip.decompress(answer.data) if packed else answer.data).decode()
        pairs = list(zip(served.split("\n"), path.read_text().split("\n"), strict=True))
        assert all(re.match(r"\s*(/\*\*|\*)", source) for line, source in pairs if line != source), name
        assert {line for line, source in pairs if line != source} <= {""}, name
        assert not packed or not re.search(r"^\s*/\*\*[^*]*\*/\s*$", served, re.MULTILINE), name


LIMIT = 172_000
"""Bytes of a page and all that it names or fetches later; figures and live updates come on top, about 8 kB."""
HEAD = 120
"""Bytes that the server itself adds to each answer: its name, the date, the connection."""


def with_later_ones(names: list[str]) -> list[str]:
    """Files of a page, and those that its modules fetch once it is there."""
    found = list(names)
    for name in found:
        if name.startswith("/static/js/"):
            text = re.sub(r"/\*[\s\S]*?\*/", "", (SCRIPTS / name.removeprefix("/static/js/")).read_text())
            paths = re.findall(r'(?:from |import\()"(\.[^"]+)"', text)
            fetched = [posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) for path in paths]
            found += [each for each in dict.fromkeys(fetched) if each not in found]
    return found


@pytest.mark.parametrize("path", ["/", "/connections", "/connections/1", "/events", "/loop", "/lab", "/orders"])
def test_a_page_with_all_its_parts_is_under_180_kb(browser: Any, path: str) -> None:
    def weight(name: str) -> int:
        with browser.get(name, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status_code == 200, name
            return len(answer.data) + sum(len(key) + len(value) + 4 for key, value in answer.headers) + HEAD

    named = re.findall(r'(?:href|src)="(/(?:static|vendor)/[^"]+)"', browser.get(path).text)
    names = with_later_ones(list(dict.fromkeys(named)))
    assert {"/static/js/main.js", "/vendor/socket.io.esm.min.js", "/static/css/tokens.css"} <= set(names)
    total = weight(path) + sum(map(weight, names))
    assert total < LIMIT, total
