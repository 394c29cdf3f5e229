"""Where nobody listens at all nobody is ever called silent: every hub is told, by the council, and what to do is said in words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from services.alerts.domain.blindness import DEVICE
from services.chassis.settings import load_settings
from services.cli.doctor.hearing import examine_hearing
from tests.blackbox.hub import Receiver
from tests.integration.alerts.outages.fleet import Homes
from tests.integration.alerts.world import World
from tests.integration.ingest.liveness.watch import run_watch
from tests.support.servers import Database

HUBS = ("clyde-arc", "forth-arc")


@pytest.fixture
async def town(world: World, receiver: Receiver) -> World:
    """Two hubs, and homes in Highland and Moray; all shards there are hear."""
    for hub_id in HUBS:
        channel = receiver.channel(hub_id)
        await world.hub(hub_id, channel["url"], secret=channel["secret"])
    homes = Homes(world)
    await homes.register(3, council_id="highland")
    await homes.register(2, council_id="moray")
    await all_hear(world)
    seconds = [0.0]
    world.parts.watch.memory.monotonic = lambda: seconds[0]
    town_seconds[world] = seconds
    return world


town_seconds: dict[World, list[float]] = {}


async def all_hear(world: World) -> None:
    await world.database.execute("update chassis.shard set heard_until = clock_timestamp() where service = 'ingest'")


async def shards(world: World, *councils: Iterable[str]) -> None:
    """One for each of these lots of councils, none of which anybody has worked, instead of the one for all."""
    await world.database.execute("delete from chassis.shard where service = 'ingest' and lane = 'heartbeat'")
    for number, each in enumerate(councils):
        await world.database.execute(
            "insert into chassis.shard (shard, service, lane, client_id, filters) values ($1, 'ingest', 'heartbeat', $1, $2)",
            *(f"heartbeats-{number}", [f"telecare/v1/devices/{council}/+/heartbeat" for council in each]),
        )


async def passes(world: World, seconds: float, *, hear: bool = True) -> None:
    """Second by second, with a look at each."""
    for _ in range(int(seconds)):
        town_seconds[world][0] += 1
        world.clock.move(1)
        if hear:
            await world.database.execute(
                "update chassis.shard set heard_until = clock_timestamp() where service = 'ingest' and heard_until is not null"
            )
        await world.parts.watch.run_once()
    await world.settle()


def told(receiver: Receiver) -> list[tuple[str, str]]:
    return sorted((each.hub_id, each.notification["type"]) for each in receiver.of_alarms())


RAISED = [(hub_id, "alarm.raised") for hub_id in HUBS]
RESTORED = [(hub_id, "alarm.restored") for hub_id in HUBS]


async def test_a_council_that_no_shard_lets_through_is_told_once_and_when_that_is_over(
    town: World, receiver: Receiver
) -> None:
    await shards(town, ["highland"])
    await all_hear(town)
    await passes(town, 15)
    assert told(receiver) == []
    await passes(town, 30)
    assert told(receiver) == RAISED
    text = receiver.of_alarms()[0].data["event"]["text"]
    assert "moray" in text
    assert "highland" not in text
    assert town.metric("telecare_monitoring_blind") == 1
    ready = await town.parts.watch.check()
    assert ready is not None
    assert "council moray: add its topics to a heartbeat shard's filters" in ready

    await shards(town, ["highland", "moray"])
    await all_hear(town)
    await passes(town, 5)
    assert told(receiver) == RAISED
    await passes(town, 6)
    assert told(receiver) == sorted([*RAISED, *RESTORED])
    assert town.metric("telecare_monitoring_blind") == 0
    assert await town.parts.watch.check() is None


async def test_a_council_whose_filter_the_broker_has_not_granted_is_unheard_until_it_has(
    town: World, receiver: Receiver
) -> None:
    """From when the filters are changed on until a session has it; and one that is taken away from that very moment on."""
    await shards(town, ["highland"])
    await town.database.execute("update chassis.shard set subscribed = filters where service = 'ingest'")
    await all_hear(town)
    both = [f"telecare/v1/devices/{council}/+/heartbeat" for council in ("highland", "moray")]
    change = "update chassis.shard set filters = $1 where shard = 'heartbeats-0'"
    await town.database.execute(change, both)
    await passes(town, 20)
    assert told(receiver) == RAISED
    assert receiver.of_alarms()[0].data["event"]["text"].endswith(": council moray.")
    assert "council moray: it is in a shard's filters, and not subscribed to" in (await town.parts.watch.check() or "")

    await town.database.execute("update chassis.shard set subscribed = filters where shard = 'heartbeats-0'")
    await passes(town, 11)
    assert told(receiver) == sorted([*RAISED, *RESTORED])

    await town.database.execute(change, both[:1])  # and the session still has it
    await passes(town, 20)
    assert [type_ for _, type_ in told(receiver)].count("alarm.repeated") == len(HUBS)  # nobody has closed it
    assert "council moray: add its topics" in (await town.parts.watch.check() or "")


async def test_a_shard_that_nobody_ever_worked_is_told_if_somebody_should_be_heard_by_it(
    town: World, receiver: Receiver
) -> None:
    await shards(town, ["highland"], ["moray"], ["fife"])
    await town.database.execute("update chassis.shard set heard_until = clock_timestamp() where shard = 'heartbeats-0'")
    await passes(town, 20)
    assert told(receiver) == RAISED
    assert "shard heartbeats-1" in receiver.of_alarms()[0].data["event"]["text"]
    assert "heartbeats-2" not in receiver.of_alarms()[0].data["event"]["text"]
    assert town.metric("telecare_monitoring_blind") == 1
    await all_hear(town)
    await passes(town, 11)
    assert told(receiver) == sorted([*RAISED, *RESTORED])


async def test_shards_that_are_worked_within_seconds_of_a_first_start_are_nobodys_business(
    town: World, receiver: Receiver
) -> None:
    await town.database.execute("update chassis.shard set heard_until = null, created_at = now() - interval '1 day'")
    await passes(town, 8)
    await all_hear(town)
    await passes(town, 60)
    assert told(receiver) == []


async def test_where_nobody_should_be_heard_nobody_is_told(town: World, receiver: Receiver) -> None:
    await town.database.execute("update registry.device set stage = 'suspended' where council_id = 'moray'")
    await shards(town, ["highland"])
    await all_hear(town)
    await passes(town, 20)
    assert told(receiver) == []
    await town.database.execute("update registry.device set stage = 'live' where council_id = 'moray'")
    await passes(town, 30 + 16)  # it is looked up twice a minute
    assert told(receiver) == RAISED


async def test_a_shard_that_is_taken_out_is_nobodys_business_while_another_hears_its_councils(
    town: World, receiver: Receiver
) -> None:
    await shards(town, ["highland", "moray"], ["moray"])
    await all_hear(town)
    await passes(town, 2)
    await town.database.execute("delete from chassis.shard where shard = 'heartbeats-1'")
    await passes(town, 30)
    assert told(receiver) == []


async def test_whoever_is_heard_by_another_councils_topics_is_heard(town: World, receiver: Receiver) -> None:
    """A council that was merged into another, and whose boxes nobody had to visit for it; or the other way round."""
    await town.database.execute("update ingest.liveness set heard_in = 'highland' where council_id = 'moray'")
    await shards(town, ["highland"])
    await all_hear(town)
    await passes(town, 20)
    assert told(receiver) == []


async def test_whoever_is_heard_by_topics_that_no_shard_lets_through_any_more_is_told_though_its_own_council_is_heard(
    town: World, receiver: Receiver, database: Database
) -> None:
    """By the register all is well: its council is let through. But its box goes on writing the other one into its topics."""
    await town.database.execute("update ingest.liveness set heard_in = 'moray' where device_id = 'TC-000000'")
    await town.database.execute("update registry.device set stage = 'suspended' where council_id = 'moray'")
    await shards(town, ["highland"])
    await all_hear(town)
    await passes(town, 20)
    assert told(receiver) == []  # nobody has counted yet
    async with run_watch(database.url) as ingest:
        await ingest.sweep.run_once()
        await passes(town, 16)
        assert told(receiver) == RAISED
        text = receiver.of_alarms()[0].data["event"]["text"]
        assert "topics of moray (devices of highland)" in text
        assert "council moray" not in text
        ready = await town.parts.watch.check()
        assert ready is not None
        assert "topics of moray (devices of highland): add those topics to a heartbeat shard's filters" in ready

        await town.database.execute("update ingest.liveness set heard_in = null")
        ingest.clock.move(seconds=30)
        await ingest.sweep.run_once()
    await passes(town, 11)
    assert told(receiver) == sorted([*RAISED, *RESTORED])


async def test_a_shard_that_nobody_ever_worked_is_told_if_whom_it_should_hear_is_registered_elsewhere(
    town: World, receiver: Receiver, database: Database
) -> None:
    await town.database.execute("update ingest.liveness set heard_in = 'fife' where device_id = 'TC-000000'")
    async with run_watch(database.url) as ingest:
        await ingest.sweep.run_once()
    await shards(town, ["highland", "moray"], ["fife"])
    await town.database.execute("update chassis.shard set heard_until = clock_timestamp() where shard = 'heartbeats-0'")
    await passes(town, 20)
    assert told(receiver) == RAISED
    assert receiver.of_alarms()[0].data["event"]["text"].endswith(": shard heartbeats-1.")


async def test_it_hides_no_blindness_and_a_blindness_no_end_of_it(town: World, receiver: Receiver) -> None:
    await shards(town, ["highland"])
    await all_hear(town)
    await passes(town, 20)
    await passes(town, 20, hear=False)
    assert told(receiver) == sorted(2 * RAISED)
    await passes(town, 11)
    assert told(receiver) == sorted([*RAISED, *RAISED, *RESTORED])
    over = next(each for each in receiver.of_alarms() if each.notification["type"] == "alarm.restored")
    assert over.data["peripheral_id"] is None
    assert {alarm["peripheral_id"] for alarm in await town.alarms(DEVICE)} == {None, "unheard"}


async def test_another_council_that_is_unheard_later_is_told_too(town: World, receiver: Receiver) -> None:
    await shards(town, ["highland"])
    await all_hear(town)
    await passes(town, 20)
    await shards(town, ["fife"])
    await all_hear(town)
    await passes(town, 20)
    assert {each.notification["type"] for each in receiver.of_alarms()} == {"alarm.raised", "alarm.repeated"}
    assert "council highland, council moray" in receiver.of_alarms()[-1].data["event"]["text"]
    await shards(town, ["highland", "moray"])
    await all_hear(town)
    await passes(town, 11)
    assert [type_ for _, type_ in told(receiver)].count("alarm.restored") == len(HUBS)


async def test_the_doctor_says_it_in_words(town: World, database: Database, tmp_path: Path) -> None:
    settings = load_settings(database_url=database.url, mqtt_url="mqtt://127.0.0.1:1", data_dir=tmp_path)
    [sound] = await examine_hearing(settings)
    assert sound.level == "good"
    await shards(town, ["highland"])
    [finding] = await examine_hearing(settings)
    assert finding.level == "wrong"
    assert "shard heartbeats-0, council moray" in finding.what
    assert finding.advice is not None
    assert "add its topics" in finding.advice
