"""What is done about outages is done by index, however large they are, and whatever the server believes of the tables."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.alerts.outages.sql import QUERIES
from services.chassis.postgres import Connection
from tests.integration.alerts.outages.conftest import Scotland
from tests.integration.alerts.world import World

MANY = 20_000
TABLES = ("affected", "outage_member", "event_log", "alarm", "device")

# One outage of so many, and as many loose ones; alarms of years; verdicts that wait. `$1` is the outage.
_OUTAGE = """
insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, log_p, log_ratio)
select gen_random_uuid(), 'silent', 'sim_operator', '23410', now(), now(), -900, 100 returning outage_id
"""
_MEMBERS = """
insert into alerts.outage_member (outage_id, device_id, council_id, since, joined_at)
select $1, 'M-' || n, 'highland', now(), now() from generate_series(1, $2::int) n
"""
_AFFECTED = """
insert into alerts.affected (device_id, council_id, condition, version, began_at, since, flapping, sim_operator, loose_since,
    outage_id, told_at)
select case when $1::uuid is null then 'L-' else 'M-' end || n, 'highland', 'silent', 1, now(), now(), false, '23410', now(), $1,
    case when $1 is not null then now() end
from generate_series(1, $2::int) n
"""
_ALARMS = """
insert into alerts.alarm (alarm_id, device_id, kind, status, priority, state, step, event_count, test, unregistered, received_at,
    opened_at, changed_at, closed_at, closed_by, outcome, last_event_at, policy_id, ladder_at, told_at, sole_device)
select gen_random_uuid(), 'M-' || n, 'device_silent', 'activated', 3, 'closed', 0, 1, false, false, now(),
    now(), now(), now(), 'morag', 'attended', now(), 0, now(), now(), false
from generate_series(1, $1::int) as n
"""
_VERDICTS = """
insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
select 'conditions', 'M-' || n, 3, '{}', now(), now() from generate_series(1, $1::int) as n
"""
_DEVICES = """
insert into registry.device (device_id, council_id, serial, model, registered_at, changed_at)
select 'M-' || n, 'highland', 'M-' || n, 'Hub A', now(), now() from generate_series(1, $1::int) as n
"""


async def fill(connection: Connection, many: int = MANY) -> UUID:
    """Returns the outage. No statistics are made of it."""
    outage_id: UUID = await connection.fetchval(_OUTAGE)
    await connection.execute(_MEMBERS, outage_id, many)
    await connection.execute(_AFFECTED, outage_id, many)
    await connection.execute(_AFFECTED, None, many)
    await connection.execute(_ALARMS, many)
    await connection.execute(_VERDICTS, many)
    await connection.execute(_DEVICES, many)
    return outage_id


@pytest.fixture
async def unseen(world: World) -> World:
    """The server's own housekeeping is off: it has not looked at the tables, as in the first minutes of an outage."""
    for table in ("alerts.affected", "alerts.outage_member", "alerts.alarm", "chassis.event_log", "registry.device"):
        await world.database.execute(f"alter table {table} set (autovacuum_enabled = false)")
    return world


def decided_with(outage_id: UUID, now: datetime) -> dict[str, tuple[Any, ...]]:
    """What those who take changes and decide run, with what they run it with; and whoever writes a worklist."""
    ago, ids, nothing = now - timedelta(minutes=15), [f"M-{n}" for n in range(2_000)], [None] * 2_000
    condition, times = ["silent"] * 2_000, [now] * 2_000
    return {
        "take": (now, 2_000),
        "take_all": (now, 2_000),
        "began": (
            *(now, ids, nothing, condition, [2] * 2_000, times, times, [False] * 2_000),
            *(times, nothing, nothing, nothing, nothing, nothing, nothing),
        ),
        "ended": (ids, condition, [2] * 2_000, times),
        "deaf_for": (ago, now),
        "gone_again": (now, ids, condition, [2] * 2_000),
        "asked_before": (ids, condition),
        "calls": (outage_id, now, False),
        "elsewhere": (outage_id, "", 5_000),
        "loose": ("silent", ago, None, None),
        "members": (outage_id,),
        "open_outages": ("silent",),
        "join_outage": (outage_id, ago, now, 5_000),
        "unsorted": ("silent",),
        "sort_out": (outage_id, now, 5_000),
        "sorted_out": (outage_id,),
        "counted": (outage_id,),
        "list_members": (outage_id, "highland-arc", None, "M-17", False, 1_000),
        "relocated": (outage_id, "", 5_000),
        "settle": (now, ago, ago, ["model"], ["Hub A"], 2_000, "silent", timedelta(hours=1)),
    }


@pytest.mark.parametrize("analysed", [False, True])
async def test_whoever_takes_changes_and_decides_reads_no_table_from_end_to_end(
    unseen: World, subtests: pytest.Subtests, analysed: bool
) -> None:
    """Nor an index again and again, which takes as many comparisons as there are members times changes."""
    async with unseen.database.acquire() as connection:
        outage_id = await fill(connection)
        if analysed:
            await connection.execute("analyze")
        for name, arguments in decided_with(outage_id, unseen.clock.now()).items():
            with subtests.test(query=name):
                transaction = connection.transaction()
                await transaction.start()
                await connection.execute(QUERIES["by_index"])
                assert_by_index(await plan_of(connection, name, *arguments))
                explain = f"explain (analyze, format json) {QUERIES[name]}"
                (done,) = json.loads(await connection.fetchval(explain, *arguments))
                await transaction.rollback()
                assert looked_at(done["Plan"]) < 40 * MANY


def looked_at(node: dict[str, Any]) -> int:
    """Rows that a plan had in its hands, at every step of it, kept or not."""
    kept = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")
    here = int(node["Actual Loops"] * sum(node.get(each, 0) for each in kept))
    return here + sum(looked_at(each) for each in node.get("Plans", []))


async def test_whoever_looks_at_an_outage_reads_no_table_from_end_to_end(
    world: World, subtests: pytest.Subtests
) -> None:
    async with world.database.acquire() as connection:
        outage_id = await fill(connection)
        await connection.execute("analyze")
        looked = {
            "list": (None, "highland-arc", None, None, None, 101),
            "contacted": (outage_id, "highland-arc", None, "M-17", "Morag", world.clock.now(), None),
            "hold_member": (outage_id, "M-17"),
            "list_members": (outage_id, "highland-arc", None, "M-17", False, 101),
            "forget": (world.clock.now() - timedelta(days=30),),
            "forget_notes": (world.clock.now() - timedelta(days=180),),
        }
        for name, arguments in looked.items():
            with subtests.test(query=name):
                assert_by_index(await plan_of(connection, name, *arguments))


async def test_every_page_of_a_list_begins_where_the_one_before_ended_however_it_is_planned(world: World) -> None:
    async with world.database.acquire() as connection:
        await fill(connection)
        await connection.execute("analyze")
        await connection.execute("set plan_cache_mode = force_generic_plan")
        await connection.execute(f"prepare page as {QUERIES['list_members']}")
        rows = await connection.fetch("explain execute page (null, null, null, null, null, null)")
        await connection.execute("reset plan_cache_mode")
    plan = "\n".join(row[0] for row in rows)
    (condition,) = [line for line in plan.splitlines() if "outage_id = $1" in line]
    assert "Index Cond" in condition, plan
    assert "device_id > $4" in condition, plan


async def plan_of(connection: Connection, name: str, *arguments: Any) -> str:
    """How the server means to run it, with just these."""
    return "\n".join(row[0] for row in await connection.fetch(f"explain {QUERIES[name]}", *arguments))


def assert_by_index(plan: str) -> None:
    for table in TABLES:
        assert f"Seq Scan on {table}" not in plan, plan
    assert "Hash Join" not in plan, plan
    assert "Merge Join" not in plan, plan


async def test_what_was_planned_when_few_were_affected_is_not_kept_when_many_are(
    unseen: World, scotland: Scotland
) -> None:
    """The server keeps the plan of a statement's sixth run, and reading a small table whole is the best there is."""
    homes, intake = scotland.homes, unseen.parts.outages.intake
    await homes.fall_silent(scotland.skye)
    await unseen.database.execute("analyze")
    for device in scotland.skye[:8]:
        await homes.change([device], "ended")
        assert await intake.run_once() == 1
        await homes.change([device])
        assert await intake.run_once() == 1
    await fill(unseen.database, MANY)  # type: ignore[arg-type]
    await unseen.database.execute("delete from chassis.event_log")
    before = await rows_read_whole(unseen)
    await homes.change(scotland.skye, "ended")
    assert await intake.run_once() == len(scotland.skye)
    assert await rows_read_whole(unseen) - before < MANY
    left = "select count(*) from alerts.outage_member where left_at is not null and device_id = any ($1)"
    assert await unseen.database.fetchval(left, scotland.skye) == len(scotland.skye)


async def rows_read_whole(world: World) -> int:
    """Rows of the two tables that were read from end to end by anybody, once the intake's connection has said what it did."""
    async with world.parts.outages.intake.pool.acquire() as connection:
        await connection.execute("select pg_stat_force_next_flush()")
    return int(
        await world.database.fetchval(
            "select sum(seq_tup_read) from pg_stat_user_tables where schemaname = 'alerts' and relname = any ($1)",
            ["affected", "outage_member"],
        )
    )
