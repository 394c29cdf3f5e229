"""`GET /api/v1/kpis`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from services.alerts.domain.kpis import Month, Report
from services.alerts.http.asker import Reader, Scope
from services.alerts.kpis.store import Months
from services.alerts.kpis.table import as_csv
from services.alerts.kpis.view import KpisView
from services.chassis.clock import Clock
from services.chassis.http import Access, invalid

MonthText = Annotated[
    str | None, Query(max_length=16, description="As 2026-11, by the clocks of Scotland; the present one unless given.")
]


def routes(months: Months, clock: Clock, access: Access) -> APIRouter:
    """The router, to be mounted beside those of other services."""
    router = access.router(prefix="/api/v1", tags=["kpis"])

    @router.get("/kpis", response_model=KpisView, responses={200: {"content": {"text/csv": {}}}})
    async def get_kpis(
        who: Reader, month: MonthText = None, form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json"
    ) -> KpisView | Response:
        """How many calls of a month were answered within 60 and 180 s, against the TSA's 97.5 % and 99 %.

        A call is a period in which an alarm of priority 1 or 2 waits for a person; it is answered when somebody acknowledges
        the alarm, or closes it. It counts in the month in which it began, for the hub whose operator answered it, else for the
        first that was told. One that nobody has answered counts once 180 s have passed; until then it is `waiting`.
        """
        now = clock.now()
        report = await months.read(wanted(month, now), Scope.of(who), now)
        return as_download(report) if form == "csv" else KpisView.of(report)

    return router


def wanted(month: str | None, now: datetime) -> Month:
    """The month that was asked for; 422 when it is none, or has not begun."""
    asked = Month.of(now) if month is None else Month.parse(month)
    if asked is None:
        raise invalid(("month", "write a month as 2026-11"))
    if asked.begins > now:
        raise invalid(("month", f"{asked} has not begun yet"))
    return asked


def as_download(report: Report) -> Response:
    """The month as a CSV file."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="telecare-kpis-{report.month}.csv"',
    }
    return Response(as_csv(report), media_type="text/csv; charset=utf-8; header=present", headers=headers)
