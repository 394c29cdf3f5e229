"""A device's history told as what each week did to the counts: who entered a stage of a council, and who left it.

Weeks are Scotland's, from Monday to Sunday by its clocks, and have 167 or 169 hours where these change. A count at the end of a
week is all that entered until then less all that left, so that it follows from the history alone and can always be made again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, TypeAlias, get_args

from contracts.rota import LONDON
from services.registry.domain.lifecycle import Stage

CountedStage: TypeAlias = Literal[Stage, "unheard"]
"""A stage as the rollout counts it: `live` has been heard since it first went live, and until then it is `unheard`."""

COUNTED_STAGES: Final[tuple[CountedStage, ...]] = get_args(CountedStage)
WEEK: Final = timedelta(days=7)


def week_of(at: datetime) -> date:
    """The Monday of the week that `at` (with an offset) is in."""
    day = at.astimezone(LONDON).date()
    return day - timedelta(days=day.weekday())


def begins(week: date) -> datetime:
    """Its first instant, in UTC. The clocks change on Sundays at one, so that a Monday's midnight is there, and once."""
    return datetime.combine(week, time(), tzinfo=LONDON).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """What the rollout reads in a line of a device's history; None, False: the line does not say so."""

    at: datetime
    stage: Stage | None = None
    council_id: str | None = None
    heard: bool = False  # it was heard since it first went live
    replaced: bool = False  # another device has taken its place


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a device stands after the lines that were read. `was_live`: it has been counted as live, once at least."""

    council_id: str
    stage: Stage
    heard: bool = False
    was_live: bool = False

    @property
    def counted(self) -> CountedStage:
        return "unheard" if self.stage == "live" and not self.heard else self.stage


@dataclass(frozen=True, slots=True)
class Cell:
    """A week of a stage of a council."""

    week: date
    council_id: str
    stage: CountedStage


@dataclass(frozen=True, slots=True)
class Flow:
    """How many entered and left. A replacement is no new home: the home is the one of the device that it replaces.

    `first`: of those that entered `live`, the ones that had never been. `replaced`: of those that left, having been live at some
    time, the ones whose place another device took.
    """

    entered: int = 0
    left: int = 0
    first: int = 0
    replaced: int = 0

    def __add__(self, other: Flow) -> Flow:
        return Flow(
            self.entered + other.entered,
            self.left + other.left,
            self.first + other.first,
            self.replaced + other.replaced,
        )


def follow(standing: Standing | None, line: Line, council_id: str) -> tuple[Standing, dict[Cell, Flow]]:
    """Where the device stands after a line, and what that did to the counts.

    The first line of a device makes it appear; `council_id` is where, when the line does not say so.
    """
    if standing is None:
        standing = Standing(line.council_id or council_id, line.stage or "registered", heard=line.heard)
        return _counted(standing), _enters(standing, line.at)
    after = replace(
        standing,
        council_id=line.council_id or standing.council_id,
        stage=line.stage or standing.stage,
        heard=standing.heard or line.heard,
    )
    if (after.council_id, after.counted) == (standing.council_id, standing.counted):
        return after, {}
    moved = Flow(left=1, replaced=int(line.replaced and standing.was_live))
    left = {Cell(week_of(line.at), standing.council_id, standing.counted): moved}
    return _counted(after), left | _enters(after, line.at)


def _enters(standing: Standing, at: datetime) -> dict[Cell, Flow]:
    first = standing.counted == "live" and not standing.was_live
    return {Cell(week_of(at), standing.council_id, standing.counted): Flow(entered=1, first=int(first))}


def _counted(standing: Standing) -> Standing:
    return replace(standing, was_live=standing.was_live or standing.counted == "live")


def total(flows: Iterable[Mapping[Cell, Flow]]) -> dict[Cell, Flow]:
    """All of them together."""
    together: defaultdict[Cell, Flow] = defaultdict(Flow)
    for each in flows:
        for cell, flow in each.items():
            together[cell] += flow
    return dict(together)
