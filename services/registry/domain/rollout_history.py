"""The rollout week by week, as it is told: how many devices each stage had at a week's end, and what the week did to the live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final

from services.registry.domain.rollout_weeks import COUNTED_STAGES, WEEK, CountedStage, Flow, begins

WEEKS_MAX: Final = 520
"""Ten years at once."""


@dataclass(frozen=True, slots=True)
class Row:
    """A stage of a council at the end of a week, and what entered and left it in the week."""

    week: date
    council_id: str
    stage: CountedStage
    devices: int
    flow: Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """At the week's end, of the present week now.

    `net_live`: how many more are live than at the end of the week before. `new_homes`: devices that went live for the first time,
    less those that had been live and whose place another took.
    """

    live: int
    net_live: int
    new_homes: int
    stages: Mapping[CountedStage, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CouncilWeek(Figures):
    """A council's."""

    council_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Week(Figures):
    """All councils' that were asked for. `complete`: the week is over."""

    week: date
    begins: datetime
    ends: datetime
    complete: bool
    councils: Sequence[CouncilWeek]


def weeks_of(rows: Iterable[Row], now: datetime) -> list[Week]:
    """The weeks, in the order in which their rows come; rows of one week and council stand together."""
    return [_week(week, list(of_week), now) for week, of_week in groupby(rows, key=lambda row: row.week)]


def _week(week: date, rows: Sequence[Row], now: datetime) -> Week:
    together = {stage: [row for row in rows if row.stage == stage] for stage in COUNTED_STAGES}
    ends = begins(week + WEEK)
    return Week(
        week=week,
        begins=begins(week),
        ends=ends,
        complete=ends <= now,
        councils=[
            CouncilWeek(council_id=council_id, **_figures({row.stage: [row] for row in of_council}))
            for council_id, of_council in groupby(rows, key=lambda row: row.council_id)
        ],
        **_figures(together),
    )


def _figures(rows: Mapping[CountedStage, Sequence[Row]]) -> dict[str, Any]:
    stages = {stage: sum(row.devices for row in rows.get(stage, ())) for stage in COUNTED_STAGES}
    live = sum((row.flow for row in rows.get("live", ())), Flow())
    replaced = sum(row.flow.replaced for of_stage in rows.values() for row in of_stage)
    return {
        "live": stages["live"],
        "net_live": live.entered - live.left,
        "new_homes": live.first - replaced,
        "stages": stages,
    }
