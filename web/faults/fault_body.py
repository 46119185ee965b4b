"""The order of a fault as the API's description has it; core/faults checks it."""

from dataclasses import fields
from typing import Any, Final, Literal

from pydantic import Field, create_model

from core.faults.fault_order import DEFAULT_SECONDS, LONGEST_SECONDS, LONGEST_WHY
from core.faults.registry import FAULT_KINDS
from web.api.parameters import Strict

_KIND: Any = Literal[tuple(FAULT_KINDS)]
_ON: Any = dict[Literal["conn", "q", "next", "share", "seed"], int | float | str]
_ATTRIBUTES: Final[dict[str, Any]] = {
    one.name: (int | None, None) for kind in FAULT_KINDS.values() for one in fields(kind)
}

FaultBody: Final[type[Strict]] = create_model(
    "FaultBody",
    __base__=Strict,
    kind=(_KIND, ...),
    on=(_ON, ...),
    seconds=(float, Field(DEFAULT_SECONDS, gt=0, le=LONGEST_SECONDS)),
    why=(str, Field("", max_length=LONGEST_WHY)),
    dry_run=(bool, False),
    **_ATTRIBUTES,
)
"""A kind, whom it is for, for how long, why, and the attributes of the kind."""
