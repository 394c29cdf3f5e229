"""A month as the HTTP API tells it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Self

from contracts.fields import Payload, Time
from services.alerts.domain.kpis import Excluded, Figures, Report, Within


class FiguresView(Payload):
    """`calls` are `answered`, soon or late, and `not_answered` (for 180 s and more); `waiting` are not counted yet."""

    calls: int
    answered: int
    not_answered: int
    waiting: int
    within: tuple[Within, ...]
    percentiles_s: dict[str, float | None]


class CouncilFigures(FiguresView):
    """`council_id` is null for devices whose council nobody knows."""

    council_id: str | None


class HubFigures(FiguresView):
    """`hub_id` is null when no hub was told."""

    hub_id: str | None


class PriorityFigures(FiguresView):
    """1 or 2: no other alarm is a call."""

    priority: int


class KpisView(Payload):
    """`complete`: the month is over and nothing of it waits, so that its figures stay as they are."""

    month: str
    begins: Time
    ends: Time
    as_of: Time
    complete: bool
    total: FiguresView
    councils: tuple[CouncilFigures, ...]
    hubs: tuple[HubFigures, ...]
    priorities: tuple[PriorityFigures, ...]
    excluded: Excluded

    @classmethod
    def of(cls, report: Report) -> Self:
        return cls(
            month=str(report.month),
            begins=report.month.begins,
            ends=report.month.ends,
            as_of=report.as_of,
            complete=report.complete,
            total=FiguresView(**_told(report.total)),
            councils=tuple(
                CouncilFigures(council_id=each.key or None, **_told(each.figures)) for each in report.councils
            ),
            hubs=tuple(HubFigures(hub_id=each.key or None, **_told(each.figures)) for each in report.hubs),
            priorities=tuple(
                PriorityFigures(priority=int(each.key), **_told(each.figures)) for each in report.priorities
            ),
            excluded=report.excluded,
        )


def _told(figures: Figures) -> dict[str, Any]:
    return asdict(figures) | {"within": figures.within}
