"""PostgreSQL's queue of notifications is full, and alarms are stored and told all the same.

Whoever may connect can fill it, Grafana's login too; so can a session that was forgotten in a transaction.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.chassis.postgres import Connection, is_transient
from services.chassis.postgres.errors import is_data_error
from services.cli.doctor.database import examine_database
from tests.integration.alerts.running import settings_for
from tests.scenarios.people import AT_LEISURE_S
from tests.scenarios.story import Story, happened
from tests.support.servers import Broker, Database, DatabaseServer, until

PAGES = 64  # the least that there can be
_USAGE = "select pg_notification_queue_usage()"


@pytest.fixture
async def small_queue(own_postgres: DatabaseServer) -> Database:
    """A database of a cluster that keeps half a megabyte of notifications instead of gigabytes."""
    owner = await asyncpg.connect(own_postgres.admin_url)
    await owner.execute(f"alter system set max_notify_queue_pages = {PAGES}")
    await owner.execute("create role stranger login password 'stranger'")
    await owner.close()
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.to_thread(own_postgres.start)
    return await own_postgres.create_database()


@asynccontextmanager
async def stranger(database: Database) -> AsyncIterator[Connection]:
    """Somebody who may connect, and nothing else."""
    url = urlsplit(database.url)
    connection = await asyncpg.connect(
        host=url.hostname, port=url.port, database=url.path.lstrip("/"), user="stranger", password="stranger"
    )
    try:
        yield connection
    finally:
        await connection.close()


async def fill(database: Database) -> asyncpg.PostgresError:
    """What whoever came last was told: there is no room. Before it is all held, he may only have been too fast for who reads."""
    async with stranger(database) as talker:
        while True:
            try:
                await talker.execute("select pg_notify('x', i || repeat('x', 7000)) from generate_series(1, 5) i")
            except asyncpg.ProgramLimitExceededError as error:
                if await talker.fetchval(_USAGE) == 1:
                    return error


@pytest.mark.usefixtures("patient_connections")
async def test_an_alarm_is_stored_told_and_taken_though_nobody_can_be_woken(
    small_queue: Database, broker: Broker, tmp_path: Path
) -> None:
    async with Story.begin(small_queue.url, broker, tmp_path) as story:
        arc = await story.hub("clyde-arc", "glasgow-city")
        morag = await story.operator("Morag", arc)
        box = await story.box("TC-00000001")
        async with stranger(small_queue) as holder:
            for statement in ("set idle_in_transaction_session_timeout = 0", "listen anything", "begin", "select 1"):
                await holder.execute(statement)
            refused = await fill(small_queue)
            assert await story.database.fetchval(_USAGE) == 1

            await box.presses("fall")
            (told,) = arc.heard("alarm.raised")
            assert (await morag.takes(told.data)).status == 200
            # What changes a device notifies, too, and so does what consoles are told.
            await story.register("TC-00000002", "glasgow-city")
            silence = {"council_id": "glasgow-city", "device_id": "TC-00000002", "priorities": [5], "minutes": 5}
            silence |= {"reason": "a test", "operator": "Morag"}
            assert (await story.api.post("/api/v1/silences", silence)).status == 201
            found = await examine_database(settings_for(small_queue.url, broker.url, tmp_path))
            (about,) = [each for each in found if "queue of notifications" in each.what]
            assert about.level == "wrong"
            assert await story.database.fetchval(_USAGE) == 1, "it was full all the time"
            assert happened(await story.alarm(box)) == ["raised", "acknowledged"]

        # Of what was refused some pages stay until somebody notifies again: nobody is told to read them.
        async def drained() -> bool:
            return bool(await story.database.fetchval(_USAGE) < 0.5)

        await until(drained, AT_LEISURE_S, what="the queue to be read")
        woken = asyncio.Event()
        async with story.database.acquire() as connection:
            await connection.add_listener("event_log", lambda *_: woken.set())
            await box.presses("fall")
            async with asyncio.timeout(AT_LEISURE_S):
                await woken.wait()
            await connection.reset()

    # Whoever has looked just before it filled is refused at his commit: he is to come again, and no row of his is at fault.
    assert is_transient(refused)
    assert not is_data_error(refused)
