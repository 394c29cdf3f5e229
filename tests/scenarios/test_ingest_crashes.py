"""Ingest, the broker or the database loses its power under traffic. Every alarm is stored, once, and receipted."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from tests.scenarios.people import AT_LEISURE_S
from tests.support.devices import Traffic, boxes, insist
from tests.support.processes import ServiceProcess
from tests.support.servers import Broker, Database, DatabaseServer, until


async def stored(database_url: str) -> tuple[int, int]:
    """How many alarm events there are, and how many rows tell alerts of one."""
    connection = await asyncpg.connect(database_url)
    try:
        events = await connection.fetchval("select count(*) from ingest.alarm_event")
        told = await connection.fetchval("select count(*) from chassis.event_log where stream = 'alarms'")
        return events, told
    finally:
        await connection.close()


@pytest.mark.parametrize("point", ["before_commit", "before_puback", "before_receipt"])
async def test_ingest_loses_its_power_while_it_handles_alarms(
    point: str, database: Database, broker: Broker, tmp_path: Path
) -> None:
    first = ServiceProcess(
        "ingest", database_url=database.url, mqtt_url=broker.url, log=tmp_path / "first.log", crash_at=point
    )
    second = ServiceProcess("ingest", database_url=database.url, mqtt_url=broker.url, log=tmp_path / "second.log")
    try:
        first.start()
        await first.ready()
        async with boxes(broker, 5) as made:
            traffic = Traffic(made)
            async with traffic.flowing():
                await until(lambda: first.ended, AT_LEISURE_S, what=f"the power to go {point}")
                assert (await stored(database.url))[0] == 0 or point != "before_commit"
                second.start()
                await second.ready()
                await traffic.more(20)
            await insist(traffic.pressed)
        assert await stored(database.url) == (len(traffic.pressed), len(traffic.pressed))
    finally:
        first.kill()
        second.kill()


async def test_what_was_taken_but_not_stored_comes_again_without_the_device(
    own_postgres: DatabaseServer, broker: Broker, tmp_path: Path
) -> None:
    """No PUBACK before the commit: a session that ends with alarms in it gets them again."""
    database = await own_postgres.create_database()
    first, second = (
        ServiceProcess("ingest", database_url=database.url, mqtt_url=broker.url, log=tmp_path / f"{name}.log")
        for name in ("first", "second")
    )
    try:
        first.start()
        await first.ready()
        async with boxes(broker, 1) as [box]:
            before = waited(first)
            own_postgres.pause()
            sent = [box.press() for _ in range(5)]
            await until(lambda: waited(first) > before, AT_LEISURE_S, what="it to wait for the database")
            first.kill()
            assert box.receipts() == []
            own_postgres.resume()
            second.start()

            async def all_are() -> bool:
                return await stored(database.url) == (5, 5)

            await until(all_are, AT_LEISURE_S, what="all to be stored, though the device says nothing")
            # It may have been stored sooner than we had a line for receipts: that is why a device does say it again.
            await insist([(box, each) for each in sent])
        assert await stored(database.url) == (5, 5)
    finally:
        first.kill()
        second.kill()


async def unready(process: ServiceProcess) -> bool:
    return not await process.is_ready()


def waited(process: ServiceProcess) -> int:
    """How often it could not store, or gave the shard of alarms up, for the database did not answer."""
    given_up = [each for each in process.events("shard_given_up") if each["shard"] == "alarms"]
    return len(process.events("store_waits_for_database")) + len(given_up)


async def test_the_database_loses_its_power_under_traffic(
    own_postgres: DatabaseServer, broker: Broker, tmp_path: Path
) -> None:
    database = await own_postgres.create_database()
    process = ServiceProcess("ingest", database_url=database.url, mqtt_url=broker.url, log=tmp_path / "ingest.log")
    try:
        process.start()
        await process.ready()
        async with boxes(broker, 5) as made:
            traffic = Traffic(made)
            async with traffic.flowing():
                await traffic.more(20)
                await asyncio.to_thread(own_postgres.kill)
                await traffic.more(50)
                await until(lambda: unready(process), AT_LEISURE_S, what="it to say that it is not ready")
                await asyncio.to_thread(own_postgres.start)
                await process.ready()
                await traffic.more(20)
            await insist(traffic.pressed)
        assert await stored(database.url) == (len(traffic.pressed), len(traffic.pressed))
        assert not process.ended
    finally:
        process.kill()


async def test_the_broker_loses_its_power_under_traffic_and_the_gap_is_recorded(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    process = ServiceProcess("ingest", database_url=database.url, mqtt_url=broker.url, log=tmp_path / "ingest.log")
    try:
        process.start()
        await process.ready()
        async with boxes(broker, 5) as made:
            traffic = Traffic(made)
            async with traffic.flowing():
                await traffic.more(20)
                before = len(process.events("shard_disconnected"))
                await asyncio.to_thread(broker.kill)
                await until(
                    lambda: len(process.events("shard_disconnected")) > before,
                    AT_LEISURE_S,
                    what="the loss to be noticed",
                )
                await asyncio.to_thread(broker.start)
                await process.ready()
                await traffic.more(20)
            await insist(traffic.pressed)
        assert await stored(database.url) == (len(traffic.pressed), len(traffic.pressed))
    finally:
        process.kill()
    connection = await asyncpg.connect(database.url)
    try:
        gaps = await connection.fetch("select * from chassis.session_gap order by shard")
    finally:
        await connection.close()
    assert {gap["shard"] for gap in gaps} == {"alarms", "heartbeats-0"}  # and any that a pause of this machine made
    assert all(gap["ended_at"] is not None for gap in gaps)
