"""What the documents say is there is there, and what is there is in the documents."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import DEADLINE_S

import app
from core.ring.events import FIELDS, KINDS, REASONS, Reason
from core.watch.kernel.facts import FACTS
from core.watch.kernel.verdict import CODES

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
REFERENCE = (ROOT / "docs/reference.md").read_text()
OPTIONS = [
    (command, option)
    for command in sorted(app.cli.commands)
    for parameter in app.cli.commands[command].params
    for option in parameter.opts
    if option.startswith("--")
]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_in_the_reference(command: str, option: str) -> None:
    assert f"`{option}`" in REFERENCE


@pytest.mark.parametrize("word", [*KINDS, *FIELDS])
def test_every_kind_and_field_is_in_the_reference(word: str) -> None:
    assert f"`{word}`" in REFERENCE


@pytest.mark.parametrize("word", [*FACTS, *CODES])
def test_every_fact_and_verdict_is_in_the_reference(word: str) -> None:
    assert f"| `{word}` |" in REFERENCE


@pytest.mark.parametrize("reason", [REASONS[reason] for reason in Reason if reason])
def test_every_reason_is_in_the_reference(reason: str) -> None:
    assert f"`{reason}" in REFERENCE


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("page", PAGES)
def test_every_named_file_exists(page: str) -> None:
    for name in re.findall(r"`((?:core|web|static|templates|tests|bench|docs)/[\w./-]+)`", (ROOT / page).read_text()):
        assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), f"{page} names {name}"


@pytest.mark.parametrize("page", PAGES)
def test_no_table_says_a_thing_twice(page: str) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", (ROOT / page).read_text(), re.MULTILINE):
        first = [line.split(" | ")[0] for line in table.splitlines()]
        assert sorted(set(first)) == sorted(first), f"{page}: a row that begins as another of its table"


MOST_FILES = 12
FOLDERS = sorted(
    path.parent.relative_to(ROOT) for name in ("core", "web") for path in (ROOT / name).rglob("__init__.py")
)


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_folder_says_what_to_open_first(folder: Path) -> None:
    text = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text())) or ""
    if folder.parts not in (("core",), ("web",)):
        named = re.findall(r"`([\w/]+\.py)`", text)
        assert named
        assert [name for name in named if not (ROOT / folder / name).exists()] == []
    files = [path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= MOST_FILES, f"{folder} holds {len(files)} files"


def test_the_map_names_every_room() -> None:
    table = (ROOT / "docs/design.md").read_text().split("## One direction")[1].split("\n## ")[0]
    rooms = {f"{folder}/" for folder in FOLDERS if len(folder.parts) <= 2 and folder.parts[0] == "core"}
    assert rooms <= set(re.findall(r"^\| `([\w/]+/)` ", table, re.MULTILINE))


def test_a_file_name_occurs_once() -> None:
    names = [
        path.name for name in ("core", "web") for path in (ROOT / name).rglob("*.py") if path.name != "__init__.py"
    ]
    assert [name for name in names if names.count(name) > 1] == []


def test_every_parameter_of_a_page_is_in_the_reference() -> None:
    section = REFERENCE.split("## Addresses of the pages")[1].split("\n## ")[0]
    written = set(re.findall(r"`(\w+)=", section))
    used = set()
    for script in (ROOT / "static/js").rglob("*.js"):
        text = script.read_text()
        for given in re.findall(r"addressBar\(([^)]+)\)", text):
            named = re.search(rf"const {given} = (\{{.*?\}});", text) if given.isupper() else None
            keys = re.findall(r"(\w+):", named[1] if named else given)
            used |= set(keys) or {given}
    # The Events page's come from a module of their own; the rest of `url.js` is the definition.
    used -= {"DEFAULTS", "defaults"}
    assert {"map", "zoom", "worker", "run"} <= used
    assert used | {"q", "mode", "since", "until"} == written


def test_the_command_that_makes_the_pictures_can_be_started() -> None:
    """As `make screenshots` does, so without pytest's paths; no Chromium, no pictures."""
    environment = {**os.environ, "PATH": "", "ECHOSCOPE_CHROMIUM": ""}
    command = [sys.executable, "-m", "tests.browser.screenshots"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (ran.returncode, "need Chromium" in ran.stderr) == (1, True)
