"""One council's part of the rollout, measured as the Digital Office for Scottish Local Government does (domain.md).

Its awards count *digital-ready* units, which shall be more than half of the telecare users, and users live *end to end*: 20, 40
and 80 %. We count devices, for we know of no people: a home with two counts twice, and a share may be above 100 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, TypeAlias

from services.registry.domain.forecast import SWITCH_OFF, needed_per_week
from services.registry.domain.lifecycle import Stage

DIGITAL_READY_STAGES: Final[frozenset[Stage]] = frozenset({"installed", "commissioning", "live", "suspended"})
"""A digital unit stands in the home, whether or not its alarms have been proved to arrive."""

DIGITAL_READY_ABOVE: Final = 0.5
LIVE_MILESTONES: Final = (0.2, 0.4, 0.8)

Figure: TypeAlias = Literal["telecare_users", "analogue_units", "target"]
FIGURES: Final[tuple[Figure, ...]] = ("telecare_users", "analogue_units", "target")


@dataclass(frozen=True, slots=True)
class Sourced:
    """Where a figure that a council told comes from, and of which day it is."""

    source: str | None = None
    as_of: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a council told of itself. `target`: live devices by `target_date`."""

    council_id: str
    name: str
    telecare_users: int | None = None
    analogue_units: int | None = None
    target: int | None = None
    target_date: date | None = None
    sources: Mapping[Figure, Sourced] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenFaults:
    """Alarms of priority 3 (unprotected) and 4 (degraded) that nobody has closed, of registered devices."""

    unprotected: int = 0
    degraded: int = 0

    def __add__(self, other: OpenFaults) -> OpenFaults:
        return OpenFaults(self.unprotected + other.unprotected, self.degraded + other.degraded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What we count of a council. `live` has been heard since it went live; `unheard` has not, and is not live yet.

    `silent`: live, and not heard for longer than its model allows. `overridden`: went live on somebody's word.
    `analogue_replaced`: units that devices which went live after the council's figure name as the ones they replace.
    """

    stages: Mapping[Stage, int]
    live: int = 0
    unheard: int = 0
    silent: int = 0
    overridden: int = 0
    analogue_replaced: int = 0
    faults: Mapping[Stage, OpenFaults] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CouncilRollout:
    """A council's devices by stage, every stage named, beside what the council told of itself. Null: nobody knows."""

    council_id: str
    name: str
    telecare_users: int | None
    analogue_units: int | None
    target: int | None
    target_date: date | None
    sources: Mapping[Figure, Sourced]
    live: int
    unheard: int
    silent: int
    devices: int
    stages: Mapping[Stage, int]
    digital_ready: int
    digital_ready_share: float | None
    digital_ready_met: bool | None
    live_share: float | None
    live_milestone: float | None
    target_needed_per_week: float | None
    analogue_left: int | None
    analogue_needed_per_week: float | None
    overridden: int
    open_faults: OpenFaults
    open_faults_by_stage: Mapping[Stage, OpenFaults]


def measure(told: Told, found: Found, today: date) -> CouncilRollout:
    """A council's figures as they are `today`."""
    ready = sum(found.stages[stage] for stage in DIGITAL_READY_STAGES)
    left = None if told.analogue_units is None else max(told.analogue_units - found.analogue_replaced, 0)
    return CouncilRollout(
        council_id=told.council_id,
        name=told.name,
        telecare_users=told.telecare_users,
        analogue_units=told.analogue_units,
        target=told.target,
        target_date=told.target_date,
        sources=told.sources,
        live=found.live,
        unheard=found.unheard,
        silent=found.silent,
        devices=sum(found.stages.values()),
        stages=found.stages,
        digital_ready=ready,
        digital_ready_share=_share(ready, told.telecare_users),
        digital_ready_met=_above_half(ready, told.telecare_users),
        live_share=_share(found.live, told.telecare_users),
        live_milestone=_milestone(found.live, told.telecare_users),
        target_needed_per_week=None
        if told.target is None
        else needed_per_week(told.target - found.live, told.target_date, today),
        analogue_left=left,
        analogue_needed_per_week=None if left is None else needed_per_week(left, SWITCH_OFF, today),
        overridden=found.overridden,
        open_faults=sum(found.faults.values(), OpenFaults()),
        open_faults_by_stage=found.faults,
    )


def _share(count: int, users: int | None) -> float | None:
    return count / users if users else None


def _above_half(count: int, users: int | None) -> bool | None:
    return count > users * DIGITAL_READY_ABOVE if users else None


def _milestone(count: int, users: int | None) -> float | None:
    """The highest that is reached, counted in whole devices: 20 % is 20 %. None below the first, or when nobody knows."""
    if not users:
        return None
    return max((each for each in LIVE_MILESTONES if count * 100 >= users * round(each * 100)), default=None)
