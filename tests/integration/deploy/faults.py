"""Faults of the running service, and time that has passed, as the tests of alerts make them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from services.chassis.postgres import Connection
from tests.blackbox.installation import HUB, Installation


async def make_older(installation: Installation, alarm_id: str, *, minutes: int) -> None:
    """The alarm has been open for so much longer."""
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        await connection.execute(
            "update alerts.alarm set opened_at = opened_at - make_interval(mins => $2) where alarm_id = $1",
            alarm_id,
            minutes,
        )
    finally:
        await connection.close()


async def hold_what_becomes_of(connection: Connection, device_id: str) -> None:
    """Whoever hangs while he handles a device's rows holds this lock."""
    await connection.execute("select pg_advisory_lock(hashtextextended('alarms:' || $1, 0))", device_id)


@asynccontextmanager
async def nothing_is_added_to(installation: Installation, table: str) -> AsyncIterator[None]:
    """As while somebody builds an index on it and forgets `concurrently`: it can be read, and whoever writes waits."""
    unhurried = {"idle_in_transaction_session_timeout": "0"}
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"], server_settings=unhurried)
    try:
        async with connection.transaction():
            await connection.execute(f"lock table {table} in share mode")
            yield
    finally:
        await connection.close()


async def a_minute_passes_for_events(connection: Connection) -> None:
    """What waits in the event log has waited for a minute longer."""
    await connection.execute("update chassis.event_log set created_at = created_at - interval '1 minute'")


async def probe_now(connection: Connection, *, failures: int | None = None) -> bool:
    """The next probe is due at once; so many at least have failed before it, and no alarm has arrived since (which counts)."""
    done = await connection.execute(
        "update alerts.channel_health set look_at = now(), failures = greatest(failures, $2), "
        "failing_since = case when $2 is null then failing_since else now() end, "
        "probed_at = case when $2 is null then probed_at else now() end where hub_id = $1 and probe_id is null",
        HUB,
        failures,
    )
    return done == "UPDATE 1"


async def tell_of_past_weeks(installation: Installation, live: Sequence[int]) -> None:
    """In each of the last weeks so many devices of another council became live, the earliest first."""
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        await connection.execute(
            """insert into registry.rollout_week (week, council_id, stage, entered, "left", first, replaced)
            select date_trunc('week', now() at time zone 'Europe/London')::date - 7 * (cardinality($1) - n + 1)::integer,
                'moray', 'live', entered, 0, entered, 0
            from unnest($1::integer[]) with ordinality as week (entered, n)""",
            list(live),
        )
    finally:
        await connection.close()


async def aim(installation: Installation, target: int, by: str) -> None:
    """The programme wants so many live devices by that day."""
    body = {"target": target, "target_date": by, "source": "a test"}
    answer = await installation.api.put("/api/v1/rollout/target", body)
    assert answer.status in {200, 201}, answer
