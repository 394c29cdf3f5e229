"""`/rollout/`: how far the rollout is, for managers; to be read on a screen or on paper. No script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any, Final, Literal, TypeAlias

from fastapi import APIRouter, Request, Response

from contracts.rota import LONDON
from services.chassis.clock import Clock
from services.chassis.pages import Gate, Site
from services.chassis.service import Link
from services.registry.domain.forecast import Reason
from services.registry.domain.rollout import Growth
from services.registry.domain.rollout_council import CouncilRollout
from services.registry.domain.rollout_weeks import WEEK
from services.registry.roles import Anyone
from services.registry.rollout.burn_up import draw
from services.registry.rollout.store import RolloutStore
from services.registry.rollout.table import as_download, councils_table, history_table

LINK: Final = Link(
    "/rollout/",
    "Rollout",
    "how many devices are live, and when the rest will be",
    frozenset({"ops", "engineer", "hub", "viewer"}),
    frozenset({"viewer"}),  # a manager: they may look at the console, and take no alarm
)
SITE: Final = Site("/rollout", __file__, scripts=False)

TABLE_WEEKS: Final = 26
_PICTURES: Final = (("wide", 960, 380), ("narrow", 400, 360))

Order: TypeAlias = Literal["ascending", "descending"]

_WHY_NOT: Final = {
    Reason.TOO_FEW_WEEKS: "There are fewer than four complete weeks since the first device went live.",
    Reason.NOT_GROWING: "In the last weeks no more devices went live than ceased to be.",
    Reason.TOO_SLOW: "At the rate of the last weeks it would take more than ten years.",
}
_TIMING: Final = {
    "before": "by then: in nine cases of ten",
    "probably_before": "by then: more likely than not",
    "probably_after": "not by then: more likely than not",
    "after": "not by then: in nine cases of ten",
    "unknown": "nobody can say",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the councils' table: by what it is sorted, and how it is first."""

    key: str
    name: str
    value: Callable[[CouncilRollout], Any]
    first: Order = "descending"


COLUMNS: Final = (
    Column("council", "Council", lambda each: each.name.casefold(), "ascending"),
    Column("live", "Live", lambda each: each.live),
    Column("silent", "of them silent", lambda each: each.silent),
    Column("unheard", "Not heard yet", lambda each: each.unheard),
    Column("target", "Target", lambda each: each.target),
    Column("users", "Telecare users", lambda each: each.telecare_users),
    Column("ready", "Digital-ready", lambda each: each.digital_ready_share),
    Column("share", "Live end to end", lambda each: each.live_share),
    Column("analogue", "Analogue left", lambda each: each.analogue_left),
    Column("rate", "Needed a week", lambda each: each.analogue_needed_per_week),
    Column("overridden", "Overrides", lambda each: each.overridden),
    Column("faults", "Open faults", lambda each: each.open_faults.unprotected * 10**6 + each.open_faults.degraded),
)


def page_routers(rollout: RolloutStore, clock: Clock, gate: Gate) -> Sequence[APIRouter]:
    router = SITE.gated(gate)

    @router.get("/")
    async def show(
        request: Request,
        _who: Anyone,
        sort: str = "council",
        order: str = "",
        format: str = "html",  # noqa: A002
    ) -> Response:
        found, first, growth = await rollout.read_with_growth()
        today = clock.now().astimezone(LONDON).date()
        if format == "csv":
            return as_download(councils_table(found), "rollout", today)
        if format == "weeks":
            return as_download(history_table(await rollout.all_weeks(), found.as_of), "rollout-history", today)
        column = next((each for each in COLUMNS if each.key == sort), COLUMNS[0])
        chosen: Order = "ascending" if order == "ascending" else "descending" if order == "descending" else column.first
        return SITE.page(
            request,
            "rollout.html",
            rollout=found,
            councils=_sorted(found.councils, column, chosen),
            columns=COLUMNS,
            sorted_by=column.key,
            order=chosen,
            pictures=[draw(name, width, height, first, growth, found, today) for name, width, height in _PICTURES],
            weeks=_weeks(first, growth),
            why_not=_WHY_NOT,
            timing=_TIMING,
            today=today,
        )

    return SITE.static_router(), router


def _sorted(councils: Sequence[CouncilRollout], column: Column, order: Order) -> list[CouncilRollout]:
    """What nobody knows stands last, whichever way."""
    known = [each for each in councils if column.value(each) is not None]
    unknown = [each for each in councils if column.value(each) is None]
    return sorted(known, key=column.value, reverse=order == "descending") + unknown


def _weeks(first: date, growth: Growth) -> list[tuple[date, int, int]]:
    """Monday, live at its end, and how many more than the week before: the last half year, the newest first."""
    weeks = [
        (first + WEEK * number, live, net)
        for number, (live, net) in enumerate(zip(accumulate(growth.nets), growth.nets, strict=True))
    ]
    return weeks[::-1][:TABLE_WEEKS]


def percent(share: float | None) -> str:
    """`12.3 %`, on one line; never rounded up, so that a milestone that is missed does not read as met."""
    return "–" if share is None else f"{int(round(share * 1000, 6)) / 10:g}\u00a0%"


def day(of: date | None) -> str:
    """`31 January 2027`."""
    return "–" if of is None else f"{of.day} {of:%B %Y}"


def short(of: date) -> str:
    """`31 Jan 2027`."""
    return f"{of.day} {of:%b %Y}"


def count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def per_week(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:,.1f}"


SITE.environment.filters |= {"percent": percent, "day": day, "short": short, "count": count, "per_week": per_week}
