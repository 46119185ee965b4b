"""The OpenAPI document, made of the operations and of the models that parse what they take.

Source: https://spec.openapis.org/oas/v3.1.1.html
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from core.version import VERSION
from web.api.parameters import Strict
from web.api.problems import MEDIA_TYPE
from web.openapi.operations import JSON, MEMBERS, OPERATIONS, Operation

Json = dict[str, Any]

PREFIX: Final = "/api/v1"
_IDENTITIES: Final[dict[str, Json]] = {"conn": {"type": "integer", "minimum": 0}}
"""Parameters of paths that are no text."""
_REFERENCE: Final = "#/components/schemas/"


def document(operations: Iterable[Operation] = OPERATIONS) -> Json:
    """The document of these operations."""
    paths: Json = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "echoscope",
            "version": VERSION,
            "description": "What a server tells of its connections, its log and its loops, and takes orders by.",
        },
        "paths": paths,
        "components": {"schemas": {name: _object(members) for name, members in MEMBERS.items()}},
    }


def _operation(operation: Operation) -> Json:
    name = re.sub(r"\W+", "_", f"{operation.method.lower()}{operation.path}").strip("_")
    made: Json = {"operationId": name, "summary": operation.summary, "parameters": _parameters(operation)}
    if operation.body is not None:
        made["requestBody"] = {"content": {JSON: {"schema": _plain(operation.body)}}}
    phrase = HTTPStatus(operation.status).phrase
    made["responses"] = {str(operation.status): {"description": phrase, "content": _content(operation)}}
    for status in operation.statuses:
        problem = {"schema": {"$ref": f"{_REFERENCE}Problem"}}
        made["responses"][str(status)] = {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: problem}}
    return made


def _parameters(operation: Operation) -> list[Json]:
    named = re.findall(r"\{(\w+)\}", operation.path)
    paths = [
        {"name": name, "in": "path", "required": True, "schema": _IDENTITIES.get(name, {"type": "string"})}
        for name in named
    ]
    schema = _plain(operation.takes)
    required = schema.get("required", [])
    queries = [
        {"name": name, "in": "query", "required": name in required, "schema": _of_query(one)}
        for name, one in schema.get("properties", {}).items()
    ]
    return paths + queries


def _content(operation: Operation) -> Json:
    whole: Json = _object(operation.members) if operation.members else {}
    return {media: {"schema": whole if media == JSON else {"type": "string"}} for media in operation.media}


def _object(members: str) -> Json:
    """An object that has these members, and may have others."""
    properties: Json = {}
    for member in members.split():
        name, _, of = member.partition(":")
        properties[name] = {"type": "array", "items": {"$ref": _REFERENCE + of}} if of else {}
    return {"type": "object", "required": list(properties), "properties": properties}


def _plain(model: type[Strict]) -> Json:
    """The schema of a model without what only names it."""
    schema = model.model_json_schema()
    return {name: value for name, value in schema.items() if name not in ("title", "description")}


def _of_query(schema: Json) -> Json:
    """Of a parameter in an address, which is there or not, but never null."""
    kept = {name: value for name, value in schema.items() if name != "title" and (name, value) != ("default", None)}
    others = [one for one in kept.pop("anyOf", []) if one != {"type": "null"}]
    return kept | (others[0] if len(others) == 1 else {"anyOf": others} if others else {})
