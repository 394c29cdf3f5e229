"""Alarms of the past, as alerts keeps them: written as they happened, a story at a time."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.chassis.postgres import Connection

# What happened → the state of the alarm after it. A repeat leaves it as it is, unless it says otherwise.
STATES = {
    "raised": "open",
    "released": "open",
    "escalated": "open",
    "acknowledged": "acknowledged",
    "closed": "closed",
    "restored": "closed",
    "test_received": "closed",
}


@dataclass(frozen=True)
class Happened:
    """One transition, so many seconds after the story began."""

    event: str
    after_s: float = 0
    state: str | None = None
    priority: int = 1
    hub_id: str | None = None

    @property
    def leaves(self) -> str:
        return self.state or STATES[self.event]


async def alarm(
    connection: Connection,
    began_at: datetime,
    *story: Happened,
    council_id: str | None = "glasgow-city",
    told: Sequence[str] = (),
) -> uuid.UUID:
    """One alarm with its transitions; the hubs of `told` were sent the first of them."""
    id_, last = uuid.uuid4(), story[-1]
    at = began_at + timedelta(seconds=last.after_s)
    taken, closed = last.leaves == "acknowledged", last.leaves == "closed"
    await connection.execute(
        "insert into alerts.alarm (alarm_id, device_id, council_id, kind, status, priority, state, step, event_count, test, "
        "unregistered, sole_device, received_at, opened_at, last_event_at, ladder_at, told_at, changed_at, policy_id, wake_at, "
        "acknowledged_at, acknowledged_by, closed_at, closed_by, outcome) "
        "values ($1, $2, $3, 'fall', 'activated', $4, $5, 0, 1, $6, false, false, $7, $7, $7, $7, $7, $8, 0, $9, $10, $11, "
        "$12, $13, $14)",
        *(id_, str(id_), council_id, last.priority, last.leaves, last.event == "test_received", began_at, at),
        *(None if closed else at, at if taken else None, "morag" if taken else None),
        *((at, "morag", "attended") if closed else (None, None, None)),
    )
    transitions = [
        await connection.fetchval(
            "insert into alerts.transition (alarm_id, at, event, reason, state, step, priority, actor, hub_id) "
            "values ($1, $2, $3, 'as_told', $4, 0, $5, null, $6) returning transition_id",
            *(id_, began_at + timedelta(seconds=each.after_s), each.event, each.leaves, each.priority, each.hub_id),
        )
        for each in story
    ]
    for number, hub_id in enumerate(told):
        await _sent(connection, id_, transitions[0], hub_id, number, began_at)
    return id_


async def _sent(
    connection: Connection, alarm_id: uuid.UUID, transition_id: int, hub_id: str, number: int, at: datetime
) -> None:
    if number == 0:
        await connection.execute(
            "insert into alerts.notification (notification_id, transition_id, alarm_id, type, timestamp, body) "
            "values ('msg_' || $1::bigint::text, $1, $2, 'alarm.raised', $3, '{}')",
            *(transition_id, alarm_id, at),
        )
    await connection.execute(
        "insert into alerts.delivery (transition_id, alarm_id, notification_id, kind, channel, hub_id, priority, due_at, "
        "created_at) values ($1, $2, 'msg_' || $1::bigint::text, 'webhook', gen_random_uuid(), $3, 1, $4, $4)",
        *(transition_id, alarm_id, hub_id, at),
    )
