"""`/console/kpis`: a month for people, behind the console's sign-in. No script; nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from contracts.rota import LONDON
from services.alerts.domain.kpis import Figures, Group, Month, Report
from services.alerts.http.asker import Reader, Scope
from services.alerts.kpis.http import MonthText, as_download, wanted
from services.alerts.kpis.store import Months
from services.chassis.clock import Clock
from services.chassis.pages import Gate, Site

SITE: Final = Site("/console/kpis", __file__, scripts=False)
_PRIORITIES: Final = {"1": "1, life", "2": "2, welfare"}
_PERCENTILES: Final = {"p50": "Half within", "p90": "90 %", "p95": "95 %", "p99": "99 %", "max": "Longest"}


def page_routers(months: Months, clock: Clock, gate: Gate) -> Sequence[APIRouter]:
    """To be mounted beside the console's; in no API document, for they are for people."""
    router = SITE.gated(gate)

    @router.get("")
    async def kpis(
        request: Request,
        who: Reader,
        month: MonthText = None,
        form: Annotated[Literal["html", "csv"], Query(alias="format")] = "html",
    ) -> Response:
        now = clock.now()
        report = await months.read(wanted(month, now), Scope.of(who), now)
        return as_download(report) if form == "csv" else render(request, report, await months.names())

    return SITE.static_router(), router


def render(request: Request, report: Report, names: Mapping[tuple[str, str], str]) -> HTMLResponse:
    """The page; `names` are what people call councils and hubs. Whatever is put into it is text, never markup."""
    return SITE.page(
        request,
        "month.html",
        report=report,
        is_last=report.month == Month.of(report.as_of),
        councils=_named(report.councils, "council", names, "Nobody knows which"),
        hubs=_named(report.hubs, "hub", names, "None was told"),
        priorities=[(_PRIORITIES.get(each.key, each.key), each.figures) for each in report.priorities],
    )


def _named(
    groups: Sequence[Group], dimension: str, names: Mapping[tuple[str, str], str], nameless: str
) -> list[tuple[str, Figures]]:
    named = [(names.get((dimension, each.key), each.key) or nameless, each.figures) for each in groups]
    return sorted(named, key=lambda each: each[0].casefold())


def percent(share: float) -> str:
    """`97.5 %`. Never rounded up: 97.499 % that missed must not read as 97.5 %."""
    hundredths = int(round(share * 10_000, 6))  # rounded first, for 0.57 is 0.5699999…
    return f"{hundredths / 100:g} %"


def wait(seconds: float | None) -> str:
    """`42 s`, `3 min 20 s`; nothing where no call was answered."""
    if seconds is None:
        return "–"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def moment(at: datetime) -> str:
    """`22 November 2026, 14:02 GMT`."""
    local = at.astimezone(LONDON)
    return f"{local.day} {local:%B %Y, %H:%M %Z}"


SITE.environment.filters |= {
    "count": "{:,}".format,
    "moment": moment,
    "percent": percent,
    "percentile": _PERCENTILES.__getitem__,
    "wait": wait,
}
