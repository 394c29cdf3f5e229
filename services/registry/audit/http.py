"""`GET /api/v1/audit`: pages for machines, or all of it as a table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from contracts.fields import STORABLE_PATTERN
from services.chassis.audit import reads_people
from services.chassis.http import Access, NewestFirst, Page, invalid
from services.registry.audit.store import AuditReader, AuditRow, Wanted
from services.registry.audit.table import HEAD, lines
from services.registry.roles import Ops

_CSV_PAGE = 2_000

Words: TypeAlias = Annotated[str | None, Query(max_length=200, pattern=STORABLE_PATTERN)]


def routes(reader: AuditReader, access: Access) -> APIRouter:
    router = access.router(prefix="/api/v1/audit", tags=["audit"])

    @router.get("", response_model=Page[AuditRow], responses={200: {"content": {"text/csv": {}}}})
    @reads_people
    async def get_audit(
        _who: Ops,
        paging: NewestFirst,
        since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
        who: Annotated[Words, Query(description="A token's name, or an operator's.")] = None,
        subject: Annotated[Words, Query(description="The id of a device, an alarm, a hub, …")] = None,
        request_id: Words = None,
        form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    ) -> Page[AuditRow] | Response:
        """Who did what, and who looked at what is about a person; newest first. As CSV: all of it, not a page."""
        wanted = Wanted(since, until, who, subject, request_id)
        if form == "csv":
            headers = {"Content-Disposition": 'attachment; filename="telecare-audit.csv"', "Cache-Control": "no-store"}
            return StreamingResponse(_table(reader, wanted), media_type="text/csv; charset=utf-8", headers=headers)
        after = None
        if paging.after_id is not None:
            if not paging.after_id.isdecimal() or int(paging.after_id) >= 2**63:
                raise invalid(("cursor", "not a cursor of this list; start again without one"))
            after = int(paging.after_id)
        rows = await reader.page(wanted, paging.after_at, after, paging.fetch)
        return paging.page(rows, key=lambda row: (row.at, str(row.audit_id)))

    return router


async def _table(reader: AuditReader, wanted: Wanted) -> AsyncIterator[str]:
    """Page by page, so that ten million rows hold no connection and no memory."""
    yield HEAD
    last: AuditRow | None = None
    while True:
        rows = await reader.page(wanted, last.at if last else None, last.audit_id if last else None, _CSV_PAGE)
        if not rows:
            return
        yield lines(rows)
        last = rows[-1]
