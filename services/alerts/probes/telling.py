"""A dead channel is an alarm like any other (`channel_failing`, priority 3): told through the log from which alarms come."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import uuid4

import structlog

from contracts.alarm_event import AlarmEvent
from contracts.ids import CouncilId, DeviceId, EventId
from contracts.vocabulary import CHANNEL_FAILING
from services.alerts.intake import STREAM
from services.alerts.probes.health import Health, Turn
from services.alerts.probes.store import QUERIES
from services.chassis.event_log import AfterCommit, LogEntry, append
from services.chassis.postgres import Connection

_log = structlog.get_logger(__name__)


async def tell(connection: Connection, turn: Turn, health: Health, now: datetime) -> AfterCommit:
    """Append the event that raises, or closes, the alarm of this channel; in the transaction of the change that it tells."""
    council: CouncilId | None = await connection.fetchval(QUERIES["council_of_hub"], health.hub_id)
    event = channel_event(turn, health, council, now)
    await append(connection, [LogEntry(STREAM, event.device_id, int(event.urgency), event.to_json())], now)

    def after_commit() -> None:
        say = _log.error if turn == "activated" else _log.info
        say(
            "channel_failing" if turn == "activated" else "channel_restored",
            hub_id=health.hub_id,
            channel=health.kind,
            channel_id=str(health.channel_id),
            **({"since": _iso(health.failing_since), "reason": health.last_error} if turn == "activated" else {}),
        )

    return after_commit


def channel_event(turn: Turn, health: Health, council: CouncilId | None, now: datetime) -> AlarmEvent:
    """The event: of the hub as if it were a device, and of the channel as its peripheral, so that each has its own alarm."""
    event_id = EventId(str(uuid4()))
    text = f"{health.kind} channel of {health.hub_id}: {health.last_error or 'alive again'}"
    return AlarmEvent(
        event_id=event_id,
        device_id=DeviceId(f"hub-{health.hub_id}"[:64]),
        council_id=council,
        topic="",
        boot_id=None,
        seq=None,
        sent_at=None,
        received_at=now,
        kind=CHANNEL_FAILING,
        status=turn,
        peripheral_id=f"{health.kind}-{health.channel_id.hex[:12]}",
        location=None,
        text=text[:128],
        test=False,
        marks=(),
        payload_sha256=hashlib.sha256(event_id.encode()).hexdigest(),
    )


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
