"""What heartbeats say of a device's mains, battery, signal, clock and path is told when it begins, and when it is over: once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from contracts.alarm_event import AlarmEvent
from contracts.condition import ConditionChange
from contracts.vocabulary import Priority
from services.ingest.liveness.health import verdicts
from tests.integration.ingest.liveness.test_silence import turns
from tests.integration.ingest.liveness.watch import NOW, Watch


async def look(watch: Watch, **moved: float) -> list[ConditionChange]:
    """A pass in which every page is looked at, and what it tells of mains."""
    watch.clock.move(**(moved or {"seconds": 60}))
    return [each for each in await watch.look() if each.condition != "silent"]


async def alarms(watch: Watch) -> list[AlarmEvent]:
    """What alerts is told by events; taken off the log."""
    rows = await watch.database.fetch(
        "with taken as (delete from chassis.event_log where stream = 'alarms' returning event_log_id, body) "
        "select body::text from taken order by event_log_id"
    )
    return [AlarmEvent.from_json(row["body"]) for row in rows]


async def beat(watch: Watch, minutes: int, *device_ids: str, **readings: Any) -> None:
    """Heartbeats, each minute."""
    for _ in range(minutes):
        watch.clock.move(seconds=60)
        await watch.hear(*device_ids, **readings)


async def test_mains_that_are_gone_for_five_minutes_are_told_with_when_the_device_will_be_silent(watch: Watch) -> None:
    await watch.model("Careline 3", battery_hours=24)
    await watch.register("TC-1")
    await watch.hear("TC-1", mains=True, firmware="4.2.1", cell_id="310-2231")
    assert await look(watch) == []
    await watch.hear("TC-1", mains=False)
    gone_at = watch.clock.now()
    for _ in range(4):
        assert await look(watch) == []
        await watch.hear("TC-1", mains=False)
    [change] = await look(watch)
    assert (change.device_id, change.condition, change.turn) == ("TC-1", "mains_lost", "began")
    assert (change.since, change.at) == (gone_at, gone_at + timedelta(minutes=5))
    assert change.expected_silent_at == gone_at + timedelta(hours=24)
    assert (change.model, change.firmware, change.cell_id) == ("Careline 3", "4.2.1", "310-2231")
    assert (change.sim_operator, change.postcode_district, change.council_id) == ("23410", "G12", "glasgow-city")
    await watch.hear("TC-1", mains=False)
    assert await look(watch) == []
    await watch.hear("TC-1", mains=True)
    assert await look(watch, minutes=4, seconds=59) == []
    [over] = await look(watch)
    assert (over.condition, over.turn, over.version) == ("mains_lost", "ended", change.version + 1)
    assert await alarms(watch) == []
    assert (await watch.row("TC-1"))["health"] is None


async def test_a_low_battery_is_told_as_degraded_and_once_however_it_wavers(watch: Watch) -> None:
    await watch.register("TC-1")
    for pct in (21, 20, 21, 19, 29, 20):
        await watch.hear("TC-1", battery_pct=pct)
        await look(watch)
    [low] = await alarms(watch)
    assert (low.device_id, low.council_id, low.kind, low.status) == (
        "TC-1",
        "glasgow-city",
        "local_unit",
        "battery_low",
    )
    assert (low.urgency, low.text, low.peripheral_id) == (Priority.DEGRADED, "Its battery is at 20 %", None)
    await watch.hear("TC-1", battery_pct=30)
    await look(watch)
    [well] = await alarms(watch)
    assert (well.kind, well.status, well.text) == ("local_unit", "restored", "Its battery is at 30 % again")
    assert well.event_id != low.event_id


async def report(watch: Watch, status: str, kind: str = "power_supply") -> None:
    """The device's own alarm, as the alarm lane keeps it."""
    await watch.database.execute(
        "insert into ingest.alarm_event (event_id, identity, payload_sha256, topic, council_id, device_id, received_at, kind, "
        "status, test, qos) select gen_random_uuid(), sha256(random()::text::bytea), sha256(''), 't', council_id, device_id, $1, "
        "$2, $3, false, 1 from ingest.liveness",
        *(watch.clock.now(), kind, status),
    )


@pytest.mark.parametrize("kind", ["power_supply", "local_unit"])
async def test_a_battery_that_the_device_reported_itself_does_not_stand_twice(watch: Watch, kind: str) -> None:
    await watch.register("TC-1")
    await report(watch, "battery_low", kind)
    await watch.hear("TC-1", battery_pct=18)
    await look(watch)
    assert await alarms(watch) == []
    await report(watch, "restored", kind)
    await watch.hear("TC-1", battery_pct=90)
    await look(watch)
    assert await alarms(watch) == []
    await watch.hear("TC-1", battery_pct=15)
    await look(watch)
    assert [each.status for each in await alarms(watch)] == ["battery_low"]
    await report(watch, "battery_low", kind)
    await watch.hear("TC-1", battery_pct=14)
    await look(watch)
    assert [(each.status, each.text) for each in await alarms(watch)] == [("restored", "It says so itself now")]
    await look(watch)
    assert await alarms(watch) == []


async def test_a_signal_that_is_weak_for_an_hour_is_told_and_again_when_it_is_three_decibels_better(
    watch: Watch,
) -> None:
    await watch.model("Careline 3", signal_dbm_min=-105)
    await watch.register("TC-1", "TC-2")
    for _ in range(60):
        await beat(watch, 1, "TC-1", signal_dbm=-112)
        await watch.hear("TC-2", signal_dbm=-104)
        await watch.look()
        assert await alarms(watch) == []
    for _ in range(2):
        await beat(watch, 1, "TC-1", signal_dbm=-112)
        await watch.hear("TC-2", signal_dbm=-104)
        await watch.look()
    [weak] = await alarms(watch)
    assert (weak.device_id, weak.kind, weak.peripheral_id) == ("TC-1", "comms_link", "signal")
    assert weak.text == "Its signal has been weak for an hour: -112 dBm on average, -105 dBm is the least it needs"
    await beat(watch, 30, "TC-1", signal_dbm=-104)
    await watch.look()
    assert await alarms(watch) == []
    await beat(watch, 30, "TC-1", signal_dbm=-95)
    await watch.look()
    assert [each.status for each in await alarms(watch)] == ["restored"]


async def test_new_limits_take_effect_within_a_minute(watch: Watch) -> None:
    await watch.register("TC-1")
    await watch.model("Careline 3", signal_dbm_min=-120)
    await beat(watch, 5, "TC-1", signal_dbm=-112)
    await watch.look()
    assert (await watch.row("TC-1"))["health"] is None
    await watch.model("Careline 3", signal_dbm_min=-105)
    await look(watch)
    assert "weak_signal" in (await watch.row("TC-1"))["health"]


async def test_a_clock_that_is_off_is_told_when_it_says_so_for_ten_minutes(watch: Watch) -> None:
    await watch.register("TC-1", "TC-2")
    await watch.hear("TC-2", behind_s=600)  # waited at the broker
    await watch.hear("TC-1", behind_s=600)
    await look(watch)
    for _ in range(10):
        await beat(watch, 1, "TC-1", behind_s=600)
        await watch.hear("TC-2", behind_s=1)
        await watch.look()
    [off] = await alarms(watch)
    assert (off.device_id, off.kind, off.peripheral_id) == ("TC-1", "system_monitor", "clock")
    assert off.text == "Its clock is 10 minutes behind"
    await watch.hear("TC-1", behind_s=-70)
    await look(watch)
    assert await alarms(watch) == []
    await watch.hear("TC-1", behind_s=-50)
    await look(watch)
    assert [each.status for each in await alarms(watch)] == ["restored"]


async def test_a_device_that_changes_its_way_to_us_too_often_is_told_of(watch: Watch) -> None:
    await watch.register("TC-1")
    for n in range(11):
        await beat(watch, 1, "TC-1", network=("ethernet", "lte")[n % 2])
    await watch.look()
    assert await alarms(watch) == []
    for n in range(3):
        await beat(watch, 1, "TC-1", network=("lte", "ethernet")[n % 2])
    await look(watch)
    [unsteady] = await alarms(watch)
    assert (unsteady.kind, unsteady.peripheral_id) == ("comms_link", "path")
    assert unsteady.text == "It changed its way to us 12 times within an hour"
    await beat(watch, 90, "TC-1", network="lte")
    await watch.look()
    assert [each.status for each in await alarms(watch)] == ["restored"]


async def test_gaps_in_its_numbers_are_counted_within_a_boot_and_no_alarm_is_one(watch: Watch) -> None:
    await watch.register("TC-1")
    await beat(watch, 3, "TC-1")
    assert (await watch.row("TC-1"))["missed"] == 0
    watch.beats.skip("TC-1", 4)
    await beat(watch, 1, "TC-1")
    assert (await watch.row("TC-1"))["missed"] == 4
    await beat(watch, 1, "TC-1", boot_id="another", seq=900)
    await beat(watch, 1, "TC-1", boot_id="another", seq=901)
    await beat(watch, 1, "TC-1", boot_id="another", seq=901)
    assert (await watch.row("TC-1"))["missed"] == 4
    published = await watch.database.fetchval("select missed from ingest.device_liveness where device_id = 'TC-1'")
    assert published == 4


async def test_readings_are_averaged_over_the_time_that_they_lasted(watch: Watch) -> None:
    await watch.register("TC-1")
    await watch.hear("TC-1", signal_dbm=-80, network="lte")
    assert (await watch.row("TC-1"))["signal_average"] == -80
    await beat(watch, 1, "TC-1", signal_dbm=-110)
    assert -84 < (await watch.row("TC-1"))["signal_average"] < -82
    await beat(watch, 60, "TC-1", signal_dbm=-110)
    assert (await watch.row("TC-1"))["signal_average"] == pytest.approx(-110, abs=0.1)
    await beat(watch, 1, "TC-1")
    assert (await watch.row("TC-1"))["signal_average"] == pytest.approx(-110, abs=0.1)
    watch.clock.move(days=3)
    await watch.hear("TC-1", signal_dbm=-70, network="gsm")
    assert (await watch.row("TC-1"))["signal_average"] == pytest.approx(-70)
    assert (await watch.row("TC-1"))["path_changes"] == pytest.approx(1)
    await beat(watch, 60, "TC-1", network="gsm")
    assert (await watch.row("TC-1"))["path_changes"] == pytest.approx(0.37, abs=0.01)
    await beat(watch, 1, "TC-1", network="lte")
    assert (await watch.row("TC-1"))["path_changes"] == pytest.approx(1.36, abs=0.01)


async def test_while_we_are_blind_and_until_it_is_heard_again_nothing_is_said_of_a_device(watch: Watch) -> None:
    await watch.register("TC-1")
    await watch.hear("TC-1", mains=False, battery_pct=12)
    watch.clock.move(minutes=6)
    await watch.database.execute("update chassis.shard set heard_until = $1 where service = 'ingest'", NOW)
    await watch.sweep.run_once()
    assert (await watch.told(), await alarms(watch)) == ([], [])
    await watch.deaf(lasted_s=300)
    assert (await look(watch), await alarms(watch)) == ([], [])
    await watch.hear("TC-1", mains=True, battery_pct=12)
    assert await look(watch) == []
    assert [each.status for each in await alarms(watch)] == ["battery_low"]


@pytest.mark.parametrize("stage", ["suspended", "withdrawn"])
async def test_of_a_device_that_is_in_use_no_more_all_is_over(watch: Watch, stage: str) -> None:
    await watch.register("TC-1")
    await watch.hear("TC-1", mains=False, battery_pct=5)
    assert turns(await look(watch, minutes=5)) == [("TC-1", "began")]
    await alarms(watch)
    await watch.change("TC-1", stage=stage)
    assert [(each.turn, each.expected_silent_at) for each in await look(watch)] == [("ended", None)]
    assert [(each.status, each.text) for each in await alarms(watch)] == [("restored", "It is not in use any more")]
    await watch.hear("TC-1", mains=False, battery_pct=5)
    assert (await look(watch, minutes=6), await alarms(watch)) == ([], [])


async def test_of_devices_that_nobody_registered_nothing_is_said(watch: Watch) -> None:
    await watch.hear("TC-9", battery_pct=1, mains=False)
    await watch.hear("TC-9", battery_pct=1, mains=False)
    assert (await look(watch, minutes=6), await alarms(watch)) == ([], [])


async def test_a_heartbeat_between_the_look_and_the_verdict_has_it_looked_at_again(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watch.register("TC-1", "TC-2")
    await watch.hear("TC-1", "TC-2", battery_pct=10)
    store = verdicts.store

    async def store_late(*arguments: Any) -> Any:
        monkeypatch.setattr(verdicts, "store", store)
        await watch.hear("TC-1", battery_pct=11)
        return await store(*arguments)

    monkeypatch.setattr(verdicts, "store", store_late)
    await look(watch)
    assert [each.device_id for each in await alarms(watch)] == ["TC-2"]
    await look(watch, seconds=2)
    assert [(each.device_id, each.text) for each in await alarms(watch)] == [("TC-1", "Its battery is at 11 %")]


async def test_a_verdict_on_health_waits_for_no_heartbeat(watch: Watch) -> None:
    await watch.register("TC-1", "TC-2")
    await watch.hear("TC-1", "TC-2", battery_pct=10)
    await watch.database.execute("update chassis.shard set heard_until = $1", watch.clock.now())
    async with watch.database.transaction():
        await watch.database.execute("update ingest.liveness set battery_pct = 9 where device_id = 'TC-1'")
        await asyncio.wait_for(watch.sweep.run_once(), timeout=60)
    assert [each.device_id for each in await alarms(watch)] == ["TC-2"]
    await look(watch, seconds=2)
    assert [each.device_id for each in await alarms(watch)] == ["TC-1"]


async def test_silence_and_health_are_judged_of_the_same_device_each_in_its_turn(watch: Watch) -> None:
    await watch.register("TC-1")
    await watch.hear("TC-1", battery_pct=4, mains=False)
    watch.clock.move(seconds=601)
    changes = await watch.look()
    changes += await watch.look()
    assert {(each.condition, each.turn) for each in changes} == {("silent", "began"), ("mains_lost", "began")}
    assert len({each.version for each in changes}) == 2
    assert len(await alarms(watch)) == 1


async def test_mains_lost_before_the_clock_was_put_back_are_lost(watch: Watch) -> None:
    await watch.register("TC-1")
    await watch.hear("TC-1", mains=True)
    watch.clock.move(hours=3)
    await watch.hear("TC-1", mains=False)
    watch.clock.move(hours=-2)
    changes = await watch.look()
    assert [(each.turn, each.since) for each in changes] == [("began", watch.clock.now())]
    await watch.hear("TC-1", mains=False)
    assert await look(watch) == []


async def test_metrics_count_what_began_and_ended(watch: Watch) -> None:
    await watch.register("TC-1", "TC-2")
    await watch.hear("TC-1", "TC-2", battery_pct=10)
    await look(watch)
    await watch.hear("TC-1", battery_pct=50)
    await look(watch)

    def value(condition: str, turn: str) -> float | None:
        return watch.metrics.get_sample_value(
            "telecare_liveness_verdicts_total", {"condition": condition, "turn": turn}
        )

    assert (value("battery_low", "began"), value("battery_low", "ended")) == (2, 1)
    assert {value(each, "began") for each in ("mains_lost", "weak_signal", "clock_off", "path_unsteady")} == {0}
