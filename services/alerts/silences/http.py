"""`/api/v1/silences`."""

from __future__ import annotations

import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Query

from contracts.access import Principal
from services.alerts.http.asker import Operator, Reader, Scope
from services.alerts.silences import store
from services.alerts.silences.bodies import EndBody, SilenceBody, SilenceView
from services.alerts.silences.store import Silence
from services.alerts.store import as_uuid
from services.chassis.audit import never_waits
from services.chassis.clock import Clock
from services.chassis.http import Access, NewestFirst, Page, Problem, invalid
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)


def routes(reading: Pool, acting: Pool, access: Access, clock: Clock) -> APIRouter:
    router = access.router(prefix="/api/v1/silences", tags=["silences"])

    @router.get("")
    async def get_silences(
        who: Reader,
        paging: NewestFirst,
        active: Annotated[bool | None, Query(description="Those that last, or those that are over.")] = None,
    ) -> Page[SilenceView]:
        """Silences, newest first; all unless asked."""
        if paging.after_id is not None and as_uuid(paging.after_id) is None:
            raise invalid(("cursor", "not a cursor of this list; start again without one"))
        now = clock.now()
        async with borrow(reading) as connection:
            found = await store.newest(connection, Scope.of(who), paging, now, active=active)
        views = [SilenceView.of(silence, now) for silence in found]
        return paging.page(views, key=lambda view: (view.starts_at, str(view.silence_id)))

    @router.post("", status_code=HTTPStatus.CREATED)
    async def start(body: SilenceBody, who: Operator) -> SilenceView:
        """Hold back alarms of priority 3 to 5 for so many minutes: they are listed, and told when it is over.

        A hub may do so for the councils that are routed to it.
        """
        return await start_silence(acting, clock, body, who)

    @router.post("/{silence_id}/end")
    @never_waits
    async def end(silence_id: uuid.UUID, body: EndBody, who: Operator) -> SilenceView:
        """End it before its time: what it held back is told now. 409 when it is over already."""
        return await end_silence(acting, clock, silence_id, body.operator, who)

    return router


async def start_silence(pool: Pool, clock: Clock, body: SilenceBody, who: Principal) -> SilenceView:
    """In a transaction of its own. A Problem says why not."""
    silence = _silence(body, who, clock)
    async with borrow(pool) as connection, connection.transaction():
        await _refuse(connection, body, who)
        await store.start(connection, silence)
    _log.warning("silence_started", **_told(silence, who), reason=silence.reason)
    return SilenceView.of(silence, silence.starts_at)


async def end_silence(pool: Pool, clock: Clock, silence_id: uuid.UUID, operator: str, who: Principal) -> SilenceView:
    """In a transaction of its own. A Problem says why not: 404, or 409 when it is over already."""
    now = clock.now()
    async with borrow(pool) as connection, connection.transaction():
        found = await store.get(connection, silence_id, Scope.of(who))
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such silence.")
        ended = await store.end(connection, silence_id, operator, now)
        if ended is None:
            raise Problem(HTTPStatus.CONFLICT, f"This silence is over since {found.ends_at.isoformat()}.")
    _log.warning("silence_ended", **_told(ended, who), ended_by=ended.ended_by)
    return SilenceView.of(ended, now)


def _silence(body: SilenceBody, who: Principal, clock: Clock) -> Silence:
    now = clock.now()
    return Silence(
        silence_id=uuid.uuid4(),
        council_id=body.council_id,
        device_id=body.device_id,
        postcode_district=body.postcode_district,
        priorities=tuple(body.priorities),
        reason=body.reason,
        operator=body.operator,
        hub_id=who.hub_id,
        starts_at=now,
        ends_at=now + timedelta(minutes=body.minutes),
    )


async def _refuse(connection: Connection, body: SilenceBody, who: Principal) -> None:
    """Raises Problem for what would hold back nothing, and for what is not the caller's."""
    if not await store.council_exists(connection, body.council_id):
        raise invalid(("council_id", "no such council; GET /api/v1/councils lists them"))
    if who.hub_id is not None and not await store.is_routed(connection, body.council_id, who.hub_id):
        raise Problem(HTTPStatus.FORBIDDEN, "The alarms of this council do not go to your hub.")
    if body.device_id is not None and not await store.has_device(connection, body.council_id, body.device_id):
        raise invalid(("device_id", "this council has no such device"))


def _told(silence: Silence, who: Principal) -> dict[str, object]:
    return {
        "silence_id": str(silence.silence_id),
        "council_id": silence.council_id,
        "device_id": silence.device_id,
        "postcode_district": silence.postcode_district,
        "priorities": list(silence.priorities),
        "operator": silence.operator,
        "by": who.name,
        "hub_id": silence.hub_id,
        "until": silence.ends_at.isoformat(timespec="seconds"),
    }
