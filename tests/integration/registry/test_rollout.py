"""The rollout's figures over HTTP and in Prometheus, and what the registry says of its own readiness."""

from tests.blackbox.api import Metrics
from tests.integration.registry.running import Registry


async def test_the_rollout_counts_live_devices_of_a_thousand(registry: Registry) -> None:
    await registry.register("TC-1", "fife")
    await registry.register("TC-2", "fife")
    await registry.register("TC-3", "moray")
    await registry.ops.post("/api/v1/devices/TC-1/go-live", {"reason": "migrated"})
    await registry.ops.put("/api/v1/councils/fife", {"telecare_users": 9000, "target": 120})
    rollout = (await registry.ops.get("/api/v1/rollout")).body
    assert (rollout["target"], rollout["live"], rollout["devices"]) == (1000, 1, 3)
    assert (rollout["stages"]["live"], rollout["stages"]["registered"], rollout["stages"]["withdrawn"]) == (1, 2, 0)
    assert len(rollout["councils"]) == 32
    (fife,) = [each for each in rollout["councils"] if each["council_id"] == "fife"]
    assert (fife["live"], fife["devices"], fife["telecare_users"], fife["target"]) == (1, 2, 9000, 120)


async def test_prometheus_is_given_the_same_figures_counted_in_the_background(registry: Registry) -> None:
    async def scrape() -> Metrics:
        return Metrics((await registry.ops.by(None).get("/metrics")).body)

    before = await scrape()
    assert before.value("telecare_rollout_target") == 1000
    assert "telecare_rollout_live" not in before.families
    await registry.register("TC-1", "fife")
    await registry.ops.post("/api/v1/devices/TC-1/go-live", {"reason": "migrated"})
    refresh = next(loop for loop in registry.service.loops if loop.name == "registry-metrics")
    assert refresh.every_s <= 10
    assert await refresh.run_once() == 0
    after = await scrape()
    assert after.value("telecare_rollout_live") == 1
    assert after.value("telecare_devices", council="fife", stage="live") == 1
    assert after.value("telecare_devices") == 1
    assert after.labels("telecare_devices") == {"council", "stage"}


async def test_the_registry_is_ready_when_its_database_is(registry: Registry) -> None:
    answer = await registry.ops.by(None).get("/readyz")
    assert (answer.status, answer.body) == (200, {"status": "ready", "services": ["registry"], "failing": []})
    await registry.execute("drop schema registry cascade")
    unready = await registry.ops.by(None).get("/readyz")
    assert unready.status == 503
    assert unready.body["failing"] == [
        {"service": "registry", "reason": "The database is not migrated: run `telecare migrate`."}
    ]
