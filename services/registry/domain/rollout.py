"""How far the rollout is: live devices of the programme's target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.registry.domain.lifecycle import STAGES, Stage

PROGRAMME_TARGET: Final = 1000
"""Live devices that the programme promised: Digital Office for Scottish Local Government, business plan 2019-21."""


@dataclass(frozen=True, slots=True)
class CouncilRollout:
    """One council's devices by stage, every stage named, beside what the council told of itself."""

    council_id: str
    name: str
    telecare_users: int | None
    target: int | None
    live: int
    devices: int
    stages: Mapping[Stage, int]


@dataclass(frozen=True, slots=True)
class Rollout:
    """The country's."""

    target: int
    live: int
    devices: int
    stages: Mapping[Stage, int]
    councils: Sequence[CouncilRollout]


def by_stage(counts: Mapping[str, int]) -> dict[Stage, int]:
    """The counts with a nought for every stage that has no device."""
    return {stage: counts.get(stage, 0) for stage in STAGES}


def country(councils: Sequence[CouncilRollout]) -> Rollout:
    """The sum over all councils."""
    stages: dict[Stage, int] = {stage: sum(each.stages[stage] for each in councils) for stage in STAGES}
    return Rollout(PROGRAMME_TARGET, stages["live"], sum(stages.values()), stages, councils)
