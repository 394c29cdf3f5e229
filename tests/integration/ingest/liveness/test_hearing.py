"""How many are heard as often as they should be, counted every half minute, and nobody counted whom we could not hear."""

from __future__ import annotations

from datetime import timedelta
from math import isnan
from typing import Any

from prometheus_client import CollectorRegistry

from services.ingest.domain.slices import PAGES
from services.ingest.liveness.loops import read_gauges
from services.ingest.metrics import LivenessMetrics
from tests.integration.ingest.liveness.watch import Watch

OPERATOR_A, OPERATOR_B = "23410", "23415"


async def counted(watch: Watch) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """By council and operator: expected, heard, silent, late."""
    rows = await watch.database.fetch("select * from ingest.hearing order by council_id, sim_operator")
    return {
        (row["council_id"], row["sim_operator"]): (row["expected"], row["heard"], row["silent"], row["late"])
        for row in rows
    }


async def pass_on(watch: Watch, seconds: float, *heard: str, every_s: float = 30, **readings: Any) -> None:
    """Time goes on, looks are taken, and these devices are heard."""
    while seconds > 0:
        watch.clock.move(seconds=every_s)
        seconds -= every_s
        if heard:
            await watch.hear(*heard, **readings)
        await watch.look()


async def a_street(watch: Watch) -> tuple[list[str], list[str]]:
    """Ten homes of each of two operators, heard for three minutes."""
    await watch.model("Careline 3")
    all_ = [f"TC-{n}" for n in range(20)]
    await watch.register(*all_)
    await pass_on(watch, 180, *all_)
    await watch.hear(*all_[10:], sim_operator=OPERATOR_B)
    return all_[:10], all_[10:]


async def test_those_that_stop_are_missed_after_one_and_a_half_intervals_and_late_by_their_models_promise(
    watch: Watch,
) -> None:
    first, second = await a_street(watch)
    await pass_on(watch, 60, *first)
    assert await counted(watch) == {
        ("glasgow-city", OPERATOR_A): (10, 10, 0, 0),
        ("glasgow-city", OPERATOR_B): (10, 10, 0, 0),
    }
    await pass_on(watch, 60, *first, *second[:5])
    assert (await counted(watch))["glasgow-city", OPERATOR_B] == (10, 5, 0, 0)
    await pass_on(watch, 120, *first, *second[:5])
    assert (await counted(watch))["glasgow-city", OPERATOR_B] == (10, 5, 0, 5)
    await pass_on(watch, 600, *first, *second[:5])
    assert len(await watch.silent()) == 5
    assert (await counted(watch))["glasgow-city", OPERATOR_B] == (10, 5, 5, 0)
    await pass_on(watch, 60, *first, *second)
    assert (await counted(watch))["glasgow-city", OPERATOR_B] == (10, 10, 0, 0)


async def test_whoever_was_installed_a_moment_ago_or_is_watched_no_more_is_not_expected(watch: Watch) -> None:
    first, _ = await a_street(watch)
    await watch.register("TC-new")
    await watch.change(first[0], stage="suspended")
    await pass_on(watch, 30, *first)
    assert (await counted(watch))["glasgow-city", OPERATOR_A][0] == 9
    await pass_on(watch, 90, *first)
    assert (await counted(watch))["glasgow-city", OPERATOR_A] == (10, 9, 0, 0)


async def test_what_could_not_be_heard_is_counted_no_further_until_everybody_had_a_chance(watch: Watch) -> None:
    first, second = await a_street(watch)
    await pass_on(watch, 60, *first, *second)
    before = await watch.database.fetch("select * from ingest.hearing")
    await pass_on(watch, 300)
    await watch.deaf(lasted_s=300)
    await watch.database.execute(
        "update ingest.hearing_count set heard = expected, silent = 0, late = 0, counted_at = $1",
        before[0]["counted_at"],
    )
    await pass_on(watch, 120)
    assert await watch.database.fetch("select * from ingest.hearing") == before
    await pass_on(watch, 30)
    assert {count[1] for count in (await counted(watch)).values()} == {0}


async def test_while_a_shard_hears_nothing_its_count_stands_still(watch: Watch) -> None:
    await a_street(watch)
    before = await watch.database.fetch("select * from ingest.hearing")
    watch.clock.move(seconds=300)
    await watch.sweep.run_once()  # heard_until is as it was
    assert await watch.database.fetch("select * from ingest.hearing") == before
    metrics = CollectorRegistry()
    await read_gauges(watch.pool, LivenessMetrics(metrics), watch.clock.now())
    ratio = metrics.get_sample_value("telecare_hearing_ratio", {"shard": "heartbeats-0"})
    assert ratio is not None
    assert isnan(ratio)


async def test_groups_that_are_no_more_are_not_counted(watch: Watch) -> None:
    first, second = await a_street(watch)
    for each in first:
        await watch.change(each, council_id="fife")
    await pass_on(watch, 60, *first, *second)
    assert await counted(watch) == {
        ("fife", OPERATOR_A): (10, 10, 0, 0),
        ("glasgow-city", OPERATOR_B): (10, 10, 0, 0),
    }


async def test_prometheus_is_told_the_ratio_of_a_shard_the_late_of_a_council_and_what_never_came(watch: Watch) -> None:
    first, second = await a_street(watch)
    await pass_on(watch, 300, *first, *second[:5])
    watch.beats.skip(first[0], 7)
    await pass_on(watch, 30, *first, *second[:5])
    await read_gauges(watch.pool, LivenessMetrics(metrics := CollectorRegistry()), watch.clock.now())
    assert metrics.get_sample_value("telecare_hearing_ratio", {"shard": "heartbeats-0"}) == 0.75
    assert metrics.get_sample_value("telecare_devices_late", {"council": "glasgow-city"}) == 5
    assert metrics.get_sample_value("telecare_devices_late", {"council": "fife"}) == 0
    assert watch.metrics.get_sample_value("telecare_heartbeats_missed_total") == 7


async def test_what_never_came_is_counted_once_whoever_counts(watch: Watch) -> None:
    """A counter begins at nought with its process, and what was counted before is in the database."""
    first, second = await a_street(watch)
    watch.beats.skip(first[0], 7)
    await pass_on(watch, 60, *first, *second)
    await watch.sweep.release()
    successor = watch.sweeper(metrics := CollectorRegistry())
    for _ in range(2):
        watch.clock.move(seconds=30)
        await watch.look(successor)
    assert metrics.get_sample_value("telecare_heartbeats_missed_total") == 0
    watch.beats.skip(first[1], 3)
    await watch.hear(*first)
    watch.clock.move(seconds=30)
    await watch.look(successor)
    assert metrics.get_sample_value("telecare_heartbeats_missed_total") == 3
    assert watch.metrics.get_sample_value("telecare_heartbeats_missed_total") == 7


async def test_a_large_fleet_is_counted_in_parts_and_whole_within_half_a_minute(watch: Watch) -> None:
    """No pass counts it all, and none of it is forgotten."""
    await watch.model("Careline 3")
    await watch.database.execute("insert into ingest.model (name) values ('Careline 3')")
    await watch.database.execute(
        "insert into ingest.liveness (device_id, council_id, last_heard_at, watched_since, model_id, registered) "
        "select 'TC-' || n, 'glasgow-city', $1, $2, 1, true from generate_series(1, 40000) n",
        *(watch.clock.now(), watch.clock.now() - timedelta(hours=1)),
    )
    slices = await watch.database.fetchval("select pg_relation_size('ingest.liveness') / 8192.0 / $1::int", PAGES)
    assert slices > 1
    await watch.look()
    assert await counted(watch) == {}
    for _ in range(14):
        watch.clock.move(seconds=2)
        await watch.look()
    assert await counted(watch) == {("glasgow-city", ""): (40000, 40000, 0, 0)}


async def test_a_count_that_another_process_takes_over_begins_anew(watch: Watch) -> None:
    first, second = await a_street(watch)
    await pass_on(watch, 30, *first, *second)
    await watch.sweep.release()
    watch.clock.move(seconds=2)
    await watch.look(watch.sweeper())
    [counted_at] = await watch.database.fetch("select distinct counted_at from ingest.hearing")
    assert counted_at["counted_at"] == watch.clock.now()
