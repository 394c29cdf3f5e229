"""Field types that the payloads share. What passes them, PostgreSQL stores: no NUL, no lone surrogate, no overflow.

(pydantic's own JSON reader already refuses lone surrogates.)
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import CoreSchema, core_schema

from contracts.ids import BOOT_ID_PATTERN, DEVICE_ID_PATTERN, SEQ_MAX, SLUG_LENGTH_MAX, SLUG_PATTERN

STORABLE_PATTERN: Final = r"^[^\u0000]*$"
TIME_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)


class Payload(BaseModel):
    """What crosses the wire: strict types, numbers finite, unknown fields ignored, never changed once read."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class _Rfc3339:
    """A time of RFC 3339 with its offset. pydantic alone would also read `"1700000000"` and times without seconds."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        text = core_schema.str_schema(strict=True, pattern=TIME_PATTERN)
        return core_schema.json_or_python_schema(
            # Not strict: after the pattern the datetime is read from Python text, which strictness would refuse.
            json_schema=core_schema.chain_schema([text, core_schema.datetime_schema(strict=False)]),
            python_schema=core_schema.datetime_schema(strict=True, tz_constraint="aware"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "string", "format": "date-time", "pattern": TIME_PATTERN}


Time: TypeAlias = Annotated[datetime, _Rfc3339]
Seq: TypeAlias = Annotated[int, Field(ge=0, le=SEQ_MAX)]
BootIdText: TypeAlias = Annotated[str, Field(pattern=BOOT_ID_PATTERN)]
DeviceIdText: TypeAlias = Annotated[str, Field(pattern=DEVICE_ID_PATTERN)]
Slug: TypeAlias = Annotated[str, Field(pattern=SLUG_PATTERN, max_length=SLUG_LENGTH_MAX)]
Sha256Hex: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text32: TypeAlias = Annotated[str, Field(max_length=32, pattern=STORABLE_PATTERN)]
Text64: TypeAlias = Annotated[str, Field(max_length=64, pattern=STORABLE_PATTERN)]
Text128: TypeAlias = Annotated[str, Field(max_length=128, pattern=STORABLE_PATTERN)]

_time: Final[TypeAdapter[datetime]] = TypeAdapter(Time)


def parse_time(text: str) -> datetime | None:
    """The time that a payload tells, by the same rule as in every payload; None when it is none."""
    try:
        # Through JSON, because that is the side of the type that holds text to RFC 3339.
        return _time.validate_json(json.dumps(text))
    except ValueError:
        return None
