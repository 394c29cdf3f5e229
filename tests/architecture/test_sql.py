"""Every statement is one that the migrated database takes, from the role that will run it."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from services.chassis.postgres import Connection, Queries
from services.chassis.postgres.pool import connect
from tests.support.releases import Release, kept_wheel
from tests.support.servers import Database

SERVICES = Path(__file__).parents[2] / "services"

# What the chassis runs, it runs as whichever service it serves; each statement must suit one of these at least.
CHASSIS_ROLES = ("telecare_ingest", "telecare_alerts", "telecare_registry")


def statements(services: Path) -> Iterator[tuple[str, str, str]]:
    """The owner (a folder of `services/`), the name and the text of every named query."""
    for path in sorted(services.rglob("*.sql")):
        if path.parent.name != "migrations":
            queries = Queries(path)
            owner = path.relative_to(services).parts[0]
            yield from ((owner, f"{path.relative_to(services)}: {name}", queries[name]) for name in queries)


def makes_temporary_table(text: str) -> bool:
    return re.match(r"(--.*\n)*create temp(orary)? table", text, re.IGNORECASE) is not None


async def test_every_query_is_prepared_by_the_role_that_runs_it(database: Database, subtests: pytest.Subtests) -> None:
    await every_query_is_prepared(SERVICES, database, subtests)


async def test_every_query_of_the_release_before_is_prepared_on_the_schema_of_this_one(
    database: Database, subtests: pytest.Subtests, tmp_path: Path
) -> None:
    release = Release.unpack(kept_wheel(), tmp_path)
    await every_query_is_prepared(release.tree / "services", database, subtests)


async def every_query_is_prepared(services: Path, database: Database, subtests: pytest.Subtests) -> None:
    found = list(statements(services))
    assert {owner for owner, _, _ in found} >= {"chassis", "registry"}
    for owner in sorted({owner for owner, _, _ in found}):
        roles = CHASSIS_ROLES if owner == "chassis" else (f"telecare_{owner}",)
        connections = [await connect(database.url, name="test", role=role) for role in roles]
        try:
            for connection in connections:
                # Staging tables are there from the opening of a connection on; other statements are prepared beside them.
                for owned_by, _, text in found:
                    if owned_by == owner and makes_temporary_table(text):
                        await connection.execute(text)
            for _, name, text in (each for each in found if each[0] == owner):
                with subtests.test(query=name):
                    await prepared_by_one(connections, text)
        finally:
            for connection in connections:
                await connection.close()


def first_word(text: str) -> str:
    """The verb of a statement, after the lines that say why."""
    return re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE).split(None, 1)[0].lower()


async def prepared_by_one(connections: Sequence[Connection], text: str) -> None:
    """EXPLAIN (GENERIC_PLAN) plans it without parameters, and so asks for the permissions that PREPARE does not."""
    refusals = []
    for connection in connections:
        try:
            await connection.prepare(text)
            if first_word(text) in {"select", "insert", "update", "delete", "with"}:
                await connection.execute(f"explain (generic_plan) {text}")
            return
        except asyncpg.PostgresError as error:
            refusals.append(error)
    raise refusals[0]


async def test_a_query_that_its_role_may_not_run_would_be_noticed(database: Database) -> None:
    connection = await connect(database.url, name="test", role="telecare_alerts")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await prepared_by_one([connection], "select sha256 from registry.access_token where sha256 = $1")
        with pytest.raises(asyncpg.UndefinedColumnError):
            await prepared_by_one([connection], "select nothing_of_the_kind from registry.hub_directory")
        await prepared_by_one([connection], "select sha256 from registry.access_directory where sha256 = $1")
    finally:
        await connection.close()
