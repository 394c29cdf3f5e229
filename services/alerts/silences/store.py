"""Silences in the database. Every function acts inside the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.ids import HubId
from services.alerts.http.asker import Scope
from services.chassis.http import Paging
from services.chassis.postgres import Connection, Queries

if TYPE_CHECKING:
    from asyncpg import Record

QUERIES = Queries.beside(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What is held back, by whom, why and until when. The fields are the columns of `alerts.silence`."""

    silence_id: uuid.UUID
    council_id: str
    device_id: str | None
    postcode_district: str | None
    priorities: tuple[int, ...]
    reason: str
    operator: str
    hub_id: HubId | None
    starts_at: datetime
    ends_at: datetime
    ended_by: str | None = None


def silence_of(row: Record) -> Silence:
    """The silence in a row of `alerts.silence`."""
    return Silence(
        silence_id=row["silence_id"],
        council_id=row["council_id"],
        device_id=row["device_id"],
        postcode_district=row["postcode_district"],
        priorities=tuple(row["priorities"]),
        reason=row["reason"],
        operator=row["operator"],
        hub_id=row["hub_id"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        ended_by=row["ended_by"],
    )


async def council_exists(connection: Connection, council_id: str) -> bool:
    return bool(await connection.fetchval(QUERIES["council_exists"], council_id))


async def is_routed(connection: Connection, council_id: str, hub_id: HubId) -> bool:
    """Whether a council's alarms go to this hub."""
    return bool(await connection.fetchval(QUERIES["routed"], council_id, hub_id))


async def has_device(connection: Connection, council_id: str, device_id: str) -> bool:
    """Whether this device's alarms are the council's."""
    return bool(await connection.fetchval(QUERIES["device_in_council"], device_id, council_id))


async def start(connection: Connection, silence: Silence) -> None:
    await connection.execute(
        QUERIES["start"],
        *(silence.silence_id, silence.council_id, silence.device_id, silence.postcode_district),
        *(
            list(silence.priorities),
            silence.reason,
            silence.operator,
            silence.hub_id,
            silence.starts_at,
            silence.ends_at,
        ),
    )


async def end(connection: Connection, silence_id: uuid.UUID, operator: str, now: datetime) -> Silence | None:
    """End it now, and have what it held back looked at; None when it is over already."""
    row = await connection.fetchrow(QUERIES["end"], silence_id, now, operator)
    if row is None:
        return None
    await connection.execute(QUERIES["wake_held_back"], row["council_id"], now)
    return silence_of(row)


async def get(connection: Connection, silence_id: uuid.UUID, scope: Scope) -> Silence | None:
    """None also when it is not the asker's business."""
    row = await connection.fetchrow(QUERIES["get"], silence_id, scope.hub, scope.councils)
    return None if row is None else silence_of(row)


async def newest(
    connection: Connection, scope: Scope, paging: Paging, now: datetime, *, active: bool | None
) -> Sequence[Silence]:
    """Newest first, one more than asked for; `active` asks for those that last, or for those that are over."""
    rows = await connection.fetch(
        QUERIES["list"], now, scope.hub, scope.councils, paging.after_at, paging.after_id, active, paging.fetch
    )
    return [silence_of(row) for row in rows]
