"""What the canary pressed is forgotten after a week: by index, whatever else there is, and no figure is another for it."""

from __future__ import annotations

import pytest

from services.chassis.postgres.pool import connect
from services.ingest.forgetting.loops import QUERIES
from tests.integration.forgetting.conftest import Home

CANARY = "canary-alarms"
A_DAY = 1_440

# Tests as ingest and alerts write them: closed as they come, told to a hub on MQTT which said that it has them.
# $1 device, $2 council, $3 hub, $4 how many minutes ago the newest was, $5 how many, a minute apart, $6 whether it is a test.
# ruff: noqa: E501
_TESTS = """
with said as (
    insert into ingest.alarm_event (event_id, identity, payload_sha256, topic, council_id, device_id, boot_id, seq, sent_at, received_at,
        kind, status, test, qos)
    select id, sha256(id::text::bytea), sha256(id::text::bytea), 'telecare/v1/devices/' || $2::text || '/' || $1::text || '/alarm', $2, $1,
        'b', n, at, at, 'personal_trigger', 'activated', $6::boolean, 1
    from (select gen_random_uuid() as id, n, now() - ($4::integer + n) * interval '1 minute' as at from generate_series(0, $5::integer - 1) n) given
    returning event_id, received_at as at
), alarm as (
    insert into alerts.alarm (alarm_id, device_id, council_id, kind, status, priority, state, step, event_count, test, unregistered,
        received_at, opened_at, last_event_at, policy_id, ladder_at, told_at, notified_at, sole_device, changed_at, closed_at, closed_by, outcome)
    select event_id, $1, $2, 'personal_trigger', 'activated', case when $6::boolean then 5 else 1 end, 'closed', 0, 1, $6::boolean, false, at, at, at, 0, at, at,
        at, true, at, at, case when not $6::boolean then 'Isla' end, case when not $6::boolean then 'attended' end
    from said returning alarm_id, received_at as at
), happened as (
    insert into alerts.transition (alarm_id, at, event, reason, state, step, priority)
    select alarm_id, at, 'test_received', 'test', 'closed', 0, 5 from alarm returning transition_id, alarm_id, at
), kept as (
    insert into alerts.alarm_event (event_id, alarm_id, transition_id, body)
    select alarm_id, alarm_id, transition_id, jsonb_build_object('received_at', at) from happened
), told as (
    insert into alerts.notification (notification_id, transition_id, alarm_id, type, timestamp, body)
    select alarm_id::text, transition_id, alarm_id, 'test.received', at, '{}' from happened
    returning notification_id, transition_id, alarm_id, timestamp as at
), sent as (
    insert into alerts.delivery (transition_id, alarm_id, notification_id, kind, channel, hub_id, priority, state, due_at, created_at, finished_at)
    select transition_id, alarm_id, notification_id, 'mqtt', gen_random_uuid(), $3, 5, 'delivered', at, at, at from told
)
insert into alerts.hub_action (hub_id, action_id, sha256, result, at)
select $3, notification_id, sha256(notification_id::bytea), 'accepted', at from told
"""
_COUNTS = """
select (select count(*) from ingest.alarm_event where device_id = $1), (select count(*) from alerts.alarm where device_id = $1),
    (select count(*) from alerts.transition join alerts.alarm using (alarm_id) where device_id = $1),
    (select count(*) from alerts.hub_action where hub_id = $2)
"""
_ORPHANS = """
select (select count(*) from alerts.transition), (select count(*) from alerts.alarm_event), (select count(*) from alerts.notification),
    (select count(*) from alerts.delivery)
"""
LOOPS = ("ingest-retention", "alerts-canary-retention")


@pytest.fixture
async def watched(home: Home) -> Home:
    """A home, and the canary's device beside it."""
    await home.world.database.execute(
        "insert into registry.device (device_id, council_id, serial, model, stage, registered_at, changed_at) "
        "values ($1, 'canary', $1, 'canary', 'registered', now(), now())",
        CANARY,
    )
    return home


async def pressed(
    home: Home, device_id: str, council_id: str, hub_id: str, *, days_ago: float, count: int, test: bool = True
) -> None:
    await home.world.database.execute(_TESTS, device_id, council_id, hub_id, int(days_ago * A_DAY), count, test)


async def counts(home: Home, device_id: str, hub_id: str) -> tuple[int, ...]:
    (row,) = await home.world.database.fetch(_COUNTS, device_id, hub_id)
    return tuple(row)


async def test_the_canarys_tests_go_after_a_week_and_nobody_elses_and_nothing_that_was_pressed_in_earnest(
    watched: Home,
) -> None:
    await pressed(watched, CANARY, "canary", "canary", days_ago=8, count=700)  # more than go at once
    await pressed(watched, CANARY, "canary", "canary", days_ago=6.9, count=3)
    await pressed(watched, CANARY, "canary", "canary", days_ago=30, count=2, test=False)  # somebody has got at it
    await pressed(watched, watched.device_id, "glasgow-city", "clyde-arc", days_ago=30, count=5)
    await watched.world.run(*LOOPS)
    assert await counts(watched, CANARY, "canary") == (3 + 2, 3 + 2, 3 + 2, 3)
    assert await counts(watched, watched.device_id, "clyde-arc") == (5, 5, 5, 5)
    (left,) = await watched.world.database.fetch(_ORPHANS)
    assert tuple(left) == (10, 10, 10, 10), "nothing is left of what went"


async def test_neither_the_figures_nor_the_audit_log_are_others_for_it(watched: Home) -> None:
    await pressed(watched, CANARY, "canary", "canary", days_ago=8, count=40)
    await pressed(watched, watched.device_id, "glasgow-city", "clyde-arc", days_ago=8, count=5, test=False)
    month = await watched.value("select to_char(now() - interval '8 days', 'YYYY-MM')")
    figures = (await watched.ops.get(f"/api/v1/kpis?month={month}")).body
    audited = await watched.value("select count(*) from chassis.audit_log")
    await watched.world.run(*LOOPS)
    assert await counts(watched, CANARY, "canary") == (0, 0, 0, 0)
    after = (await watched.ops.get(f"/api/v1/kpis?month={month}")).body
    assert {**after, "as_of": None} == {**figures, "as_of": None}
    assert await watched.value("select count(*) from chassis.audit_log") == audited


async def test_no_service_makes_the_database_forget_its_tests_too_soon_or_anybody_elses(watched: Home) -> None:
    await pressed(watched, CANARY, "canary", "canary", days_ago=6, count=3)
    await pressed(watched, watched.device_id, "glasgow-city", "clyde-arc", days_ago=30, count=3)
    connection = await connect(watched.world.database_of.url, name="test", role="telecare_alerts")
    try:
        assert await connection.fetchval("select alerts.forget_canary(now() + interval '1 day')") == 0
    finally:
        await connection.close()


async def test_what_is_being_sent_just_now_stays_until_it_was(watched: Home) -> None:
    await pressed(watched, CANARY, "canary", "canary", days_ago=8, count=1)
    await watched.world.database.execute(
        "update alerts.delivery set state = 'pending', finished_at = null, lease_token = gen_random_uuid(), "
        "leased_until = now() + interval '1 minute'"
    )
    await watched.world.run("alerts-canary-retention")
    assert await watched.value("select count(*) from alerts.alarm") == 1
    await watched.world.database.execute("update alerts.delivery set leased_until = now() - interval '1 second'")
    await watched.world.run("alerts-canary-retention")
    assert await watched.value("select count(*) from alerts.alarm") == 0


_READ_WHOLE = """
select relname, seq_tup_read from pg_stat_user_tables
where relname in ('alarm', 'transition', 'alarm_event', 'notification', 'delivery', 'hub_action') and schemaname = 'alerts'
order by relname
"""


async def test_among_many_thousand_alarms_of_homes_it_is_found_and_deleted_by_index(watched: Home) -> None:
    """By what the database counted: the checks of foreign keys are in no plan that could be asked for.

    Rows, and not how often: what the services read of these tables while they were empty may be reported meanwhile.
    """
    database = watched.world.database
    await pressed(watched, watched.device_id, "glasgow-city", "clyde-arc", days_ago=1, count=60_000)
    await pressed(watched, CANARY, "canary", "canary", days_ago=8, count=2 * A_DAY)
    await database.execute(
        "update ingest.alarm_event set device_id = 'TC-' || seq % 20000 where council_id <> 'canary'"
    )
    await database.execute("analyze")

    async def read_whole() -> dict[str, int]:
        await database.execute("select pg_stat_force_next_flush()")
        return {row["relname"]: row["seq_tup_read"] for row in await database.fetch(_READ_WHOLE)}

    connection = await connect(watched.world.database_of.url, name="test", role="telecare_alerts")
    try:
        before = await read_whole()
        assert await connection.fetchval("select alerts.forget_canary(now())") > 0
        await connection.execute("select pg_stat_force_next_flush()")
        assert await read_whole() == before
    finally:
        await connection.close()
    rows = await database.fetch(
        f"explain {QUERIES['forget_canary']}", await watched.value("select now() - interval '7 days'")
    )
    plan = "\n".join(row[0] for row in rows)
    assert "alarm_event_device" in plan
    assert "Seq Scan on alarm_event" not in plan
