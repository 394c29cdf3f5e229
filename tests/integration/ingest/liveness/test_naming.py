"""Cells, districts, firmwares and networks that are badly heard are counted each; all others are among the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.ingest.domain.naming import KEPT
from services.ingest.liveness.loops import read_gauges
from services.ingest.liveness.sql import QUERIES
from services.ingest.metrics import LivenessMetrics
from tests.integration.ingest.liveness.watch import Watch

MAST = "234-10-4711"
ROUND = timedelta(seconds=30)
_HOMES = tuple(f"TC-{n:03}" for n in range(120))
OF_THE_MAST, OTHERS = _HOMES[:60], _HOMES[60:]


async def by_cell(watch: Watch) -> dict[str, tuple[int, int, int]]:
    """Of every cell that is named, and of the rest (''): expected, heard, silent."""
    rows = await watch.database.fetch(
        "select cell, sum(expected) as expected, sum(heard) as heard, sum(silent) as silent "
        "from ingest.hearing_by_share group by cell"
    )
    return {row["cell"]: (row["expected"], row["heard"], row["silent"]) for row in rows}


async def pass_on(watch: Watch, rounds: int, *heard: str, **told: Any) -> None:
    """These are heard each half minute, and everybody is counted. Whoever has no mast tells an empty one."""
    for _ in range(rounds):
        watch.clock.move(seconds=ROUND.total_seconds())
        for homes, cell in ((OF_THE_MAST, MAST), (OTHERS, "")):
            some = set(homes) & set(heard)
            if some:
                await watch.hear(*sorted(some), **{"cell_id": cell, "firmware": "4.2", "network": "lte"} | told)
        await watch.look()


@pytest.fixture
async def street(watch: Watch) -> Sequence[str]:
    """Sixty homes of one mast and sixty of none, all of one district, firmware and network, and all well heard."""
    await watch.model("Careline 3", silent_s=1200)
    await watch.register(*_HOMES)
    await pass_on(watch, 6, *_HOMES)
    return _HOMES


async def test_while_all_is_well_nothing_is_counted_but_groups(watch: Watch, street: Sequence[str]) -> None:
    assert await by_cell(watch) == {"": (120, 120, 0)}
    assert await watch.database.fetchval("select count(*) from ingest.hearing_named") == 0


async def test_a_cell_of_which_a_third_is_missing_is_counted_within_a_minute_and_everybody_is_counted_once(
    watch: Watch, street: Sequence[str]
) -> None:
    await pass_on(watch, 3, *street[20:])
    assert await by_cell(watch) == {"": (120, 120, 0)}  # an interval and a half
    await pass_on(watch, 3, *street[20:])
    assert await by_cell(watch) == {"": (60, 60, 0), MAST: (60, 40, 0)}
    named = await watch.database.fetch("select distinct postcode_district, firmware, network from ingest.hearing_named")
    assert [tuple(row) for row in named] == [("", "", "")]  # of these five in six are heard
    whole = await watch.database.fetchrow("select sum(expected), sum(heard), sum(silent) from ingest.hearing")
    assert whole is not None
    assert tuple(whole) == (120, 100, 0)


async def test_a_district_a_firmware_and_a_network_are_counted_likewise(watch: Watch, street: Sequence[str]) -> None:
    await pass_on(watch, 7, *street[40:])
    rows = await watch.database.fetch(
        "select cell, postcode_district, firmware, network, sum(expected) as expected, sum(heard) as heard "
        "from ingest.hearing_by_share group by 1, 2, 3, 4 order by 1"
    )
    assert [tuple(row) for row in rows] == [("", "G12", "4.2", "lte", 60, 60), (MAST, "G12", "4.2", "lte", 60, 20)]


async def test_it_is_seen_to_be_well_for_some_minutes_and_then_counted_no_more(
    watch: Watch, street: Sequence[str]
) -> None:
    await pass_on(watch, 7, *street[20:])
    await pass_on(watch, 2, *street)
    assert (await by_cell(watch))[MAST] == (60, 60, 0)
    await pass_on(watch, KEPT // ROUND - 3, *street)
    assert (await by_cell(watch))[MAST] == (60, 60, 0)
    await pass_on(watch, 6, *street)
    assert await by_cell(watch) == {"": (120, 120, 0)}
    assert await watch.database.fetchval("select count(*) from ingest.hearing_named") == 0


async def test_those_who_are_called_silent_do_not_make_the_others_look_well(
    watch: Watch, street: Sequence[str]
) -> None:
    await pass_on(watch, 44, *street[38:])
    assert len(await watch.silent()) == 38
    await pass_on(watch, 32, *street[38:])
    assert set(await by_cell(watch)) == {""}  # ten minutes for a whole look, five for the name
    await pass_on(watch, 7, *street[43:])
    assert (await by_cell(watch))[MAST] == (60, 17, 38)  # five of the 22 that are left


async def test_whoever_takes_over_counts_by_the_same_names_at_once(watch: Watch, street: Sequence[str]) -> None:
    await pass_on(watch, 7, *street[20:])
    await watch.sweep.release()
    watch.clock.move(seconds=ROUND.total_seconds())
    await watch.hear(*street, cell_id=MAST)
    await watch.look(watch.sweeper())
    assert (await by_cell(watch))[MAST] == (120, 120, 0)


async def test_what_could_not_be_heard_keeps_its_names_and_says_nothing_new(
    watch: Watch, street: Sequence[str]
) -> None:
    await pass_on(watch, 7, *street[20:])
    before = await watch.database.fetch("select * from ingest.hearing_by_share order by cell")
    await watch.deaf(lasted_s=300)
    await pass_on(watch, 3, *street[20:])
    assert await watch.database.fetch("select * from ingest.hearing_by_share order by cell") == before


async def test_whom_we_could_not_hear_makes_nothing_worth_counting(watch: Watch, street: Sequence[str]) -> None:
    """All were missed, and by our own doing: mast, district, firmware and network would be named, and drive others out."""
    watch.clock.move(minutes=5)
    await watch.deaf(lasted_s=300)
    await watch.sweep.release()  # whoever takes over has a rough look at once, a whole one
    await watch.look(sweep := watch.sweeper())
    watch.clock.move(seconds=ROUND.total_seconds())
    await watch.look(sweep)
    for _ in range(5):  # until they have had their time, and are counted
        watch.clock.move(seconds=ROUND.total_seconds())
        await watch.hear(*OF_THE_MAST, cell_id=MAST)
        await watch.hear(*OTHERS, cell_id="")
        await watch.look(sweep)
    assert await by_cell(watch) == {"": (120, 120, 0)}
    for _ in range(6):
        watch.clock.move(seconds=ROUND.total_seconds())
        await watch.hear(*OF_THE_MAST[20:], cell_id=MAST)
        await watch.hear(*OTHERS, cell_id="")
        await watch.look(sweep)
    assert await by_cell(watch) == {"": (60, 60, 0), MAST: (60, 40, 0)}
    named = await watch.database.fetch("select distinct postcode_district, firmware, network from ingest.hearing_named")
    assert [tuple(row) for row in named] == [
        ("", "", "")
    ]  # they are as large as they are: what was left out then is looked at


async def test_whom_no_shard_hears_makes_nothing_worth_counting(watch: Watch, street: Sequence[str]) -> None:
    await watch.database.execute(
        "update ingest.liveness set heard_in = 'moray' where device_id = any ($1)", list(OF_THE_MAST)
    )
    filters = ["telecare/v1/devices/glasgow-city/+/heartbeat"]
    await watch.database.execute("update chassis.shard set filters = $1 where shard = 'heartbeats-0'", filters)
    await pass_on(watch, 7, *OTHERS)
    assert await watch.database.fetchval("select count(*) from ingest.hearing_named") == 0


async def test_a_release_that_knows_no_names_counts_and_nobody_is_counted_twice(
    watch: Watch, street: Sequence[str]
) -> None:
    """During an upgrade it may be the one that sweeps: it leaves the names as they were."""
    await pass_on(watch, 7, *street[20:])
    await watch.database.execute(
        "update ingest.hearing_count set counted_at = counted_at + interval '30 seconds', heard = 7"
    )
    assert await by_cell(watch) == {"": (120, 7, 0)}


@pytest.mark.parametrize("value", ["", "\x01\x1b[2J", "';--", "\u202e"])
async def test_whatever_a_box_calls_its_firmware_everybody_is_counted(
    watch: Watch, street: Sequence[str], value: str
) -> None:
    await pass_on(watch, 3, *street, firmware=value, network=value)
    await pass_on(watch, 7, *street[40:], firmware=value, network=value)
    rows = await watch.database.fetch("select distinct firmware, network from ingest.hearing_named")
    assert {tuple(row) for row in rows} == {(value, value)}
    assert {cell: count[:2] for cell, count in (await by_cell(watch)).items()} == {"": (60, 60), MAST: (60, 20)}


async def test_prometheus_is_told_how_many_are_named_and_not_which(watch: Watch, street: Sequence[str]) -> None:
    await pass_on(watch, 7, *street[20:])
    await read_gauges(watch.pool, LivenessMetrics(metrics := CollectorRegistry()), watch.clock.now())
    named = {
        sample.labels["attribute"]: sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == "telecare_hearing_named"
    }
    assert named == {"cell": 1, "postcode_district": 0, "firmware": 0, "network": 0}


async def test_between_two_whole_looks_only_who_is_missing_is_looked_at(watch: Watch, street: Sequence[str]) -> None:
    since = [watch.clock.now() - timedelta(seconds=90)]
    everything, none_deaf = ((0, 0), (100_000, 0), since), (list[str](), list[int]())
    assert await watch.database.fetch(QUERIES["look_roughly"], *everything, False, *none_deaf) == []
    whole = await watch.database.fetch(QUERIES["look_roughly"], *everything, True, *none_deaf)
    assert {(row["attribute"], row["value"], row["due"], row["missing"]) for row in whole} == {
        ("cell", MAST, 60, 0),
        ("postcode_district", "G12", 120, 0),
        ("firmware", "4.2", 120, 0),
        ("network", "lte", 120, 0),
    }
