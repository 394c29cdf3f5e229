"""An alarm's whole story: what happened and why, what the device sent, who was told, and what else its device has open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from contracts.alarm import AlarmDetail, HistoryEntry
from contracts.alarm_event import AlarmEvent
from services.alerts.console import presence
from services.alerts.console.board import Card
from services.alerts.console.sql import QUERIES
from services.alerts.http.asker import Scope
from services.alerts.http.store import read_alarm
from services.chassis.pages import Session
from services.chassis.postgres import Connection


@dataclass(frozen=True, slots=True)
class Chapter:
    """A history entry; of the same again and again only the first, with how many there were and until when."""

    entry: Mapping[str, Any]
    times: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the alarm's page shows."""

    card: Card
    history: Sequence[Chapter]
    events: Sequence[AlarmEvent]
    told: Sequence[Mapping[str, Any]]
    beside: Sequence[Card]


async def read_story(connection: Connection, alarm_id: str, session: Session, now: datetime) -> Story | None:
    """None when there is no such alarm, or it is not the asker's business."""
    scope = Scope.of(session.who)
    detail: AlarmDetail | None = await read_alarm(connection, alarm_id, scope)
    if detail is None:
        return None
    row = await connection.fetchrow(QUERIES["alarm_card"], detail.alarm_id, scope.hub)
    if row is None:
        return None  # the canary's are deleted in time (record 25), and this one just now
    card = Card.of(row)
    others = (await presence.lookers(connection, [card.alarm.alarm_id], session, now)).get(card.alarm.alarm_id, [])
    events = await connection.fetch(QUERIES["device_events"], card.alarm.alarm_id)
    beside = await connection.fetch(
        QUERIES["same_device"], scope.hub, scope.councils, detail.device_id, card.alarm.alarm_id
    )
    return Story(
        card=replace(card, lookers=tuple(others)),
        history=list(_chapters(detail.history)),
        events=[AlarmEvent.from_json(each["body"]) for each in events],
        told=[dict(each) for each in await connection.fetch(QUERIES["told"], card.alarm.alarm_id)],
        beside=[Card.of(each) for each in beside],
    )


def _chapters(history: Sequence[HistoryEntry]) -> Iterable[Chapter]:
    """Newest first."""
    entries = [entry.model_dump() for entry in history]
    runs = [list(run) for _, run in groupby(entries, key=_sameness)]
    for run in reversed(runs):
        yield Chapter(run[0], len(run), run[-1]["at"])


def _sameness(entry: Mapping[str, Any]) -> tuple[object, ...]:
    return entry["event"], entry["reason"], entry.get("actor"), entry.get("detail")
