"""Faults of the running service, and time that has passed, as the tests of alerts make them."""

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
