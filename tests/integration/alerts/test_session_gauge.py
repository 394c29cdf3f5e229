"""A session by which hubs or units are heard, and that nobody has: what Prometheus is told of it."""

from prometheus_client import CollectorRegistry

from services.alerts.gauges import SessionGauge
from services.alerts.metrics import Metrics
from tests.integration.alerts.world import World


async def test_a_session_is_told_by_its_age_while_nobody_has_it_and_as_0_while_somebody_has(world: World) -> None:
    registry = CollectorRegistry()
    gauge = SessionGauge(world.parts.pool, world.clock, Metrics(registry, world.clock))

    async def told() -> dict[str, float]:
        await gauge.run_once()
        (family,) = [each for each in registry.collect() if each.name == "telecare_session_away_seconds"]
        return {each.labels["shard"]: each.value for each in family.samples}

    # Renewed in what is the future for as long as this test may take.
    await world.database.execute("update chassis.shard set session_at = clock_timestamp() + interval '1 hour'")
    assert await told() == {"hub-actions": 0, "provisioning": 0}, "and none of ingest's"
    await world.database.execute(
        "update chassis.shard set session_at = clock_timestamp() - interval '70 seconds' where shard = 'hub-actions'"
    )
    away = await told()
    assert 70 <= away["hub-actions"] < 600
    assert away["provisioning"] == 0
    await world.database.execute(
        "update chassis.shard set session_at = null, created_at = clock_timestamp() - interval '1 day' where shard = 'provisioning'"
    )
    assert (await told())["provisioning"] >= 86400, "nobody ever had it"
    await world.database.execute("delete from chassis.shard where shard = 'provisioning'")
    assert set(await told()) == {"hub-actions"}, "one that was retired is missed by nobody"
