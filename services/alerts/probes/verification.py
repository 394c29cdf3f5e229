"""Sends the code by which a channel is verified over that very channel. The registry makes it, and it is entered there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from contracts.ids import HubId
from contracts.verification import Verification
from contracts.vocabulary import Priority
from services.alerts.domain.delivery import DeliveryKind
from services.alerts.probes import store
from services.alerts.probes.store import QUERIES
from services.chassis.event_log import AfterCommit, LogRow
from services.chassis.postgres import Connection

_log = structlog.get_logger(__name__)

STREAM: Final = "verifications"


@dataclass(frozen=True, slots=True)
class _Way:
    kind: DeliveryKind
    hub_id: HubId | None
    responder_id: UUID | None


@dataclass(frozen=True, slots=True)
class VerificationSender:
    """The handlers of the stream `verifications`."""

    send: Callable[[], None]  # a delivery is due

    async def handle(self, connection: Connection, row: LogRow, now: datetime) -> AfterCommit | None:
        """Write the notification with the code, and its delivery. ValueError when the row holds no verification."""
        asked = Verification.model_validate_json(row.body)
        way = await _way(connection, asked)
        if way is None or asked.expires_at <= now:
            _log.warning("verification_not_sent", channel_id=row.key, reason="too late" if way else "no such channel")
            return None
        await store.send_probe(
            connection,
            kind=way.kind,
            channel_id=asked.channel_id,
            hub_id=way.hub_id,
            responder_id=way.responder_id,
            code=asked.code,
            priority=Priority.WELFARE,  # somebody stands there and waits for it
            expires_at=asked.expires_at,
            now=now,
        )
        return self.send

    async def handle_poison(self, _connection: Connection, row: LogRow, _now: datetime) -> AfterCommit | None:
        """Somebody waits for a code that never comes, and asks for another: that is all that is lost."""
        return lambda: _log.error("verification_unreadable", channel_id=row.key, event_log_id=row.event_log_id)


async def _way(connection: Connection, asked: Verification) -> _Way | None:
    """The channel as it is now; None when it is gone."""
    if asked.owner == "hub":
        channel = await connection.fetchrow(QUERIES["channel"], asked.channel_id)
        return None if channel is None else _Way(channel["kind"], channel["hub_id"], None)
    kind: DeliveryKind | None = await connection.fetchval(QUERIES["responder"], asked.channel_id)
    return None if kind is None else _Way(kind, None, asked.channel_id)
