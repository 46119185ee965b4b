"""Who may import whom in static/js, and who may touch what."""

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "static/js"
FILES = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.js"))
# Everything else at the top is pure.
PAGE = {
    "api.js",
    "chart.js",
    "clipboard.js",
    "colours.js",
    "columns.js",
    "dom.js",
    "kernel.js",
    "keys.js",
    "labchart.js",
    "map.js",
    "map_card.js",
    "rows.js",
    "sparkline.js",
    "status.js",
    "store.js",
    "table.js",
    "theme.js",
    "tips.js",
    "turns.js",
    "url.js",
    "wire.js",
    "words.js",
}
START = {"main.js", "gallery/main.js"}
PURE = [name for name in FILES if "/" not in name and name not in PAGE | START]
MADE_UP = [name for name in FILES if re.fullmatch(r"gallery/made_\w+\.js", name)]
WORLD = re.compile(
    r"(?<![.\w])(?:(?:document|window|location|history|navigator|localStorage|sessionStorage)(?=\.)"
    r"|(?:fetch|io|requestAnimationFrame|setTimeout|setInterval|matchMedia)(?=\())"
)


def code(name: str) -> str:
    """A module without its comments."""
    text = (SOURCE / name).read_text()
    return re.sub(r"/\*[\s\S]*?\*/|^\s*//.*$", "", text, flags=re.MULTILINE)


def imports(name: str) -> list[str]:
    """What a module imports, as paths within static/js; `vendor/` for a library."""
    found = re.findall(r"""^(?:import|export)\b[^"';=]*\bfrom ["']([^"']+)["'];""", code(name), re.MULTILINE)
    found += re.findall(r"""\bimport\(["']([^"']+)["']\)""", code(name))
    paths = [((SOURCE / name).parent / target).resolve() for target in found]
    return [str(path.relative_to(SOURCE)) if path.is_relative_to(SOURCE) else f"vendor/{path.name}" for path in paths]


@pytest.mark.parametrize("name", FILES)
def test_what_is_imported_is_there(name: str) -> None:
    assert [path for path in imports(name) if not path.startswith("vendor/") and path not in FILES] == []


@pytest.mark.parametrize("name", PURE + MADE_UP)
def test_pure_modules_touch_nothing_and_import_only_pure_ones(name: str) -> None:
    assert WORLD.findall(code(name)) == []
    # What has words and addresses is imported for these alone.
    assert set(imports(name)) <= {*PURE, *MADE_UP, "api.js", "words.js"}


def test_only_the_wire_touches_the_socket() -> None:
    assert [name for name in FILES if "vendor/socket.io.esm.min.js" in imports(name)] == ["wire.js"]


def test_only_charts_import_the_library_of_charts() -> None:
    assert [name for name in FILES if "vendor/uPlot.esm.js" in imports(name)] == ["chart.js", "labchart.js"]


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("gallery/")])
def test_nothing_depends_on_a_view_or_on_the_gallery(name: str) -> None:
    assert [path for path in imports(name) if path.startswith(("views/", "gallery/"))] == []


@pytest.mark.parametrize("name", [name for name in FILES if name not in START])
def test_nothing_imports_what_starts_the_page(name: str) -> None:
    assert START & set(imports(name)) == set()


@pytest.mark.parametrize("name", FILES)
def test_elements_are_never_made_of_text(name: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", code(name))


def test_every_name_in_the_list_is_a_file() -> None:
    assert PAGE - set(FILES) == set()
