"""Alarms and what follows from a decision, in the database. Every function acts inside the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contracts.alarm_event import AlarmEvent
from contracts.ids import AlarmId, CouncilId, HubId, NotificationId
from contracts.vocabulary import Priority
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decision import Decision
from services.alerts.domain.notification import notification
from services.alerts.domain.receipts import receipt, receipt_topic
from services.alerts.domain.routing import Channel, Recipient
from services.alerts.domain.triggers import KnownDevice
from services.chassis.postgres import Connection, Queries

if TYPE_CHECKING:
    from asyncpg import Record

QUERIES = Queries.beside(__file__)

_FIELDS = tuple(field.name for field in fields(Alarm))


def alarm_of(row: Record) -> Alarm:
    """The alarm in a row of `alerts.alarm`."""
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    values["alarm_id"] = AlarmId(str(row["alarm_id"]))
    values["priority"] = Priority(row["priority"])
    return Alarm(**values)


def as_uuid(text: str) -> uuid.UUID | None:
    """The id in a text from outside, if it is one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Facts:
    """What an event is judged by. `joins` is the alarm that it joins, locked."""

    handled: bool
    device: KnownDevice | None
    joins: Alarm | None


async def facts(connection: Connection, event: AlarmEvent) -> Facts:
    """All of them in one round trip."""
    row = await connection.fetchrow(
        QUERIES["facts"], event.device_id, event.kind, event.peripheral_id, event.event_id, event.test
    )
    if row is None:
        raise AssertionError("a select from one row has one row")
    device = KnownDevice(row["device_council_id"], row["device_installation_ref"], row["sole_trigger"])
    joins = None if row["alarm_id"] is None else alarm_of(row)
    return Facts(row["handled"], device if row["registered"] else None, joins)


async def alarm_locked(connection: Connection, alarm_id: str) -> Alarm | None:
    """The alarm, locked until the transaction ends; None also for an id that is none."""
    id_ = as_uuid(alarm_id)
    row = await connection.fetchrow(QUERIES["alarm_locked"], id_) if id_ else None
    return alarm_of(row) if row else None


async def due_alarm(connection: Connection, now: datetime, passed_over: Iterable[AlarmId] = ()) -> Alarm | None:
    """The most urgent alarm whose `wake_at` has come, locked; none of those `passed_over`."""
    row = await connection.fetchrow(QUERIES["due_alarm"], now, list(passed_over))
    return alarm_of(row) if row else None


async def save(connection: Connection, before: Alarm | None, after: Alarm) -> None:
    """Write what changed. `before` is None when it is new."""
    if before == after:
        return
    if before is None:
        await connection.execute(QUERIES["insert_alarm"], *_values(after, _INSERTED))
    else:
        await connection.execute(QUERIES["update_alarm"], *_values(after, _UPDATED))


# In the order of the statements' parameters.
_INSERTED = (
    *(
        "alarm_id",
        "device_id",
        "council_id",
        "kind",
        "status",
        "peripheral_id",
        "location",
        "priority",
        "state",
        "step",
    ),
    *("event_count", "test", "unregistered", "installation_ref", "raised_at", "received_at", "opened_at", "changed_at"),
    *("wake_at", "notified_at", "acknowledged_at", "acknowledged_by", "closed_at", "closed_by", "outcome", "note"),
)
_UPDATED = (
    *(
        "alarm_id",
        "status",
        "location",
        "priority",
        "state",
        "step",
        "event_count",
        "opened_at",
        "changed_at",
        "wake_at",
    ),
    *("notified_at", "acknowledged_at", "acknowledged_by", "closed_at", "closed_by", "outcome", "note"),
)


def _values(alarm: Alarm, names: Iterable[str]) -> list[Any]:
    return [getattr(alarm, name) for name in names]


@dataclass(frozen=True, slots=True)
class Reachable:
    """Hubs with a usable channel, and those of them that were told of an alarm."""

    recipients: tuple[Recipient, ...]
    told: frozenset[HubId]


async def reachable(connection: Connection, council_id: CouncilId | None, alarm_id: AlarmId) -> Reachable:
    """Whom an alarm of this council can be told to."""
    rows = await connection.fetch(QUERIES["recipients"], council_id, alarm_id)
    channels: dict[HubId, list[Channel]] = {}
    rungs: dict[HubId, int | None] = {}
    for row in rows:
        hub_id = HubId(row["hub_id"])
        channels.setdefault(hub_id, []).append(Channel(row["channel_id"], row["kind"]))
        rungs[hub_id] = row["rung"]
    recipients = tuple(Recipient(hub_id, tuple(ways), rungs[hub_id]) for hub_id, ways in channels.items())
    return Reachable(recipients, frozenset(HubId(row["hub_id"]) for row in rows if row["told"]))


async def hasten_unsent(connection: Connection, alarm_id: AlarmId, now: datetime) -> frozenset[str]:
    """Make due whatever is unsent of an alarm; the channels for which there is something."""
    rows = await connection.fetch(QUERIES["hasten_unsent"], alarm_id, now)
    return frozenset(row["channel"] for row in rows)


async def latest_event(connection: Connection, alarm_id: AlarmId) -> AlarmEvent | None:
    body = await connection.fetchval(QUERIES["latest_event"], alarm_id)
    return AlarmEvent.from_json(body) if body else None


async def write_transition(
    connection: Connection,
    decision: Decision,
    event: AlarmEvent | None,
    parcels: Iterable[tuple[Recipient, Channel]],
    now: datetime,
) -> int:
    """The transition, its event if one caused it, its notification and its deliveries. Returns the transition's id."""
    alarm, type_ = decision.alarm, decision.notification
    if type_ is None:
        raise ValueError("a decision without a transition has nothing to tell")
    id_ = NotificationId(f"msg_{uuid.uuid4().hex}")
    shown = event or await latest_event(connection, alarm.alarm_id)
    to = list(parcels)
    transition_id: int = await connection.fetchval(
        QUERIES["write_transition"],
        *(alarm.alarm_id, now, decision.event, decision.reason, alarm.state, alarm.step, alarm.priority),
        *(decision.actor, decision.detail),
        *((event.event_id, event.to_json()) if event else (None, None)),
        *(id_, type_, notification(id_, type_, alarm, shown, now).model_dump_json()),
        *([channel.kind for _, channel in to], [channel.channel_id for _, channel in to]),
        [recipient.hub_id for recipient, _ in to],
    )
    return transition_id


async def write_receipts(connection: Connection, decision: Decision, transition_id: int | None, now: datetime) -> int:
    """Tell the devices of the alarm's events what the decision says. Returns how many will be told.

    `notified` goes to those whose event a hub now knows of, by the delivery of `transition_id`, and who were told nothing;
    anything else to the newest twenty.
    """
    state, alarm = decision.receipt, decision.alarm
    if state is None or transition_id is None:
        return 0
    if state == "notified":
        rows = await connection.fetch(QUERIES["events_unreceipted"], alarm.alarm_id, transition_id)
    else:
        rows = await connection.fetch(QUERIES["events_of_alarm"], alarm.alarm_id)
    owed = []
    for row in rows:
        event = AlarmEvent.from_json(row["body"])
        topic = receipt_topic(event)
        if topic is not None:
            owed.append((row["event_id"], topic, receipt(event, state, alarm.alarm_id, now).model_dump_json()))
    if not owed:
        return 0
    written = await connection.fetch(
        QUERIES["write_receipts"],
        transition_id,
        alarm.alarm_id,
        alarm.priority,
        now,
        *map(list, zip(*owed, strict=True)),
    )
    return len(written)
