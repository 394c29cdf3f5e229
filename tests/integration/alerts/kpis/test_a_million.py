"""A month is found among a million transitions by index, and costs what that month holds, not what all years hold."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.alerts.domain.kpis import PERCENTILES, Month
from services.alerts.kpis.store import QUERIES
from services.chassis.postgres import Connection
from tests.support.servers import Database

MONTH = Month(2026, 11)
TABLES = ("alarm", "transition", "delivery")

# 100,000 alarms of four years: raised, seven times escalated, taken and closed.
_YEARS = """
set session_replication_role = replica;      -- without a look-up of a foreign key for each row
insert into alerts.alarm (alarm_id, device_id, council_id, kind, status, priority, state, step, event_count, test, unregistered,
    sole_device, received_at, opened_at, last_event_at, ladder_at, told_at, changed_at, policy_id, closed_at, closed_by, outcome)
select ('00000000-0000-4000-8000-' || lpad(to_hex(n * 2654435761 % 4294967296), 12, '0'))::uuid, 'TC-' || n % 5000,
    (array['glasgow-city', 'fife', 'moray'])[n % 3 + 1], 'fall', 'activated', n % 4 + 1, 'closed', 0, 1, false, false,
    false, at, at, at, at, at, at, 0, at, 'morag', 'attended'
from generate_series(1, 100000) as n, lateral (select timestamptz '2027-01-01' - (100000 - n) * interval '21 minutes' as at) t;
insert into alerts.transition (alarm_id, at, event, reason, state, step, priority, hub_id)
select alarm_id, received_at + after * (1 + hashtext(device_id) % 7) * interval '10 seconds', event, 'as_told', t.state, 0,
    priority, hub_id
from alerts.alarm, (
    values (0, 'raised', 'open', null), (8, 'acknowledged', 'acknowledged', 'clyde-arc'), (9, 'closed', 'closed', 'clyde-arc')
    union all select after, 'escalated', 'open', null from generate_series(1, 7) as after) as t (after, event, state, hub_id)
order by received_at, after;
insert into alerts.delivery (transition_id, alarm_id, notification_id, kind, channel, hub_id, priority, state, due_at, created_at,
    finished_at)
select transition_id, alarm_id, 'msg_' || transition_id, 'webhook', gen_random_uuid(), 'clyde-arc', 1, 'delivered', at, at, at
from alerts.transition where event = 'raised';
set session_replication_role = origin;
"""


@pytest.fixture
async def years(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.url)
    await connection.execute(_YEARS, timeout=240)
    await connection.execute("vacuum analyze alerts.alarm, alerts.transition, alerts.delivery", timeout=240)
    yield connection
    await connection.close()


async def test_a_month_is_found_by_index(years: Connection) -> None:
    assert await years.fetchval("select count(*) from alerts.transition") == 1_000_000
    for mode in ("force_generic_plan", "force_custom_plan"):
        await years.execute(f"set plan_cache_mode = {mode}")
        async with years.transaction(readonly=True):
            await years.execute(QUERIES["interpreted"])
            plan = await plan_of(years, MONTH)
        assert "transition_at" in plan
        assert "JIT:" not in plan
        for table in TABLES:
            assert f"Seq Scan on {table}" not in plan, plan


async def plan_of(connection: Connection, month: Month) -> str:
    await connection.execute(f"prepare kpis_of_a_month as {QUERIES['kpis']}")
    try:
        arguments = (
            f"'{month.begins.isoformat()}', '{month.ends.isoformat()}', '{month.ends.isoformat()}', null, null, 60, 180, "
            f"'{{{','.join(map(str, PERCENTILES.values()))}}}'"
        )
        rows = await connection.fetch(f"explain (analyze, buffers) execute kpis_of_a_month ({arguments})")
        return "\n".join(row[0] for row in rows)
    finally:
        await connection.execute("deallocate kpis_of_a_month")
