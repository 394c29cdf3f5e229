"""Fewer devices are heard than should be: one alarm, and its end; whoever restarts, and however many look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.alerts.domain.blindness import DEVICE
from services.alerts.impaired import DegradedHearing
from services.alerts.impaired.sql import QUERIES as IMPAIRED
from tests.blackbox.hub import Receiver
from tests.integration.alerts.outages.fleet import Homes
from tests.integration.alerts.world import World
from tests.integration.ingest.liveness.watch import Watch, run_watch
from tests.support.servers import Database

HUBS = ("clyde-arc", "forth-arc")
COUNCILS = ("glasgow-city", "falkirk")
OPERATOR, OTHER = "23410", "23415"
MAST = "234-10-4711"


@pytest.fixture
async def town(standing: World, receiver: Receiver) -> World:
    """Its database's clock stands still: of a shard that was not heard of for five seconds nobody is counted as missing."""
    world = standing
    receiver.clock = world.clock.now
    for hub_id, council_id in zip(HUBS, COUNCILS, strict=True):
        channel = receiver.channel(hub_id)
        await world.hub(hub_id, channel["url"], secret=channel["secret"])
        await world.route(council_id, hub_id)
    await hear(world)
    return world


async def hear(world: World) -> None:
    """Every shard does."""
    await world.database.execute("update chassis.shard set heard_until = clock_timestamp() where service = 'ingest'")


async def count(
    world: World, heard: int, *, of: int = 100, silent: int = 0, councils: tuple[str, ...] = COUNCILS
) -> None:
    """Ingest counts so many heard of an operator's devices in each council, and all of another's."""
    await world.database.executemany(
        "insert into ingest.hearing_count (shard, council_id, model, sim_operator, counted_at, expected, heard, silent, late) "
        "values ('heartbeats-0', $1, 'Hub A', $2, $3, $4, $5, $6, 0) on conflict (shard, council_id, model, sim_operator) "
        "do update set counted_at = excluded.counted_at, heard = excluded.heard, silent = excluded.silent",
        [(each, OPERATOR, world.clock.now(), of, heard, silent) for each in councils]
        + [(each, OTHER, world.clock.now(), of, of, 0) for each in COUNCILS],
    )


async def look(world: World, *others: DegradedHearing) -> None:
    await asyncio.gather(*(each.run_once() for each in (world.parts.degraded, *others)))
    await world.settle()


async def stay(world: World, seconds: int, heard: int, **counted: object) -> None:
    """It goes on like this."""
    for _ in range(seconds // 30):
        world.clock.move(30)
        await hear(world)
        await count(world, heard, **counted)  # type: ignore[arg-type]
        await look(world)


def told(receiver: Receiver) -> list[tuple[str, str]]:
    return sorted((each.hub_id, each.notification["type"]) for each in receiver.of_alarms())


async def test_half_of_an_operators_devices_are_missed_and_every_hub_is_told_once_and_when_that_is_over(
    town: World, receiver: Receiver
) -> None:
    second = DegradedHearing(town.parts.pool, town.clock)  # another process
    await count(town, 50)
    await look(town, second)
    await stay(town, 90, 50)
    assert told(receiver) == []
    town.clock.move(30)
    await count(town, 50)
    await look(town, second)
    assert told(receiver) == [(hub, "alarm.raised") for hub in HUBS]
    alarm = await town.alarm(DEVICE)
    assert (alarm["kind"], alarm["status"], alarm["priority"]) == ("monitoring_impaired", "failure", 3)
    assert (alarm["peripheral_id"], alarm["council_id"]) == ("sim_operator 23410", None)
    assert not alarm["unregistered"]
    assert "100 of 200" in receiver.of_alarms()[0].data["event"]["text"]

    await stay(town, 300, 85)
    assert len(told(receiver)) == len(HUBS)
    await count(town, 95)
    await look(town, second)
    assert told(receiver) == [(hub, type_) for hub in HUBS for type_ in ("alarm.raised", "alarm.restored")]
    assert (await town.alarm(DEVICE))["state"] == "closed"


async def test_what_is_one_councils_is_told_to_its_hub(town: World, receiver: Receiver) -> None:
    await count(town, 100)
    await stay(town, 150, 40, councils=("falkirk",))
    assert told(receiver) == [("forth-arc", "alarm.raised")]
    await town.parts.gauges.run_once()
    assert await town.parts.gauges.check() is None


async def test_a_process_that_starts_anew_forgets_nothing(town: World, receiver: Receiver) -> None:
    await stay(town, 90, 50)
    successor = DegradedHearing(town.parts.pool, town.clock)
    for _ in range(3):
        town.clock.move(30)
        await count(town, 50)
        await successor.run_once()
    await town.settle()
    assert told(receiver) == [(hub, "alarm.raised") for hub in HUBS]
    await count(town, 100)
    await DegradedHearing(town.parts.pool, town.clock).run_once()
    await town.settle()
    assert len(told(receiver)) == 2 * len(HUBS)


async def test_blindness_is_told_and_not_that_too(town: World, receiver: Receiver) -> None:
    await stay(town, 150, 50)
    for _ in range(4):
        town.clock.move(5)
        await town.database.execute(
            "update chassis.shard set heard_until = heard_until - interval '5 seconds' where shard = 'heartbeats-0'"
        )
        await town.parts.watch.run_once()
        await look(town)
    degraded, blind = sorted(await town.alarms(DEVICE), key=lambda each: each["peripheral_id"] is None)
    assert (degraded["state"], blind["state"], blind["priority"]) == ("closed", "open", 1)
    assert sum("can't be heard at all now" in text for text in told_texts(receiver)) == len(HUBS)
    await stay_deaf(town, 180)
    assert len(await town.alarms(DEVICE)) == 2


def told_texts(receiver: Receiver) -> list[str]:
    return [each.data["event"]["text"] for each in receiver.of_alarms() if "event" in each.data]


async def stay_deaf(world: World, seconds: int) -> None:
    for _ in range(seconds // 30):
        world.clock.move(30)
        await count(world, 10)
        await look(world)


async def test_when_the_outage_opens_it_is_that_which_is_told(town: World, receiver: Receiver) -> None:
    """Silence takes ten minutes: until then half of the operator's devices are only missed."""
    homes = Homes(town)
    gone = list(await homes.register(60, sim_operator=OPERATOR, council_id="glasgow-city"))
    await homes.register(60, sim_operator=OTHER, council_id="falkirk")
    await stay(town, 300, 50)
    await homes.fall_silent(gone)
    assert [(each["attribute"], each["value"]) for each in await homes.outages()] == [("sim_operator", OPERATOR)]
    await look(town)
    assert "are an outage" in told_texts(receiver)[-1]
    assert (await town.alarm(DEVICE))["state"] == "closed"
    await stay(town, 300, 50)
    assert [each["state"] for each in await town.alarms(DEVICE)] == ["closed"]


@pytest.fixture
async def ingest(town: World, database: Database) -> AsyncIterator[Watch]:
    async with run_watch(database.url) as watch:
        watch.clock._now = town.clock.now()
        yield watch


async def test_half_the_boxes_of_an_operator_stop_and_hubs_know_before_any_is_silent_and_when_they_are_back(
    town: World, ingest: Watch, receiver: Receiver
) -> None:
    """From heartbeats to hubs: ingest and alerts on one database, and nothing between them but that."""
    await ingest.model("Careline 3", silent_s=600)
    boxes = [f"TC-{n:03}" for n in range(80)]
    await ingest.register(*boxes)
    await ingest.hear(*boxes[:40], sim_operator=OPERATOR)
    await ingest.hear(*boxes[40:], sim_operator=OTHER)

    async def half_a_minute(*heard: str) -> None:
        town.clock.move(30)
        ingest.clock.move(seconds=30)
        await ingest.hear(*heard)
        await ingest.look()
        await look(town)

    for _ in range(6):
        await half_a_minute(*boxes)
    assert told(receiver) == []
    stopped_for_s = 0
    while not told(receiver):
        await half_a_minute(*boxes[20:])
        stopped_for_s += 30
        assert stopped_for_s <= 300
    assert stopped_for_s >= 120
    assert await ingest.silent() == set()
    assert told(receiver) == [("clyde-arc", "alarm.raised")]  # they are all Glasgow's
    assert (await town.alarm(DEVICE))["peripheral_id"] == "sim_operator 23410"
    await half_a_minute(*boxes)
    await half_a_minute(*boxes)
    assert told(receiver) == [("clyde-arc", "alarm.raised"), ("clyde-arc", "alarm.restored")]


async def test_a_cell_is_told_as_that_and_once_and_an_outage_of_it_takes_over(
    town: World, ingest: Watch, receiver: Receiver
) -> None:
    """Of its sixty boxes a third stop. Its operator, its council and its firmware are badly heard with them, and are not told."""
    await ingest.model("Careline 3", silent_s=600)
    boxes = [f"TC-{n:03}" for n in range(140)]
    await ingest.register(*boxes)

    async def half_a_minute(stopped: int = 0) -> None:
        town.clock.move(30)
        ingest.clock.move(seconds=30)
        await ingest.hear(*boxes[stopped:60], sim_operator=OPERATOR, cell_id=MAST, firmware="4.2")
        await ingest.hear(*boxes[60:80], sim_operator=OPERATOR, cell_id="", firmware="4.2")
        await ingest.hear(*boxes[80:], sim_operator=OTHER, cell_id="234-15-1", firmware="4.1")
        await ingest.look()
        await look(town)

    for _ in range(6):
        await half_a_minute()
    for _ in range(12):
        await half_a_minute(stopped=20)
    assert await ingest.silent() == set()
    assert told(receiver) == [("clyde-arc", "alarm.raised")]
    assert (await town.alarm(DEVICE))["peripheral_id"] == f"cell {MAST}"
    text = receiver.of_alarms()[0].data["event"]["text"]
    assert text.startswith(f"Only 40 of 60 devices of mobile cell {MAST} are heard")

    await town.database.execute(
        "insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, log_p, log_ratio) "
        "values (gen_random_uuid(), 'silent', 'cell_id', $1, $2, $2, -20, 20)",
        *(MAST, town.clock.now()),
    )
    for _ in range(6):
        await half_a_minute(stopped=20)
    assert told(receiver) == [("clyde-arc", "alarm.raised"), ("clyde-arc", "alarm.restored")]
    assert "are an outage" in told_texts(receiver)[-1]


async def test_alerts_reads_as_few_rows_as_there_are_names_however_many_cells_there_are(
    town: World, ingest: Watch
) -> None:
    """Each second row a cell of its own: what is read each few seconds does not grow with them."""
    await ingest.database.execute("insert into ingest.model (name) values ('Careline 3') on conflict do nothing")
    await ingest.model("Careline 3")
    now = ingest.clock.now()
    await ingest.database.execute(
        "insert into ingest.liveness (device_id, council_id, last_heard_at, watched_since, model_id, registered, cell_id, network) "
        "select 'TC-' || n, 'glasgow-city', case when n <= 30 then $2::timestamptz else $1 end, $2, "
        "(select model_id from ingest.model where name = 'Careline 3'), true, 'cell ' || greatest(n, 60), 'lte' "
        "from generate_series(1, 5000) n",
        *(now, now - timedelta(minutes=5)),
    )
    for _ in range(3):
        await ingest.look()
        ingest.clock.move(seconds=30)
        town.clock.move(30)
        await ingest.database.execute(
            "update ingest.liveness set last_heard_at = $1 where last_heard_at > $2",
            *(ingest.clock.now(), now - timedelta(minutes=1)),
        )
    rows = await town.database.fetch(IMPAIRED["hearing"])
    assert sorted((row["cell"], row["expected"], row["heard"]) for row in rows) == [
        ("", 4940, 4940),
        ("cell 60", 60, 30),
    ]
