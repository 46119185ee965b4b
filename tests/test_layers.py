"""Who may import whom in static/js, and who may touch what."""

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "static/js"
FILES = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.js"))
START = {"main.js", "gallery/gallery.js"}
MOST_FILES = 12
MADE_UP = [name for name in FILES if re.fullmatch(r"gallery/made_\w+\.js", name)]
PURE = [name for name in FILES if name.startswith("model/")] + MADE_UP
SHARED = ("frame", "rows")
"""Folders of views/ that more than one page is put together from; the others are a page each."""
MAY_IMPORT = {
    "model": {"model"},
    "live": {"model", "live", "base_path.js"},
    "ui": {"model", "ui", "base_path.js"},
    "views": {"model", "live", "ui", "views", "base_path.js"},
    "gallery": {"model", "live", "ui", "views", "gallery", "base_path.js"},
}
"""Folder and the folders that it may import from; `main.js` knows all but the gallery."""
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


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_touch_nothing(name: str) -> None:
    assert WORLD.findall(code(name)) == []


@pytest.mark.parametrize("name", [name for name in FILES if "/" in name])
def test_a_folder_imports_only_what_stands_below_it(name: str) -> None:
    folder = name.split("/")[0]
    inside = [path for path in imports(name) if not path.startswith("vendor/")]
    assert [path for path in inside if path.split("/")[0] not in MAY_IMPORT[folder]] == []
    if folder == "views":
        near = (name.split("/")[1], *SHARED)
        assert [path for path in inside if path.startswith("views/") and path.split("/")[1] not in near] == []
    if name in MADE_UP:
        assert [path for path in inside if not path.startswith(("model/", "gallery/made_"))] == []


def test_only_the_wire_touches_the_socket() -> None:
    assert [name for name in FILES if "vendor/socket.io.esm.min.js" in imports(name)] == ["live/wire.js"]


def test_only_charts_import_the_library_of_charts() -> None:
    assert [name for name in FILES if "vendor/uPlot.esm.js" in imports(name)] == [
        "ui/plots/chart.js",
        "views/lab/lab_chart.js",
    ]


@pytest.mark.parametrize("name", [name for name in FILES if name not in START])
def test_nothing_imports_what_starts_the_page(name: str) -> None:
    assert START & set(imports(name)) == set()


@pytest.mark.parametrize("name", FILES)
def test_elements_are_never_made_of_text(name: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", code(name))


def test_folders_are_small_and_a_name_occurs_once() -> None:
    folders = [str(Path(name).parent) for name in FILES]
    assert {folder: folders.count(folder) for folder in folders if folders.count(folder) > MOST_FILES} == {}
    names = [Path(name).name for name in FILES]
    assert [name for name in names if names.count(name) > 1] == []
