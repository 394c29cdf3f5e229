"""What is read of outages, as far as it is the asker's business; and the tick of who has asked after whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.alerts.http.asker import Scope
from services.alerts.outages.bodies import MemberView, OutageView
from services.alerts.outages.sql import QUERIES
from services.chassis.http import Paging
from services.chassis.postgres import Connection


@dataclass(frozen=True, slots=True)
class Listed:
    """An outage, and how many of its members are the asker's."""

    view: OutageView
    members: int


async def outages(
    connection: Connection, scope: Scope, paging: Paging, *, is_open: bool | None
) -> Sequence[OutageView]:
    """Newest first, one more than asked for."""
    rows = await connection.fetch(
        QUERIES["list"], is_open, scope.hub, scope.councils, paging.after_at, paging.after_id, paging.fetch
    )
    return [OutageView.of(row) for row in rows]


async def outage(connection: Connection, outage_id: UUID, scope: Scope) -> Listed | None:
    """None also when it is not the asker's business."""
    row = await connection.fetchrow(QUERIES["get"], outage_id, scope.hub, scope.councils)
    return None if row is None else Listed(OutageView.of(row), row["listed"])


async def members(
    connection: Connection, outage_id: UUID, scope: Scope, paging: Paging, *, to_do: bool = False
) -> Sequence[MemberView]:
    """By device, one more than asked for; `to_do`: those of whom nobody has asked after yet."""
    rows = await connection.fetch(
        QUERIES["list_members"], outage_id, scope.hub, scope.councils, paging.after_id or "", to_do, paging.fetch
    )
    return [MemberView.of(row) for row in rows]


async def contacted(
    connection: Connection,
    outage_id: UUID,
    device_id: str,
    scope: Scope,
    *,
    operator: str,
    note: str | None,
    now: datetime,
) -> MemberView | None:
    """Somebody has asked after the person; None when it is no member of the asker's.

    Said of the outage's member, and of that of the one it is part of: by two statements in the caller's transaction, for the second
    has to see what whoever decides has done until the first has the row.
    """
    await connection.execute(QUERIES["hold_member"], outage_id, device_id)
    row = await connection.fetchrow(
        QUERIES["contacted"], outage_id, scope.hub, scope.councils, device_id, operator, now, note
    )
    return None if row is None else MemberView.of(row)


async def council_names(connection: Connection) -> dict[str, str]:
    """What people call councils."""
    return {row["council_id"]: row["name"] for row in await connection.fetch(QUERIES["council_names"])}
