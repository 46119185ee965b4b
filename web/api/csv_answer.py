"""Tables of the API as CSV, for those who ask for it by `format=csv` or by Accept; JSON otherwise."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import Response, jsonify, request

from core.spreadsheet import to_csv
from core.watch.groups import SORTABLE as GROUP_FIELDS
from core.watch.now.listing import ITEM_FIELDS
from web.monitor_protocol import Json

Encode = Callable[[Any], Response]

_TYPES: Final = ("application/json", "text/csv")
_RUN_FIELDS: Final = ("id", "state", "began", "ended", "order")


def encoder(format: str | None, name: str, csv_of: Callable[[Any], str]) -> Encode:
    """What makes a response of an answer: its CSV where that is wanted, under a name for the file."""
    accepted = request.accept_mimetypes.best_match(_TYPES, _TYPES[0])
    is_csv = format == "csv" or (format is None and accepted == "text/csv")

    def encode(answer: Any) -> Response:
        if is_csv:
            response = Response(csv_of(answer), mimetype="text/csv")
            response.headers.set("Content-Disposition", "attachment", filename=f"echoscope-{name}.csv")
        else:
            response = jsonify(answer)
        if format is None:
            response.vary.add("Accept")
        return response

    return encode


def items_csv(answer: Json, names: Sequence[str] = (*ITEM_FIELDS, "via")) -> str:
    """These members of each of the `items`; of connections, unless said otherwise."""
    return to_csv(names, ([item.get(name) for name in names] for item in answer["items"]))


def groups_csv(answer: Json) -> str:
    """The groups of connections."""
    return to_csv(GROUP_FIELDS, (group.values() for group in answer["groups"]))


def columns_csv(answer: Json) -> str:
    """An answer in columns; what is no column is left out."""
    columns = {name: value for name, value in answer.items() if isinstance(value, list)}
    return to_csv(list(columns), zip(*columns.values(), strict=True))


def turns_csv(answer: Json) -> str:
    """The latest turns of each loop, oldest first."""
    names = list(answer["workers"][0]["latest"]) if answer["workers"] else []
    rows = (
        [item["worker"], *row]
        for item in answer["workers"]
        for row in zip(*(item["latest"][name] for name in names), strict=True)
    )
    return to_csv(["worker", *names], rows)


def runs_csv(answer: Json) -> str:
    """The runs of the lab; what was ordered is JSON."""
    return items_csv(answer, _RUN_FIELDS)
