"""`/api/v1/rollout`: figures only, so for every role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal, TypeAlias

import structlog
from fastapi import APIRouter, Depends, Header, Query, Response

from contracts.fields import Slug
from contracts.rota import LONDON
from services.chassis.clock import Clock
from services.chassis.http import Access, ById, Page, Paging, invalid
from services.registry.councils.http import Day
from services.registry.domain.rollout import Rollout
from services.registry.domain.rollout_history import WEEKS_MAX, Row, Week, weeks_of
from services.registry.domain.rollout_weeks import WEEK, week_of
from services.registry.roles import Anyone, Ops
from services.registry.rollout.bodies import TargetBody, TargetView
from services.registry.rollout.programme import ProgrammeStore
from services.registry.rollout.store import RolloutStore, Span
from services.registry.rollout.table import as_download, councils_table, history_table

_log = structlog.get_logger(__name__)

Form: TypeAlias = Annotated[
    Literal["json", "csv"] | None, Query(alias="format", description="Else as `Accept` says; JSON unless it says CSV.")
]
Accept: TypeAlias = Annotated[str | None, Header(include_in_schema=False)]
_CSV: dict[int | str, dict[str, object]] = {200: {"content": {"text/csv": {}}}}


@dataclass(frozen=True, slots=True)
class Sought:
    """Which weeks, those that hold these days included; of which council."""

    from_: Annotated[Day | None, Query(alias="from")] = None
    to: Annotated[Day | None, Query()] = None
    council: Annotated[Slug | None, Query()] = None


def routes(rollout: RolloutStore, programme: ProgrammeStore, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1/rollout", tags=["rollout"])

    @router.get("", response_model=Rollout, responses=_CSV)
    async def get_rollout(_who: Anyone, form: Form = None, accept: Accept = None) -> Rollout | Response:
        """Live devices of the programme's target, when the rest will be, and every council's devices by stage.

        `live` went live, has been heard since, and is neither suspended nor withdrawn; `unheard` has not been heard yet, and
        `silent` not lately. Figures only, so for every role.
        """
        found = await rollout.read()
        if wants_csv(form, accept):
            return as_download(councils_table(found), "rollout", found.as_of.astimezone(LONDON).date())
        return found

    @router.get("/history", response_model=Page[Week], responses=_CSV)
    async def get_history(
        _who: Anyone, sought: Annotated[Sought, Depends()], paging: ById, form: Form = None, accept: Accept = None
    ) -> Page[Week] | Response:
        """Week by week, the newest first: devices by council and stage at its end, and how many more were live than before.

        Weeks go from Monday to Sunday by the clocks of Scotland. As CSV the weeks are not paged: ten years at most.
        """
        now = clock.now()
        if wants_csv(form, accept):
            table = history_table(await _rows(rollout, sought, Paging(WEEKS_MAX), week_of(now)), now)
            return as_download(table, "rollout-history", now.astimezone(LONDON).date())
        weeks = weeks_of(await _rows(rollout, sought, paging, week_of(now)), now)
        return paging.page(weeks, key=lambda week: (None, week.week.isoformat()))

    @router.get("/target")
    async def get_target(_who: Anyone) -> TargetView:
        """What the programme aims at, and has aimed at."""
        return TargetView.of(await programme.history())

    @router.put("/target")
    async def put_target(body: TargetBody, who: Ops) -> TargetView:
        """Aim at this from now on. What was aimed at before stays in the history; the same again changes nothing."""
        history = await programme.aim(body.target, body.target_date, body.source, actor=who.name, now=clock.now())
        _log.info("rollout_target_set", target=body.target, by=who.name)
        return TargetView.of(history)

    return router


def wants_csv(form: Literal["json", "csv"] | None, accept: str | None) -> bool:
    """What `format` says, else `Accept`."""
    return form == "csv" if form else accept is not None and "text/csv" in accept and "json" not in accept


async def _rows(rollout: RolloutStore, sought: Sought, paging: Paging, this_week: date) -> Sequence[Row]:
    """The rows of as many weeks as `paging` fetches."""
    first = await rollout.first_week()
    if first is None:
        return []
    begin = first if sought.from_ is None else max(first, _monday(sought.from_))
    end = this_week if sought.to is None else min(this_week, _monday(sought.to))
    if paging.after_id is not None:
        end = min(end, _week_before(paging.after_id))
    begin = max(begin, end - WEEK * (paging.fetch - 1))
    return [] if begin > end else await rollout.history(Span(begin, end, sought.council))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _week_before(cursor: str) -> date:
    try:
        return _monday(date.fromisoformat(cursor)) - WEEK
    except (ValueError, OverflowError):
        raise invalid(("cursor", "not a cursor of this list; start again without one")) from None
