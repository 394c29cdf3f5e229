"""What the database says in the end, beside what boxes and hubs know."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.soak.fleet import People
from tests.soak.house import House
from tests.soak.judge import Alarm, Event, Told

_EVENTS: Final = """
select e.event_id::text, encode(e.identity, 'hex') as identity, encode(e.payload_sha256, 'hex') as payload_sha256, e.device_id,
    a.alarm_id::text, n.notification_id
from ingest.alarm_event e left join alerts.alarm_event a using (event_id) left join alerts.notification n using (transition_id)"""
_ALARMS: Final = """
select a.alarm_id::text, a.device_id, a.kind, a.priority, a.test, a.acknowledged_at is not null or a.state = 'closed' as taken,
    (select count(*) from alerts.alarm_event e where e.alarm_id = a.alarm_id) as events
from alerts.alarm a"""
_WAITING: Final = """
select (select count(*) from chassis.event_log)
    + (select count(*) from alerts.alarm where state = 'open' and priority < 5 and not test)
    + (select count(*) from alerts.delivery where state = 'pending' and kind <> 'receipt' and alarm_id is not null)"""
_FIGURES: Final = """
select (select count(*) from chassis.event_log) as event_log_rows,
    (select count(*) from alerts.delivery where state = 'pending' and alarm_id is not null) as pending_deliveries,
    (select count(*) from chassis.session_gap) as session_gaps,
    (select count(*) from chassis.session_gap where certain) as certain_gaps,
    (select count(*) from chassis.hearing_lapse) as hearing_lapses,
    (select count(*) from alerts.blindness) as blindnesses,
    (select coalesce(sum(generation), 0) from chassis.shard) as generations,
    (select count(*) from ingest.heartbeat) as heartbeats"""


async def waiting(house: House) -> int:
    """What is still to come: events to be decided on, alarms to be taken, notifications to be sent."""
    async with house.connection() as connection:
        return int(await connection.fetchval(_WAITING))


async def generations(house: House) -> int:
    """How often a shard was taken, by whomever."""
    async with house.connection() as connection:
        return int(await connection.fetchval("select coalesce(sum(generation), 0) from chassis.shard"))


@dataclass(frozen=True)
class Books:
    """All of one instant: what is decided meanwhile would be in one of them, and not in the next."""

    figures: Mapping[str, int]
    events: Sequence[Event]
    alarms: Sequence[Alarm]
    waiting: int


async def read(house: House) -> Books:
    async with house.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        figures = await connection.fetchrow(_FIGURES)
        assert figures is not None
        return Books(
            figures={name: int(value) for name, value in figures.items()},
            events=[Event(**row) for row in await connection.fetch(_EVENTS)],
            alarms=[Alarm(**row) for row in await connection.fetch(_ALARMS)],
            waiting=int(await connection.fetchval(_WAITING)),
        )


def told(people: People) -> list[Told]:
    return [
        Told(
            hub_id=hub_id,
            notification_id=entry.id,
            alarm_id=entry.alarm_id,
            body_sha256=hashlib.sha256(entry.body).hexdigest(),
            at=entry.received_at,
            deliveries=entry.deliveries,
        )
        for hub_id, logbook in people.logbooks.items()
        for entry in logbook
    ]


def broken_promises(people: People) -> Sequence[str]:
    return [promise for logbook in people.logbooks.values() for promise in logbook.broken_promises]
