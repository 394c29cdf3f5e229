"""`/api/v1/hubs/{hub_id}/channels/health`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.access import Principal
from contracts.fields import Slug, Time
from services.alerts.domain.delivery import DeliveryKind
from services.alerts.probes.store import QUERIES
from services.chassis.http import Access, Problem, require
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

_COUNTED_MAX: Final = 1001

Reader: TypeAlias = Annotated[Principal, require("ops", "viewer", "hub")]


class ChannelHealth(BaseModel):
    """What probes, every five minutes, and what waits for one verified channel say of it. A time is null until it has happened."""

    channel_id: UUID
    kind: DeliveryKind
    failing: bool
    """Three probes in a row have failed, and an alarm (`channel_failing`) says so."""
    failures: int
    """In a row, until now."""
    failing_since: Time | None
    last_error: str | None
    """Why the last probe failed; else why most of what is undelivered did."""
    undelivered: int
    """Notifications that were tried there, failed, and are tried again (1001: or more)."""
    last_alive_at: Time | None
    """When something last arrived there."""
    probed_at: Time | None


class ChannelsHealth(BaseModel):
    items: list[ChannelHealth]


def routes(pool: Pool, access: Access) -> APIRouter:
    router = access.router(prefix="/api/v1/hubs", tags=["hubs"])

    @router.get("/{hub_id}/channels/health")
    async def get_health(hub_id: Slug, who: Reader) -> ChannelsHealth:
        """The health of a hub's verified channels; a hub may read its own."""
        if who.role == "hub" and who.hub_id != hub_id:
            raise Problem(HTTPStatus.FORBIDDEN, "A hub may read itself only.")
        async with borrow(pool) as connection:
            if not await connection.fetchval(QUERIES["hub_exists"], hub_id):
                raise Problem(HTTPStatus.NOT_FOUND, f"There is no hub {hub_id}.")
            rows = await connection.fetch(QUERIES["health_of_hub"], hub_id, _COUNTED_MAX)
        return ChannelsHealth(
            items=[
                ChannelHealth(
                    channel_id=row["channel_id"],
                    kind=row["kind"],
                    failing=row["alarm_at"] is not None,
                    failures=row["failures"] or 0,
                    failing_since=row["failing_since"],
                    last_error=row["last_error"] or row["waiting_error"],
                    undelivered=row["undelivered"],
                    last_alive_at=row["last_alive_at"],
                    probed_at=row["probed_at"],
                )
                for row in rows
            ]
        )

    return router
