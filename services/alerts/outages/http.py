"""`/api/v1/outages`."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from contracts.access import Principal
from contracts.ids import DEVICE_ID_PATTERN
from services.alerts.http.asker import Operator, Reader, Scope
from services.alerts.outages import reading as store
from services.alerts.outages.bodies import ContactedBody, MemberView, OutageView
from services.alerts.outages.worklist import worklist
from services.alerts.store import as_uuid
from services.chassis.audit import never_waits, reads_people
from services.chassis.clock import Clock
from services.chassis.http import Access, ById, NewestFirst, Page, Problem, invalid
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

DeviceText = Annotated[str, Path(pattern=DEVICE_ID_PATTERN)]


def routes(reading: Pool, acting: Pool, access: Access, clock: Clock) -> APIRouter:
    """The router, to be mounted beside those of other services."""
    router = access.router(prefix="/api/v1/outages", tags=["outages"])

    @router.get("")
    async def get_outages(
        who: Reader,
        paging: NewestFirst,
        state: Annotated[Literal["open", "closed"] | None, Query()] = None,
    ) -> Page[OutageView]:
        """Outages, newest first; open and closed unless asked. A hub sees those with members of councils that are routed to it."""
        if paging.after_id is not None and as_uuid(paging.after_id) is None:
            raise invalid(("cursor", "not a cursor of this list; start again without one"))
        async with borrow(reading) as connection:
            views = await store.outages(
                connection, Scope.of(who), paging, is_open=None if state is None else state == "open"
            )
        return paging.page(views, key=lambda view: (view.opened_at, view.outage_id))

    @router.get("/{outage_id}")
    async def get_outage(outage_id: uuid.UUID, who: Reader) -> OutageView:
        """One outage."""
        return (await find(reading, outage_id, Scope.of(who))).view

    @router.get("/{outage_id}/members")
    @reads_people
    async def get_members(
        outage_id: uuid.UUID,
        who: Reader,
        paging: ById,
        to_do: Annotated[bool, Query(description="Only those of whom nobody has asked after.")] = False,
    ) -> Page[MemberView]:
        """Who was exposed, by device: those of the asker's councils, well again or not."""
        await find(reading, outage_id, Scope.of(who))
        async with borrow(reading) as connection:
            views = await store.members(connection, outage_id, Scope.of(who), paging, to_do=to_do)
        return paging.page(views, key=lambda view: (None, view.device_id))

    @router.get("/{outage_id}/worklist.csv", response_class=StreamingResponse)
    @reads_people
    async def get_worklist(outage_id: uuid.UUID, who: Reader) -> StreamingResponse:
        """The same as a table for a spreadsheet, all of it; no text in it is a formula."""
        return await as_download(reading, outage_id, Scope.of(who))

    @router.post("/{outage_id}/members/{device_id}/contacted")
    @never_waits
    async def contacted(outage_id: uuid.UUID, device_id: DeviceText, body: ContactedBody, who: Operator) -> MemberView:
        """Somebody has asked after the person: ticked off, under the operator's name. Said again, the last word stands."""
        return await tick(acting, clock, outage_id, device_id, body, who)

    return router


async def find(pool: Pool, outage_id: uuid.UUID, scope: Scope) -> store.Listed:
    """The outage. A Problem, 404, also when it is not the asker's business."""
    async with borrow(pool) as connection:
        found = await store.outage(connection, outage_id, scope)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such outage.")
    return found


async def as_download(pool: Pool, outage_id: uuid.UUID, scope: Scope) -> StreamingResponse:
    """The worklist as a file."""
    found = await find(pool, outage_id, scope)
    name = f"telecare-outage-{found.view.opened_at:%Y%m%d-%H%M}.csv"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(
        worklist(pool, outage_id, scope), media_type="text/csv; charset=utf-8; header=present", headers=headers
    )


async def tick(
    pool: Pool, clock: Clock, outage_id: uuid.UUID, device_id: str, body: ContactedBody, who: Principal
) -> MemberView:
    """In a transaction of its own. A Problem, 404, when it is no member of the caller's."""
    async with borrow(pool) as connection, connection.transaction():
        view = await store.contacted(
            *(connection, outage_id, device_id, Scope.of(who)),
            operator=body.operator,
            note=body.note,
            now=clock.now(),
        )
    if view is None:
        raise Problem(HTTPStatus.NOT_FOUND, "This device is no member of such an outage.")
    _log.info("outage_member_contacted", outage_id=str(outage_id), device_id=device_id, operator=body.operator)
    return view
