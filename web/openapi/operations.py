"""Every route of the API: its parameters are the models that parse them, its answers are told by their members."""

from dataclasses import dataclass
from typing import Final

from web.api.lab import CompareParameters, LabEstimateParameters, RunDownloadParameters
from web.api.parameters import (
    CloseMatching,
    CloseOrder,
    ConnectionsParameters,
    CourseParameters,
    DownloadParameters,
    EstimateParameters,
    EventsParameters,
    FieldsParameters,
    GroupsParameters,
    HistogramParameters,
    ModelOrder,
    MomentParameters,
    NoParameters,
    OrdersParameters,
    SeriesParameters,
    StreamParameters,
    Strict,
    SuggestParameters,
    TableParameters,
    ZooOrder,
)
from web.faults.fault_body import FaultBody

JSON: Final = "application/json"
CSV: Final = "text/csv"
_GUARDED: Final = (400, 401, 403)
"""What any request may meet: a bad parameter, no right, another site."""
_BUSY: Final = 503
_CONNECTION: Final = (
    "conn worker peer state opened closed idle_s waiting_s bytes_in bytes_out echoes fulls queue_bytes queue_chunks "
    "queue_peak_bytes bytes_in_per_s bytes_out_per_s reason end verdict verdict_age_s via "
    "faults"
)
_ROW: Final = "seq time worker conn peer kind bytes_in bytes_out queue_bytes queue_chunks emptied reason"
_FAULT: Final = "id kind on seconds why who matched began ends"
MEMBERS: Final = {
    "Connection": _CONNECTION,
    "Event": _ROW,
    "Fault": _FAULT,
    "Group": "value connections bytes_in bytes_out queue_bytes abnormal",
    "Problem": "type title status detail",
}
"""What objects that stand in lists always have."""


@dataclass(frozen=True)
class Operation:
    """`members` of the answer, separated by spaces; `NAME:Object` is a list of objects that MEMBERS tells of."""

    method: str
    path: str
    summary: str
    members: str = ""
    takes: type[Strict] = NoParameters
    body: type[Strict] | None = None
    status: int = 200
    media: tuple[str, ...] = (JSON,)
    problems: tuple[int, ...] = ()

    @property
    def statuses(self) -> tuple[int, ...]:
        """Of every problem that it may answer."""
        with_body = (413, 415) if self.method == "POST" else ()
        return tuple(sorted({*_GUARDED, *with_body, *self.problems}))


_TABLE: Final = (JSON, CSV)
_FILES: Final = ("application/x-ndjson", CSV, "application/vnd.apache.parquet", JSON)
_STATUS: Final = (
    "name version replay uptime_s model reply workers echo connections bytes_in bytes_out echoes queue recorder viewers"
)

OPERATIONS: Final = (
    Operation("GET", "/status", "The figures of now, or of a moment", _STATUS, MomentParameters, problems=(_BUSY,)),
    Operation(
        "GET",
        "/overview",
        "The status with rates, connections that need attention and notable events",
        f"{_STATUS} attention notable time healthy trouble echoes_per_s bytes_in_per_s bytes_out_per_s loop_busy",
        MomentParameters,
        problems=(_BUSY,),
    ),
    Operation("GET", "/span", "The first and the last moment that can be asked for", "since until live"),
    Operation("GET", "/loop", "The loops turn by turn", "time model models workers", TableParameters, media=_TABLE),
    Operation("POST", "/model", "Go on with another model", "model", body=ModelOrder, problems=(409,)),
    Operation(
        "GET",
        "/connections",
        "A page of connections: filtered, then sorted, then cut",
        "total matched items:Connection counts",
        ConnectionsParameters,
        media=_TABLE,
        problems=(_BUSY,),
    ),
    Operation(
        "GET",
        "/connections/groups",
        "Connections put together by what they have in common",
        "by total groups:Group age_s",
        GroupsParameters,
        media=_TABLE,
        problems=(_BUSY,),
    ),
    Operation(
        "GET",
        "/connections/{conn}",
        "All that is known of one connection",
        f"{_CONNECTION} history kernel marks events_in_memory",
        MomentParameters,
        problems=(404, _BUSY),
    ),
    Operation(
        "GET",
        "/connections/{conn}/series",
        "The charts of one connection, in columns",
        "step time bytes_in_per_s bytes_out_per_s queue_bytes is_whole",
        CourseParameters,
        media=_TABLE,
        problems=(404, _BUSY),
    ),
    Operation(
        "POST",
        "/connections/{conn}/close",
        "Close a connection",
        "closing how",
        body=CloseOrder,
        problems=(404, 409),
    ),
    Operation(
        "POST",
        "/connections/close",
        "Close all connections that a filter matches",
        "matched closed",
        body=CloseMatching,
        problems=(409,),
    ),
    Operation("GET", "/faults", "The faults that are on", "items:Fault"),
    Operation("POST", "/faults", "Begin a fault, or count", _FAULT, body=FaultBody, status=201, problems=(404, 409)),
    Operation("DELETE", "/faults", "Take all faults back at once", "ended", problems=(409,)),
    Operation("DELETE", "/faults/{number}", "Take one fault back at once", "ended", problems=(404,)),
    Operation("GET", "/orders", "Every order, the refused ones too, newest first", "items next", OrdersParameters),
    Operation("GET", "/me", "Who asks, and what they may do", "name role"),
    Operation("GET", "/events", "A page of the log", "items:Event next progress", EventsParameters, problems=(_BUSY,)),
    Operation(
        "GET",
        "/events/stream",
        "Rows without end, each with the cursor to go on with",
        takes=StreamParameters,
        media=("application/x-ndjson", "text/event-stream"),
        problems=(410, _BUSY),
    ),
    Operation(
        "GET",
        "/events/histogram",
        "Rows by time and kind",
        "since until step_s kinds total progress next",
        HistogramParameters,
        problems=(_BUSY,),
    ),
    Operation(
        "GET",
        "/events/estimate",
        "What a download would be",
        "rows bytes exact name",
        EstimateParameters,
        problems=(_BUSY,),
    ),
    Operation(
        "GET",
        "/events/download",
        "The whole matching set as an attachment",
        takes=DownloadParameters,
        media=_FILES,
        problems=(409, _BUSY),
    ),
    Operation("GET", "/downloads/{token}", "How far a download is", "state rows bytes name", problems=(404,)),
    Operation("DELETE", "/downloads/{token}", "Break a download off", "state rows bytes name", problems=(404,)),
    Operation("GET", "/fields", "What a filter may name", "of fields", FieldsParameters),
    Operation(
        "GET", "/fields/values", "Values of a field that are there now", "values", SuggestParameters, problems=(_BUSY,)
    ),
    Operation(
        "GET",
        "/series",
        "The charts' history, in columns",
        "range step time echoes_per_s bytes_in_per_s bytes_out_per_s accepted_per_s closed_per_s open blocked "
        "queue_bytes loop_busy",
        SeriesParameters,
        media=_TABLE,
        problems=(_BUSY,),
    ),
    Operation(
        "GET",
        "/lab",
        "What the lab can be asked for",
        "models defaults presets metrics machine running",
        problems=(409,),
    ),
    Operation("GET", "/lab/estimate", "How long a run takes", "seconds", LabEstimateParameters, problems=(409, _BUSY)),
    Operation("GET", "/lab/runs", "The runs that are kept", "items", TableParameters, media=_TABLE, problems=(409,)),
    Operation(
        "POST", "/lab/runs", "Begin a run", "id seconds", body=LabEstimateParameters, status=202, problems=(409, _BUSY)
    ),
    Operation(
        "GET",
        "/lab/runs/{run_id}",
        "A run with its points",
        "id state began ended order samples points verdict machine",
        TableParameters,
        media=_TABLE,
        problems=(404, 409),
    ),
    Operation("DELETE", "/lab/runs/{run_id}", "Remove a run", "deleted", problems=(404, 409)),
    Operation("POST", "/lab/runs/{run_id}/cancel", "Call a run off", "cancelling", problems=(404, 409)),
    Operation("GET", "/lab/runs/{run_id}/compare", "How two runs differ", takes=CompareParameters, problems=(404, 409)),
    Operation(
        "GET",
        "/lab/runs/{run_id}/download",
        "A run as an attachment",
        takes=RunDownloadParameters,
        media=_TABLE,
        problems=(404, 409),
    ),
    Operation("GET", "/zoo", "The animals, and which one is out", "animals running results busy refusal"),
    Operation("DELETE", "/zoo", "Call the animal back", "stopping", problems=(409,)),
    Operation("POST", "/zoo/{name}", "Let an animal out", body=ZooOrder, status=202, problems=(409,)),
)
