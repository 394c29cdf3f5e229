"""Sessions: where they begin, and that cookies which nobody was given take nothing from whoever is signed in."""

import asyncio
from pathlib import Path

import aiohttp
import asyncpg

from services.alerts import service as alerts_service
from services.chassis.clock import DatabaseClock
from services.chassis.http import Access
from services.chassis.pages import Sessions
from services.chassis.postgres import open_pool
from services.chassis.run import running
from services.chassis.settings import load_settings
from services.registry import service as registry_service
from tests.blackbox.api import Api
from tests.integration.alerts.console.conftest import PAGE
from tests.integration.alerts.running import OPS, Installation, settings_for
from tests.support.servers import Broker, Database, until

TOKEN = "bootstrap-token-of-this-test"


async def test_made_up_cookies_hold_two_connections_and_whoever_is_signed_in_passes_them(database: Database) -> None:
    settings = load_settings(database_url=database.url, mqtt_url="mqtt://", bootstrap_token=TOKEN)
    pool = await open_pool(database.url, role="telecare_alerts", name="sessions", size=8)
    sessions = Sessions(pool, DatabaseClock(), Access(pool, settings, DatabaseClock()))
    opened = await sessions.open(TOKEN, "Morag")
    assert opened is not None
    assert await sessions.find(opened[0]) is not None
    connection, watching = [
        await asyncpg.connect(database.url) for _ in range(2)
    ]  # a transaction sees no activity but the first
    try:
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        async with connection.transaction():
            await connection.execute("lock table chassis.session in access exclusive mode")
            flood = [asyncio.create_task(sessions.find(f"made-up-{number}")) for number in range(500)]

            async def are_waiting(count: int) -> bool:
                return bool(await watching.fetchval(waiting) == count)

            await until(lambda: are_waiting(2), what="two made-up cookies to be looked up")
            hers = asyncio.create_task(sessions.find(opened[0]))
            await until(lambda: are_waiting(3), what="hers, though five hundred came before")
        assert set(await asyncio.gather(*flood)) == {None}
        assert await hers is not None
    finally:
        await connection.close()
        await watching.close()
        await pool.close()


async def test_whoever_asked_for_no_page_begins_where_their_work_is(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    settings = settings_for(database.url, broker.url, tmp_path)
    connection = await asyncpg.connect(database.url)
    builds = [alerts_service.build, registry_service.build]
    try:
        async with running(settings, builds) as process, aiohttp.ClientSession() as http:
            installation = Installation(process, connection, Api(http, process.url, OPS))
            for role, home in (("engineer", "/engineer/"), ("ops", "/console/"), ("viewer", "/rollout/")):
                token = (await installation.token(role)).token
                page = await (await http.get(f"{process.url}/sign-in", headers=PAGE)).text()
                asked = page.partition('name="next" value="')[2].partition('"')[0]
                answer = await http.post(
                    f"{process.url}/sign-in",
                    data={"token": token, "operator": "Ewan", "next": asked},
                    headers=PAGE | {"Origin": process.url},
                    allow_redirects=False,
                )
                assert (answer.status, answer.headers["Location"]) == (303, f"{home}?from=sign-in"), role
    finally:
        await connection.close()
