"""The rollout's figures over HTTP and in Prometheus."""

from datetime import timedelta

from tests.blackbox.api import Metrics
from tests.integration.registry.rollout.life import council, count, hear, live, move, rollout
from tests.integration.registry.running import Registry


async def test_the_rollout_counts_live_devices_of_a_thousand(registry: Registry) -> None:
    await live(registry, "TC-1")
    await registry.register("TC-2", "fife")
    await registry.register("TC-3", "moray")
    await registry.ops.put("/api/v1/councils/fife", {"telecare_users": 9000, "target": 120})
    figures = await rollout(registry)
    assert (figures["target"], figures["live"], figures["devices"]) == (1000, 1, 3)
    assert (figures["stages"]["live"], figures["stages"]["registered"], figures["stages"]["withdrawn"]) == (1, 2, 0)
    assert len(figures["councils"]) == 32
    fife = await council(registry)
    assert (fife["live"], fife["devices"], fife["telecare_users"], fife["target"]) == (1, 2, 9000, 120)


async def test_a_device_that_was_never_heard_since_it_went_live_is_not_live_and_is_shown(registry: Registry) -> None:
    await registry.register("TC-1", "fife")
    await hear(registry, "TC-1")  # on the bench, before
    registry.clock.advance(60)
    await move(registry, "TC-1", "go-live")
    figures = await rollout(registry)
    assert (figures["live"], figures["unheard"], figures["stages"]["live"]) == (0, 1, 1)
    await hear(registry, "TC-1")
    figures = await rollout(registry)
    assert (figures["live"], figures["unheard"]) == (1, 0)
    history = (await registry.ops.get("/api/v1/devices/TC-1")).body["history"]
    assert [line["change"] for line in history] == ["heard", "live", "registered"]
    assert await rollout(registry) | {"as_of": 0, "silent_as_of": 0} == figures | {"as_of": 0, "silent_as_of": 0}


async def test_live_and_silent_is_shown_beside_live_by_the_thresholds_of_the_models(registry: Registry) -> None:
    await registry.execute(
        "insert into registry.device_model "
        "(model, heartbeat_interval_s, late_after_missed, silent_after_s, changed_at, changed_by) "
        "values ('chiptech seven', 3600, 3, 14400, now(), 'test')"
    )
    for device in ("TC-1", "TC-2", "TC-3", "TC-4"):
        await live(registry, device)
    await count(registry)
    await registry.ops.patch("/api/v1/devices/TC-1", {"model": "Another"})  # the default: silent after ten minutes
    registry.clock.advance(5 * 3600)
    await hear(registry, "TC-1", ago=timedelta(minutes=11))
    await hear(registry, "TC-2", ago=timedelta(hours=3))
    await move(registry, "TC-4", "suspend")
    figures = await rollout(registry)
    assert (figures["live"], figures["silent"]) == (3, 2)  # TC-1, by its model, and TC-3
    assert figures["silent_as_of"] is not None
    await hear(registry, "TC-1")
    await hear(registry, "TC-3")
    assert (await rollout(registry))["silent"] == 0


async def test_shares_are_of_the_users_that_the_council_told_and_unknown_where_it_told_none(registry: Registry) -> None:
    for number in range(1, 5):
        await live(registry, f"TC-{number}")
    await move(registry, "TC-4", "suspend")
    await registry.register("TC-5", "fife")
    fife = await council(registry)
    assert (fife["digital_ready"], fife["digital_ready_share"], fife["live_share"]) == (4, None, None)
    await registry.ops.put("/api/v1/councils/fife", {"telecare_users": 8})
    fife = await council(registry)
    assert (fife["digital_ready_share"], fife["digital_ready_met"]) == (0.5, False)  # more than half, says the award
    assert (fife["live_share"], fife["live_milestone"]) == (0.375, 0.2)


async def test_analogue_units_are_told_less_those_that_were_replaced_since(registry: Registry) -> None:
    for number, unit in ((1, "A-1"), (2, "A-2"), (3, "A-2"), (4, "A-4")):
        await registry.register(f"TC-{number}", "fife")
        await registry.execute(
            "update registry.device set replaces_analogue = $2 where device_id = $1", f"TC-{number}", unit
        )
    await move(registry, "TC-1", "go-live")
    await hear(registry, "TC-1")
    today = registry.clock.now().date()
    await registry.ops.put("/api/v1/councils/fife", {"analogue_units": 10, "as_of": today.isoformat()})
    registry.clock.advance(86_400)
    for device in ("TC-2", "TC-3"):
        await move(registry, device, "go-live")
        await hear(registry, device)
    await move(registry, "TC-4", "go-live")  # and never heard
    fife = await council(registry)
    assert fife["analogue_left"] == 9  # A-1 was the council's own to count; A-2 is one unit
    assert fife["analogue_needed_per_week"] > 0
    await registry.ops.put("/api/v1/councils/fife", {"analogue_units": 10})  # of which day nobody knows
    assert (await council(registry))["analogue_left"] == 10
    figures = await rollout(registry)
    assert (figures["analogue_left"], figures["analogue_unknown"]) == (10, 31)


async def test_each_figure_of_a_council_may_have_a_source_and_a_day_of_its_own(registry: Registry) -> None:
    told = {
        "telecare_users": 9000,
        "analogue_units": 800,
        "target": 120,
        "source": "the council",
        "as_of": "2026-10-01",
        "sources": {"telecare_users": {"source": "Public Health Scotland", "as_of": "2023-03-31"}},
    }
    answer = await registry.ops.put("/api/v1/councils/fife", told)
    assert (answer.status, answer.body["sources"]) == (200, told["sources"])
    again = await registry.ops.put("/api/v1/councils/fife", answer.body)  # an answer can be sent back
    assert again.body == answer.body
    fife = await council(registry)
    assert fife["sources"] == {
        "telecare_users": {"source": "Public Health Scotland", "as_of": "2023-03-31"},
        "analogue_units": {"source": "the council", "as_of": "2026-10-01"},
        "target": {"source": "the council", "as_of": "2026-10-01"},
    }


async def test_overrides_and_open_faults_are_shown_beside_the_live(registry: Registry) -> None:
    await live(registry, "TC-1")
    await registry.register("TC-2", "fife")
    await registry.execute(
        "update registry.device set overridden_at = live_at, overridden_by = 'ops', override_reason = 'migrated', "
        "override_missing = '{}' where device_id = 'TC-1'"
    )
    for device, priority in (("TC-1", 3), ("TC-1", 4), ("TC-2", 4), ("hub-clyde-arc", 3), ("TC-1", 1)):
        await registry.execute(
            "insert into alerts.alarm (alarm_id, device_id, council_id, kind, status, priority, state, step, event_count, test, "
            "unregistered, sole_device, received_at, opened_at, last_event_at, ladder_at, told_at, changed_at, policy_id, wake_at) "
            "values (gen_random_uuid(), $1, 'fife', 'k' || $2::integer::text, 'activated', $2, 'open', 0, 1, false, false, false, "
            "now(), now(), now(), now(), now(), now(), 0, now())",
            *(device, priority),
        )
    fife = await council(registry)
    assert fife["overridden"] == 1
    assert fife["open_faults"] == {"unprotected": 1, "degraded": 2}
    assert fife["open_faults_by_stage"] == {
        "registered": {"unprotected": 0, "degraded": 1},
        "live": {"unprotected": 1, "degraded": 1},
    }
    figures = await rollout(registry)
    assert (figures["overridden"], figures["open_faults"]) == (1, fife["open_faults"])
    await registry.execute(
        "update alerts.alarm set state = 'closed', wake_at = null, closed_at = now(), closed_by = 'isla', "
        "outcome = 'equipment_fault'"
    )
    assert (await council(registry))["open_faults"] == {"unprotected": 0, "degraded": 0}


async def test_figures_that_may_be_wrong_say_so(registry: Registry) -> None:
    await registry.register("TC-1", "fife")
    figures = (await registry.ops.get("/api/v1/rollout")).body
    assert (figures["not_counted_yet"], figures["devices"]) == (1, 1)
    await count(registry)
    await registry.execute("update registry.device set stage = 'claimed'")  # past its history
    figures = (await registry.ops.get("/api/v1/rollout")).body
    assert (figures["not_counted_yet"], figures["unexplained"]) == (0, 2)


async def test_prometheus_is_given_the_same_figures_counted_in_the_background(registry: Registry) -> None:
    async def scrape() -> Metrics:
        return Metrics((await registry.ops.by(None).get("/metrics")).body)

    assert not {"telecare_rollout_target", "telecare_rollout_live"} & set((await scrape()).families)
    await live(registry, "TC-1")
    await registry.register("TC-2", "fife")
    await move(registry, "TC-2", "go-live")
    await registry.ops.put("/api/v1/rollout/target", {"target": 50, "target_date": "2027-01-31"})
    await count(registry)
    refresh = next(loop for loop in registry.service.loops if loop.name == "registry-metrics")
    assert refresh.every_s <= 10
    assert await refresh.run_once() == 0
    after = await scrape()
    assert after.value("telecare_rollout_target") == 50
    assert after.value("telecare_rollout_live") == 1
    assert after.value("telecare_rollout_unheard") == 1
    assert after.value("telecare_rollout_target_date_timestamp_seconds") == 1801439999  # its last second
    assert after.value("telecare_rollout_needed_per_week") > 4
    assert after.value("telecare_rollout_not_counted_yet") == after.value("telecare_rollout_unexplained") == 0
    assert "telecare_rollout_rate_per_week" not in after.families  # nobody can say yet
    assert after.value("telecare_devices", council="fife", stage="live") == 2
    assert after.value("telecare_devices") == 2
    assert after.labels("telecare_devices") == {"council", "stage"}
