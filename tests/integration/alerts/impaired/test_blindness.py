"""Nobody hears the devices: one alarm to every hub, and its end; from memory where the database is what is away."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from contracts.ids import HubId
from services.alerts.domain.blindness import DEVICE
from services.alerts.domain.decision import Decision, Refusal, RefusalReason
from services.alerts.domain.triggers import Acknowledge
from services.alerts.impaired import Memory, Watch
from services.alerts.impaired.memory import WRITTEN_WITHIN_S
from services.alerts.metrics import Metrics
from services.alerts.people import Forbidden, NotWrittenYet, People
from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World, make_world
from tests.scenarios.stepped import SteppedClock
from tests.support.servers import Database, DatabaseServer

HUBS = ("clyde-arc", "forth-arc", "unnamed-arc")


async def open_hubs(world: World, receiver: Receiver) -> None:
    """Three hubs, one of which no council names."""
    for hub_id in HUBS:
        channel = receiver.channel(hub_id)
        await world.hub(hub_id, channel["url"], secret=channel["secret"])
    await world.route("glasgow-city", "clyde-arc")
    await world.route("falkirk", "forth-arc")


@pytest.fixture
async def town(standing: World, receiver: Receiver) -> World:
    await open_hubs(standing, receiver)
    return standing


async def heard(world: World, seconds_ago: float, shard: str = "heartbeats-0") -> None:
    """As far as that ingest has heard. It says so a moment after it said something last."""
    await world.database.execute("update stepped.clock set ahead = ahead + interval '1 millisecond'")
    await world.database.execute(
        "update chassis.shard set heard_until = clock_timestamp() - make_interval(secs => $2) where shard = $1",
        *(shard, seconds_ago),
    )


async def look(world: World, *watches: Watch) -> None:
    for watch in watches or (world.parts.watch,):
        await watch.run_once()
    await world.settle()


def told(receiver: Receiver) -> list[tuple[str, str]]:
    return sorted((each.hub_id, each.notification["type"]) for each in receiver.of_alarms())


async def test_every_hub_is_told_once_that_nobody_hears_the_devices_and_when_that_is_over(
    town: World, receiver: Receiver
) -> None:
    await heard(town, 0, "alarms")
    await heard(town, 16)
    memory = Memory({}, monotonic=town.parts.watch.memory.monotonic)
    second = Watch(town.parts.pool, town.clock, town.parts.metrics, memory)
    await look(town, town.parts.watch, second, town.parts.watch)
    assert told(receiver) == [(hub_id, "alarm.raised") for hub_id in HUBS]
    alarm = await town.alarm(DEVICE)
    assert (alarm["kind"], alarm["priority"], alarm["council_id"]) == ("monitoring_impaired", 1, None)
    assert not alarm["unregistered"]
    assert "heartbeats-0" in receiver.of_alarms()[0].data["event"]["text"]

    await heard(town, 0)
    await look(town)
    town.clock.move(9)
    await heard(town, 0)
    await look(town)
    assert len(told(receiver)) == len(HUBS)
    town.clock.move(1)
    await heard(town, 0)
    await look(town, second, town.parts.watch)
    assert [type_ for _, type_ in told(receiver)].count("alarm.restored") == len(HUBS)
    assert (await town.alarm(DEVICE))["state"] == "open"  # a person closes it: priority 1


async def test_another_shard_that_is_deaf_later_is_told_too_and_it_is_one_alarm(
    town: World, receiver: Receiver
) -> None:
    """Or one that is away for days would hide that all are."""
    await heard(town, 0, "alarms")
    await heard(town, 20)
    await look(town)
    assert told(receiver) == [(hub_id, "alarm.raised") for hub_id in HUBS]
    town.clock.move(30)
    await heard(town, 50)
    await heard(town, 14, "alarms")
    await look(town)
    assert len(told(receiver)) == len(HUBS)
    town.clock.move(1)
    await heard(town, 51)
    await heard(town, 15, "alarms")
    await look(town, town.parts.watch, town.parts.watch)
    await town.alarm(DEVICE)
    assert [type_ for _, type_ in told(receiver)].count("alarm.repeated") == len(HUBS)
    assert "alarms, heartbeats-0" in receiver.of_alarms()[-1].data["event"]["text"]
    for _ in range(2):
        await heard(town, 0, "alarms")
        await heard(town, 0)
        await look(town)
        town.clock.move(10)
    assert [type_ for _, type_ in told(receiver)].count("alarm.restored") == len(HUBS)


async def test_a_take_over_wakes_nobody_nor_does_a_shard_by_which_nobody_is_to_be_heard(
    town: World, receiver: Receiver
) -> None:
    await heard(town, 14)
    await look(town)
    assert told(receiver) == []


async def test_deaf_again_before_it_was_over_it_is_one_blindness(town: World, receiver: Receiver) -> None:
    await heard(town, 20)
    await look(town)
    await heard(town, 0)
    await look(town)
    town.clock.move(9)
    await heard(town, 6)
    await look(town)
    town.clock.move(9)
    await heard(town, 0)
    await look(town)
    assert told(receiver) == [(hub_id, "alarm.raised") for hub_id in HUBS]


async def test_it_keeps_no_alarm_unroutable_and_the_service_ready(town: World) -> None:
    await heard(town, 20)
    await look(town)
    await town.parts.gauges.run_once()
    assert await town.parts.gauges.check() is None


async def test_prometheus_is_told_by_alerts_too_for_ingest_may_be_dead(town: World) -> None:
    assert town.metric("telecare_monitoring_blind") == 1  # nobody has ever heard
    await heard(town, 0, "alarms")
    await heard(town, 0)
    await look(town)
    assert town.metric("telecare_monitoring_blind") == 0
    town.clock.move(5)  # without a look
    assert town.metric("telecare_monitoring_blind") == 1
    await heard(town, 6)
    await look(town)
    assert town.metric("telecare_monitoring_blind") == 1


async def test_what_people_wait_for_goes_on_meanwhile(town: World, receiver: Receiver) -> None:
    """Escalation never pauses."""
    await town.register("TC-000123")
    await heard(town, 20)
    await look(town)
    press = await town.press()
    await town.after(61)
    types = [each.notification["type"] for each in receiver.attempts(press.device_id)]
    assert types[:2] == ["alarm.raised", "alarm.escalated"]


@pytest.fixture
async def fragile(own_database: Database, receiver: Receiver, tmp_path: Path) -> AsyncIterator[World]:
    """Its database's clock stands still, too: a server that is started again takes some seconds of a busy machine."""
    await SteppedClock.make(own_database, stands=True)
    async with make_world(own_database, tmp_path) as world:
        await open_hubs(world, receiver)
        yield world


async def test_with_the_database_away_every_hub_is_told_from_memory_and_the_alarm_is_the_same_when_it_is_back(
    fragile: World, receiver: Receiver, own_postgres: DatabaseServer
) -> None:
    seconds = [0.0]
    memory = fragile.parts.watch.memory
    memory.monotonic = lambda: seconds[0]

    def it_is(second: float) -> None:
        """By both clocks: told from memory is after fifteen seconds, and never of a moment to come."""
        fragile.clock.move(second - seconds[0])
        seconds[0] = second

    await heard(fragile, 0)
    await look(fragile)
    receiver.break_down("forth-arc")
    await asyncio.to_thread(own_postgres.kill)
    await fragile.parts.watch.run_once()
    it_is(14.0)
    await fragile.parts.watch.run_once()
    assert told(receiver) == []
    it_is(15.0)
    await fragile.parts.watch.run_once()
    assert told(receiver) == [(hub_id, "alarm.raised") for hub_id in HUBS]

    it_is(74.0)
    await fragile.parts.watch.run_once()
    assert len(told(receiver)) == len(HUBS)
    receiver.mend("forth-arc")
    it_is(75.0)
    await fragile.parts.watch.run_once()  # only who has not taken it
    assert told(receiver)[len(HUBS) - 1 :] == [("forth-arc", "alarm.raised"), ("unnamed-arc", "alarm.raised")]

    await asyncio.to_thread(own_postgres.start)
    before = {each.id: each.body for each in receiver.of_alarms()}
    assert len(before) == 1
    await heard(fragile, 0)
    await look(fragile)
    alarm = await fragile.alarm(DEVICE)
    assert alarm["alarm_id"] == receiver.of_alarms()[0].data["alarm_id"]
    assert {
        each.id: each.body for each in receiver.of_alarms()
    } == before  # told again in the ordinary way, it is the same
    for _ in range(2):
        fragile.clock.move(10)
        await heard(fragile, 0)
        await look(fragile)
    assert [type_ for _, type_ in told(receiver)].count("alarm.restored") == len(HUBS)


async def take(world: World, alarm_id: str) -> Decision | Refusal | Forbidden:
    async with world.parts.pool.acquire() as connection, connection.transaction():
        act = People(world.parts.alarms).act
        outcome, _ = await act(connection, alarm_id, Acknowledge("morag"), None, world.clock.now())
    return outcome


async def told_from_memory(world: World, receiver: Receiver, server: DatabaseServer) -> tuple[str, list[float]]:
    """The database is killed, hubs are told, and it is started again: the alarm's id, and the monotonic clock that memory has."""
    seconds = [0.0]
    world.parts.watch.memory.monotonic = lambda: seconds[0]
    await heard(world, 0)
    await look(world)
    await asyncio.to_thread(server.kill)
    await world.parts.watch.run_once()
    world.clock.move(15)
    seconds[0] = 15.0
    await world.parts.watch.run_once()
    await asyncio.to_thread(server.start)
    return receiver.of_alarms()[0].data["alarm_id"], seconds


async def test_who_takes_what_was_told_from_memory_before_it_is_written_is_to_try_again(
    fragile: World, receiver: Receiver, own_postgres: DatabaseServer
) -> None:
    """*Measured* (half an hour's soak): a hub that was quicker than the database's return was told that there is no such alarm."""
    alarm_id, _ = await told_from_memory(fragile, receiver, own_postgres)
    with pytest.raises(NotWrittenYet):
        await take(fragile, alarm_id)
    by_notification = {"action_id": "1", "action": "acknowledge", "notification_id": receiver.of_alarms()[0].id}
    with pytest.raises(NotWrittenYet):
        await fragile.parts.hub_actions.answer(
            HubId("clyde-arc"), json.dumps(by_notification | {"operator": "morag"}).encode()
        )
    assert await take(fragile, str(uuid.uuid4())) == Refusal(RefusalReason.UNKNOWN_ALARM)

    await heard(fragile, 0)
    await fragile.parts.watch.run_once()  # it is in the event log, and no alarm yet
    with pytest.raises(NotWrittenYet):
        await take(fragile, alarm_id)
    await fragile.settle()
    taken = await take(fragile, alarm_id)
    assert isinstance(taken, Decision)
    assert taken.alarm.acknowledged_by == "morag"


async def test_what_was_told_from_memory_and_is_never_written_is_unknown_when_it_would_be_there(
    fragile: World, receiver: Receiver, own_postgres: DatabaseServer
) -> None:
    """Another process has told of another: whoever asks for this one for ever would hold all other actions up."""
    alarm_id, seconds = await told_from_memory(fragile, receiver, own_postgres)
    fragile.parts.watch.memory.database_there()
    seconds[0] += WRITTEN_WITHIN_S - 0.1
    with pytest.raises(NotWrittenYet):
        await take(fragile, alarm_id)
    seconds[0] += 0.2
    assert await take(fragile, alarm_id) == Refusal(RefusalReason.UNKNOWN_ALARM)


async def test_blind_already_when_the_database_goes_away_hubs_are_told_of_the_same_alarm(
    fragile: World, receiver: Receiver, own_postgres: DatabaseServer
) -> None:
    """A second one would have an id that no database ever learns: nobody could acknowledge it."""
    seconds = [0.0]
    fragile.parts.watch.memory.monotonic = lambda: seconds[0]
    await heard(fragile, 0, "alarms")
    await heard(fragile, 20)
    await look(fragile)
    assert told(receiver) == [(hub_id, "alarm.raised") for hub_id in HUBS]
    fragile.clock.move(2)
    await fragile.parts.watch.run_once()
    await asyncio.to_thread(own_postgres.kill)
    await fragile.parts.watch.run_once()
    seconds[0] = 15.0
    await fragile.parts.watch.run_once()
    assert len(told(receiver)) == 2 * len(HUBS)
    assert len({each.body for each in receiver.of_alarms()}) == 1
    await asyncio.to_thread(own_postgres.start)
    alarm = await fragile.alarm(DEVICE)
    assert alarm["alarm_id"] == receiver.of_alarms()[-1].data["alarm_id"]


@pytest.mark.parametrize(("second_of_minute", "bodies"), [(30.0, 1), (59.6, 2)])
async def test_two_processes_without_a_database_tell_one_alarm(
    fragile: World, receiver: Receiver, own_postgres: DatabaseServer, second_of_minute: float, bodies: int
) -> None:
    """Though each looked at another instant, at watermarks that had moved in between; on both sides of a minute, too."""
    seconds = [0.0]
    first = fragile.parts.watch
    second = Watch(first.pool, fragile.clock, fragile.parts.metrics, Memory(first.memory.ways))
    first.memory.monotonic = second.memory.monotonic = lambda: seconds[0]
    whole_minute = fragile.clock.now().replace(second=0, microsecond=0)
    fragile.clock.move((whole_minute - fragile.clock.now()).total_seconds() + second_of_minute)
    for watch in (first, second):
        for shard in ("alarms", "heartbeats-0"):
            await heard(fragile, 0, shard)
        await watch.run_once()
        fragile.clock.move(0.7)
        seconds[0] += 0.7
    assert first.memory.ears != second.memory.ears
    await asyncio.to_thread(own_postgres.kill)
    for watch in (first, second):
        await watch.run_once()
        seconds[0] += 0.4
        fragile.clock.move(0.4)
    seconds[0] += 15.0
    fragile.clock.move(15.0)
    for watch in (first, second):
        await watch.run_once()
        fragile.clock.move(0.4)
    assert told(receiver) == [(hub_id, "alarm.raised") for hub_id in HUBS for _ in range(2)]
    assert len({each.id for each in receiver.of_alarms()}) == 1
    assert len({each.data["alarm_id"] for each in receiver.of_alarms()}) == 1
    assert len({each.body for each in receiver.of_alarms()}) == bodies

    await asyncio.to_thread(own_postgres.start)
    for watch in (first, second):
        await heard(fragile, 0)
        await look(fragile, watch)
    alarm = await fragile.alarm(DEVICE)
    assert alarm["alarm_id"] == receiver.of_alarms()[0].data["alarm_id"]
    assert len({each.body for each in receiver.of_alarms()}) == bodies


DIED = {
    1: "update chassis.shard set generation = generation + 1",
    2: "insert into chassis.hearing_lapse (shard, started_at, ended_at, reason) "
    "select shard, now(), now(), 'test' from chassis.shard",
}


async def test_the_next_blindness_that_is_told_from_memory_is_another_alarm(
    fragile: World, receiver: Receiver, own_postgres: DatabaseServer
) -> None:
    """Within the same minute, though nobody wrote down what was told before: others work the shard by then, or wrote the lapse."""
    memory = fragile.parts.watch.memory
    ids = set()
    for round_ in range(4):
        seconds = [100.0 * round_]
        memory.monotonic = lambda seconds=seconds: seconds[0]  # type: ignore[misc]
        await heard(fragile, 0)
        await look(fragile)
        await asyncio.to_thread(own_postgres.kill)
        await fragile.parts.watch.run_once()
        seconds[0] += 15.0
        await fragile.parts.watch.run_once()
        ids.add(receiver.of_alarms()[-1].id)
        await asyncio.to_thread(own_postgres.start)
        if round_ in DIED:  # the process that told it is killed before it can say so
            memory.has_told = memory.blindness = None
            await fragile.database.execute(DIED[round_])
        else:
            await heard(fragile, 0)
            await look(fragile)
            await fragile.database.execute("update alerts.blindness set heard_since = told_at, ended_at = told_at")
    assert len(ids) == 4


async def test_a_database_that_was_away_for_a_moment_is_nobodys_business(
    fragile: World, receiver: Receiver, own_postgres: DatabaseServer
) -> None:
    seconds = [0.0]
    fragile.parts.watch.memory.monotonic = lambda: seconds[0]
    await look(fragile)
    for _ in range(2):
        await asyncio.to_thread(own_postgres.kill)
        seconds[0] += 10.0
        await fragile.parts.watch.run_once()
        await asyncio.to_thread(own_postgres.start)
        await look(fragile)
    assert told(receiver) == []


@pytest.mark.parametrize("heard_first", [True, False])
async def test_it_is_over_in_time_though_the_clock_was_put_back_since_it_was_told(
    town: World, receiver: Receiver, *, heard_first: bool
) -> None:
    await heard(town, 0, "alarms")
    await heard(town, 16)
    await look(town)
    await heard(town, 0)
    if heard_first:
        await look(town)
    town.clock.move(-200)  # a hub takes what is signed within five minutes
    await look(town)
    town.clock.move(10)
    await heard(town, 0)
    await heard(town, 0, "alarms")
    await look(town)
    assert [type_ for _, type_ in told(receiver)].count("alarm.restored") == len(HUBS)


async def test_prometheus_is_told_which_shards_there_are_that_one_without_a_canary_is_missed(town: World) -> None:
    registry = CollectorRegistry()
    watch = Watch(town.parts.pool, town.clock, Metrics(registry, town.clock), Memory({}, monotonic=lambda: 1000.0))

    async def alarm_shards() -> set[str]:
        await watch.run_once()
        (family,) = [each for each in registry.collect() if each.name == "telecare_shard_info"]
        return {each.labels["shard"] for each in family.samples if each.labels["lane"] == "alarm"}

    assert await alarm_shards() == {"alarms"}
    await town.database.execute(
        "insert into chassis.shard (shard, service, lane, client_id, filters) "
        "values ('alarms-north', 'ingest', 'alarm', 'alarms-north', '{telecare/v1/devices/moray/+/alarm}')"
    )
    assert await alarm_shards() == {"alarms", "alarms-north"}, "though nobody ever worked it"
    await town.database.execute("delete from chassis.shard where shard = 'alarms-north'")
    assert await alarm_shards() == {"alarms"}


async def test_a_shard_that_was_retired_keeps_nobody_deaf_for_prometheus(town: World) -> None:
    registry = CollectorRegistry()
    watch = Watch(town.parts.pool, town.clock, Metrics(registry, town.clock), Memory({}, monotonic=lambda: 1000.0))

    async def told_of() -> set[str]:
        await watch.run_once()
        (family,) = [each for each in registry.collect() if each.name == "telecare_hearing_lag_seconds"]
        return {each.labels["shard"] for each in family.samples}

    await town.database.execute(
        "insert into chassis.shard (shard, service, lane, client_id, filters, heard_until) "
        "values ('alarms-north', 'ingest', 'alarm', 'alarms-north', '{telecare/v1/devices/moray/+/alarm}', now())"
    )
    before = await told_of()
    assert "alarms-north" in before
    await town.database.execute("delete from chassis.shard where shard = 'alarms-north'")
    assert await told_of() == before - {"alarms-north"}
