"""How far the rollout is: live devices of the programme's target, and when the rest will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from contracts.rota import LONDON
from services.registry.domain.forecast import (
    SWITCH_OFF,
    Forecast,
    Rate,
    Timing,
    forecast,
    needed_per_week,
    recent_rate,
    timing,
)
from services.registry.domain.lifecycle import STAGES, Stage
from services.registry.domain.rollout_council import CouncilRollout, OpenFaults
from services.registry.domain.rollout_weeks import WEEK, begins, week_of

LOOK_BACK_WEEKS: Final = 4
"""How old the forecast is that the present count is held against."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What the programme aims at: live devices, by a day if it has set one; who said so."""

    target: int
    target_date: date | None
    source: str | None
    set_at: datetime
    set_by: str


@dataclass(frozen=True, slots=True)
class Foreseen:
    """How many were to be live by now, by the forecast of some weeks ago: in eight cases of ten within `low` and `high`."""

    weeks_ago: int
    low: int
    likely: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The forecast, and against which days. `rate` is null when there are too few weeks."""

    rate: Rate | None
    forecast: Forecast
    by_target_date: Timing
    by_switch_off: Timing
    switch_off: date
    days_to_switch_off: int
    target_needed_per_week: float | None
    foreseen: Foreseen | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The country's.

    `not_counted_yet`: lines of history that `live`, `unheard` and the weeks do not hold yet (10001: or more). `unexplained`:
    devices that the register has and the history has not, or otherwise; both should be nought, and while one is not, the
    figures may be wrong.
    """

    as_of: datetime
    target: int
    target_date: date | None
    target_source: str | None
    live: int
    unheard: int
    silent: int
    silent_as_of: datetime | None
    devices: int
    stages: Mapping[Stage, int]
    overridden: int
    open_faults: OpenFaults
    analogue_left: int | None
    analogue_needed_per_week: float | None
    analogue_unknown: int
    outlook: Outlook
    not_counted_yet: int
    unexplained: int
    councils: Sequence[CouncilRollout]


@dataclass(frozen=True, slots=True)
class Growth:
    """Net increments of the country's live devices by weeks, from the first in which one was live to the present one."""

    nets: Sequence[int]

    @property
    def complete(self) -> Sequence[int]:
        """Without the present week, which is not over."""
        return self.nets[:-1]

    def foreseen(self, now: datetime) -> Foreseen | None:
        """What the forecast of some weeks ago said of now; None when there were too few weeks then."""
        then = self.complete[:-LOOK_BACK_WEEKS]
        rate = recent_rate(then)
        if rate is None:
            return None
        weeks = LOOK_BACK_WEEKS + (now - begins(week_of(now))) / WEEK
        low, high = rate.bounds(weeks)
        live = sum(then)
        figures = (live + low, live + rate.per_week * weeks, live + high)
        return Foreseen(LOOK_BACK_WEEKS, *(max(round(each), 0) for each in figures))


def by_stage(counts: Mapping[str, int]) -> dict[Stage, int]:
    """The counts with a nought for every stage that has no device."""
    return {stage: counts.get(stage, 0) for stage in STAGES}


def look_ahead(live: int, aim: Aim, growth: Growth, now: datetime) -> Outlook:
    """When the programme's target will be reached."""
    today = now.astimezone(LONDON).date()
    rate = recent_rate(growth.complete)
    expected = forecast(live, aim.target, rate, today)
    return Outlook(
        rate=rate,
        forecast=expected,
        by_target_date=timing(expected, aim.target_date, today),
        by_switch_off=timing(expected, SWITCH_OFF, today),
        switch_off=SWITCH_OFF,
        days_to_switch_off=(SWITCH_OFF - today).days,
        target_needed_per_week=needed_per_week(aim.target - live, aim.target_date or SWITCH_OFF, today),
        foreseen=growth.foreseen(now),
    )


def country(
    councils: Sequence[CouncilRollout],
    aim: Aim,
    growth: Growth,
    *,
    now: datetime,
    silent_as_of: datetime | None = None,
    not_counted_yet: int = 0,
    unexplained: int = 0,
) -> Rollout:
    """The sum over all councils, and what is to be expected."""
    today = now.astimezone(LONDON).date()
    live = sum(each.live for each in councils)
    stages: dict[Stage, int] = {stage: sum(each.stages[stage] for each in councils) for stage in STAGES}
    analogue = [each.analogue_left for each in councils if each.analogue_left is not None]
    return Rollout(
        as_of=now,
        target=aim.target,
        target_date=aim.target_date,
        target_source=aim.source,
        live=live,
        unheard=sum(each.unheard for each in councils),
        silent=sum(each.silent for each in councils),
        silent_as_of=silent_as_of,
        devices=sum(stages.values()),
        stages=stages,
        overridden=sum(each.overridden for each in councils),
        open_faults=sum((each.open_faults for each in councils), OpenFaults()),
        analogue_left=sum(analogue) if analogue else None,
        analogue_needed_per_week=needed_per_week(sum(analogue), SWITCH_OFF, today) if analogue else None,
        analogue_unknown=len(councils) - len(analogue),
        outlook=look_ahead(live, aim, growth, now),
        not_counted_yet=not_counted_yet,
        unexplained=unexplained,
        councils=councils,
    )
