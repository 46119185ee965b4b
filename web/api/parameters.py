"""Query parameters and live messages: which there are, and what they may be."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator
from werkzeug.datastructures import MultiDict

from core.bad_value import BadValueError
from web.api.problems import ProblemError

BEAT_S = 0.5
"""A moment that is played goes on in such steps, so that views whose frames come one by one are of the same one."""

MAX_LIMIT = 1000
MAX_BINS = 500
MAX_CONN = 2**63 - 1
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _whole_number(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,19}", value):
        raise ValueError("should be a whole number")
    return value


def _seconds(value: Any) -> Any:
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("should be seconds, or a number with s, m, h or d")
    return int(match[1]) * _UNITS[match[2]]


# The bounds stand before what makes a number of a text, so that the schema has them.
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_whole_number)]
Bins = Annotated[int, Field(ge=1, le=MAX_BINS), BeforeValidator(_whole_number)]
Offset = Annotated[int, Field(ge=0, le=MAX_CONN), BeforeValidator(_whole_number)]
Seconds = Annotated[
    int, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}[smhd]?$"})
]


class Strict(BaseModel):
    """Parameters of which there are no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParameters(Strict):
    """A request that takes none."""


class MomentParameters(Strict):
    """A request for now, or for a moment of the past."""

    at: str | None = None


class TableParameters(Strict):
    """A request for a table; without a format the Accept header decides."""

    format: Literal["json", "csv"] | None = None


class ConnectionsParameters(MomentParameters, TableParameters):
    """A page of the connection list."""

    q: str = ""
    sort: str = "conn"
    limit: Limit = 100
    offset: Offset = 0


class GroupsParameters(MomentParameters, TableParameters):
    """Connections put together."""

    by: str
    q: str = ""
    sort: str = "-connections"
    limit: Limit = 100


class FieldsParameters(Strict):
    """What may be filtered by."""

    of: str = "connections"


class SuggestParameters(MomentParameters):
    """Values of a field that begin like a text."""

    of: str = "connections"
    field: str
    text: str = Field("", max_length=200)


class EventsParameters(Strict):
    """A page of the log."""

    q: str = ""
    since: str | None = None
    until: str | None = None
    limit: Limit = 100
    cursor: str | None = None
    mark: str = ""
    order: Literal["asc", "desc"] = "asc"


class StreamParameters(Strict):
    """Events as they come, from a place on."""

    q: str = ""
    since: str | None = None
    cursor: str | None = None


class HistogramParameters(Strict):
    """Rows of the log by time and kind."""

    q: str = ""
    since: str | None = None
    until: str | None = None
    bins: Bins = 100
    cursor: str | None = None


class DownloadParameters(Strict):
    """A set of the log to download."""

    format: str = "jsonl"
    q: str = ""
    since: str | None = None
    until: str | None = None
    token: str | None = Field(None, pattern=r"^[0-9a-f]{16,64}$")


class EstimateParameters(Strict):
    """A set of the log that may be downloaded."""

    format: str = "jsonl"
    q: str = ""
    since: str | None = None
    until: str | None = None


class CourseParameters(TableParameters):
    """A range of one connection's charts."""

    since: str | None = None
    until: str | None = None


class SeriesParameters(MomentParameters, TableParameters):
    """A range of the charts' history."""

    range: Seconds = 600


class _Message(Strict):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OrdersParameters(Strict):
    """A page of the record of orders."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[int | None, Field(ge=1, le=MAX_CONN)] = None


class CloseOrder(_Message):
    """How a connection is closed, and why in someone's words."""

    how: Literal["fin", "rst"] = "fin"
    why: str = Field("", max_length=200)


class CloseMatching(CloseOrder):
    """Which connections are closed, how and why; `dry_run` only counts them."""

    q: str
    dry_run: bool = False


class ModelOrder(_Message):
    """The model to go on with."""

    model: str


class ZooOrder(_Message):
    """How an animal is let out; what is None is its own choice."""

    count: int | None = None
    seconds: float | None = None
    brief: bool = False


class _Watch(_Message):
    """What may be watched: a frame each `period` seconds, and where it is `quick`, sooner when something happened."""

    period: ClassVar[float]
    view: str

    @property
    def pace(self) -> float:
        """Seconds from one frame to the next."""
        return self.period

    @property
    def quick(self) -> bool:
        """Whether a frame may come before its time."""
        return False


class _Past(_Watch):
    """What may be watched at a moment of the past, and played from it on at a speed (seconds a second)."""

    at: str | None = None
    speed: float | None = Field(None, ge=0.25, le=64)

    @property
    def pace(self) -> float:
        """Seconds from one frame to the next: all views that play go on together."""
        return self.period if self.speed is None else BEAT_S

    @model_validator(mode="after")
    def _speed_of_a_moment(self) -> Self:
        if self.speed is not None and self.at is None:
            raise ValueError('"speed" needs a moment to play from: "at"')
        return self


class WatchOverview(_Past):
    """Watch the figures of the whole server."""

    period: ClassVar[float] = 0.5
    view: Literal["overview"]

    @property
    def quick(self) -> bool:
        """Who comes, goes or is blocked is told at once."""
        return self.at is None


class WatchConnections(_Past):
    """Watch a page of the connection list."""

    period: ClassVar[float] = 0.25
    view: Literal["connections"]
    q: str = ""
    sort: str = "conn"
    limit: int = Field(100, ge=1, le=MAX_LIMIT)
    offset: int = Field(0, ge=0, le=MAX_CONN)


class WatchConnection(_Past):
    """Watch one connection."""

    period: ClassVar[float] = 0.25
    view: Literal["connection"]
    conn: int = Field(ge=1, le=MAX_CONN)


class WatchEvents(_Past):
    """Watch events as they happen."""

    period: ClassVar[float] = 0.25
    view: Literal["events"]
    q: str = ""
    mark: str = ""

    @property
    def quick(self) -> bool:
        """Few events are told at once."""
        return self.at is None


class WatchLoop(_Watch):
    """Watch the loops turn."""

    period: ClassVar[float] = 0.5
    view: Literal["loop"]


class WatchLab(_Watch):
    """Watch how far a run of the lab is."""

    period: ClassVar[float] = 0.5
    view: Literal["lab"]


class WatchMap(_Past):
    """Watch all open connections at once."""

    period: ClassVar[float] = 1.0
    view: Literal["map"]
    sort: str = "conn"


class Unwatch(_Message):
    """End a view."""

    view: Literal["overview", "connections", "connection", "events", "loop", "map", "lab"]


PastWatch = WatchOverview | WatchConnections | WatchConnection | WatchEvents | WatchMap
Watch = PastWatch | WatchLoop | WatchLab
_WATCHES: dict[str, type[Watch]] = {
    "overview": WatchOverview,
    "connections": WatchConnections,
    "connection": WatchConnection,
    "events": WatchEvents,
    "loop": WatchLoop,
    "lab": WatchLab,
    "map": WatchMap,
}
M = TypeVar("M", bound=Strict)


def explain(error: ValidationError, model: type[BaseModel], noun: str) -> str:
    """One line that names what is wrong: `parameter "limit": Input should be …`."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"]) or "message"
    if first["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields) or "none"
        return f'unknown {noun} "{name:.60}"; known: {known}'
    return f'{noun} "{name}": {first["msg"].removeprefix("Value error, ")}'


def parse(model: type[M], arguments: "MultiDict[str, str]") -> M:
    """The parameters of a request, or a 400 that names the wrong one."""
    repeated = next((name for name, values in arguments.lists() if len(values) > 1), None)
    if repeated is not None:
        raise ProblemError(400, f'parameter "{repeated}" is given more than once', parameter=repeated)
    try:
        return model.model_validate(arguments.to_dict())
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise ProblemError(400, explain(error, model, "parameter"), parameter=name) from None


def parse_body(model: type[M], body: Any) -> M:
    """The JSON body of a request, or a 400 that names the wrong field."""
    if not isinstance(body, dict):
        raise ProblemError(400, f"the body is not a JSON object with {', '.join(model.model_fields)}")
    try:
        return _message(model, body)
    except ValueError as error:
        raise ProblemError(400, str(error)) from None


def parse_watch(message: Any) -> Watch:
    """What a viewer asks to watch; ValueError with one clear line when it makes no sense."""
    view = message.get("view") if isinstance(message, dict) else None
    model = _WATCHES.get(view) if isinstance(view, str) else None
    if model is None:
        raise BadValueError(f"unknown view {view!r:.60}; known: {', '.join(_WATCHES)}")
    return _message(model, {name: value for name, value in message.items() if name != "id"})


def watch_id(message: Any) -> int | None:
    """What a viewer calls its watch, to know its frames by; ValueError when it is no whole number."""
    given = message.get("id") if isinstance(message, dict) else None
    if given is not None and (type(given) is not int or not 0 <= given < 2**53):
        raise BadValueError(f"id {given!r:.60} is not a whole number from 0 on")
    return given


def parse_unwatch(message: Any) -> Unwatch:
    """Which view a viewer wants to end; ValueError with one clear line when it makes no sense."""
    return _message(Unwatch, message)


def _message(model: type[M], message: Any) -> M:
    try:
        return model.model_validate(message)
    except ValidationError as error:
        raise BadValueError(explain(error, model, "field")) from None
