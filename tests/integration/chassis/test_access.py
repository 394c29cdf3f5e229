"""Tokens that nobody made: a flood of them costs the database little, and nobody else his access."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest

from services.chassis.clock import DatabaseClock
from services.chassis.http import Access, access
from services.chassis.postgres import open_pool
from services.chassis.postgres.pool import connect
from services.chassis.settings import load_settings
from services.registry.tokens import create_token
from tests.support.servers import Database, until

BOOTSTRAP = "bootstrap-token-of-this-test"
A_LONG_TIME_S = 600.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long this machine stands still, nothing is forgotten and no look-up given up, but where a test says so."""
    monkeypatch.setattr(access, "CACHED_S", A_LONG_TIME_S)
    monkeypatch.setattr("services.chassis.http.lookups._TIMEOUT_S", A_LONG_TIME_S)


@pytest.fixture
async def doorkeeper(database: Database) -> AsyncIterator[Access]:
    settings = load_settings(database_url=database.url, mqtt_url="mqtt://", bootstrap_token=BOOTSTRAP)
    pool = await open_pool(database.url, role="telecare_alerts", name="doorkeeper", size=4)
    yield Access(pool, settings, DatabaseClock())
    await pool.close()


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The tokens' table can't be read meanwhile."""
    connection = await connect(database.url, name="test")
    try:
        async with connection.transaction():
            await connection.execute("lock table registry.access_token in access exclusive mode")
            yield connection
    finally:
        await connection.close()


async def make_token(database: Database, name: str) -> str:
    connection = await connect(database.url, name="test", role="telecare_registry")
    try:
        return await create_token(connection, name=name, role="viewer", now=datetime.now(UTC))
    finally:
        await connection.close()


async def test_a_flood_of_tokens_that_nobody_made_holds_one_connection_and_turns_nobody_away(
    database: Database, doorkeeper: Access
) -> None:
    known, new = await make_token(database, "known"), await make_token(database, "new")
    assert await doorkeeper.principal(known)
    async with locked(database) as connection:
        flood = [asyncio.create_task(doorkeeper.principal(f"tc_{number}")) for number in range(1500)]
        arriving = asyncio.create_task(doorkeeper.principal(new))

        async def waiting() -> int:
            # Or a transaction sees for ever who was there first.
            await connection.execute("select pg_stat_clear_snapshot()")
            query = (
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            )
            return int(await connection.fetchval(query))

        await until(waiting, what="a look-up that waits for the table")
        assert await waiting() == 1
        # Whoever was let in a moment ago, or needs no look-up, waits for nothing.
        for token in (known, BOOTSTRAP):
            async with asyncio.timeout(60):
                assert await doorkeeper.principal(token)
    assert set(await asyncio.gather(*flood)) == {None}
    found = await arriving
    assert found is not None
    assert (found.name, found.role) == ("new", "viewer")


async def test_the_same_wrong_token_is_not_looked_up_again_and_the_memory_of_it_is_bounded(
    database: Database, doorkeeper: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "CACHED_MAX", 2)
    known = await make_token(database, "known")
    assert await doorkeeper.principal(known)
    for number in range(3):
        assert await doorkeeper.principal(f"tc_{number}") is None
    async with locked(database):
        for remembered in ("tc_1", "tc_2", known):  # wrong ones crowd out no right one
            async with asyncio.timeout(60):
                assert (await doorkeeper.principal(remembered) is not None) == (remembered == known)
        forgotten = asyncio.create_task(doorkeeper.principal("tc_0"))
        await asyncio.sleep(0)
        assert not forgotten.done()
    assert await forgotten is None


async def test_whoever_hangs_up_while_his_token_is_looked_up_disturbs_nobody(
    database: Database, doorkeeper: Access
) -> None:
    known = await make_token(database, "known")
    async with locked(database):
        gone, staying = [asyncio.create_task(doorkeeper.principal(known)) for _ in range(2)]
        await asyncio.sleep(0)
        gone.cancel()
        assert not staying.done()
    assert await staying is not None
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_database_that_does_not_answer_is_told_to_all_who_wait_and_asked_again_by_the_next(
    database: Database, doorkeeper: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.chassis.http.lookups._TIMEOUT_S", 0.2)
    known = await make_token(database, "known")
    async with locked(database):
        answers = await asyncio.gather(*(doorkeeper.principal(known) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in answers] == [TimeoutError] * 3
    monkeypatch.setattr("services.chassis.http.lookups._TIMEOUT_S", A_LONG_TIME_S)
    assert await doorkeeper.principal(known) is not None
