"""Probes are forgotten after a week; what people were told never is."""

from datetime import timedelta

import asyncpg
import pytest

from services.alerts.probes.retention import ProbeRetention
from services.chassis.postgres.pool import connect
from tests.integration.alerts.probes.watch import PERIOD_S, health, look, pass_time
from tests.integration.alerts.world import World

DAY_S = 86_400


async def counts(world: World) -> tuple[int, int]:
    """Probes, and notifications of alarms."""
    query = (
        "select count(*) from alerts.delivery d join alerts.notification n using (notification_id) "
        "where (n.type = 'hub.probe') = $1"
    )
    return await world.database.fetchval(query, True), await world.database.fetchval(query, False)


async def test_probes_of_a_week_ago_are_forgotten_and_no_alarm_ever_is(glasgow: World) -> None:
    retention = ProbeRetention(glasgow.parts.pool, glasgow.clock)
    await look(glasgow)
    await glasgow.press("tamper")
    await pass_time(glasgow, 2 * PERIOD_S)
    told = (await counts(glasgow))[1]
    assert await counts(glasgow) == (4, told)
    glasgow.clock.move(7 * DAY_S - 2 * PERIOD_S)
    assert await retention.run_once() == 0
    glasgow.clock.move(2 * PERIOD_S + 1)  # a channel's last probe may have been sent at the very end of the two periods
    assert await retention.run_once() == 4
    assert await retention.run_once() == 0
    assert await counts(glasgow) == (0, told)
    assert await glasgow.database.fetchval("select count(*) from alerts.notification where alarm_id is null") == 0


async def test_a_channel_whose_probe_is_forgotten_is_probed_anew(glasgow: World) -> None:
    await look(glasgow)
    await pass_time(glasgow, PERIOD_S)
    await glasgow.database.execute(
        "update alerts.channel_health set probe_id = "
        "(select notification_id from alerts.delivery d where d.channel = channel_id and d.alarm_id is null)"
    )
    glasgow.clock.move(8 * DAY_S)
    assert await ProbeRetention(glasgow.parts.pool, glasgow.clock).run_once() == 2
    await pass_time(glasgow, PERIOD_S)
    for each in (await health(glasgow)).values():
        assert each["failures"] == 0
        assert glasgow.clock.now() - each["last_alive_at"] <= timedelta(seconds=PERIOD_S)


async def test_alerts_may_delete_nothing_by_itself(glasgow: World) -> None:
    connection = await connect(glasgow.runtime.database_url, name="test", role="telecare_alerts")
    try:
        for table in ("delivery", "notification"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"delete from alerts.{table}")
    finally:
        await connection.close()
