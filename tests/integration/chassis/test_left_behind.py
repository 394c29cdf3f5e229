"""What is left behind by whoever was cancelled while it had, or just got, a connection of its own."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.chassis.postgres import pool
from services.chassis.run import running
from services.chassis.settings import Settings
from services.chassis.vitals import database as vitals
from tests.support.servers import Database, until

_SESSIONS = "select count(*) from pg_stat_activity where datname = current_database() and application_name = $1"


@pytest.mark.parametrize(
    ("error", "said"), [(asyncpg.ConnectionDoesNotExistError("closed"), False), (RuntimeError("a bug"), True)]
)
async def test_a_closed_connections_last_word_is_no_error_of_a_running_process_and_anybody_elses_is(
    database: Database, error: Exception, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(database_url=SecretStr(database.url), mqtt_url=SecretStr("mqtt://127.0.0.1:1"), http_port=0)
    async with running(settings, []):
        await asyncio.sleep(0)  # its tasks begin
        gc.collect()  # what earlier tests have left behind is said now, and is not ours
        caplog.clear()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        with caplog.at_level(logging.ERROR, "asyncio"):
            del future
            gc.collect()
        assert [record.exc_info is not None for record in caplog.records if record.name == "asyncio"] == [True] * said


async def left_by(who: str, work: Callable[[], Awaitable[object]], begun: asyncio.Event, database: Database) -> None:
    """Cancel it once it has begun, and wait until the server has no session of `who` any more."""
    observer = await asyncpg.connect(database.url)
    try:
        working = asyncio.ensure_future(work())
        async with asyncio.timeout(60):
            await begun.wait()
        assert await observer.fetchval(_SESSIONS, who) == 1
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

        async def gone() -> bool:
            return bool(await observer.fetchval(_SESSIONS, who) == 0)

        await until(gone, what=f"no session of {who}")
        del working  # it alone kept one from being collected, which closes it as well
    finally:
        await observer.close()


async def test_who_stops_while_it_connects_leaves_no_session(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = asyncio.Event()

    async def hesitate(_connection: object) -> None:
        connected.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(pool, "_init", hesitate)
    await left_by("telecare hesitant", lambda: pool.connect(database.url, name="hesitant"), connected, database)


async def test_who_stops_while_it_looks_at_the_database_leaves_no_session(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = asyncio.Event()

    async def stare(_connection: object) -> dict[str, float]:
        looking.set()
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(vitals, "_FIGURES", (stare,))
    look = vitals.DatabaseVitals(CollectorRegistry(), database.url, None)
    await left_by("telecare vitals", look.run_once, looking, database)
