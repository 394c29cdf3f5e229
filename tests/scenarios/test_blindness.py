"""Whoever listens to the devices is killed, and every hub knows; three processes, each on its own."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, empty_database, settings_for
from tests.support.servers import Broker, DatabaseServer, until

HUBS = ("clyde-arc", "forth-arc")
TOLD_WITHIN_S = 100.0  # 15 s until it is worth telling, a process that starts, and a machine that does other things


@pytest.fixture
async def three(own_postgres: DatabaseServer, broker: Broker, tmp_path: Path) -> AsyncIterator[Installation]:
    receiver = Receiver()
    await receiver.start()
    async with empty_database(own_postgres) as url, aiohttp.ClientSession() as http:
        settings = settings_for(url, broker.url, tmp_path) | {"SECRET_KEY": "a passphrase for tests"}
        installation = Installation(settings, broker, receiver, http, layout=("ingest", "alerts", "registry"))
        try:
            await installation.start()
            for hub_id in HUBS:
                await installation.make_hub(hub_id)
            await known_and_heard(url)
            yield installation
        finally:
            installation.kill()
            await receiver.stop()


async def known_and_heard(url: str) -> None:
    """Every shard has been heard since the hubs are there, and a look later, which comes each second, alerts knows that."""
    connection = await asyncpg.connect(url)
    try:
        since = await connection.fetchval("select clock_timestamp()")
        heard = "select bool_and(heard_until > $1::timestamptz + interval '2 seconds') from chassis.shard where service = 'ingest'"
        await until(lambda: connection.fetchval(heard, since), 60, what="all to be heard")
    finally:
        await connection.close()


def everybody_knows(receiver: Receiver, type_: str) -> Callable[[], bool]:
    """Whether each of the two hubs was told that we are blind, or that we no longer are."""
    return lambda: set(HUBS) <= {each.hub_id for each in receiver.accepted("monitoring", type_)}


async def test_ingest_is_killed_and_every_hub_knows_and_knows_when_it_hears_again(three: Installation) -> None:
    connection = await asyncpg.connect(three.settings["DATABASE_URL"])
    killed_at = await connection.fetchval("select clock_timestamp()")
    three.programs["ingest"].kill()
    raised = everybody_knows(three.receiver, "alarm.raised")
    await until(raised, TOLD_WITHIN_S, what="every hub to know that nobody hears the devices")
    three.programs["ingest"].start()
    restored = everybody_knows(three.receiver, "alarm.restored")
    await until(restored, TOLD_WITHIN_S, what="every hub to know that somebody does again")
    lapses = await connection.fetch("select shard from chassis.hearing_lapse where ended_at > $1", killed_at)
    await connection.close()
    assert {row["shard"] for row in lapses} == {"alarms", "heartbeats-0"}


async def test_the_database_stands_still_and_every_hub_is_told_from_memory(
    three: Installation, own_postgres: DatabaseServer
) -> None:
    own_postgres.pause()
    try:
        raised = everybody_knows(three.receiver, "alarm.raised")
        await until(raised, TOLD_WITHIN_S, what="every hub to be told though there is no database")
    finally:
        own_postgres.resume()
    await until(three.ready, TOLD_WITHIN_S, what="all to have their database again")
    told = three.receiver.accepted("monitoring", "alarm.raised")[0]
    alarm = await three.alarm("monitoring", state="open")
    assert alarm["alarm_id"] == told.data["alarm_id"]
    restored = everybody_knows(three.receiver, "alarm.restored")
    await until(restored, TOLD_WITHIN_S, what="every hub to know that it is over")
    taken = await three.alarms_api.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})
    assert taken.status == 200


@pytest.mark.alone
async def test_ingest_is_stopped_and_its_standby_takes_over_before_anybody_is_woken(three: Installation) -> None:
    standby = Installation(
        three.settings, three.broker, three.receiver, three.api.session, layout=("ingest",)
    ).programs["ingest"]
    standby.start()
    first = three.programs["ingest"].pid
    try:
        await until(lambda: "started" in standby.log(), 60, what="the standby")
        os.kill(first, signal.SIGSTOP)
        connection = await asyncpg.connect(three.settings["DATABASE_URL"])
        try:
            moved = (
                "select min(heard_until) > max(now() - interval '3 seconds') and count(distinct holder) = 1 "
                "and bool_and(generation > 1) from chassis.shard where service = 'ingest'"
            )
            await until(lambda: connection.fetchval(moved), 60, what="the standby to hear")
        finally:
            await connection.close()
    finally:
        os.kill(first, signal.SIGCONT)
        standby.kill()
    assert three.receiver.attempts("monitoring") == []
