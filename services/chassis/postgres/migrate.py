"""Forward-only migrations: every `services/*/migrations/NNNN_name.sql`, in order of number over all owners.

Each runs once, in a transaction of its own, under one advisory lock, and is recorded with its checksum. Each owner has a range of
numbers of its own, so a new one is later than its owner's others, and may be lower than what another owner has applied already.

Services run meanwhile. Whoever wants a table for which a migration waits stands behind it, an alarm, too; so it waits for half a
second at most, lets them pass, and tries again (record 35).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from services.chassis.postgres.pool import connect

_SERVICES = Path(__file__).parents[2]
_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 0x7E1ECA5E  # any constant of our own
# Less than PostgreSQL's deadlock_timeout of a second: of a migration and a service that wait for each other, it is the migration.
_TABLE_WAIT_MS = 500
_PAUSE_S = 0.5
TABLES_WITHIN_S = 120.0
"""For so long a migration is tried again that does not get its tables."""

_LEDGER = """
create table if not exists public.telecare_migration (
    number      integer primary key,
    name        text not null,
    checksum    text not null,
    applied_at  timestamptz not null default now()
)"""

# Since PostgreSQL 16 whoever makes a role, and is no superuser, administers it and still may not become it.
_MAY_BECOME = """
do $$
declare service name;
begin
    if current_setting('server_version_num')::int >= 160000 then
        foreach service in array array['telecare_ingest', 'telecare_alerts', 'telecare_registry'] loop
            if not pg_has_role(current_user, service, 'set') then
                execute format('grant %I to current_user with set true, inherit true', service);
            end if;
        end loop;
    end if;
end $$"""


class MigrationError(Exception):
    """The database and the files disagree; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str  # "ingest/0020_ingest.sql"
    sql: str

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations of this build, in the order in which they are applied."""
    found = []
    for path in sorted(_SERVICES.glob("*/migrations/*.sql")):
        match = _FILE.match(path.name)
        if match is None:
            raise MigrationError(f"{path} is no migration's name: NNNN_name.sql")
        name = f"{path.parent.parent.name}/{path.name}"
        found.append(Migration(int(match[1]), name, path.read_text(encoding="utf-8")))
    found.sort(key=lambda each: each.number)
    if len({each.number for each in found}) != len(found):
        raise MigrationError("two migrations have the same number; a number is unique over all services")
    return found


def pending(all_: list[Migration], applied: dict[int, str]) -> list[Migration]:
    """Those not applied yet. Raises MigrationError when an applied one was edited, or is unknown to this build's past."""
    for each in all_:
        if each.number in applied and applied[each.number] != each.checksum:
            raise MigrationError(
                f"{each.name} was changed after it was applied: migrations are forward-only, write a new one"
            )
    todo = [each for each in all_ if each.number not in applied]
    newest = {
        each.owner: each.number for each in all_ if each.number in applied
    }  # in order of number: the last one stays
    for each in todo:
        if each.number < newest.get(each.owner, 0):
            raise MigrationError(
                f"{each.name} comes before migrations of {each.owner} already applied: give it a higher number"
            )
    return todo


async def migrate(database_url: str, *, up_to: int | None = None) -> list[str]:
    """Apply what is missing (to tests: at most number `up_to`), and return the names of what was applied.

    Raises MigrationError. What was applied before it stays, and the same again goes on from there.
    """
    connection = await connect(database_url, name="migrate")
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK, timeout=120)
        await connection.execute(_LEDGER)
        rows = await connection.fetch("select number, checksum from public.telecare_migration")
        todo = pending(migrations(), {row["number"]: row["checksum"] for row in rows})
        done = []
        for each in todo:
            if up_to is not None and each.number > up_to:
                break
            await _apply_patiently(connection, each)
            done.append(each.name)
        if up_to is None:
            await connection.execute(_MAY_BECOME)
        return done
    finally:
        await connection.close()


async def _apply_patiently(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> None:
    since_s = time.monotonic()
    while True:
        try:
            return await _apply(connection, migration)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if time.monotonic() - since_s > TABLES_WITHIN_S:
                raise MigrationError(
                    f"{migration.name}: others held its tables for {TABLES_WITHIN_S:.0f} s, as a backup does, or a long query; "
                    "nothing of it is done: run `telecare migrate` again when they have ended"
                ) from error
        await asyncio.sleep(_PAUSE_S)  # whoever stood behind us passes


async def _apply(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(f"set local lock_timeout = {_TABLE_WAIT_MS}")
        await connection.execute(migration.sql, timeout=600)
        await connection.execute(
            "insert into public.telecare_migration (number, name, checksum) values ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )


async def missing(database_url: str) -> list[str]:
    """Names of migrations that this database still lacks (all of them when it was never migrated)."""
    connection = await connect(database_url, name="migrations")
    try:
        if await connection.fetchval("select to_regclass('public.telecare_migration')") is None:
            return [each.name for each in migrations()]
        rows = await connection.fetch("select number, checksum from public.telecare_migration")
        return [each.name for each in pending(migrations(), {row["number"]: row["checksum"] for row in rows})]
    finally:
        await connection.close()
