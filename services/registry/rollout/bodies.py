"""What the routes of the rollout take and give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from contracts.fields import STORABLE_PATTERN
from services.registry.councils.http import Day
from services.registry.domain.rollout import Aim


class TargetBody(BaseModel):
    """What the programme aims at from now on."""

    model_config = ConfigDict(extra="forbid")

    target: Annotated[int, Field(ge=1, le=10_000_000, description="Live devices in all councils.")]
    target_date: Day | None = None
    source: Annotated[str | None, Field(min_length=1, max_length=500, pattern=STORABLE_PATTERN)] = None


@dataclass(frozen=True, slots=True)
class TargetView(Aim):
    """What the programme aims at, with all that it aimed at, the newest first."""

    history: list[Aim]

    @classmethod
    def of(cls, history: Sequence[Aim]) -> Self:
        return cls(**asdict(history[0]), history=list(history))
