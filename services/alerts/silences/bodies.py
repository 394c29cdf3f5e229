"""What is asked and answered over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from contracts.action import Operator
from contracts.fields import STORABLE_PATTERN, DeviceIdText, Slug, Time
from services.alerts.silences.store import Silence
from services.chassis.http import Body

MINUTES_MAX: Final = 7 * 24 * 60
SILENCEABLE: Final = frozenset({3, 4, 5})


class SilenceBody(Body):
    """Hold back alarms of a council; of one device, or of one postcode district, if such is named."""

    council_id: Slug
    device_id: DeviceIdText | None = None
    postcode_district: Annotated[
        str | None, Field(pattern=r"^[A-Z]{1,2}[0-9][A-Z0-9]?$", description="Such as G12 or EH8.")
    ] = None
    priorities: Annotated[list[int], Field(min_length=1, max_length=5, description="Of 3, 4 and 5.")]
    minutes: Annotated[int, Field(ge=1, le=MINUTES_MAX, description="Then it ends by itself; a week at most.")]
    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=STORABLE_PATTERN)
    ]
    operator: Operator

    @field_validator("priorities", mode="after")
    @classmethod
    def _of_faults_only(cls, priorities: list[int]) -> list[int]:
        if not SILENCEABLE.issuperset(priorities):
            raise ValueError(
                "only priorities 3, 4 and 5 can be silenced: 1 (life) and 2 (welfare) are always told, at once"
            )
        return sorted(set(priorities))

    @model_validator(mode="after")
    def _of_one_thing(self) -> Self:
        if self.device_id is not None and self.postcode_district is not None:
            raise ValueError("name a device_id or a postcode_district, not both")
        return self


class EndBody(Body):
    """Who ends it."""

    operator: Operator


class SilenceView(BaseModel):
    """A silence. `active`: it lasts. Alarms that it held back, and that are still open, are told when it is over."""

    silence_id: UUID
    council_id: str
    device_id: str | None
    postcode_district: str | None
    priorities: list[int]
    reason: str
    operator: str
    hub_id: str | None
    """The hub whose operator it was; null: ops."""
    starts_at: Time
    ends_at: Time
    ended_by: str | None
    """Who ended it before its time."""
    active: bool

    @classmethod
    def of(cls, silence: Silence, now: datetime) -> SilenceView:
        values: dict[str, Any] = {name: getattr(silence, name) for name in cls.model_fields if name != "active"}
        return cls(**values | {"priorities": list(silence.priorities)}, active=silence.ends_at > now)
