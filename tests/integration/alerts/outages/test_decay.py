"""A model whose devices fall silent one by one: the technical queue is told once, and of the end when there is one."""

from __future__ import annotations

from dataclasses import replace

from services.alerts.domain.outages.census import Census, Trait
from services.alerts.outages.decay import Decay
from services.alerts.outages.fleet import Fleet, FleetCount
from tests.integration.alerts.outages.conftest import Scotland

MODEL = Trait("model", "Hub A")
POPULATION = Census(1300, {MODEL: 300, Trait("model", "Hub B"): 1000})
DYING = Fleet(POPULATION, {"silent": Census(32, {MODEL: 30, Trait("model", "Hub B"): 2})})


async def alarms(scotland: Scotland) -> list[tuple[str, str]]:
    await scotland.world.settle()
    rows = await scotland.world.database.fetch(
        "select device_id, state from alerts.alarm where kind = 'system_monitor' order by opened_at"
    )
    return [tuple(row) for row in rows]


async def test_it_is_told_once_and_a_process_that_has_only_begun_says_nothing_of_its_end(scotland: Scotland) -> None:
    decay = scotland.world.parts.outages.decay
    await decay.fleet.count()
    decay.fleet.latest = DYING
    for _ in range(2):
        await decay.run_once()
    assert await alarms(scotland) == [("model-Hub-A", "open")]

    restarted = Decay(decay.pool, decay.clock, FleetCount(decay.fleet.pool, decay.clock))
    await restarted.run_once()
    assert await scotland.world.database.fetchval("select count(*) from alerts.decay") == 1
    await restarted.fleet.count()
    restarted.fleet.latest = DYING
    await restarted.run_once()
    assert await alarms(scotland) == [("model-Hub-A", "open")]


async def test_its_end_is_told_when_they_fall_silent_no_more_often_than_others(scotland: Scotland) -> None:
    decay = scotland.world.parts.outages.decay
    await decay.fleet.count()
    decay.fleet.latest = DYING
    await decay.run_once()
    decay.fleet.latest = replace(DYING, singles={"silent": Census(2, {Trait("model", "Hub B"): 2})})
    await decay.run_once()
    assert await scotland.world.database.fetchval("select count(*) from alerts.decay") == 0
    (alarm,) = await alarms(scotland)
    events = await scotland.world.database.fetch("select event from alerts.transition order by transition_id")
    assert (alarm[0], "restored" in {row["event"] for row in events}) == ("model-Hub-A", True)


async def test_one_device_more_or_less_in_a_week_neither_begins_nor_ends_it_anew(scotland: Scotland) -> None:
    decay = scotland.world.parts.outages.decay
    await decay.fleet.count()
    for cases in (30, 19, 18, 19, 12, 18, 19):
        others = {Trait("model", "Hub B"): 2}
        decay.fleet.latest = replace(DYING, singles={"silent": Census(cases + 2, {MODEL: cases, **others})})
        await decay.run_once()
        assert await alarms(scotland) == [("model-Hub-A", "open")]
    events = await scotland.world.database.fetch("select event from alerts.transition")
    assert [row["event"] for row in events] == ["raised"]
