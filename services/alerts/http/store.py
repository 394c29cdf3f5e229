"""What is read of alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from contracts.alarm import (
    AlarmDetail,
    AlarmStory,
    AlarmView,
    HistoryEntry,
    StoryDelivery,
    StoryErasure,
    StoryEvent,
    StoryGap,
    StorySilence,
)
from contracts.alarm_event import AlarmEvent
from services.alerts.domain.alarm import Alarm
from services.alerts.http.asker import Scope
from services.alerts.store import QUERIES, alarm_of, as_uuid
from services.chassis.http import Paging
from services.chassis.postgres import Connection

if TYPE_CHECKING:
    from asyncpg import Record

_EVENTS: Final = (50, 150)
_DELIVERIES: Final = (100, 400)
"""Of a story: the first ones, which say how it began, and the newest."""


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Each of None is no restriction."""

    state: str | None = None
    priority: int | None = None
    council: str | None = None
    hub: str | None = None
    device: str | None = None
    canary: bool = True


async def list_alarms(connection: Connection, wanted: AlarmFilter, scope: Scope, paging: Paging) -> Sequence[AlarmView]:
    """Newest first, one more than asked for."""
    rows = await connection.fetch(
        QUERIES["list_alarms"],
        *(wanted.state, wanted.priority, wanted.council, wanted.device, paging.after_at, wanted.hub),
        *(scope.hub, scope.councils, paging.after_id, paging.fetch, wanted.canary),
    )
    return [alarm_of(row).view() for row in rows]


async def read_alarm(connection: Connection, alarm_id: str, scope: Scope) -> AlarmDetail | None:
    """One alarm with its history; None also when it is not the asker's business."""
    alarm = await _seen(connection, alarm_id, scope)
    return None if alarm is None else await _detail(connection, alarm)


async def _seen(connection: Connection, alarm_id: str, scope: Scope) -> Alarm | None:
    id_ = as_uuid(alarm_id)
    row = await connection.fetchrow(QUERIES["get_alarm"], id_) if id_ else None
    if row is None:
        return None
    alarm = alarm_of(row)
    if scope.councils is not None and alarm.council_id not in scope.councils:
        return None
    if scope.hub is not None and not await connection.fetchval(QUERIES["concerns_hub"], alarm.alarm_id, scope.hub):
        return None
    return alarm


async def _detail(connection: Connection, alarm: Alarm) -> AlarmDetail:
    happened = await connection.fetch(QUERIES["history"], alarm.alarm_id)
    history = [HistoryEntry(**{name: value for name, value in row.items() if value is not None}) for row in happened]
    return AlarmDetail(**alarm.view().model_dump(), history=history)


async def read_story(connection: Connection, alarm_id: str, scope: Scope, *, with_errors: bool) -> AlarmStory | None:
    """What its device sent and who was told, beside its history; None as above. `with_errors`: what the far ends answered, too."""
    alarm = await _seen(connection, alarm_id, scope)
    if alarm is None:
        return None
    id_ = alarm.alarm_id
    events = await connection.fetch(QUERIES["story_events"], id_, *_EVENTS)
    deliveries = await connection.fetch(QUERIES["story_deliveries"], id_, *_DELIVERIES)
    silences = await connection.fetch(QUERIES["story_silences"], id_, scope.hub, scope.councils)
    return AlarmStory(
        alarm=await _detail(connection, alarm),
        events=[_told_in_a_story(AlarmEvent.from_json(row["body"])) for row in events],
        deliveries=[_delivery(row, with_errors=with_errors) for row in deliveries],
        events_left_out=_gap(events, *_EVENTS),
        deliveries_left_out=_gap(deliveries, *_DELIVERIES),
        silenced_until=alarm.silenced_until,
        silences=[StorySilence(**row) for row in silences],
        erasures=[StoryErasure(**row) for row in await connection.fetch(QUERIES["story_erasures"], id_)],
    )


def _gap(rows: Sequence[Record], first: int, newest: int) -> StoryGap | None:
    count = rows[0]["total"] - first - newest if rows else 0
    return StoryGap(after=first, count=count) if count > 0 else None


def _delivery(row: Record, *, with_errors: bool) -> StoryDelivery:
    told: dict[str, Any] = {name: row[name] for name in StoryDelivery.model_fields}
    return StoryDelivery(**(told if with_errors else told | {"last_error": None}))


def _told_in_a_story(event: AlarmEvent) -> StoryEvent:
    return StoryEvent(
        event_id=event.event_id,
        received_at=event.received_at,
        sent_at=event.sent_at,
        kind=event.kind,
        status=event.status,
        boot_id=event.boot_id,
        seq=event.seq,
        marks=list(event.marks),
    )
