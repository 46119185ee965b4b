"""The modules that a page names beforehand: all that it imports, and nothing else."""

import re
from pathlib import Path

import pytest
from conftest import ROOT

from web.modules import modules_of

SCRIPTS = ROOT / "static" / "js"


def test_imports_are_followed_each_once_and_vendors_are_named(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "main.js").write_text(
        'import { a } from "./a.js";\nexport const a = /** @type {(x: import("./types.js").T) => void} */ (b);\n'
    )
    (tmp_path / "a.js").write_text(
        'import {\n  b,\n} from "./b.js";\nimport "../../vendor/lib.js";\nconst from = "./no.js";\n'
    )
    (tmp_path / "b.js").write_text('export { a } from "./a.js";\nconst c = await import("./later.js");\n')
    (tmp_path / "views" / "x.js").write_text('import { b } from "../b.js";\n')
    expected = {"main.js", "views/x.js", "a.js", "b.js"}
    assert set(modules_of(tmp_path, "x")) == {f"/static/js/{name}" for name in expected} | {"/vendor/lib.js"}


def test_a_view_that_is_not_there_is_left_to_the_browser(tmp_path: Path) -> None:
    assert modules_of(tmp_path, "none") == ("/static/js/main.js", "/static/js/views/none.js")


@pytest.mark.parametrize("view", [path.stem for path in sorted((SCRIPTS / "views").glob("*.js"))])
def test_every_named_module_of_our_pages_is_there(view: str) -> None:
    for name in modules_of(SCRIPTS, view):
        assert name.startswith("/vendor/") or (SCRIPTS / name.removeprefix("/static/js/")).is_file()
    assert not re.search(r"types", " ".join(modules_of(SCRIPTS, view)))
