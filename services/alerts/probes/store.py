"""The health of channels in the database. Every function acts inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from contracts.ids import HubId, NotificationId
from contracts.notification import Probe, ProbeData
from contracts.vocabulary import Priority
from services.alerts.domain.delivery import DeliveryKind
from services.alerts.probes.health import Health, next_probe_at
from services.chassis.postgres import Connection, Queries

if TYPE_CHECKING:
    from asyncpg import Record

QUERIES = Queries.beside(__file__)

_FIELDS = tuple(field.name for field in fields(Health))
_SAVED = ("look_at", "probed_at", "probe_id", "failures", "failing_since", "last_error", "last_alive_at", "alarm_at")


def health_of(row: Record) -> Health:
    """The health in a row of `alerts.channel_health`."""
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return Health(**values)


async def watch_new(connection: Connection, now: datetime) -> None:
    """Keep the health of every verified channel; the first probe comes within five minutes."""
    rows = await connection.fetch(QUERIES["unwatched"])
    if rows:
        await connection.execute(
            QUERIES["watch"],
            [row["channel_id"] for row in rows],
            [row["hub_id"] for row in rows],
            [row["kind"] for row in rows],
            [next_probe_at(row["channel_id"], now) for row in rows],
        )


async def forget_gone(connection: Connection) -> list[Health]:
    """Forget channels that are gone; returns what was known of them."""
    return [health_of(row) for row in await connection.fetch(QUERIES["forget"])]


async def due(connection: Connection, now: datetime, kinds: Sequence[str], at_most: int) -> list[Health]:
    """Channels that are to be looked at, locked."""
    return [health_of(row) for row in await connection.fetch(QUERIES["due"], now, list(kinds), at_most)]


async def locked(connection: Connection, channel_id: UUID) -> Health | None:
    """The health of a channel as it is now, locked."""
    row = await connection.fetchrow(QUERIES["locked"], channel_id)
    return None if row is None else health_of(row)


async def save(connection: Connection, health: Health) -> None:
    await connection.execute(QUERIES["save"], health.channel_id, *(getattr(health, name) for name in _SAVED))


async def alive_at(connection: Connection, health: Health) -> datetime | None:
    """When something last arrived on the channel since its probe began; None: nothing has, or it was never probed."""
    if health.probed_at is None:
        return None
    found: datetime | None = await connection.fetchval(QUERIES["alive_at"], health.channel_id, health.probed_at)
    return found


async def send_probe(
    connection: Connection,
    *,
    kind: DeliveryKind,
    channel_id: UUID,
    hub_id: HubId | None,
    responder_id: UUID | None = None,
    code: str | None = None,
    priority: Priority,
    expires_at: datetime,
    now: datetime,
) -> NotificationId:
    """Write a `hub.probe` and its delivery, due now; with `code`, the one that verifies the channel."""
    id_ = NotificationId(f"msg_{uuid4().hex}")
    data = ProbeData(channel_id=str(channel_id), kind=kind, hub_id=hub_id, verification_code=code)
    body = Probe(id=id_, type="hub.probe", timestamp=now, data=data).model_dump_json()
    await connection.execute(
        QUERIES["send"], id_, now, body, kind, channel_id, hub_id, responder_id, priority, expires_at
    )
    return id_
