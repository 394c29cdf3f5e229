"""The statements between a press and a person stay on their indexes when years of history lie beside them."""

import asyncpg
import pytest

from services.alerts.store import QUERIES
from services.chassis.event_log.append import QUERIES as LOG_QUERIES
from services.chassis.postgres import Connection
from tests.support.servers import Database

_HISTORY = """
insert into alerts.alarm (alarm_id, device_id, kind, status, priority, state, step, event_count, test, unregistered, received_at,
    opened_at, changed_at, closed_at, closed_by, outcome, last_event_at, policy_id, ladder_at, told_at, sole_device)
select gen_random_uuid(), 'TC-' || n % 5000, 'fall', 'activated', 1, 'closed', 0, 1, false, false, at,
    at, at, at, 'morag', 'attended', at, 0, at, at, false
from generate_series(1, 20000) as n, lateral (select now() - n * interval '1 minute' as at) t;
insert into alerts.transition (alarm_id, at, event, reason, state, step, priority)
select alarm_id, received_at, 'raised', 'first_event', 'open', 0, 1 from alerts.alarm;
insert into alerts.notification (notification_id, transition_id, alarm_id, type, timestamp, body)
select 'msg_' || transition_id, transition_id, alarm_id, 'alarm.raised', at, '{}' from alerts.transition;
insert into alerts.alarm_event (event_id, alarm_id, transition_id, body)
select gen_random_uuid(), alarm_id, transition_id, '{}' from alerts.transition;
insert into alerts.delivery (transition_id, alarm_id, notification_id, kind, channel, hub_id, priority, state, due_at, created_at,
    finished_at)
select transition_id, alarm_id, 'msg_' || transition_id, 'webhook', gen_random_uuid(), 'clyde-arc', 1, 'delivered', at, at, at
from alerts.transition;
insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
select 'alarms', 'TC-' || n, 1, '{}', now(), now() from generate_series(1, 5000) as n;
analyze;
"""


HOT = {
    "event log": (LOG_QUERIES, ("any_row", "take_rows", "rows_of_key")),
    "alerts": (
        QUERIES,
        (
            *(
                "facts",
                "circumstances",
                "any_due",
                "due_alarm",
                "lease",
                "lease_new",
                "finish",
                "hasten_unsent",
                "events_unreceipted",
            ),
            *("concerns_hub", "feed", "waiting"),
        ),
    ),
}


async def test_no_hot_query_reads_a_table_from_end_to_end(database: Database, subtests: pytest.Subtests) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_HISTORY, timeout=240)
        await connection.execute("set plan_cache_mode = force_generic_plan")
        for queries, names in HOT.values():
            for name in names:
                with subtests.test(query=name):
                    plan = await plan_of(connection, name, queries[name])
                    for table in ("alarm", "transition", "notification", "alarm_event", "delivery", "event_log"):
                        assert f"Seq Scan on {table}" not in plan, plan
    finally:
        await connection.close()


async def plan_of(connection: Connection, name: str, text: str) -> str:
    """The plan that is used for any parameters."""
    parameters = len((await connection.prepare(text)).get_parameters())
    await connection.execute(f"prepare {name} as {text}")
    arguments = f"({', '.join(['null'] * parameters)})" if parameters else ""
    return "\n".join(row[0] for row in await connection.fetch(f"explain execute {name}{arguments}"))
