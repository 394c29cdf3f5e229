"""What waits in its thousands (a hub that is dead, a storm of alarms that nobody has taken) costs nobody else his time."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import asyncpg

from services.alerts.store import QUERIES
from tests.support.servers import Database

ALIVE, DEAD = (str(uuid.UUID(int=number)) for number in (1, 2))
_BACKLOG = f"""
insert into alerts.alarm (alarm_id, device_id, kind, status, priority, state, step, event_count, test, unregistered, received_at,
    opened_at, changed_at, wake_at, last_event_at, policy_id, ladder_at, told_at, sole_device)
select gen_random_uuid(), 'TC-' || n, 'fall', 'activated', 1 + n % 5, 'open', 0, 1, false, false, at,
    at, at, at + interval '1 minute', at, 0, at, at, false
from generate_series(1, 5000) as n, lateral (select now() - interval '5 minutes' - n * interval '1 second' as at) t;
insert into alerts.transition (alarm_id, at, event, reason, state, step, priority)
select alarm_id, received_at, 'raised', 'first_event', 'open', 0, priority from alerts.alarm;
insert into alerts.notification (notification_id, transition_id, alarm_id, type, timestamp, body)
select 'msg_' || transition_id, transition_id, alarm_id, 'alarm.raised', at, '{{}}' from alerts.transition;
insert into alerts.delivery (transition_id, alarm_id, notification_id, kind, channel, hub_id, priority, due_at, created_at)
select transition_id, alarm_id, 'msg_' || transition_id, 'webhook',
    case when transition_id % 2500 = 1 then '{ALIVE}' else '{DEAD}' end::uuid, 'hub', priority, at, at
from alerts.transition;
analyze;
"""


async def test_the_next_alarm_and_the_next_delivery_are_found_without_reading_all_that_wait(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_BACKLOG)
        now = await connection.fetchval("select now()")
        assert await rows_read(connection, "due_alarm", now, []) < 100
        assert await rows_read(connection, "lease", now, 64, [DEAD], [8], 8) < 200
        leased = await connection.fetch(QUERIES["lease"], now, 64, [DEAD], [3], 8)
        assert sorted(row["channel"] for row in leased) == [ALIVE] * 2 + [DEAD] * 5
        assert [row["priority"] for row in leased if row["channel"] == DEAD] == [1] * 5
    finally:
        await connection.close()


async def test_a_lease_from_the_future_is_none(database: Database) -> None:
    """The database's clock was put back, and whoever leased has died."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_BACKLOG)
        now = await connection.fetchval("select now()")
        for until, taken in (("13 seconds", 0), ("-1 seconds", 8), ("1 hour", 8)):
            await connection.execute(
                "update alerts.delivery set lease_token = gen_random_uuid(), leased_until = clock_timestamp() + $1::text::interval",
                until,
            )
            rows = await connection.fetch(QUERIES["lease"], now, 8, [], [], 8)
            assert len(rows) == taken
    finally:
        await connection.close()


async def test_a_hub_is_told_before_the_responders_of_alarms_that_waited_longer(database: Database) -> None:
    """Each of them is a way of its own, and all hang together when their one provider does."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_BACKLOG)
        await connection.execute(
            """
            update alerts.delivery set kind = 'sms', hub_id = null, responder_id = gen_random_uuid(), channel = gen_random_uuid(),
                due_at = due_at - interval '1 hour'
            where priority = 1 and channel <> $1::uuid""",
            ALIVE,
        )
        await connection.execute("update alerts.delivery set priority = 1 where channel = $1::uuid", ALIVE)
        leased = await connection.fetch(QUERIES["lease"], await connection.fetchval("select now()"), 64, [], [], 8)
        assert len(leased) == 64
        assert {row["priority"] for row in leased} == {1}
        assert leased[-1]["kind"] == "webhook", "it was due last, and is among the first to be sent"
    finally:
        await connection.close()


async def rows_read(connection: Any, name: str, *arguments: object) -> int:
    """The most rows that any step of the statement saw; it changes nothing."""
    transaction = connection.transaction()
    await transaction.start()
    rows = await connection.fetch(f"explain (analyze, format json) {QUERIES[name]}", *arguments)
    await transaction.rollback()
    (plan,) = json.loads(rows[0][0])
    return max(steps(plan["Plan"]))


def steps(plan: dict[str, Any]) -> Iterator[int]:
    yield int(plan["Actual Rows"] * plan["Actual Loops"]) + int(plan.get("Rows Removed by Filter", 0))
    for inner in plan.get("Plans", ()):
        yield from steps(inner)
