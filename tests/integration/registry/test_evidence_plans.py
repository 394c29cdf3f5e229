"""The evidence of one device is found by index, however much history there is of it and of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from services.chassis.postgres import Connection
from services.chassis.postgres.pool import connect
from services.registry.commissioning.evidence import QUERIES
from tests.support.servers import Database

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

_HISTORY = """
insert into registry.device (device_id, council_id, serial, model, stage, registered_at, changed_at)
    select 'TC-' || n, 'fife', 'SN-' || n, 'hearth-4g', 'live', now(), now() from generate_series(1, 20000) n;
update registry.device set stage = 'commissioning' where device_id = 'TC-1';
insert into ingest.liveness (device_id, council_id, last_heard_at, registered)
    select 'TC-' || n, 'fife', $1, true from generate_series(1, 20000) n;
"""
_BEATS = """
insert into ingest.heartbeat (device_id, council_id, boot_id, seq, at, received_at)
select 'TC-' || d, 'fife', 'b', n, $1::timestamptz - n * interval '10 minutes', $1::timestamptz - n * interval '10 minutes'
from generate_series(1, 40) d, generate_series(1, 2000) n
"""
_EVENTS = """
insert into ingest.alarm_event (event_id, identity, payload_sha256, topic, council_id, device_id, boot_id, seq, received_at, kind,
    status, test, qos)
select gen_random_uuid(), sha256(convert_to(n::text, 'UTF8')), sha256('x'), 't', 'fife', 'TC-' || n % 5000, 'b', n,
    $1::timestamptz - n * interval '1 minute', 'fall', 'activated', true, 1
from generate_series(1, 40000) n
"""
_FATES = """
with alarms as (
    insert into alerts.alarm (alarm_id, device_id, council_id, kind, status, priority, state, step, event_count, test, unregistered,
        received_at, opened_at, last_event_at, policy_id, ladder_at, told_at, sole_device, closed_at, closed_by, changed_at)
    select e.event_id, e.device_id, 'fife', 'fall', 'activated', 5, 'closed', 0, 1, true, false, e.received_at, e.received_at,
        e.received_at, 0, e.received_at, e.received_at, false, e.received_at, 'x', e.received_at from ingest.alarm_event e
    returning alarm_id, received_at
), transitions as (
    insert into alerts.transition (alarm_id, at, event, reason, state, step, priority)
    select alarm_id, received_at, 'test_received', 'test', 'closed', 0, 5 from alarms returning alarm_id, transition_id
)
insert into alerts.alarm_event (event_id, alarm_id, transition_id, body)
select alarm_id, alarm_id, transition_id, '{}' from transitions
"""
_RECEIPTS = """
insert into alerts.delivery (transition_id, alarm_id, kind, channel, topic, body, priority, state, due_at, created_at, finished_at)
select transition_id, alarm_id, 'receipt', event_id, 't', '{}', 5, 'delivered', $1, $1, $1 from alerts.alarm_event
"""


@pytest.fixture
async def crowded(database: Database) -> AsyncIterator[Connection]:
    connection = await connect(database.url, name="test")
    for statement in _HISTORY.strip().split(";\n"):
        arguments = (NOW,) if "$1" in statement else ()
        await connection.execute(statement, *arguments)
    for statement in (_BEATS, _EVENTS):
        await connection.execute(statement, NOW)
    await connection.execute(_FATES)
    await connection.execute(_RECEIPTS, NOW)
    await connection.execute("analyze")
    await connection.execute("set role telecare_registry")
    yield connection
    await connection.close()


async def plan(connection: Connection, name: str, *arguments: object) -> str:
    statement = await connection.prepare(f"explain {QUERIES[name]}")
    return "\n".join(row[0] for row in await statement.fetch(*arguments))


async def test_no_look_at_the_evidence_reads_a_table_from_end_to_end(
    crowded: Connection, subtests: pytest.Subtests
) -> None:
    looks: dict[str, tuple[object, ...]] = {
        "session": ("TC-1",),
        "beats": ("TC-1", NOW, NOW),
        "events": ("TC-1", NOW),
        "heard_unregistered": (NOW, None, 50),
        "open_sessions": (NOW, NOW),
        "take_commands": (NOW, NOW),
    }
    for name, arguments in looks.items():
        with subtests.test(look=name):
            told = await plan(crowded, name, *arguments)
            for table in ("heartbeat", "liveness", "alarm_event", "alarm", "delivery", "device"):
                assert f"Seq Scan on {table} " not in told, told
            assert "Seq Scan on _hyper" not in told, told


async def test_the_checklist_of_one_device_is_one_of_few_rows(crowded: Connection) -> None:
    rows = await crowded.fetch(QUERIES["beats"], "TC-1", NOW.replace(hour=0), NOW)
    assert 50 <= len(rows) <= 60
