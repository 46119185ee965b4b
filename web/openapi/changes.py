"""Whether a change of the API breaks those who rely on it: `python -m web.openapi.changes [--write]`.

Without an option: fails when the code's API is not that of docs/openapi.json, and names what would break. `--write`
takes a change that breaks nothing into the file. What is to break is taken out of the file by hand.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from web.openapi.document import document

Json = dict[str, Any]
KEPT: Final = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def breaks(before: Json, after: Json) -> list[str]:
    """What someone who relies on the one misses in the other, a line each."""
    return [*_of_paths(before["paths"], after["paths"]), *_of_schemas(before, after)]


def _of_paths(before: Json, after: Json) -> Iterator[str]:
    for path, methods in before.items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            now = after.get(path, {}).get(method)
            if now is None:
                yield f"{name} is gone"
                continue
            yield from (f"{name}: {line}" for line in _of_parameters(operation, now))
            yield from (f"{name}: {line}" for line in _of_body(operation, now))
            yield from (f"{name}: {line}" for line in _of_answers(operation["responses"], now["responses"]))


def _of_parameters(before: Json, after: Json) -> Iterator[str]:
    were = {one["name"]: one for one in before["parameters"]}
    now = {one["name"]: one for one in after["parameters"]}
    yield from (f"parameter {name} is gone" for name in were if name not in now)
    yield from (
        f"parameter {name} must be given now"
        for name, one in now.items()
        if one["required"] and not were.get(name, {}).get("required")
    )
    yield from (
        f"parameter {name} takes something else"
        for name in were.keys() & now.keys()
        if not _takes_all(were[name]["schema"], now[name]["schema"])
    )


def _takes_all(before: Json, after: Json) -> bool:
    """Whether a schema takes what another took: of the same type, with as many choices, no narrower."""
    same = all(before.get(name) == after.get(name) for name in ("type", "pattern", "default", "anyOf", "format"))
    chosen = "enum" not in after or ("enum" in before and set(before["enum"]) <= set(after["enum"]))
    lowest = after.get("minimum", float("-inf")) <= before.get("minimum", float("-inf"))
    highest = after.get("maximum", float("inf")) >= before.get("maximum", float("inf"))
    longest = after.get("maxLength", float("inf")) >= before.get("maxLength", float("inf"))
    return same and chosen and lowest and highest and longest


def _of_body(before: Json, after: Json) -> Iterator[str]:
    def schema(operation: Json) -> Json:
        content = operation.get("requestBody", {}).get("content", {})
        found: Json = content.get("application/json", {}).get("schema", {})
        return found

    were, now = schema(before), schema(after)
    yield from (f"{name} of the body is gone" for name in were.get("properties", {}) if name not in now["properties"])
    yield from (
        f"{name} of the body must be given now" for name in set(now.get("required", [])) - set(were.get("required", []))
    )


def _of_answers(before: Json, after: Json) -> Iterator[str]:
    for status in (one for one in before if one.startswith("2")):
        if status not in after:
            yield f"{status} is never answered"
            continue
        for media, content in before[status]["content"].items():
            if media not in after[status]["content"]:
                yield f"{media} is never answered"
                continue
            kept = after[status]["content"][media]["schema"].get("required", [])
            yield from (
                f"{name} of the answer is gone" for name in content["schema"].get("required", []) if name not in kept
            )


def _of_schemas(before: Json, after: Json) -> Iterator[str]:
    for name, schema in before["components"]["schemas"].items():
        kept = after["components"]["schemas"].get(name, {}).get("required", [])
        yield from (f"{member} of {name} is gone" for member in schema["required"] if member not in kept)


def main(options: list[str]) -> int:
    """The status to end with."""
    now = document()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else None
    lines = [] if kept is None else breaks(kept, now)
    for line in lines:
        print(f"the API would break: {line}", file=sys.stderr)
    if lines:
        return 1
    if options == ["--write"]:
        KEPT.write_text(json.dumps(now, indent=1) + "\n")
    elif kept != now:
        print("docs/openapi.json is not that of the code: make openapi", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
