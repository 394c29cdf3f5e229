"""Alarms and what follows from a decision, in the database. Every function acts inside the caller's transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic import TypeAdapter

from contracts.alarm_event import AlarmEvent
from contracts.ids import AlarmId, CouncilId, DeviceId, EventId, HubId
from contracts.rota import Rota
from contracts.vocabulary import Priority
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decision import Decision
from services.alerts.domain.notification import notification
from services.alerts.domain.receipts import receipt, receipt_topic
from services.alerts.domain.routing import Channel, Reach, Recipient, Responder, Told
from services.alerts.domain.triggers import KnownDevice, RecentTests
from services.chassis.postgres import Connection, Queries

if TYPE_CHECKING:
    from asyncpg import Record

QUERIES = Queries.beside(__file__)

TESTS_OF_ALL_WITHIN: Final = timedelta(minutes=1)
TESTS_OF_DEVICE_WITHIN: Final = timedelta(minutes=10)
WAVERED_WITHIN: Final = timedelta(days=1)

_FIELDS = tuple(field.name for field in fields(Alarm))
_SILENCEABLE = (Priority.UNPROTECTED, Priority.DEGRADED, Priority.LOG)
_rota: Final[TypeAdapter[Rota]] = TypeAdapter(Rota)


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
    tests: RecentTests
    wavered: int


async def facts(connection: Connection, event: AlarmEvent, now: datetime) -> Facts:
    """All of them in one round trip."""
    row = await connection.fetchrow(
        QUERIES["facts"],
        *(event.device_id, event.kind, event.peripheral_id, event.event_id, event.test),
        *(now - TESTS_OF_ALL_WITHIN, now - TESTS_OF_DEVICE_WITHIN),
        *(event.status == "battery_low", now - WAVERED_WITHIN),
    )
    if row is None:
        raise AssertionError("a select from one row has one row")
    device = KnownDevice(
        row["device_council_id"], row["device_installation_ref"], row["sole_trigger"], row["is_sole_device"]
    )
    joins = None if row["alarm_id"] is None else alarm_of(row)
    tests = RecentTests(row["tests_of_device"], row["tests_of_all"])
    return Facts(row["handled"], device if row["registered"] else None, joins, tests, row["wavered"])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the database holds around an alarm. `policy` is the policy's JSON; None when it was known already."""

    policy_id: int
    policy: str | None
    silences: dict[Priority, datetime]
    held_back: frozenset[str]  # kinds of alarm of the device, while it is a member of an outage
    reach: Reach
    latest_event: AlarmEvent | None


async def surroundings(
    connection: Connection,
    alarm_id: AlarmId,
    council_id: CouncilId | None,
    device_id: DeviceId,
    policy_id: int | None,
    known_policies: Collection[int],
    fallback: HubId | None,
    now: datetime,
) -> Surroundings:
    """All of it in one round trip. `policy_id`: the version that the alarm began with, None when it is only beginning."""
    row = await connection.fetchrow(
        QUERIES["circumstances"], council_id, device_id, as_uuid(alarm_id), policy_id, list(known_policies), now
    )
    if row is None:
        raise AssertionError("a select from one row has one row")
    silenced = zip(_SILENCEABLE, row["silenced_until"], strict=True)
    latest = row["latest_event"]
    return Surroundings(
        row["policy_id"],
        row["policy"],
        {priority: until for priority, until in silenced if until is not None},
        frozenset(row["held_back"]),
        _reach(row, fallback),
        AlarmEvent.from_json(latest) if latest else None,
    )


def _reach(row: Record, fallback: HubId | None) -> Reach:
    channels: dict[HubId, list[Channel]] = {}
    rungs: dict[HubId, int | None] = {}
    told: set[str] = set()
    for hub_id, channel_id, kind, rung, was_told in row["channels"]:
        channels.setdefault(HubId(hub_id), []).append(Channel(channel_id, kind))
        rungs[HubId(hub_id)] = rung
        if was_told:
            told.add(hub_id)
    responders = []
    for responder_id, kind, rota, was_told in row["responders"]:
        responders.append(Responder(responder_id, kind, _read_rota(rota)))
        if was_told:
            told.add(responder_id)
    hubs = tuple(Recipient(hub_id, tuple(ways), rungs[hub_id]) for hub_id, ways in channels.items())
    return Reach(hubs, tuple(responders), row["technical_hub"], fallback, frozenset(told))


def _read_rota(rota: Any) -> Rota:
    try:
        return _rota.validate_python(rota)
    except ValueError:
        return ()  # whoever wrote it: somebody who is always told is the safe reading


async def alarm_locked(connection: Connection, alarm_id: str) -> Alarm | None:
    """The alarm, locked until the transaction ends; None also for an id that is none."""
    id_ = as_uuid(alarm_id)
    row = await connection.fetchrow(QUERIES["alarm_locked"], id_) if id_ else None
    return alarm_of(row) if row else None


async def undecided(connection: Connection) -> Sequence[EventId]:
    """Events of which nothing has followed yet, or not any more, as far as one looks."""
    return [EventId(row["event_id"]) for row in await connection.fetch(QUERIES["undecided"])]


async def due_alarm(connection: Connection, now: datetime, passed_over: Iterable[AlarmId] = ()) -> Alarm | None:
    """The most urgent alarm whose `wake_at` has come, locked; none of those `passed_over`."""
    row = await connection.fetchrow(QUERIES["due_alarm"], now, list(passed_over))
    return alarm_of(row) if row else None


async def update(connection: Connection, alarm: Alarm) -> None:
    """Write what changed of an alarm that the caller has locked."""
    await connection.execute(QUERIES["update_alarm"], _json(alarm))


def _json(alarm: Alarm) -> str:
    values = {name: getattr(alarm, name) for name in _FIELDS}
    return json.dumps(values, default=datetime.isoformat, separators=(",", ":"))


async def hasten_unsent(connection: Connection, alarm_id: AlarmId, now: datetime) -> frozenset[str]:
    """Make due whatever is unsent of an alarm; the channels for which there is something."""
    rows = await connection.fetch(QUERIES["hasten_unsent"], alarm_id, now)
    return frozenset(row["channel"] for row in rows)


Due: TypeAlias = tuple[int, str]
"""A delivery that is due now: its id, and its way."""


@dataclass(frozen=True, slots=True)
class Written:
    """A transition, and the deliveries that are now due because of it, each with its way."""

    transition_id: int
    due: Sequence[Due]


async def write_transition(
    connection: Connection,
    decision: Decision,
    event: AlarmEvent | None,
    shown: AlarmEvent | None,
    told: Told,
    unsent: Collection[str],
    now: datetime,
    *,
    new: bool,
) -> Written:
    """The alarm if it is new, the transition, `event` if that caused it, its notification and its deliveries.

    `shown` is the event in the notification; channels in `unsent` have one already.
    """
    alarm, type_ = decision.alarm, decision.notification
    if type_ is None:
        raise ValueError("a decision without a transition has nothing to tell")
    tells = notification(type_, alarm, event, shown, now)
    to = [parcel for parcel in _parcels(told) if parcel[1] not in unsent]
    row = await connection.fetchrow(
        QUERIES["write_transition"],
        *(_json(alarm), new, alarm.alarm_id, now, decision.event, decision.reason, alarm.state, alarm.step),
        *(alarm.priority, decision.actor, decision.hub, decision.detail),
        *((event.event_id, event.to_json()) if event else (None, None)),
        *(tells.id, type_, tells.timestamp, tells.model_dump_json()),
        *([parcel[at] for parcel in to] for at in range(4)),
    )
    if row is None:
        raise AssertionError("an insert without a condition returns its row")
    return Written(row["transition_id"], [tuple(each) for each in row["due"]])


def _parcels(told: Told) -> list[tuple[str, str, HubId | None, str | None]]:
    """Kind, channel, hub and responder of each delivery."""
    to_hubs = [(way.kind, way.channel_id, hub.hub_id, None) for hub in told.hubs for way in hub.channels]
    return [*to_hubs, *((each.kind, each.responder_id, None, each.responder_id) for each in told.responders)]


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
