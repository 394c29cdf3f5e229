"""Databases that were made by an earlier version become those of this one."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.chassis.postgres import is_transient, open_pool
from services.chassis.postgres import migrate as migrating
from services.chassis.postgres.migrate import Migration, MigrationError, migrate, missing, pending
from tests.support.servers import DatabaseServer, execute_alone, real_stack, until

PART_2 = {1, 10, 20, 30, 31, 32}
"""What a database knew before each service added to its own numbers."""


@pytest.fixture
async def empty_url(postgres_server: DatabaseServer) -> AsyncIterator[str]:
    await execute_alone(postgres_server.admin_url, "create database telecare_of_before")
    yield postgres_server.url_of("telecare_of_before")
    await execute_alone(postgres_server.admin_url, "drop database telecare_of_before with (force)")


async def test_a_database_of_the_version_before_is_migrated_and_who_looked_at_what_is_forgotten(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = migrating.migrations()
    with monkeypatch.context() as before:
        before.setattr(migrating, "migrations", lambda: [each for each in everything if each.number in PART_2])
        assert len(await migrate(empty_url)) == len(PART_2)
    connection = await asyncpg.connect(empty_url)
    try:
        await connection.execute(
            "insert into alerts.console_session values (gen_random_uuid(), sha256('a'), sha256('b'), 'Morag', now(), "
            "now() + interval '1 hour', null)"
        )
        await connection.execute(
            "insert into alerts.console_presence select gen_random_uuid(), session_id, operator, now() "
            "from alerts.console_session"
        )
        assert await missing(empty_url)
        assert set(await migrate(empty_url)) == {each.name for each in everything if each.number not in PART_2}
        assert await missing(empty_url) == []
        assert await connection.fetchval("select count(*) from alerts.console_presence") == 0
    finally:
        await connection.close()


async def test_an_outage_whose_name_nobody_can_read_is_renamed_and_its_members_are_looked_at_anew(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = migrating.migrations()
    with monkeypatch.context() as before:
        old = [each for each in everything if each.owner != "alerts" or each.number < 46]
        before.setattr(migrating, "migrations", lambda: old)
        await migrate(empty_url)
    connection = await asyncpg.connect(empty_url)
    try:
        for name in ("\x1b[2J", "\x1b[3J", "c" * 2_000, "4.2 ok"):
            await connection.execute(
                "insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, log_p, log_ratio, "
                "told_at, told_attribute, told_value) "
                "values (gen_random_uuid(), 'silent', 'firmware', $1, now(), now(), -900, 100, now(), 'firmware', $1)",
                name,
            )
        await migrate(empty_url)
        rows = await connection.fetch("select value, told_value, unsorted from alerts.outage order by value")
        names = [row["value"] for row in rows]
        assert (names[0], len(set(names)), all(name.isprintable() for name in names)) == ("4.2 ok", 4, True)
        assert [row["told_value"] for row in rows] == names  # no news
        assert [row["unsorted"] for row in rows] == [False, True, True, True]
    finally:
        await connection.close()


def test_a_migration_that_comes_before_its_owners_own_is_refused_and_one_before_others_is_not() -> None:
    all_ = [
        Migration(number, f"{owner}/{number:04}_x.sql", "")
        for number, owner in ((1, "a"), (2, "a"), (10, "b"), (11, "b"))
    ]
    checksum = all_[0].checksum
    assert [each.number for each in pending(all_, {1: checksum, 10: checksum})] == [2, 11]
    with pytest.raises(MigrationError, match=r"a/0001_x\.sql comes before migrations of a already applied"):
        pending(all_, {2: checksum})


async def test_a_role_that_is_no_superuser_migrates_and_may_become_each_service(own_postgres: DatabaseServer) -> None:
    """As deploy/README.md has it: it owns the database and has CREATEROLE. PostgreSQL 16 took from such roles what they had."""
    connection = await asyncpg.connect(own_postgres.admin_url)
    try:
        await connection.execute("create role plain login createrole password 'plain'")
        await connection.execute("create database plain owner plain")
    finally:
        await connection.close()
    parts = urlsplit(own_postgres.url_of("plain"))
    url = urlunsplit(parts._replace(netloc=f"plain:plain@{parts.netloc.rpartition('@')[2]}"))
    if real_stack():  # the extension is the superuser's to make, once
        connection = await asyncpg.connect(own_postgres.url_of("plain"))
        await connection.execute("create extension timescaledb")
        await connection.close()
    await migrate(url)
    for role in ("telecare_ingest", "telecare_alerts", "telecare_registry"):
        connection = await asyncpg.connect(url, server_settings={"role": role})
        try:
            assert await connection.fetchval("select current_user") == role
        finally:
            await connection.close()
    assert await migrate(url) == []


WIDENED = Migration(
    1, "a/0001_x.sql", "alter table public.two add column more text; alter table public.one add column more text;"
)


@pytest.fixture
async def in_use(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with the tables that `WIDENED`, the only migration, alters."""
    monkeypatch.setattr(migrating, "migrations", lambda: [WIDENED])
    monkeypatch.setattr(migrating, "_MAY_BECOME", "select")  # nobody made the roles
    connection = await asyncpg.connect(empty_url)
    await connection.execute("create table public.one (a int); create table public.two (a int)")
    await connection.close()
    return empty_url


async def test_a_migration_gives_way_to_whoever_uses_its_tables_and_keeps_nobody_waiting_behind_it(in_use: str) -> None:
    """Before, it waited with all of its locks: a service in a transaction and it waited for each other, and all others for both."""
    service, other = await asyncpg.connect(in_use), await asyncpg.connect(in_use)
    try:
        # Of the two it is the migration that goes, though the machine stand still for a while.
        await service.execute("set deadlock_timeout = '20s'")
        async with service.transaction():
            await service.fetch("select * from public.one")
            migrating_ = asyncio.create_task(migrate(in_use))

            async def it_waits() -> bool:
                waiting: bool = await other.fetchval(
                    "select exists (select from pg_locks where relation = 'public.one'::regclass and not granted)"
                )
                return waiting

            await until(it_waits, what="the migration to want the table that we use")
            await service.fetch("select * from public.two")  # which it has
            await other.fetch("select * from public.one", timeout=20)  # behind it
            assert not migrating_.done()
        assert await migrating_ == [WIDENED.name]
    finally:
        await service.close()
        await other.close()


async def test_a_migration_that_never_gets_its_tables_says_so_and_leaves_nothing_behind(
    in_use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "TABLES_WITHIN_S", 0.0)
    backup = await asyncpg.connect(in_use)
    try:
        async with backup.transaction():
            await backup.fetch("select * from public.one")
            with pytest.raises(MigrationError, match=r"a/0001_x\.sql: others held its tables for 0 s"):
                await migrate(in_use)
            assert await missing(in_use) == [WIDENED.name]
        assert await migrate(in_use) == [WIDENED.name]
    finally:
        await backup.close()


async def test_a_statement_that_was_planned_before_a_migration_fails_once_and_passes(in_use: str) -> None:
    """Outside a transaction asyncpg plans it anew by itself; inside one, whoever tries again finds it planned anew."""
    pool = await open_pool(in_use, role=user_of(in_use), name="test", size=1)
    try:
        async with pool.acquire() as connection:
            async with connection.transaction():
                await connection.fetch("select * from public.one")
            await migrate(in_use)
            with pytest.raises(asyncpg.InvalidCachedStatementError) as failed:
                async with connection.transaction():
                    await connection.fetch("select * from public.one")
            assert is_transient(failed.value)
            async with connection.transaction():
                await connection.fetch("select * from public.one")
    finally:
        await pool.close()


def user_of(url: str) -> str:
    user = urlsplit(url).username
    assert user
    return user
