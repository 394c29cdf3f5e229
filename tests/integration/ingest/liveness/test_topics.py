"""Shards by council: a shard lets through by the council in a device's topic, whatever the register says of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.condition import ConditionChange
from contracts.ids import CouncilId, DeviceId
from services.chassis.shard.lease import Lease
from services.ingest.alarm_store import AlarmStore, Arrival
from services.ingest.domain.decode import decode_alarm
from services.ingest.heartbeat_batch import Part
from services.ingest.heartbeat_store import HeartbeatStore
from tests.integration.ingest.liveness.watch import Watch


@pytest.fixture
async def split(watch: Watch) -> Watch:
    """Two shards, each of a council."""
    await watch.database.execute("delete from chassis.shard where lane = 'heartbeat'")
    for council in ("fife", "moray"):
        await watch.database.execute(
            "insert into chassis.shard (shard, service, lane, client_id, filters) values ($1, 'ingest', 'heartbeat', $1, $2)",
            *(council, [f"telecare/v1/devices/{council}/+/heartbeat", f"telecare/v1/devices/{council}/+/status"]),
        )
    await both_hear(watch)
    return watch


async def both_hear(watch: Watch) -> list[ConditionChange]:
    return await only(watch, "fife", "moray")


async def only(watch: Watch, *shards: str) -> list[ConditionChange]:
    """A pass while these hear, and the other has not since it last did."""
    await watch.database.execute(
        "update chassis.shard set heard_until = $1 where shard = any ($2)", watch.clock.now(), list(shards)
    )
    await watch.sweep.run_once()
    return await watch.told()


def silent(changes: list[ConditionChange]) -> list[tuple[str, str | None]]:
    return [(each.device_id, each.council_id) for each in changes if each.turn == "began"]


async def test_whoever_is_heard_by_a_blind_shard_is_not_silent_though_the_register_has_it_elsewhere(
    split: Watch,
) -> None:
    await split.register("TC-1", "TC-dead", council_id="fife")
    await split.hear("TC-1", council_id="moray")
    await split.hear("TC-dead", council_id="fife")
    split.clock.move(minutes=11)
    assert silent(await only(split, "fife")) == [("TC-dead", "fife")]
    split.clock.move(minutes=1)
    await split.deaf(lasted_s=720, shard="moray")
    assert silent(await both_hear(split)) == []
    split.clock.move(minutes=11)
    assert silent(await both_hear(split)) == [("TC-1", "fife")]  # people are told where it is registered


async def test_whoever_is_heard_by_a_shard_that_hears_is_silent_though_its_councils_own_is_blind(split: Watch) -> None:
    await split.register("TC-1", council_id="moray")
    await split.hear("TC-1", council_id="fife")
    split.clock.move(minutes=11)
    assert silent(await only(split, "fife")) == [("TC-1", "moray")]


async def test_what_it_says_of_its_health_is_believed_as_long_as_its_own_topics_are_heard(split: Watch) -> None:
    """Of whoever is heard in Moray while nobody listens to Fife, where the register has it; and the other way round."""
    await split.register("TC-1", council_id="fife")
    await split.register("TC-2", council_id="moray")
    changes = []
    for minute in range(7):
        await split.hear("TC-1", council_id="moray", mains=False)
        if minute == 0:
            await split.hear("TC-2", council_id="fife", mains=False)
        split.clock.move(minutes=1)
        changes += await only(split, "moray")
    assert [(each.device_id, each.condition) for each in changes] == [("TC-1", "mains_lost")]
    rows = await split.database.fetch("select device_id, health is not null as ill from ingest.liveness order by 1")
    assert [tuple(row) for row in rows] == [("TC-1", True), ("TC-2", False)]


async def elsewhere(watch: Watch) -> list[tuple[str, ...]]:
    """Half a minute goes by, and it is counted who is heard by whose topics."""
    watch.clock.move(seconds=30)
    await both_hear(watch)
    rows = await watch.database.fetch("select * from ingest.heard_elsewhere order by council_id, heard_in")
    return [tuple(row) for row in rows]


async def test_by_whose_topics_whose_devices_are_heard_is_published_as_pairs_of_councils(split: Watch) -> None:
    await split.register("TC-1", "TC-2", "TC-home", council_id="fife")
    await split.register("TC-3", council_id="moray")
    await split.hear("TC-1", "TC-2", council_id="moray")
    await split.hear("TC-home", council_id="fife")
    await split.hear("TC-3", council_id="no-council")
    assert await elsewhere(split) == [("fife", "moray"), ("moray", "no-council")]
    await split.change("TC-3", stage="suspended")
    await split.hear("TC-1", council_id="fife")
    assert await elsewhere(split) == [("fife", "moray")]
    await split.hear("TC-2", council_id="fife")
    assert await elsewhere(split) == []


async def test_a_device_that_flaps_is_not_gone_again_while_its_shard_is_blind(split: Watch) -> None:
    await split.register("TC-1", council_id="fife")
    for _ in range(3):
        await split.hear("TC-1", council_id="moray")
        await both_hear(split)
        split.clock.move(minutes=11)
        await both_hear(split)
    await split.hear("TC-1", council_id="moray")
    await both_hear(split)
    assert (await split.row("TC-1"))["returned_at"] == split.clock.now()
    split.clock.move(minutes=11)
    await only(split, "fife")
    assert (await split.row("TC-1"))["returned_at"] is not None
    await split.database.execute("update ingest.liveness set heard_in = null")
    await only(split, "fife")
    assert (await split.row("TC-1"))["returned_at"] is None


async def test_a_device_that_was_never_heard_goes_by_the_register(split: Watch) -> None:
    await split.register("TC-1", council_id="fife")
    await split.register("TC-2", council_id="moray")
    await split.change("TC-2", council_id="fife")
    split.clock.move(minutes=11)
    assert silent(await only(split, "fife")) == [("TC-1", "fife"), ("TC-2", "fife")]


async def test_moved_in_the_register_it_is_heard_where_it_was_until_it_says_otherwise(split: Watch) -> None:
    await split.register("TC-1", council_id="moray")
    await split.hear("TC-1", council_id="moray")
    await split.change("TC-1", council_id="fife")
    assert (await split.row("TC-1"))["heard_in"] == "moray"
    split.clock.move(minutes=11)
    assert silent(await only(split, "fife")) == []
    await split.hear("TC-1", council_id="fife")
    assert (await split.row("TC-1"))["heard_in"] is None
    split.clock.move(minutes=11)
    assert silent(await only(split, "fife")) == [("TC-1", "fife")]


async def test_moved_to_where_it_is_heard_and_back_it_is_heard_there_still(split: Watch) -> None:
    await split.register("TC-1", council_id="fife")
    await split.hear("TC-1", council_id="moray")
    await split.change("TC-1", council_id="moray")
    assert (await split.row("TC-1"))["heard_in"] is None
    await split.change("TC-1", council_id="fife")
    assert (await split.row("TC-1"))["heard_in"] == "moray"


async def test_a_device_that_was_heard_before_it_was_registered_is_heard_where_it_was(split: Watch) -> None:
    await split.hear("TC-1", council_id="moray")
    await hears_of(split, "TC-2", "moray")
    await split.register("TC-1", "TC-2", council_id="fife")
    assert [(await split.row(each))["heard_in"] for each in ("TC-1", "TC-2")] == ["moray", "moray"]


async def test_what_cannot_be_read_says_by_which_topic_it_came_too(split: Watch) -> None:
    await split.register("TC-1", council_id="fife")
    await hears_of(split, "TC-1", "moray")
    assert (await split.row("TC-1"))["heard_in"] == "moray"
    await hears_of(split, "TC-1", "fife")
    assert (await split.row("TC-1"))["heard_in"] is None


async def hears_of(watch: Watch, device_id: str, council_id: str) -> None:
    """A sign of life by the heartbeats' way."""
    store = HeartbeatStore(watch.pool)
    await store.store(Part(heard={DeviceId(device_id): CouncilId(council_id)}), watch.clock.now())
    store.close()


async def test_an_alarm_is_life_and_says_nothing_of_where_heartbeats_come(split: Watch) -> None:
    """All of them come by one shard, whatever their topics say."""
    await split.register("TC-1", council_id="fife")
    await split.hear("TC-1", council_id="moray")
    split.clock.move(minutes=5)
    topic, payload = "telecare/v1/devices/glasgow/TC-1/alarm", b'{"boot_id":"b","seq":7,"kind":"fall"}'
    store = AlarmStore(split.pool)
    arrival = Arrival(decode_alarm(topic, payload, split.clock.now()), 1, retained=False)
    await store.store([arrival], split.clock.now())
    store.close()
    row = await split.row("TC-1")
    assert (row["heard_in"], row["last_heard_at"]) == ("moray", split.clock.now())
    split.clock.move(minutes=11)
    assert silent(await only(split, "fife")) == []


async def test_a_shard_that_never_heard_is_blind_since_it_was_set_up_and_whom_it_hears_is_not_silent(
    split: Watch,
) -> None:
    await split.database.execute("update chassis.shard set heard_until = null where shard = 'moray'")
    await split.register("TC-1", "TC-2", council_id="moray")
    split.clock.move(days=2)
    assert silent(await only(split, "fife")) == []
    # Once it is worked, the renewal writes down that it had not heard until then.
    await split.deaf(lasted_s=timedelta(days=2).total_seconds(), shard="moray")
    assert silent(await both_hear(split)) == []


async def test_a_device_is_counted_with_the_shard_that_hears_it(split: Watch) -> None:
    """While that one is blind nobody can say who of its devices is missing, wherever they are registered."""
    await split.register("TC-1", "TC-2", council_id="fife")
    split.clock.move(minutes=3)
    await split.hear("TC-1", council_id="moray")
    await split.hear("TC-2", council_id="fife")
    await both_hear(split)
    counts = "select shard, council_id, expected, heard from ingest.hearing order by shard"
    assert [tuple(row) for row in await split.database.fetch(counts)] == [
        ("fife", "fife", 1, 1),
        ("moray", "fife", 1, 1),
    ]
    split.clock.move(minutes=2)
    await split.hear("TC-2", council_id="fife")
    await only(split, "fife")
    assert [tuple(row) for row in await split.database.fetch(counts)] == [
        ("fife", "fife", 1, 1),
        ("moray", "fife", 1, 1),
    ]


async def two_ways(watch: Watch) -> None:
    """Two of one council and model, each heard by another shard; then one has another operator, and the other is not heard."""
    await watch.register("TC-1", "TC-2", council_id="fife")
    watch.clock.move(minutes=3)
    await watch.hear("TC-1", council_id="moray", cell_id="1")
    await watch.hear("TC-2", council_id="fife", cell_id="2")
    await both_hear(watch)
    named = "insert into ingest.hearing_named "
    named += "select shard, council_id, model, sim_operator, shard, '', '', '', counted_at, 1, 0, 0 from ingest.hearing_count"
    await watch.database.execute(named)
    watch.clock.move(minutes=2)
    await watch.hear("TC-2", council_id="fife", sim_operator="23415", cell_id="2")


LEFT = [("fife", "fife", "23415"), ("moray", "fife", "23410")]


async def groups_of(watch: Watch) -> list[tuple[str, ...]]:
    rows = await watch.database.fetch("select shard, council_id, sim_operator from ingest.hearing order by 1, 2, 3")
    return [tuple(row) for row in rows]


async def names_of(watch: Watch) -> list[str]:
    return [row["shard"] for row in await watch.database.fetch("select distinct shard from ingest.hearing_named")]


async def test_one_who_is_deaf_keeps_its_own_shards_counts_and_no_others(split: Watch) -> None:
    await two_ways(split)
    await only(split, "fife")
    assert await groups_of(split) == LEFT
    assert await names_of(split) == ["moray"]


async def test_one_by_whose_topics_no_shard_hears_keeps_the_counts_of_a_shard_that_counts_none_alike(
    split: Watch,
) -> None:
    """Whatever shard it was that heard it: it can't be asked any more."""
    await two_ways(split)
    await split.database.execute(
        "update chassis.shard set filters = $1 where shard = 'moray'", ["telecare/v1/devices/angus/+/heartbeat"]
    )
    await both_hear(split)
    assert await groups_of(split) == LEFT
    assert await names_of(split) == ["moray"]


async def test_a_council_that_a_shard_is_newly_subscribed_to_has_its_time_from_then_on_and_none_is_silent_before(
    split: Watch,
) -> None:
    """The filters let it through, and nobody has subscribed yet: that is no hearing. Nor was it any before it was granted."""
    await split.register("TC-new", council_id="angus")
    await split.register("TC-old", council_id="moray")
    await split.hear("TC-old", council_id="moray")
    old, both = (
        [f"telecare/v1/devices/{each}/+/heartbeat" for each in councils] for councils in (["moray"], ["angus", "moray"])
    )
    await split.database.execute(
        "update chassis.shard set subscribed = $1, filters = $2 where shard = 'moray'", old, both
    )
    split.clock.move(minutes=11)
    assert silent(await both_hear(split)) == [("TC-old", "moray")]
    lease = await Lease.acquire(split.pool, "moray", "test")
    assert lease is not None
    assert lease.subscribed != lease.filters
    assert await lease.says_subscribed(lease.filters)
    await split.database.execute("update chassis.hearing_lapse set ended_at = $1", split.clock.now())
    assert silent(await both_hear(split)) == []
    split.clock.move(seconds=50)
    assert silent(await both_hear(split)) == []
    split.clock.move(minutes=11)
    assert silent(await both_hear(split)) == [("TC-new", "angus")]
